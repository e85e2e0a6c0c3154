/* hook.h - webhooks: URLs of the operator's that events are told to, which events each of them
 * gets, how far it has come, and what its receiver answered last. Who sends is webhook/sender.h's.
 *
 * All are in memory, and in the state file before who made one is answered. Of how far one has come
 * the file may be behind by what was delivered just before this program was killed: that is
 * delivered twice. All functions are safe in every thread.
 */
#ifndef BOOT_HANDLER_STATE_HOOK_H
#define BOOT_HANDLER_STATE_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/machine/machine.h"

#define HOOKS_MAX 16
#define HOOK_URL_SIZE 1025
#define HOOK_FILTER_SIZE 513
#define HOOK_SECRET_SIZE 129
#define HOOK_SECRET_MIN 16 /* characters */
#define HOOK_ERROR_SIZE 200

struct hook {
	int64_t id;
	char name[MACHINE_NAME_SIZE];
	char url[HOOK_URL_SIZE];
	char secret[HOOK_SECRET_SIZE];
	char filter[HOOK_FILTER_SIZE]; /* a query of /api/v1/events; "": all events */
	int64_t created_ms;
	int64_t cursor;                  /* the last event that it was told, or does not want */
	int64_t delivered, delivered_ms; /* deliveries that were taken, and the last of them */
	int64_t failed, failed_ms;       /* those that were not */
	unsigned status;                 /* of HTTP, of the last; 0: there was no answer */
	char error[HOOK_ERROR_SIZE];     /* why the last was not taken; "": it was */
	int64_t missed; /* events that were kept no longer when it was their turn */
	bool ended;     /* its receiver is gone for good: nothing more is sent */

	/* Not in the file. */
	unsigned tries;   /* that failed since the last that did not */
	int64_t retry_ms; /* not before this, since 1970; 0: at once */
	uint64_t tests;   /* asked for... */
	uint64_t tested;  /* ...and made */
	unsigned test_status;
	char test_error[HOOK_ERROR_SIZE];
};

struct hooks;

must_check int hooks_new(struct hooks **out, struct err *e);
void hooks_free(struct hooks *t); /* NULL is allowed */

/* Who sends hears that there is another one, or one less, or that a test is wanted. NULL: nobody.
 */
void hooks_on_change(struct hooks *t, void (*changed)(void *ctx), void *ctx);

/* Gives it its id. -EBUSY with a sentence: there is one of that name, or there are too many. */
must_check int hooks_add(struct hooks *t, struct hook *hook, struct err *e);
/* -ENOENT with a sentence: there is none of that name. */
must_check int hooks_remove(struct hooks *t, const char *name, struct err *e);
must_check int hooks_find(struct hooks *t, const char *name, struct hook *out, struct err *e);
/* One delivery without events, whatever else is due. */
must_check int hooks_test(struct hooks *t, const char *name, struct err *e);
/* In the order in which they were made; how many. */
unsigned hooks_all(struct hooks *t, struct hook out[HOOKS_MAX]);

/* False: it was removed. */
bool hooks_by_id(struct hooks *t, int64_t id, struct hook *out);
/* What became of it, by who sends, the only one to change it; `tests` stays. */
void hooks_update(struct hooks *t, const struct hook *hook);

/* http://HOST[:PORT][/...] or https://, printable ASCII, nobody's name and password in it, no
 * fragment. Pure. -EINVAL with a sentence. */
must_check int hook_url_check(const char *url, struct err *e);
/* "https://host:port": what of a URL is no secret. */
void hook_url_origin(const char *url, char out[HOOK_URL_SIZE]);

#endif
