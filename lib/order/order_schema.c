#include "lib/order/order_schema.h"

#include "lib/order/order_read.h"

/* ---- arguments ---------------------------------------------------------------------------- */

static json_t *disk_schema(void)
{
	return json_pack(
	    "{s:[{s:s, s:i, s:i}, {s:s, s:i, s:b, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s},"
	    " s:{s:s}, s:{s:s}, s:{s:[s,s]}}}]}",
	    "anyOf", "type", "string", "minLength", 1, "maxLength", 95, "type", "object",
	    "minProperties", 1, "additionalProperties", 0, "properties", "path", "type", "string",
	    "serial", "type", "string", "wwn", "type", "string", "model", "type", "string",
	    "transport", "type", "string", "min_size", "type", "string", "max_size", "type",
	    "string", "pick", "enum", "largest", "smallest");
}

static json_t *words_schema(const struct order_arg *arg)
{
	json_t *words = json_array();

	for (size_t i = 0; arg->words[i]; i++)
		json_array_append_new(words, json_string(arg->words[i]));
	json_t *schema = json_pack("{s:o}", "enum", words);
	if (!arg->required)
		json_object_set_new(schema, "default", json_string(arg->words[0]));
	return schema;
}

static json_t *count_schema(const struct order_arg *arg)
{
	json_t *schema = json_pack(
	    "{s:s, s:i, s:I}", "type", "integer", "minimum", 1, "maximum", (json_int_t)arg->most);

	if (arg->usual)
		json_object_set_new(schema, "default", json_integer(arg->usual));
	return schema;
}

static json_t *pattern_schema(const char *pattern)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

static json_t *kind_schema(const struct order_arg *arg)
{
	switch (arg->kind) {
	case ORDER_ARG_DISK:
		return disk_schema();
	case ORDER_ARG_NAME:
	case ORDER_ARG_IMAGE:
	case ORDER_ARG_BOOT_IMAGE:
		return pattern_schema("^[a-z0-9][a-z0-9.+_-]{0,63}$");
	case ORDER_ARG_URL:
		return pattern_schema("^https?://[^ ]*$");
	case ORDER_ARG_SHA256:
		return pattern_schema("^[0-9a-fA-F]{64}$");
	case ORDER_ARG_SCRIPT:
		return json_pack(
		    "{s:s, s:i}", "type", "string", "maxLength", ORDER_SCRIPT_MAX_BYTES);
	case ORDER_ARG_WORD:
		return words_schema(arg);
	case ORDER_ARG_COUNT:
		break;
	}
	return count_schema(arg);
}

/* ---- orders ------------------------------------------------------------------------------- */

static json_t *args_schema(const struct order_row *row)
{
	json_t *members = json_object(), *required = json_array(), *either = json_array();

	for (const struct order_arg *a = row->args; a && a->name; a++) {
		json_t *schema = kind_schema(a);
		json_object_set_new(schema, "description", json_string(a->summary));
		json_object_set_new(members, a->name, schema);
		if (a->required)
			json_array_append_new(required, json_string(a->name));
		if (a->either)
			json_array_append_new(either, json_pack("{s:[s]}", "required", a->name));
	}
	json_t *schema = json_pack(
	    "{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties", members);
	if (json_array_size(required) > 0)
		json_object_set(schema, "required", required);
	if (json_array_size(either) > 0)
		json_object_set(schema, "oneOf", either);
	json_decref(required);
	json_decref(either);
	return schema;
}

static bool needs_args(const struct order_row *row)
{
	for (const struct order_arg *a = row->args; a && a->name; a++)
		if (a->required || a->either)
			return true;
	return false;
}

static json_t *row_schema(const struct order_row *row)
{
	json_t *required = json_pack("[s]", "action");

	if (needs_args(row))
		json_array_append_new(required, json_string("args"));
	return json_pack("{s:s, s:s, s:b, s:o, s:{s:{s:s}, s:o, s:{s:s, s:i, s:i, s:i, s:s}}}",
	    "description", row->summary, "type", "object", "additionalProperties", 0, "required",
	    required, "properties", "action", "const", row->name, "args", args_schema(row),
	    "deadline_s", "type", "integer", "minimum", 1, "maximum", ORDER_DEADLINE_MAX_S,
	    "default", (int)row->timeout_s, "description",
	    "It has failed when it has not ended so long after it was begun; the agent has 20 s more to tell its end.");
}

json_t *order_schema(void)
{
	const struct order_row *row;
	json_t *rows = json_array();

	for (size_t i = 0; (row = order_row(i)); i++)
		json_array_append_new(rows, row_schema(row));
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:[s], s:{s:{s:s}, s:{s:s}, s:{s:s, s:i, s:i,"
			 " s:{s:o}}}}",
	    "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
	    "Orders for a machine's agent", "description",
	    "One after the other; what does not end well stops those after it.", "type", "object",
	    "additionalProperties", 0, "required", "orders", "properties", "$schema", "type",
	    "string", "summary", "type", "string", "orders", "type", "array", "minItems", 1,
	    "maxItems", ORDER_LIST_MAX, "items", "oneOf", rows);
}
