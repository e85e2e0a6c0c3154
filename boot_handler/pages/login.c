#include "boot_handler/pages/login.h"

#include <errno.h>
#include <stdlib.h>

#include "boot_handler/http/session.h"
#include "boot_handler/pages/page.h"
#include "lib/base/clock.h"

/* A link that is only looked at, as some programs do before they show it, stays good. */
int login_in(const struct call *c, struct server_answer *a, struct err *e)
{
	struct sessions *sessions = c->services->sessions;

	if (!sessions || c->request->head)
		return 0;
	enum role role = sessions_admit(sessions, c->request->route->secret, monotonic_ms());
	if (role == ROLE_NOBODY)
		return err_set(e, EPERM,
		    "this link is not good any more: each works once, for a minute; `vmlab dashboard` prints another");
	struct session_time now = session_now();
	char *cookie = sessions_cookie(sessions, role, c->request->tls, &now);
	return cookie ? page_let_in(a, cookie, e) : err_set(e, ENOMEM, "out of memory");
}

int login_out(const struct call *c, struct server_answer *a, struct err *e)
{
	struct sessions *sessions = c->services->sessions;
	struct session_time now = session_now();
	char *cookie =
	    sessions ? sessions_cookie(sessions, ROLE_NOBODY, c->request->tls, &now) : NULL;

	return page_signed_out(a, cookie, e);
}
