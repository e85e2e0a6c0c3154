#include "lib/machine/order.h"

#include <errno.h>
#include <string.h>

#include "lib/base/words.h"

#define ORDER_ROW(id, symbol, word, ...) [ORDER_##id] = {.name = word, __VA_ARGS__},
static const struct order_row rows[] = {ORDER_ACTIONS(ORDER_ROW)};

static const char *const states[ORDER_STATE_COUNT] = {
    [ORDER_WAITING] = "waiting",
    [ORDER_RUNNING] = "running",
    [ORDER_DONE] = "done",
    [ORDER_FAILED] = "failed",
    [ORDER_CANCELLED] = "cancelled",
    [ORDER_STOPPED] = "stopped",
};

const struct order_row *order_row(size_t i)
{
	return i < ORDER_ACTION_COUNT ? &rows[i] : NULL;
}

const char *order_action_name(size_t i)
{
	return i < ORDER_ACTION_COUNT ? rows[i].name : NULL;
}

const char *order_state_name(size_t i)
{
	return i < ORDER_STATE_COUNT ? states[i] : NULL;
}

const struct order_arg *order_arg_find(const struct order_row *row, const char *name)
{
	for (const struct order_arg *a = row->args; a && a->name; a++)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

int order_action_parse(const char *name, enum order_action *out)
{
	int i = word_index(order_action_name, name);

	if (i >= 0)
		*out = (enum order_action)i;
	return i >= 0 ? 0 : -EINVAL;
}

int order_state_parse(const char *name, enum order_state *out)
{
	int i = word_index(order_state_name, name);

	if (i >= 0)
		*out = (enum order_state)i;
	return i >= 0 ? 0 : -EINVAL;
}

const char *order_actions_words(char buf[ORDER_WORDS_SIZE])
{
	return word_list(order_action_name, "", buf, ORDER_WORDS_SIZE);
}
