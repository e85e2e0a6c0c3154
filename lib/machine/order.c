#include "lib/machine/order.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ORDER_ROW(id, word, does) [ORDER_##id] = {word, does},
static const struct {
	const char *name, *summary;
} actions[] = {ORDER_ACTIONS(ORDER_ROW)};

static const char *const states[ORDER_STATE_COUNT] = {
    [ORDER_WAITING] = "waiting",
    [ORDER_RUNNING] = "running",
    [ORDER_DONE] = "done",
    [ORDER_FAILED] = "failed",
};

const char *order_action_name(size_t i)
{
	return i < ORDER_ACTION_COUNT ? actions[i].name : NULL;
}

const char *order_action_summary(size_t i)
{
	return i < ORDER_ACTION_COUNT ? actions[i].summary : NULL;
}

const char *order_state_name(size_t i)
{
	return i < ORDER_STATE_COUNT ? states[i] : NULL;
}

int order_action_parse(const char *name, enum order_action *out)
{
	for (size_t i = 0; i < ORDER_ACTION_COUNT; i++)
		if (strcmp(actions[i].name, name) == 0) {
			*out = (enum order_action)i;
			return 0;
		}
	return -EINVAL;
}

int order_state_parse(const char *name, enum order_state *out)
{
	for (size_t i = 0; i < ORDER_STATE_COUNT; i++)
		if (strcmp(states[i], name) == 0) {
			*out = (enum order_state)i;
			return 0;
		}
	return -EINVAL;
}

const char *order_actions_words(char buf[ORDER_WORDS_SIZE])
{
	size_t used = 0;

	for (size_t i = 0; i < ORDER_ACTION_COUNT && used < ORDER_WORDS_SIZE; i++)
		used += (size_t)snprintf(buf + used, ORDER_WORDS_SIZE - used, "%s%s",
		    i == 0                       ? ""
		    : i + 1 < ORDER_ACTION_COUNT ? ", "
						 : " or ",
		    actions[i].name);
	return buf;
}
