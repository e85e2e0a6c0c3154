#include "os_installer/inventory/unset.h"

#include <ctype.h>
#include <stdbool.h>

#include "lib/machine/smbios_id.h"
#include "os_installer/inventory/below.h"

static bool has_letter(const char *text)
{
	while (*text && !isalpha((unsigned char)*text))
		text++;
	return *text != '\0';
}

json_t *unset_or_words(const char *text)
{
	return has_letter(text) ? unset_or_number(text) : below_json(text);
}

json_t *unset_or_number(const char *text)
{
	return *text && smbios_serial_unset(text) ? json_null() : below_json(text);
}

json_t *unset_or_uuid(const char *text)
{
	char uuid[UUID_TEXT_SIZE];

	return smbios_uuid_parse(text, uuid) && !smbios_uuid_unset(uuid) ? json_string(uuid)
									 : json_null();
}
