/* Arbitrary bytes as an SMBIOS table: it is walked to its end, and what it tells is text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "os_installer/inventory/memory.h"
#include "os_installer/inventory/smbios.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void check_text(const char *text)
{
	char copy[256];

	PROMISE(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	text_clean_string(copy, "");
	PROMISE(strcmp(copy, text) == 0);
}

static void check_strings(const struct smbios_entry *s)
{
	char text[65], small[2];

	for (size_t offset = 0; offset < 256; offset++) {
		check_text(smbios_text(s, offset, text, sizeof(text)));
		check_text(smbios_text(s, offset, small, sizeof(small)));
		(void)smbios_number(s, offset, 8);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smbios_table t = {(uint8_t *)(uintptr_t)data, size};
	struct smbios_entry s;
	uint64_t total;
	size_t n = 0;

	for (size_t at = 0, before = 0; n < 100 && smbios_next(&t, &at, &s); before = at, n++) {
		PROMISE(at > before && at <= size);
		check_strings(&s);
	}
	json_t *modules = memory_modules(&t, &total);
	char *text = json_dumps(modules, JSON_COMPACT);
	PROMISE(text);
	PROMISE(total <= INT64_MAX);
	free(text);
	json_decref(modules);
	return 0;
}
