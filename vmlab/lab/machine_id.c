#include "vmlab/lab/machine_id.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/definition/vm.h"
#include "lib/machine/smbios_id.h"
#include "lib/net/addr.h"

int machine_id_encode(const char *id, char out[MACHINE_ID_SIZE], struct err *e)
{
	size_t n = 0;

	if (!smbios_serial_valid(id))
		return err_set(e, EINVAL,
		    "\"%s\" is no machine's name, MAC address, serial number or UUID: `vmlab machines` lists them",
		    id);
	for (const char *p = id; *p; p++)
		if (isalnum((unsigned char)*p) || *p == '-')
			out[n++] = *p;
		else
			n += (size_t)snprintf(
			    out + n, MACHINE_ID_SIZE - n, "%%%02X", (unsigned char)*p);
	out[n] = '\0';
	return 0;
}

static const char *text_of(const json_t *machine, const char *key)
{
	const char *text = json_string_value(json_object_get(machine, key));

	return text ? text : "";
}

static bool has_mac(const json_t *machine, const struct mac *mac)
{
	const json_t *text;
	struct mac one;
	size_t i;

	json_array_foreach(json_object_get(machine, "macs"), i, text) {
		const char *said = json_string_value(text);
		if (said && mac_parse(said, strlen(said), &one, NULL) == 0 && mac_equal(&one, mac))
			return true;
	}
	return false;
}

static bool shows(const json_t *machine, const char *id)
{
	struct mac mac;

	return (mac_parse(id, strlen(id), &mac, NULL) == 0 && has_mac(machine, &mac)) ||
	       strcasecmp(text_of(machine, "uuid"), id) == 0 ||
	       strcasecmp(text_of(machine, "serial"), id) == 0;
}

int machine_id_find(const json_t *machines, const char *id, const json_t **out, struct err *e)
{
	const json_t *declared = NULL, *one;
	unsigned count = 0;
	size_t i;

	json_array_foreach(machines, i, one) {
		if (!*id || !shows(one, id))
			continue;
		if (strcmp(text_of(one, "kind"), "declared") == 0) {
			declared = one;
			continue;
		}
		*out = one;
		count++;
	}
	if (declared)
		return err_set(e, EEXIST, "%s is %s, which has a definition already", id,
		    text_of(declared, "name"));
	if (count == 0)
		return err_set(e, ENOENT,
		    "no machine has shown \"%s\": `vmlab machines` lists those that asked", id);
	if (count > 1)
		return err_set(e, EBUSY,
		    "%u machines show \"%s\": name the one that is meant by its MAC address", count,
		    id);
	return 0;
}

void machine_id_name(const json_t *machine, char out[MACHINE_ID_NAME_SIZE])
{
	const char *text = text_of(machine, "serial");
	size_t n = 0;

	if (!*text)
		text = json_string_value(json_array_get(json_object_get(machine, "macs"), 0));
	for (; text && *text && n < MACHINE_ID_NAME_SIZE - 1; text++)
		if (isalnum((unsigned char)*text))
			out[n++] = (char)tolower((unsigned char)*text);
		else if (*text != ':' && n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = '\0';
}
