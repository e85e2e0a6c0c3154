/* metrics.h - what is counted, in Prometheus' text format 0.0.4. Counters begin at 0 with this
 * process; what machines are is looked up when it is asked for.
 */
#ifndef BOOT_HANDLER_HTTP_METRICS_H
#define BOOT_HANDLER_HTTP_METRICS_H

#include "boot_handler/http/call.h"
#include "lib/machine/event.h"

struct metrics;

must_check int metrics_new(struct metrics **out, struct err *e);
void metrics_free(struct metrics *m); /* NULL is allowed */

/* Any thread. */
void metrics_heard(struct metrics *m, const struct event *events, size_t count);
/* A file's bytes went out over HTTP; `role`: static text, as "kernel", NULL: another's. */
void metrics_sent(struct metrics *m, const char *role, uint64_t bytes);
void metrics_asked(struct metrics *m, const struct endpoint *endpoint, unsigned status);

/* The endpoint. */
int metrics_answer(const struct call *c, struct server_answer *a, struct err *e);

#endif
