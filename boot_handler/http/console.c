#include "boot_handler/http/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/consoles.h"
#include "boot_handler/http/json_value.h"
#include "lib/base/cleanup.h"

struct console_of console_of_machine(const struct call *c, const struct machine_named *named)
{
	struct console_of of = {.root = consoles_root(c->services->consoles)};

	for (unsigned i = 0; i < named->cards.count && i < CONSOLE_MACS; i++)
		of.mac[of.count++] = named->cards.mac[i];
	return of;
}

/* Whose console is here, or -ENOENT. */
static int find(const struct call *c, struct console_of *of, struct err *e)
{
	struct machine_named named;
	int r = machine_find(c, &named, e);

	if (r < 0)
		return r;
	*of = console_of_machine(c, &named);
	if (!console_is_here(of))
		return err_set(e, ENOENT,
		    "the serial console of %s is not here: it is no VM of this lab, or was started before there were consoles here",
		    named.name);
	return 0;
}

char *console_last(const struct console_of *of, size_t *len)
{
	_cleanup_close_ int fd = console_open_log(of);
	char *text = fd < 0 ? NULL : malloc(CONSOLE_REPLAY_BYTES + 1);

	*len = 0;
	if (!text)
		return NULL;
	*len =
	    console_read(fd, console_tail_at(fd, CONSOLE_REPLAY_BYTES), text, CONSOLE_REPLAY_BYTES);
	text[*len] = '\0';
	return text;
}

int console_printed_answer(const struct call *c, struct server_answer *a, struct err *e)
{
	struct console_of of;
	int r = find(c, &of, e);

	if (r < 0)
		return r;
	a->type = "application/octet-stream";
	a->kind = SERVER_BODY_OWNED;
	a->body = console_last(&of, &a->len);
	return 0;
}

/* Last-Event-ID says more than the query of the address that is asked for again. */
int console_stream(const struct call *c, struct server_answer *a, struct err *e)
{
	const struct server_request *request = c->request;
	uint64_t after = request->route->after;
	struct console_of of;
	int r = find(c, &of, e);

	if (r < 0)
		return r;
	if (request->last_event_id && route_event_id(request->last_event_id, &after) < 0)
		return err_set(
		    e, EINVAL, "Last-Event-ID is malformed: give the id that the stream gave");
	bool again = request->last_event_id || request->route->has_after;
	return consoles_answer(c->services->consoles, &of, again ? &after : NULL, a, e);
}

int console_keys_read(
    const char *body, size_t body_len, json_t **said, const char **keys, size_t *len, struct err *e)
{
	json_error_t wrong;

	*said = json_loadb(body, body_len, JSON_ALLOW_NUL, NULL);
	if (json_unpack_ex(*said, &wrong, JSON_STRICT, "{s:s%}", "keys", keys, len) == 0)
		return 0;
	return err_set(e, EINVAL,
	    "what is typed is malformed: give {\"keys\": \"uptime\\r\"}, and nothing else");
}

int console_keys(const struct call *c, struct server_answer *a, struct err *e)
{
	const char *keys = NULL;
	struct console_of of;
	json_t *said = NULL;
	size_t len = 0;
	int r = find(c, &of, e);

	if (r < 0)
		return r;
	r = console_keys_read(c->request->body, c->request->body_len, &said, &keys, &len, e);
	if (r == 0)
		r = console_type(&of, keys, len, e);
	json_decref(said);
	return r < 0 ? r : answer_json(a, json_pack("{s:I}", "typed", (json_int_t)len), e);
}
