#include "lib/follow/order_words.h"

#include <string.h>

#include "lib/base/human.h"
#include "lib/machine/order.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

int order_percent(const json_t *order)
{
	json_int_t done = json_integer_value(json_object_get(order, "done_bytes"));
	json_int_t total = json_integer_value(json_object_get(order, "total_bytes"));

	return total > 0 && done >= 0 && done <= total ? (int)((double)done * 100 / (double)total)
						       : -1;
}

void order_brief(FILE *f, const json_t *order)
{
	int percent = order_percent(order);

	human_print_clean(f, text_of(order, "action"));
	if (strcmp(text_of(order, "state"), order_state_name(ORDER_RUNNING)) != 0) {
		fputs(" ordered", f);
	} else if (percent >= 0) {
		fprintf(f, " %d %%", percent);
	} else if (*text_of(order, "phase")) {
		fputs(": ", f);
		human_print_clean(f, text_of(order, "phase"));
	}
}

void order_agent_words(FILE *f, const json_t *vm)
{
	const json_t *order = json_object_get(vm, "order");
	const char *agent = text_of(json_object_get(vm, "agent"), "is");

	fputs("agent: ", f);
	if (strcmp(agent, "starting") == 0)
		fputs("starts", f);
	else if (json_is_object(order))
		order_brief(f, order);
	else
		fputs("waits for orders", f);
	if (strcmp(agent, "silent") == 0)
		fputs(", silent", f);
}
