#include "os_installer/agent/order.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/machine/order.h"

#define ORDER_DECLARED(id, symbol, ...) extern const struct order order_##symbol;
ORDER_ACTIONS(ORDER_DECLARED)

#define ORDER_LISTED(id, symbol, ...) [ORDER_##id] = &order_##symbol,
static const struct order *const orders[] = {ORDER_ACTIONS(ORDER_LISTED)};

const struct order *order_find(const char *name, struct err *e)
{
	enum order_action action;
	char known[ORDER_WORDS_SIZE];

	if (order_action_parse(name, &action) == 0)
		return orders[action];
	err_set(e, ENOTSUP, "this agent has no order \"%s\"; it knows %s", name,
	    order_actions_words(known));
	return NULL;
}

void order_progress(
    struct order_run *o, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
	struct said *s = board_take(o->board);

	if (strcmp(s->phase, phase) != 0)
		s->text[0] = '\0';
	snprintf(s->phase, sizeof(s->phase), "%s", phase);
	s->done_bytes = done_bytes;
	s->total_bytes = total_bytes;
	board_give(o->board);
}

void order_text(struct order_run *o, const char *fmt, ...)
{
	struct said *s = board_take(o->board);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
	board_give(o->board);
}

void order_hint(struct order_run *o, const char *hint)
{
	struct said *s = board_take(o->board);

	snprintf(s->hint, sizeof(s->hint), "%s", hint);
	board_give(o->board);
}

void order_output(struct order_run *o, const void *data, size_t len)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = write(o->output, from, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody reads any more: the agent is ending this process */
		from += n;
		len -= (size_t)n;
	}
}

void order_figure(struct order_run *o, const char *name, json_t *value)
{
	char text[BOARD_FIGURES_SIZE];

	if (!o->figures && !(o->figures = json_object()))
		return;
	if (json_object_set_new(o->figures, name, value) < 0)
		return;
	size_t len = json_dumpb(o->figures, text, sizeof(text), JSON_COMPACT);
	if (len == 0 || len >= sizeof(text)) {
		log_warn("the figure \"%s\" is one too many", name);
		json_object_del(o->figures, name);
		return;
	}
	text[len] = '\0';
	struct said *s = board_take(o->board);
	memcpy(s->figures, text, len + 1);
	board_give(o->board);
}
