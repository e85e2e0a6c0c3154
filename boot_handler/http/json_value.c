#include "boot_handler/http/json_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"

json_t *time_json(int64_t at_ms)
{
	char text[TIME_TEXT_SIZE];

	return at_ms > 0 ? json_string(time_format(at_ms, text)) : json_null();
}

json_t *text_or_null(const char *text)
{
	return text && text[0] ? json_string(text) : json_null();
}

json_t *told_json(const struct machine_row *row)
{
	/* Who asks the same again is no news, and seen. */
	bool later =
	    row->asked_at_ms >= row->changed_at_ms || row->last_seen_ms > row->changed_at_ms;

	return later ? text_or_null(row->asked) : json_null();
}

json_t *ip_json(int family, const void *ip)
{
	static const struct in6_addr none;
	char text[INET6_ADDRSTRLEN];
	size_t size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	if (memcmp(ip, &none, size) == 0 || !inet_ntop(family, ip, text, sizeof(text)))
		return json_null();
	return json_string(text);
}

int answer_json(struct server_answer *a, json_t *json, struct err *e)
{
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	server_answer_text(a, JSON_TYPE, text);
	return 0;
}
