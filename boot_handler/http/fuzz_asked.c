/* What operators and browsers send besides the targets of their requests, any bytes; the first one
 * chooses what they are: the body that makes a webhook, a webhook's URL, the headers that say who
 * asks, a page's form, what is typed on a console, the id that a stream goes on after. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "boot_handler/http/access.h"
#include "boot_handler/http/console.h"
#include "boot_handler/http/hooks.h"
#include "lib/base/cleanup.h"
#include "lib/base/test_file.h"
#include "lib/base/test_promise.h"

#define TOKEN "0123456789abcdefABCDEF"
#define LISTED "lab.example"

static char dir[] = "/tmp/fuzz_asked.XXXXXX";
static struct services services;
static struct access *access_here;
static struct sessions *sessions;
static const struct vm_snapshot *snapshot;

static void end(void)
{
	static const char *const files[] = {
	    "token", "key", "state.db", "state.db-wal", "state.db-shm", "state.db-journal", "vms"};

	vm_snapshot_unref(snapshot);
	vm_store_close(services.store);
	state_close(services.state);
	access_free(access_here);
	sessions_free(sessions);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		(void)remove(file_in(dir, files[i]));
	(void)rmdir(dir);
}

static void begin(void)
{
	static char vms[200];
	struct err e = ERR_INIT;

	PROMISE(mkdtemp(dir));
	write_in(dir, "token", TOKEN "\n");
	write_in(dir, "key", "any 32 bytes, so that it is seen");
	snprintf(vms, sizeof(vms), "%s", file_in(dir, "vms"));
	PROMISE(mkdir(vms, 0755) == 0);
	struct vm_store_options options = {.dir = vms};
	PROMISE(vm_store_open(&options, &services.store, &e) == 0);
	PROMISE(state_open(file_in(dir, "state.db"), &services.state, &e) == 0);
	PROMISE(sessions_new(file_in(dir, "key"), &sessions, &e) == 0);
	PROMISE(access_new(file_in(dir, "token"), "10.0.0.5:8080", LISTED, sessions, &access_here,
		    &e) == 0);
	snapshot = vm_store_snapshot(services.store);
	atexit(end);
}

static void check_told(const struct err *e)
{
	PROMISE(e->msg[0]);
	promise_clean(e->msg, sizeof(e->msg));
}

/* ---- webhooks ---------------------------------------------------------------------------- */

static void check_url(const char *url)
{
	char origin[HOOK_URL_SIZE];

	hook_url_origin(url, origin);
	size_t len = strlen(origin);
	PROMISE(strncmp(url, origin, len) == 0 && strchr("/?", url[len]));
	const char *host = strstr(origin, "://");
	PROMISE(host && host[3] && !strpbrk(host + 3, "/?@#\\ "));
	PROMISE(host == origin + 4 || host == origin + 5);
	promise_clean(url, HOOK_URL_SIZE);
}

static void hear_url(const char *url)
{
	struct err e = ERR_INIT;

	if (hook_url_check(url, &e) == 0)
		check_url(url);
	else
		check_told(&e);
}

static void hear_hook(const char *body, size_t len)
{
	struct server_request request = {.body = body, .body_len = len, .post = true};
	struct call c = {.services = &services, .request = &request, .snapshot = snapshot};
	struct hook hook = {.id = 0};
	struct err e = ERR_INIT;

	if (hooks_read(&c, &hook, &e) < 0) {
		check_told(&e);
		return;
	}
	PROMISE(vm_name_valid(hook.name));
	PROMISE(!hook.secret[0] || strlen(hook.secret) >= HOOK_SECRET_MIN);
	check_url(hook.url);
	struct route *route = calloc(1, sizeof(*route));
	PROMISE(route);
	PROMISE(
	    route_query_filter((struct piece){hook.filter, strlen(hook.filter)}, route, &e) == 0);
	PROMISE(!route->name[0] || vm_name_valid(route->name));
	PROMISE(route->since_ms >= 0 && route->until_ms >= 0);
	free(route);
}

/* ---- who asks ---------------------------------------------------------------------------- */

/* A line: "-" is a header that was not sent. */
static const char *header(char **rest)
{
	const char *line = strsep(rest, "\n");

	return line && strcmp(line, "-") == 0 ? NULL : line;
}

/* Each '$' becomes a session's cookie, "name=value". */
static char *with_sessions(const char *text, const char *cookie)
{
	size_t size, len = strcspn(cookie, ";");
	char *out = NULL;

	FILE *f = open_memstream(&out, &size);
	PROMISE(f);
	for (; text && *text; text++)
		if (*text == '$')
			fprintf(f, "%.*s", (int)len, cookie);
		else
			fputc(*text, f);
	PROMISE(fclose(f) == 0);
	return out;
}

/* One of the cookies is that very one. */
static bool has_session(char *cookies, const char *cookie)
{
	size_t len = strcspn(cookie, ";");

	for (char *one; (one = strsep(&cookies, ";"));) {
		one += strspn(one, " ");
		if (strlen(one) == len && memcmp(one, cookie, len) == 0)
			return true;
	}
	return false;
}

/* No name but that of this listener, of a loopback address, or one that is listed. */
static bool is_name_here(const char *host)
{
	size_t len = strspn(host, "0123456789abcdefABCDEF:.[]");

	return host[len] == '\0' || strncasecmp(host, LISTED, strlen(LISTED)) == 0 ||
	       strncasecmp(host, "localhost", 9) == 0;
}

static void check_asked(const struct access_asked *asked, enum role role, const char *cookie)
{
	const char *origin = asked->origin ? strstr(asked->origin, "://") : NULL;
	const char *token = asked->authorization ? strrchr(asked->authorization, ' ') : NULL;
	_cleanup_free_ char *cookies = asked->cookie ? strdup(asked->cookie) : NULL;

	PROMISE(asked->host && is_name_here(asked->host));
	bool own = origin && strcasecmp(origin + 3, asked->host) == 0;
	PROMISE(!asked->origin || own || (origin && is_name_here(origin + 3)));
	PROMISE((role == ROLE_OWNER) == (token && strcmp(token + 1, TOKEN) == 0));
	PROMISE(!asked->authorization || role == ROLE_OWNER);
	if (role != ROLE_READ && role != ROLE_ADMIN)
		return;
	PROMISE(role == ROLE_ADMIN && has_session(cookies, cookie));
	PROMISE(!asked->changes || own);
}

static void hear_asked(char *text, bool changes)
{
	struct session_time now = session_now();
	_cleanup_free_ char *cookie = sessions_cookie(sessions, ROLE_ADMIN, false, &now);
	struct access_asked asked = {.changes = changes};
	struct err e = ERR_INIT;
	enum role role;

	PROMISE(cookie);
	asked.host = header(&text);
	asked.origin = header(&text);
	asked.authorization = header(&text);
	const char *cookies = header(&text);
	_cleanup_free_ char *sent = with_sessions(cookies, cookie);
	asked.cookie = cookies ? sent : NULL;
	int r = access_check(access_here, &asked, &role, &e);
	if (r < 0) {
		PROMISE(r == -EPERM || r == -EACCES);
		check_told(&e);
		return;
	}
	check_asked(&asked, role, cookie);
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void hear_form(const char *text, size_t len)
{
	static const char *const names[] = {"order", "confirm", "action", "name", "url"};
	char out[40];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		bool found = route_field((struct piece){text, len}, names[i], out, sizeof(out));
		PROMISE(strnlen(out, sizeof(out)) < sizeof(out) && (found || !out[0]));
		PROMISE(!found || memmem(text, len, names[i], strlen(names[i])));
	}
}

static void hear_keys(const char *body, size_t len)
{
	const char *keys = NULL;
	struct err e = ERR_INIT;
	json_t *said = NULL;
	size_t typed = 0;

	if (console_keys_read(body, len, &said, &keys, &typed, &e) == 0) {
		PROMISE(keys && typed <= len && keys[typed] == '\0');
		PROMISE(json_object_size(said) == 1);
	} else {
		check_told(&e);
	}
	json_decref(said);
}

static void hear_event_id(const char *text)
{
	char again[24];
	uint64_t id;

	if (route_event_id(text, &id) < 0)
		return;
	PROMISE(id <= INT64_MAX);
	snprintf(again, sizeof(again), "%" PRIu64, id);
	const char *digits = text + strspn(text, "0");
	PROMISE(strcmp(*digits ? digits : "0", again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return -1;
	if (!services.state)
		begin();
	_cleanup_free_ char *text = promise_string(data + 1, size - 1);
	switch (data[0]) {
	case 'w':
		hear_hook(text, size - 1);
		return 0;
	case 'u':
		hear_url(text);
		return 0;
	case 'h':
	case 'H':
		hear_asked(text, data[0] == 'H');
		return 0;
	case 'f':
		hear_form(text, size - 1);
		return 0;
	case 'k':
		hear_keys(text, size - 1);
		return 0;
	case 'v':
		hear_event_id(text);
		return 0;
	default:
		return -1;
	}
}
