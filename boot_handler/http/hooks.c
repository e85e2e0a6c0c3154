#include "boot_handler/http/hooks.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "boot_handler/http/events.h"
#include "boot_handler/http/json_value.h"
#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/json/read.h"

#define SECRET_BYTES 32
#define NESTING_MAX 4

/* ---- shown ------------------------------------------------------------------------------- */

uint64_t hooks_behind(const struct hook *hook, uint64_t last_event)
{
	return last_event > (uint64_t)hook->cursor ? last_event - (uint64_t)hook->cursor : 0;
}

static const char *state_of(const struct hook *hook)
{
	if (hook->ended)
		return "ended";
	return hook->error[0] ? "failing" : "ok";
}

static json_t *test_json(const struct hook *hook)
{
	if (hook->tested == 0 || hook->tested != hook->tests)
		return json_null();
	return json_pack("{s:b, s:i, s:o}", "taken", !hook->test_error[0], "status",
	    (int)hook->test_status, "error", text_or_null(hook->test_error));
}

/* Some services have what lets one in as a part of the URL: it is for those who could change it. */
static json_t *hook_json(const struct call *c, const struct hook *hook, uint64_t last_event)
{
	char origin[HOOK_URL_SIZE];

	hook_url_origin(hook->url, origin);
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:I, s:o, s:i, s:o, s:o, s:I,"
			 " s:I, s:o}",
	    "name", hook->name, "url", c->request->role >= ROLE_ADMIN ? hook->url : origin,
	    "filter", hook->filter, "state", state_of(hook), "created", time_json(hook->created_ms),
	    "behind", (json_int_t)hooks_behind(hook, last_event), "delivered",
	    (json_int_t)hook->delivered, "last_delivery", time_json(hook->delivered_ms), "failed",
	    (json_int_t)hook->failed, "last_failure", time_json(hook->failed_ms), "status",
	    (int)hook->status, "error", text_or_null(hook->error), "next_try",
	    hook->ended ? json_null() : time_json(hook->retry_ms), "missed",
	    (json_int_t)hook->missed, "cursor", (json_int_t)hook->cursor, "test", test_json(hook));
}

static int answer_hook(
    const struct call *c, const struct hook *hook, struct server_answer *a, struct err *e)
{
	uint64_t last = 0;

	int r = state_last_event(c->services->state, &last, e);
	return r < 0 ? r : answer_json(a, hook_json(c, hook, last), e);
}

static int list(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_free_ struct hook *hooks = calloc(HOOKS_MAX, sizeof(*hooks));
	json_t *shown = json_array();
	uint64_t last = 0;

	int r = hooks ? state_last_event(c->services->state, &last, e)
		      : err_set(e, ENOMEM, "out of memory");
	unsigned count = r < 0 ? 0 : hooks_all(state_hooks(c->services->state), hooks);
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(shown, hook_json(c, &hooks[i], last));
	if (hooks)
		explicit_bzero(hooks, HOOKS_MAX * sizeof(*hooks));
	if (r < 0) {
		json_decref(shown);
		return r;
	}
	return answer_json(a, json_pack("{s:o}", "webhooks", shown), e);
}

/* ---- made -------------------------------------------------------------------------------- */

static const struct {
	const char *key;
	size_t offset, size;
} members[] = {
    {"name", offsetof(struct hook, name), MACHINE_NAME_SIZE},
    {"url", offsetof(struct hook, url), HOOK_URL_SIZE},
    {"filter", offsetof(struct hook, filter), HOOK_FILTER_SIZE},
    {"secret", offsetof(struct hook, secret), HOOK_SECRET_SIZE},
};
#define MEMBERS (sizeof(members) / sizeof(*members))

static void read_member(struct json_reader *r, const json_t *doc, size_t i, struct hook *out)
{
	const json_t *value = json_object_get(doc, members[i].key);
	const char *text;

	if (json_absent(value))
		return;
	json_enter(r, members[i].key);
	if (json_want_line(r, value, &text) == 0) {
		if (strlen(text) < members[i].size)
			memcpy((char *)out + members[i].offset, text, strlen(text) + 1);
		else
			json_refuse(r, "is longer than %zu bytes", members[i].size - 1);
	}
	json_leave(r);
}

struct refusal {
	struct err *e;
	struct json_reader *reader;
	bool told;
};

static void refused(void *ctx, const struct json_path *bad, const struct err *why)
{
	struct refusal *refusal = ctx;
	char where[80];

	if (!refusal->told)
		err_set(refusal->e, EINVAL, "%s %s", json_path_format(bad, where, sizeof(where)),
		    why->msg);
	refusal->told = true;
}

static void unknown(void *ctx, const struct json_path *key, const char *nearest)
{
	struct refusal *refusal = ctx;

	(void)key;
	json_refuse(refusal->reader, "is not known%s%s%s", nearest ? ": did you mean \"" : "",
	    nearest ? nearest : "", nearest ? "\"?" : "");
}

static int read_body(const struct call *c, struct hook *out, struct err *e)
{
	static const char *const keys[] = {"name", "url", "filter", "secret"};
	struct refusal refusal = {.e = e};
	struct json_reader r = {.refuse = refused, .unknown = unknown, .ctx = &refusal};
	size_t bad;
	json_t *doc = json_text_parse(c->request->body, c->request->body_len, NESTING_MAX, &bad, e);

	refusal.reader = &r;
	if (!doc)
		return -EINVAL;
	json_known(&r, doc, keys, MEMBERS);
	for (size_t i = 0; i < MEMBERS; i++)
		read_member(&r, doc, i, out);
	json_decref(doc);
	return r.refusals ? -EINVAL : 0;
}

/* As it would be asked of /api/v1/events. */
static int check_filter(const struct call *c, const char *filter, struct err *e)
{
	struct event_query query;
	struct route *route = calloc(1, sizeof(*route));

	int r = route ? route_query_filter((struct piece){filter, strlen(filter)}, route, e)
		      : err_set(e, ENOMEM, "out of memory");
	if (r == 0)
		r = events_query_of(c->services, c->snapshot, route, &query, e);
	free(route);
	return r < 0 ? err_wrap(e, "filter") : 0;
}

static int judge(const struct call *c, const struct hook *hook, struct err *e)
{
	if (!vm_name_valid(hook->name))
		return err_set(e, EINVAL,
		    "name is missing or malformed: a webhook's has at most 63 letters, digits and inner hyphens, underscores and dots");
	int r = hook_url_check(hook->url, e);
	if (r == 0)
		r = check_filter(c, hook->filter, e);
	if (r < 0)
		return r;
	if (hook->secret[0] && strlen(hook->secret) < HOOK_SECRET_MIN)
		return err_set(e, EINVAL,
		    "secret has less than %d characters: give a longer one, or none to have it made",
		    HOOK_SECRET_MIN);
	return 0;
}

int hooks_read(const struct call *c, struct hook *out, struct err *e)
{
	int r = read_body(c, out, e);

	return r < 0 ? r : judge(c, out, e);
}

static int make_secret(struct hook *hook, struct err *e)
{
	uint8_t secret[SECRET_BYTES];

	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return err_set(e, EIO, "the kernel gives no random numbers");
	hex_encode(secret, sizeof(secret), hook->secret);
	return 0;
}

/* What happens from now on is told. */
static int begin(const struct call *c, struct hook *hook, struct err *e)
{
	struct state *state = c->services->state;
	uint64_t last = 0;

	int r = state_save(state, e);
	if (r == 0)
		r = state_last_event(state, &last, e);
	if (r < 0)
		return r;
	hook->created_ms = wall_ms();
	hook->cursor = (int64_t)last;
	r = hooks_add(state_hooks(state), hook, e);
	if (r == 0 && (r = state_save(state, e)) < 0) {
		struct err gone = ERR_INIT; /* somebody else has removed it */
		if (hooks_remove(state_hooks(state), hook->name, &gone) < 0)
			return r;
	}
	return r;
}

static int make(const struct call *c, struct server_answer *a, struct err *e)
{
	struct hook hook = {.id = 0};
	uint64_t last = 0;

	int r = hooks_read(c, &hook, e);
	if (r == 0 && !hook.secret[0])
		r = make_secret(&hook, e);
	if (r == 0)
		r = begin(c, &hook, e);
	if (r == 0)
		r = state_last_event(c->services->state, &last, e);
	if (r == 0) {
		json_t *shown = hook_json(c, &hook, last);
		json_object_set_new(shown, "secret", json_string(hook.secret)); /* never again */
		r = answer_json(a, shown, e);
	}
	explicit_bzero(&hook, sizeof(hook));
	return r;
}

int hooks_answer(const struct call *c, struct server_answer *a, struct err *e)
{
	return c->request->post ? make(c, a, e) : list(c, a, e);
}

/* ---- one --------------------------------------------------------------------------------- */

int hooks_answer_one(const struct call *c, struct server_answer *a, struct err *e)
{
	struct hooks *hooks = state_hooks(c->services->state);
	const char *name = c->request->route->name;
	struct hook hook;

	if (c->request->drop) {
		int r = state_probe(c->services->state, e); /* what is refused is not done */
		if (r == 0)
			r = hooks_remove(hooks, name, e);
		a->status = 204;
		return r < 0 ? r : state_save(c->services->state, e);
	}
	int r = hooks_find(hooks, name, &hook, e);
	return r < 0 ? r : answer_hook(c, &hook, a, e);
}

/* What became of it is in "test", once it is there. */
int hooks_answer_test(const struct call *c, struct server_answer *a, struct err *e)
{
	struct hooks *hooks = state_hooks(c->services->state);
	struct hook hook;

	int r = hooks_test(hooks, c->request->route->name, e);
	if (r == 0)
		r = hooks_find(hooks, c->request->route->name, &hook, e);
	return r < 0 ? r : answer_hook(c, &hook, a, e);
}
