/* schema.c - the field table as JSON Schema (2020-12) and as a page for people. */
#include <errno.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "lib/definition/field.h"

static json_t *text_schema(const struct vm_field *f)
{
	json_t *value = json_pack("{s:s}", "type", "string");

	if (f->max && !f->bytes)
		json_object_set_new(value, "maxLength", json_integer((json_int_t)f->max));
	if (f->bytes)
		json_object_set_new(value, "pattern",
		    json_sprintf("^[%s][%s]{0,%d}$", f->first, f->bytes, (int)f->max - 1));
	else if (f->pattern)
		json_object_set_new(value, "pattern", json_string(f->pattern));
	return value;
}

static json_t *size_schema(const struct vm_field *f)
{
	json_t *text = json_pack("{s:s, s:s}", "type", "string", "pattern", VM_SIZE_PATTERN);

	return f->unit ? json_pack("{s:[{s:s, s:I}, o]}", "anyOf", "type", "integer", "minimum",
			     (json_int_t)(f->min / f->unit), text)
		       : text;
}

static json_t *word_schema(const struct vm_field *f)
{
	json_t *words = json_array();

	for (size_t i = 0; f->word(i); i++) {
		json_array_append_new(words, json_string(f->word(i)));
		if (f->alias)
			json_array_append_new(words, json_string(f->alias(i)));
	}
	return json_pack("{s:o}", "enum", words);
}

static json_t *kind_schema(const struct vm_field *f)
{
	switch (f->kind) {
	case VM_TEXT:
		return text_schema(f);
	case VM_NUMBER:
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
		    (json_int_t)f->min, "maximum", (json_int_t)f->max);
	case VM_SIZE:
		return size_schema(f);
	case VM_FLAG:
		return json_pack("{s:s}", "type", "boolean");
	case VM_WORD:
		return word_schema(f);
	case VM_STRUCTURED:
		break;
	}
	return json_loads(f->schema, 0, NULL);
}

static void write_summary(FILE *out, const struct vm_field *f)
{
	fputs(f->summary, out);
	for (size_t i = 0; f->says && f->word(i); i++)
		fprintf(out, "%s `%s` %s", i ? "," : ":", f->word(i), f->says(i));
	if (f->says)
		fputc('.', out);
}

static json_t *description(const struct vm_field *f)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	write_summary(out, f);
	return fclose(out) == 0 ? json_string(text) : NULL;
}

/* `""` and null mean the same as absent, so an editor must not mark them. */
static json_t *field_schema(const struct vm_field *f)
{
	json_t *value = kind_schema(f);

	if (!(f->flags & VM_FIELD_REQUIRED))
		value = json_pack("{s:[o,{s:[s,n]}]}", "anyOf", value, "enum", "");
	json_object_set_new(value, "description", description(f));
	json_object_set_new(
	    value, "examples", json_pack("[o]", json_loads(f->example, JSON_DECODE_ANY, NULL)));
	return value;
}

json_t *vm_profile_schema(void)
{
	json_t *properties = json_object();

	json_object_set_new(properties, "$schema", json_pack("{s:s}", "type", "string"));
	for (size_t i = 0; i < vm_profile_field_count; i++)
		json_object_set_new(
		    properties, vm_profile_fields[i].name, field_schema(&vm_profile_fields[i]));
	for (size_t i = 0; i < vm_field_count; i++)
		if (!(vm_fields[i].flags & (VM_FIELD_OWN | VM_FIELD_NAMES_PROFILES)))
			json_object_set_new(
			    properties, vm_fields[i].name, field_schema(&vm_fields[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:b}", "$schema",
	    "https://json-schema.org/draft/2020-12/schema", "title", "Profile", "type", "object",
	    "properties", properties, "additionalProperties", 0);
}

json_t *vm_schema(void)
{
	json_t *properties = json_object(), *required = json_array(), *one_of = json_array();

	json_object_set_new(properties, "$schema", json_pack("{s:s}", "type", "string"));
	for (size_t i = 0; i < vm_field_count; i++) {
		json_object_set_new(properties, vm_fields[i].name, field_schema(&vm_fields[i]));
		if (vm_fields[i].flags & VM_FIELD_REQUIRED)
			json_array_append_new(required, json_string(vm_fields[i].name));
		if (vm_fields[i].flags & VM_FIELD_IDENTIFIES)
			json_array_append_new(
			    one_of, json_pack("{s:[s]}", "required", vm_fields[i].name));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:b}", "$schema",
	    "https://json-schema.org/draft/2020-12/schema", "title", "VM definition", "type",
	    "object", "required", required, "anyOf", one_of, "properties", properties,
	    "additionalProperties", 0);
}

static void write_absent(FILE *f, const struct vm_field *field)
{
	char size[SIZE_TEXT_SIZE];

	if (field->absent)
		fprintf(f, "Without it: %s.\n\n", field->absent);
	else if (field->builtin_text)
		fprintf(f, "Without it: `%s`.\n\n", field->builtin_text);
	else if (field->kind == VM_WORD)
		fprintf(f, "Without it: `%s`.\n\n", field->word(field->builtin));
	else if (field->kind == VM_SIZE && field->builtin)
		fprintf(f, "Without it: %s.\n\n", size_text_short(field->builtin, size));
	else if (field->kind == VM_FLAG)
		fprintf(f, "Without it: `%s`.\n\n", field->builtin ? "true" : "false");
	else if (field->builtin)
		fprintf(f, "Without it: %d.\n\n", (int)field->builtin);
}

static void write_row(FILE *f, const struct vm_field *field)
{
	fprintf(f, "### `%s`\n\n%s", field->name,
	    field->flags & VM_FIELD_REQUIRED ? "**Required.** "
	    : field->flags & VM_FIELD_IDENTIFIES
		? "**One of `mac`, `uuid` and `serial` is required.** "
		: "");
	write_summary(f, field);
	fputs("\n\n", f);
	write_absent(f, field);
	fprintf(f, "```json\n\"%s\": %s\n```\n\n", field->name, field->example);
}

static void write_section(FILE *f, const char *title, bool carried)
{
	fprintf(f, "## %s\n\n", title);
	for (size_t i = 0; i < vm_field_count; i++)
		if (!!(vm_fields[i].flags & VM_FIELD_CARRIED) == carried)
			write_row(f, &vm_fields[i]);
}

static void write_own(FILE *f)
{
	const struct vm_field *last = NULL;
	const char *glue = "";

	for (size_t i = 0; i < vm_field_count; i++) {
		if (!(vm_fields[i].flags & VM_FIELD_OWN))
			continue;
		if (last)
			fprintf(f, "%s`%s`", glue, last->name), glue = ", ";
		last = &vm_fields[i];
	}
	if (last)
		fprintf(f, "%s`%s`", *glue ? " and " : "", last->name);
}

int vm_reference_write(FILE *f, struct err *e)
{
	fputs(
	    "# VM definitions\n\n"
	    "<!-- Made from the field table in lib/definition/fields.c; do not edit. -->\n\n"
	    "Each file `<name>.json` in this folder declares one machine. The smallest one:\n\n"
	    "```json\n{\n  \"name\": \"web1\",\n  \"mac\": \"52:54:00:00:00:11\"\n}\n```\n\n"
	    "Changes take effect when the file is saved. `\"\"`, `null` and leaving a field out mean the same. Fields this page does not know are reported and ignored, but refused in `_defaults.json`, where one would be missing from every machine. A file holds at most 64 KiB, "
	    "nested at most 32 levels deep, in UTF-8, and gives every key once.\n\n"
	    "`_defaults.json` holds the same fields for all machines, except ",
	    f);
	write_own(f);
	fputs(
	    "; a field in a machine's own file replaces the default as a whole. `_profiles/<name>.json` holds the same for those that name it in `profile`; unknown fields are refused there, too, and [its own fields](#fields-of-a-profile) say which machines it is for. Files whose names begin with `_` or `.` or end in `.schema.json` are no machines.\n\n"
	    "A file that cannot be used keeps the machine's last good definition in force, and is reported with line and column. Of two files with the same name, MAC, IP address, UUID or serial number the one that was there first keeps it. For completion in an editor, add `\"$schema\": \"./vm.schema.json\"`.\n\n",
	    f);
	write_section(f, "Fields", false);
	write_section(f, "Accepted for pvmlab's files", true);
	fputs("## Fields of a profile\n\n", f);
	for (size_t i = 0; i < vm_profile_field_count; i++)
		write_row(f, &vm_profile_fields[i]);
	if (ferror(f))
		return err_set(e, EIO, "the reference cannot be written");
	return 0;
}
