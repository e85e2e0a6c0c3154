#include "vmlab/follow/order_line.h"

#include <string.h>

#include "lib/base/size.h"
#include "lib/machine/order.h"
#include "lib/follow/order_words.h"
#include "lib/base/human.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static bool is(const json_t *order, enum order_state state)
{
	return strcmp(text_of(order, "state"), order_state_name(state)) == 0;
}

bool order_has_ended(const json_t *order)
{
	return !is(order, ORDER_WAITING) && !is(order, ORDER_RUNNING);
}

bool order_is_done(const json_t *order)
{
	return is(order, ORDER_DONE);
}

void order_progress_words(FILE *f, const json_t *order)
{
	json_int_t done = json_integer_value(json_object_get(order, "done_bytes"));
	json_int_t total = json_integer_value(json_object_get(order, "total_bytes"));
	char a[SIZE_TEXT_SIZE], b[SIZE_TEXT_SIZE];

	human_print_clean(f, text_of(order, "phase"));
	if (order_percent(order) >= 0)
		fprintf(f, "%s%d %%, %s of %s", *text_of(order, "phase") ? " " : "",
		    order_percent(order), size_text_short((uint64_t)done, a),
		    size_text_short((uint64_t)total, b));
	else if (done > 0)
		fprintf(f, "%s%s", *text_of(order, "phase") ? " " : "",
		    size_text_short((uint64_t)done, a));
}

static void put(FILE *f, const char *before, const char *text)
{
	if (!*text)
		return;
	fputs(before, f);
	human_print_clean(f, text);
}

static void put_running(FILE *f, const json_t *order)
{
	if (*text_of(order, "phase") || json_integer_value(json_object_get(order, "done_bytes"))) {
		fputs(": ", f);
		order_progress_words(f, order);
	} else {
		fputs(" is begun", f);
	}
	put(f, ", ", text_of(order, "text"));
	put(f, ": ", text_of(order, "waits_for"));
}

void order_line(FILE *f, const json_t *order)
{
	human_print_clean(f, text_of(order, "action"));
	if (is(order, ORDER_RUNNING)) {
		put_running(f, order);
	} else if (is(order, ORDER_WAITING)) {
		fputs(" waits", f);
		put(f, ": ", text_of(order, "waits_for"));
	} else {
		fputc(' ', f);
		human_print_clean(f, text_of(order, "state"));
		if (is(order, ORDER_FAILED))
			put(f, " in ", text_of(order, "phase"));
		put(f, ": ", text_of(order, "text"));
		put(f, "\n  hint    ", text_of(order, "hint"));
	}
	fputc('\n', f);
}
