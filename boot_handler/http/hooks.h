/* hooks.h - webhooks, as the operator makes, lists, tries and removes them. */
#ifndef BOOT_HANDLER_HTTP_HOOKS_H
#define BOOT_HANDLER_HTTP_HOOKS_H

#include <jansson.h>

#include "boot_handler/http/call.h"

#define HOOKS_MAX_BYTES ((size_t)4 * 1024)

int hooks_answer(const struct call *c, struct server_answer *a, struct err *e);     /* all; POST */
int hooks_answer_one(const struct call *c, struct server_answer *a, struct err *e); /* DELETE */
int hooks_answer_test(const struct call *c, struct server_answer *a, struct err *e);

/* What the request's body makes, read and judged: a zeroed `out` gets its name, URL, filter and,
 * where one is given, secret. -EINVAL with a sentence. */
must_check int hooks_read(const struct call *c, struct hook *out, struct err *e);

/* How many events it has not come to yet. */
uint64_t hooks_behind(const struct hook *hook, uint64_t last_event);

#endif
