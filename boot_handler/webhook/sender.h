/* sender.h - sends webhooks: a thread each, so that a receiver that is slow or gone keeps nobody
 * else waiting, and one batch of events in memory each.
 *
 * Events are sent in their order, once they are on disk, and each again until its receiver has
 * taken it: nothing is skipped, and after this program was killed the last ones may come twice.
 * Those that the state file has no more when it is their turn are counted and told ("missed"). What
 * is looked at for a webhook that does not want it moves it on.
 */
#ifndef BOOT_HANDLER_WEBHOOK_SENDER_H
#define BOOT_HANDLER_WEBHOOK_SENDER_H

#include "boot_handler/http/services.h"

/* Certificates of authorities (PEM). */
struct sender_trust {
	const char *own; /* where it can be read, it is taken instead; NULL: none */
	const char *usual;
};

struct sender;

/* Both are borrowed till the end. Before events are recorded. */
must_check int sender_start(struct services *services, const struct sender_trust *trust,
    struct sender **out, struct err *e);
/* Nothing is sent any more, and what is under way is cut off: it is sent again by the next program.
 * Before the state is closed; NULL is allowed. */
void sender_stop(struct sender *s);
/* After it; NULL is allowed. */
void sender_free(struct sender *s);

/* Events that are on disk by now. */
void sender_heard(struct sender *s, const struct event *events, size_t count);

#endif
