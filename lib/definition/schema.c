/* schema.c - the field table as JSON Schema (2020-12) and as a page for people. */
#include <errno.h>
#include <string.h>

#include "lib/definition/field.h"

/* `""` and null mean the same as absent, so an editor must not mark them. */
static json_t *field_schema(const struct vm_field *f)
{
	json_t *value = json_loads(f->schema, 0, NULL);

	if (!(f->flags & VM_FIELD_REQUIRED))
		value = json_pack("{s:[o,{s:[s,n]}]}", "anyOf", value, "enum", "");
	json_object_set_new(value, "description", json_string(f->summary));
	json_object_set_new(
	    value, "examples", json_pack("[o]", json_loads(f->example, JSON_DECODE_ANY, NULL)));
	return value;
}

json_t *vm_schema(void)
{
	json_t *properties = json_object(), *required = json_array();

	json_object_set_new(properties, "$schema", json_pack("{s:s}", "type", "string"));
	for (size_t i = 0; i < vm_field_count; i++) {
		json_object_set_new(properties, vm_fields[i].name, field_schema(&vm_fields[i]));
		if (vm_fields[i].flags & VM_FIELD_REQUIRED)
			json_array_append_new(required, json_string(vm_fields[i].name));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b}", "$schema",
	    "https://json-schema.org/draft/2020-12/schema", "title", "VM definition", "type",
	    "object", "required", required, "properties", properties, "additionalProperties", 0);
}

static void write_row(FILE *f, const struct vm_field *field)
{
	fprintf(f, "### `%s`\n\n%s%s\n\n", field->name,
	    field->flags & VM_FIELD_REQUIRED ? "**Required.** " : "", field->summary);
	if (field->absent)
		fprintf(f, "Without it: %s.\n\n", field->absent);
	fprintf(f, "```json\n\"%s\": %s\n```\n\n", field->name, field->example);
}

static void write_section(FILE *f, const char *title, bool carried)
{
	fprintf(f, "## %s\n\n", title);
	for (size_t i = 0; i < vm_field_count; i++)
		if (!!(vm_fields[i].flags & VM_FIELD_CARRIED) == carried)
			write_row(f, &vm_fields[i]);
}

int vm_reference_write(FILE *f, struct err *e)
{
	fputs(
	    "# VM definitions\n\n"
	    "<!-- Made from the field table in lib/definition/vm.c; do not edit. -->\n\n"
	    "Each file `<name>.json` in this folder declares one machine. The smallest one:\n\n"
	    "```json\n{\n  \"name\": \"web1\",\n  \"mac\": \"52:54:00:00:00:11\"\n}\n```\n\n"
	    "Changes take effect when the file is saved. `\"\"`, `null` and leaving a field out mean the same. Fields this page does not know are reported and ignored, but refused in `_defaults.json`, where one would be missing from every machine. A file holds at most 64 KiB, "
	    "nested at most 32 levels deep, in UTF-8, and gives every key once.\n\n"
	    "`_defaults.json` holds the same fields for all machines, except `name`, `mac`, `ip`, `ipv6`, `hostname`, `uuid` and `serial`; a field in a machine's own file replaces the default as a whole. Files whose names begin with `_` or `.` or end in `.schema.json` are no machines.\n\n"
	    "A file that cannot be used keeps the machine's last good definition in force, and is reported with line and column. Of two files with the same name, MAC, IP address, UUID or serial number the one that was there first keeps it. For completion in an editor, add `\"$schema\": \"./vm.schema.json\"`.\n\n",
	    f);
	write_section(f, "Fields", false);
	write_section(f, "Accepted for pvmlab's files", true);
	if (ferror(f))
		return err_set(e, EIO, "the reference cannot be written");
	return 0;
}
