#include "boot_handler/http/logins.h"

#include <errno.h>
#include <jansson.h>

#include "boot_handler/http/json_value.h"
#include "boot_handler/http/session.h"
#include "lib/base/clock.h"

static int need_sessions(const struct call *c, struct err *e)
{
	return c->services->sessions
		   ? 0
		   : err_set(e, EBUSY,
			 "there are no sessions: their key could not be kept beside the state, see the stack's log");
}

/* {"role": "admin"} or "read". */
static enum role wanted(const struct call *c)
{
	json_t *said = json_loadb(c->request->body, c->request->body_len, 0, NULL);
	const char *word = json_string_value(json_object_get(said, "role"));
	enum role role = word ? role_parse(word) : ROLE_NOBODY;

	json_decref(said);
	return role;
}

int logins_invite(const struct call *c, struct server_answer *a, struct err *e)
{
	char secret[SESSION_SECRET_SIZE], path[SESSION_SECRET_SIZE + sizeof("/login/")];
	enum role role = wanted(c);

	int r = need_sessions(c, e);
	if (r == 0 && role == ROLE_NOBODY)
		r = err_set(e, EINVAL, "send {\"role\": \"admin\"} or {\"role\": \"read\"}");
	if (r == 0)
		r = sessions_invite(c->services->sessions, role, monotonic_ms(), secret, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/login/%s", secret);
	return answer_json(a,
	    json_pack("{s:s, s:i, s:s*}", "path", path, "expires_s", SESSION_LINK_MS / 1000,
		"certificate_sha256", c->services->certificate),
	    e);
}

int logins_end(const struct call *c, struct server_answer *a, struct err *e)
{
	int r = need_sessions(c, e);

	if (r == 0)
		r = sessions_end(c->services->sessions, e);
	return r < 0 ? r : answer_json(a, json_pack("{s:b}", "ended", 1), e);
}
