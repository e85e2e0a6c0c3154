#include "boot_handler/http/openapi.h"

#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/json_value.h"
#include "boot_handler/http/operator.h"
#include "lib/base/cleanup.h"

/* ---- parameters ---------------------------------------------------------------------------- */

struct parameter {
	const char *name, *type, *format, *description;
};

/* Of a path, by route_part(). */
static const struct parameter parts[] = {
    {"name", "string", NULL, "a definition's name"},
    {"mac", "string", NULL, "a MAC address"},
    {"card", "string", NULL, "a MAC address"},
    {"id", "string", NULL, "a machine: a name, MAC address, UUID or serial number"},
    {"image", "string", NULL, "an image's name"},
    {"document", "string", NULL, "a document's name"},
    {"n", "integer", "int64", "an order's number"},
    {"slice", "integer", "int64", "a slice's number"},
    {"hook", "string", NULL, "a webhook's name"},
};

/* Of route_query_events(). */
static const struct parameter of_events[] = {
    {"after", "integer", "int64", "what follows the event with this id"},
    {"limit", "integer", "int32", "so many at most"},
    {"machine", "string", NULL, "of this machine: a name, MAC address, UUID or serial number"},
    {"vm", "string", NULL, "under this name"},
    {"kind", "string", NULL, "of these kinds, with commas between them"},
    {"severity", "string", NULL, "this and more: debug, info, warning, error"},
    {"since", "string", "date-time", "not before this"},
    {"until", "string", "date-time", "before this"},
    {0},
};

/* Of route_query_console(). */
static const struct parameter of_console[] = {
    {"after", "integer", "int64", "what was printed after this id of the stream"},
    {0},
};

static const struct {
	int (*query)(struct piece query, struct route *out, struct err *e);
	const struct parameter *parameters;
} queries[] = {{route_query_events, of_events}, {route_query_console, of_console}};

static json_t *parameter_json(const struct parameter *p, const char *in)
{
	json_t *schema = json_pack("{s:s, s:s*}", "type", p->type, "format", p->format);

	return json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", p->name, "in", in, "required",
	    strcmp(in, "path") == 0, "description", p->description, "schema", schema);
}

static void add_part(json_t *list, const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strncmp(parts[i].name, name, len) == 0 && !parts[i].name[len])
			json_array_append_new(list, parameter_json(&parts[i], "path"));
}

static json_t *parameters_json(const struct endpoint *endpoint)
{
	json_t *list = json_array();

	for (const char *p = endpoint->path; (p = strchr(p, '<')); p++)
		add_part(list, p + 1, strcspn(p + 1, ">"));
	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++)
		for (const struct parameter *p = queries[i].parameters;
		    queries[i].query == endpoint->query && p->name; p++)
			json_array_append_new(list, parameter_json(p, "query"));
	return list;
}

/* ---- operations ---------------------------------------------------------------------------- */

static json_t *content_json(const char *type)
{
	json_t *schema =
	    strcmp(type, JSON_TYPE) == 0 ? json_object() : json_pack("{s:s}", "type", "string");

	return json_pack("{s:{s:o}}", type, "schema", schema);
}

static json_t *responses_json(const struct endpoint *endpoint, const char *method)
{
	const char *type = endpoint->produces ? endpoint->produces : JSON_TYPE;
	bool empty = endpoint->takes_away && strcmp(method, "delete") == 0;

	return json_pack("{s:{s:s, s:o*}, s:{s:s, s:{s:{s:{s:s}}}}}", empty ? "204" : "200",
	    "description", "done", "content", empty ? NULL : content_json(type), "default",
	    "description", "what is wrong, in a sentence", "content", JSON_TYPE, "schema", "$ref",
	    "#/components/schemas/error");
}

static json_t *operation_json(const struct endpoint *endpoint, const char *method)
{
	json_t *json = json_pack("{s:s, s:o, s:o}", "summary", endpoint->summary, "parameters",
	    parameters_json(endpoint), "responses", responses_json(endpoint, method));

	if (json && endpoint->body_max && strcmp(method, "post") == 0)
		json_object_set_new(json, "requestBody",
		    json_pack("{s:b, s:o}", "required", 1, "content", content_json(JSON_TYPE)));
	return json;
}

static json_t *path_json(const struct endpoint *endpoint)
{
	static const char *const methods[][2] = {
	    {"GET", "get"}, {"POST", "post"}, {"PUT", "put"}, {"DELETE", "delete"}};
	json_t *json = json_object();

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (endpoint_allows(endpoint, methods[i][0]))
			json_object_set_new(
			    json, methods[i][1], operation_json(endpoint, methods[i][1]));
	return json;
}

/* "<name>" becomes "{name}". */
static void path_text(const char *path, char *out, size_t size)
{
	snprintf(out, size, "%s", path);
	for (char *p = out; *p; p++)
		*p = *p == '<' ? '{' : *p == '>' ? '}' : *p;
}

json_t *openapi_json(const struct endpoint_table *table)
{
	json_t *paths = json_object();
	char path[200];

	for (size_t i = 0; i < table->count; i++) {
		path_text(table->rows[i].path, path, sizeof(path));
		json_object_set_new(paths, path, path_json(&table->rows[i]));
	}
	return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:[s], s:{s:{s:s}}}}}}", "openapi",
	    "3.0.3", "info", "title", "vmlab", "version", VMLAB_VERSION, "paths", paths,
	    "components", "schemas", "error", "type", "object", "required", "error", "properties",
	    "error", "type", "string");
}

int openapi_answer(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)c;
	return answer_json(a, openapi_json(&operator_endpoints), e);
}
