#include "boot_handler/http/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_part(struct piece pattern)
{
	return pattern.len > 0 && pattern.text[0] == '<';
}

/* How many segments of the path, from the first, are as the pattern has them; *whole: all are, and
 * there are no more. */
static size_t fitting(struct piece pattern, struct piece path, bool *whole)
{
	struct piece want, given;
	size_t n = 0;

	for (*whole = false;; n++) {
		bool more = route_segment(&pattern, &want);
		bool has = route_segment(&path, &given);

		if (!more || !has) {
			*whole = !more && !has && path.len == 0;
			return n;
		}
		if (!is_part(want) &&
		    (want.len != given.len || memcmp(want.text, given.text, want.len) != 0))
			return n;
	}
}

static size_t segments(struct piece path)
{
	struct piece segment;
	size_t n = 0;

	while (route_segment(&path, &segment))
		n++;
	return n;
}

static struct piece path_of(const struct endpoint *endpoint)
{
	return (struct piece){endpoint->path, strlen(endpoint->path)};
}

static int parse_parts(
    const struct endpoint *endpoint, struct piece path, struct route *route, struct err *e)
{
	struct piece pattern = path_of(endpoint), want, given;
	int r = 0;

	while (r == 0 && route_segment(&pattern, &want) && route_segment(&path, &given))
		if (is_part(want))
			r = route_part(want, given, route, e);
	return r;
}

/* What can be ordered where the last word alone is wrong. */
static int not_found(const struct endpoint_table *table, struct piece path, struct err *e)
{
	char actions[200] = "";
	size_t n = segments(path), used = 0;
	bool whole;

	for (size_t i = 0; i < table->count && used < sizeof(actions); i++) {
		const struct endpoint *row = &table->rows[i];

		if (strchr(row->path, '<') && segments(path_of(row)) == n &&
		    fitting(path_of(row), path, &whole) == n - 1)
			used += (size_t)snprintf(actions + used, sizeof(actions) - used, "%s%s",
			    used ? " and " : "", strrchr(row->path, '/') + 1);
	}
	if (used > 0)
		err_set(e, ENOENT, "there is no such action: the actions are %s", actions);
	else
		err_set(e, ENOENT, "there is nothing at this path");
	return ROUTE_NOT_FOUND;
}

int endpoint_find(const struct endpoint_table *table, const char *target, struct route *route,
    const struct endpoint **found, struct err *e)
{
	size_t len = strnlen(target, ROUTE_TARGET_MAX + 1);
	bool whole;

	memset(route, 0, sizeof(*route));
	*found = NULL;
	if (len > ROUTE_TARGET_MAX)
		return err_set(e, EINVAL, "the request's path is longer than %d bytes: shorten it",
		    ROUTE_TARGET_MAX);
	const char *mark = memchr(target, '?', len);
	struct piece path = {target, mark ? (size_t)(mark - target) : len};
	struct piece query = {mark ? mark + 1 : "", mark ? len - path.len - 1 : 0};

	route->query = query;
	for (size_t i = 0; i < table->count; i++) {
		const struct endpoint *row = &table->rows[i];

		fitting(path_of(row), path, &whole);
		if (!whole)
			continue;
		*found = row;
		int r = parse_parts(row, path, route, e);
		return r == 0 && row->query ? row->query(query, route, e) : r;
	}
	return not_found(table, path, e);
}

bool endpoint_allows(const struct endpoint *endpoint, const char *method)
{
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	const char *at = strstr(endpoint->method, method);

	return at && *method && (at == endpoint->method || at[-1] == '|') &&
	       (at[strlen(method)] == '\0' || at[strlen(method)] == '|');
}

const char *endpoint_methods(const struct endpoint *endpoint)
{
	if (strcmp(endpoint->method, "POST") == 0)
		return "POST";
	if (strcmp(endpoint->method, "PUT") == 0)
		return "PUT";
	if (strcmp(endpoint->method, "DELETE") == 0)
		return "DELETE";
	if (strcmp(endpoint->method, "DELETE|GET") == 0)
		return "DELETE, GET, HEAD";
	return strcmp(endpoint->method, "GET") == 0 ? "GET, HEAD" : "GET, HEAD, POST";
}

bool endpoint_names(const struct endpoint *endpoint, const char *part)
{
	return strstr(endpoint->path, part) != NULL;
}

void endpoint_print(const struct endpoint_table *table, FILE *f)
{
	for (size_t i = 0; i < table->count; i++)
		fprintf(f, "  %-8s %-29s %s\n", table->rows[i].method, table->rows[i].path,
		    table->rows[i].summary);
}
