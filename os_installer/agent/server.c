#include "os_installer/agent/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/text.h"
#include "os_installer/fetch/http.h"
#include "os_installer/fetch/patience.h"

#define ANSWER_MAX_BYTES 65536
#define TIMEOUT_S 15
#define INVENTORY_TIMEOUT_S 60

static int judge(const char *url, long status, struct err *e)
{
	if (status >= 200 && status < 300)
		return 0;
	err_set(e, EPROTO, "%s: the server answered %ld", url, status);
	bool final = status >= 400 && !patience_is_for(status);
	return final ? SERVER_REFUSED : -EPROTO;
}

/* Of an order that is carried out. */
static int judge_order(const char *url, long status, struct err *e)
{
	int r = judge(url, status, e);

	return status == 409 ? SERVER_OVER : r;
}

/* `doc` is taken; `answer` may be NULL, else it is what the server said, to be freed, or NULL. */
static int post_judged(const struct server *s, const char *path, json_t *doc, unsigned timeout_s,
    int (*judged)(const char *url, long status, struct err *e), json_t **answer, struct err *e)
{
	_cleanup_free_ char *body = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	char url[SERVER_URL_SIZE + 100];
	struct http_response got;

	json_decref(doc);
	if (!body)
		return err_set(e, ENOMEM, "out of memory");
	snprintf(url, sizeof(url), "%s%s", s->url, path);
	int r = http_post_json_get(url, body, ANSWER_MAX_BYTES, timeout_s, &got, e);
	if (r == 0)
		r = judged(url, got.status, e);
	if (r == 0 && answer)
		*answer = json_loadb(got.body, got.len, 0, NULL);
	http_response_clear(&got);
	return r;
}

static int post(const struct server *s, const char *path, json_t *doc, unsigned timeout_s,
    json_t **answer, struct err *e)
{
	return post_judged(s, path, doc, timeout_s, judge, answer, e);
}

int server_register(const struct server *s, const char *uuid, const char *serial, char *name,
    size_t size, struct err *e)
{
	json_t *answer = NULL;
	int r = post(s, "/api/register-device",
	    json_pack("{s:s, s:s, s:s*, s:s*}", "mac", s->as.mac, "ip", s->as.ip, "uuid", uuid,
		"serial", serial),
	    TIMEOUT_S, &answer, e);
	const char *machine = json_string_value(json_object_get(answer, "machine"));

	text_copy_clean(machine ? machine : s->as.mac, name, size);
	json_decref(answer);
	return r;
}

int server_inventory(const struct server *s, const json_t *inventory, struct err *e)
{
	char path[64];

	snprintf(path, sizeof(path), "/inventory/%s", s->as.mac);
	return post(s, path, json_incref((json_t *)inventory), INVENTORY_TIMEOUT_S, NULL, e);
}

void server_order_clear(struct server_order *o)
{
	json_decref(o->args);
	memset(o, 0, sizeof(*o));
}

static int order_parse(
    const char *url, const struct http_response *got, struct server_order *out, struct err *e)
{
	json_t *doc = json_loadb(got->body, got->len, 0, NULL);
	const char *action = json_string_value(json_object_get(doc, "action"));
	const json_t *id = json_object_get(doc, "id");
	json_t *args = json_object_get(doc, "args");

	text_copy_clean(action ? action : "", out->action, sizeof(out->action));
	out->has_id = json_is_integer(id);
	out->id = json_integer_value(id);
	out->begun_ms = json_integer_value(json_object_get(doc, "begun_ms"));
	out->args = json_is_object(args) ? json_incref(args) : NULL;
	out->timeout_s = json_integer_value(json_object_get(doc, "timeout_s"));
	json_decref(doc);
	return out->action[0] ? 0 : err_set(e, EPROTO, "%s: the answer is no order", url);
}

int server_poll(const struct server *s, unsigned wait_s, struct server_order *out, struct err *e)
{
	char url[SERVER_URL_SIZE + 100];
	struct http_response got;

	memset(out, 0, sizeof(*out));
	snprintf(url, sizeof(url), "%s/api/device-action-poll?mac=%s&wait=%u", s->url, s->as.mac,
	    wait_s);
	int r = http_get(url, ANSWER_MAX_BYTES, wait_s + TIMEOUT_S, &got, e);
	if (r == 0)
		r = judge(url, got.status, e);
	if (r == 0 && got.status == 200)
		r = order_parse(url, &got, out, e);
	http_response_clear(&got);
	return r;
}

static void set_text(json_t *doc, const char *name, const char *text)
{
	char clean[sizeof(((struct err *)NULL)->msg)];

	text_copy_clean(text, clean, sizeof(clean));
	if (clean[0])
		json_object_set_new(doc, name, json_string(clean));
}

int server_progress(const struct server *s, int64_t id, const struct said *said, struct err *e)
{
	json_t *doc =
	    json_pack("{s:s, s:I, s:I, s:I}", "mac", s->as.mac, "id", (json_int_t)id, "done_bytes",
		(json_int_t)said->done_bytes, "total_bytes", (json_int_t)said->total_bytes);

	set_text(doc, "phase", said->phase);
	set_text(doc, "text", said->text);
	return post_judged(s, "/api/action-progress", doc, TIMEOUT_S, judge_order, NULL, e);
}

int server_output(
    const struct server *s, int64_t id, uint64_t at, const void *data, size_t len, struct err *e)
{
	char url[SERVER_URL_SIZE + 100];
	struct http_response got;

	snprintf(url, sizeof(url), "%s/api/action-output/%s?id=%lld&at=%llu", s->url, s->as.mac,
	    (long long)id, (unsigned long long)at);
	int r = http_post_bytes(url, data, len, ANSWER_MAX_BYTES, TIMEOUT_S, &got, e);
	if (r == 0)
		r = judge_order(url, got.status, e);
	http_response_clear(&got);
	return r;
}

int server_done(
    const struct server *s, const struct server_order *o, const struct said *said, struct err *e)
{
	json_t *doc = json_pack(
	    "{s:s, s:s, s:s}", "mac", s->as.mac, "result", said->ok ? "ok" : "failed", "text", "");

	if (doc && o->has_id)
		json_object_set_new(doc, "id", json_integer(o->id));
	set_text(doc, "text", said->ok ? said->text : said->why.msg);
	if (!said->ok) {
		set_text(doc, "phase", said->phase);
		set_text(doc, "hint", said->hint);
	}
	if (said->figures[0])
		json_object_set_new(doc, "figures", json_loads(said->figures, 0, NULL));
	return post(s, "/api/action-done", doc, TIMEOUT_S, NULL, e);
}
