#include "boot_handler/documents/inventory.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/agent_call.h"
#include "boot_handler/documents/json_clean.h"
#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "lib/base/text.h"

/* ---- what is known by it ------------------------------------------------------------------ */

static int64_t amount(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? n : 0;
}

static int64_t sum(int64_t a, int64_t b)
{
	int64_t both;

	return __builtin_add_overflow(a, b, &both) ? INT64_MAX : both;
}

/* The kernel has less than what is plugged in. */
static int64_t memory_of(const json_t *memory)
{
	int64_t total = amount(memory, "total_bytes"), modules = 0;
	const json_t *module;
	size_t i;

	json_array_foreach(json_object_get(memory, "modules"), i, module)
		modules = sum(modules, amount(module, "size_bytes"));
	return modules > total ? modules : total;
}

static int64_t largest_disk(const json_t *disks)
{
	const json_t *disk;
	int64_t largest = 0;
	size_t i;

	json_array_foreach(disks, i, disk)
		if (!json_is_true(json_object_get(disk, "removable")) &&
		    amount(disk, "size_bytes") > largest)
			largest = amount(disk, "size_bytes");
	return largest;
}

static void take_text(const json_t *object, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text && !(strlen(text) > 3 && smbios_serial_unset(text)))
		text_copy_clean(text, out, size);
}

static void know(const json_t *json, struct inventory *out)
{
	const json_t *system = json_object_get(json, "system"),
		     *disks = json_object_get(json, "disks");
	char size[SIZE_TEXT_SIZE];

	out->memory_bytes = memory_of(json_object_get(json, "memory"));
	out->disk_bytes = largest_disk(disks);
	agent_take_shown(
	    json_object_get(system, "uuid"), json_object_get(system, "serial"), &out->shown);
	take_text(system, "manufacturer", out->shown.manufacturer, sizeof(out->shown.manufacturer));
	take_text(system, "product", out->shown.product, sizeof(out->shown.product));
	long long threads = amount(json_object_get(json, "cpu"), "threads");
	size_t count = json_array_size(disks);
	snprintf(out->summary, sizeof(out->summary), "%lld thread%s, %s, %zu disk%s", threads,
	    threads == 1 ? "" : "s", size_text_short((uint64_t)out->memory_bytes, size), count,
	    count == 1 ? "" : "s");
}

/* ---- parsed ------------------------------------------------------------------------------- */

/* What people and profiles go by has to be of its type; the rest is as it is told. */
static int check(const json_t *json, struct err *e)
{
	static const struct {
		const char *key;
		json_type type;
		const char *is;
	} members[] = {
	    {"system", JSON_OBJECT, "an object"},
	    {"cpu", JSON_OBJECT, "an object"},
	    {"memory", JSON_OBJECT, "an object"},
	    {"disks", JSON_ARRAY, "a list"},
	    {"nics", JSON_ARRAY, "a list"},
	};
	const json_t *format = json_object_get(json, "format");

	if (!json_is_object(json))
		return err_set(e, EINVAL, "it is no object");
	if (!json_is_integer(format) || json_integer_value(format) != INVENTORY_FORMAT)
		return err_set(e, EINVAL, "its \"format\" is not %d", INVENTORY_FORMAT);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		const json_t *value = json_object_get(json, members[i].key);
		if (value && !json_is_null(value) && json_typeof(value) != members[i].type)
			return err_set(
			    e, EINVAL, "its \"%s\" is not %s", members[i].key, members[i].is);
	}
	return 0;
}

int inventory_parse(const char *body, size_t len, struct inventory *out, struct err *e)
{
	json_error_t why;
	json_t *json = json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

	memset(out, 0, sizeof(*out));
	if (!json)
		return err_set(
		    e, EINVAL, "the inventory is no JSON (line %d): %s", why.line, why.text);
	int r = check(json, e);
	if (r == 0)
		r = json_clean(json, e);
	if (r == 0) {
		know(json, out);
		out->text = json_dumps(json, JSON_COMPACT);
		r = out->text ? 0 : err_set(e, ENOMEM, "out of memory");
	}
	json_decref(json);
	return r < 0 ? err_wrap(e, "the inventory is not taken") : 0;
}

void inventory_clear(struct inventory *inventory)
{
	free(inventory->text);
	inventory->text = NULL;
}
