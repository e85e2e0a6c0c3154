/* order.h - what a machine that runs the agent can be ordered to do: a row an action. */
#ifndef LIB_MACHINE_ORDER_H
#define LIB_MACHINE_ORDER_H

#include <stddef.h>

/* ORDER_<id>, name, what it does. */
/* clang-format off */
#define ORDER_ACTIONS(row) \
	row(REBOOT, "reboot", "starts the machine anew") \
	row(POWEROFF, "poweroff", "switches it off") \
	row(LOCAL, "local", "starts it anew, once from its disk") \
	row(INVENTORY, "inventory", "takes its inventory again")
/* clang-format on */

#define ORDER_ID(id, ...) ORDER_##id,
enum order_action { ORDER_ACTIONS(ORDER_ID) ORDER_ACTION_COUNT };

enum order_state {
	ORDER_WAITING, /* the agent has not got it yet */
	ORDER_RUNNING, /* it has */
	ORDER_DONE,
	ORDER_FAILED,
	ORDER_STATE_COUNT,
};

/* NULL from the last on. */
const char *order_action_name(size_t i);
const char *order_action_summary(size_t i);
const char *order_state_name(size_t i);

/* By name; -EINVAL. */
int order_action_parse(const char *name, enum order_action *out);
int order_state_parse(const char *name, enum order_state *out);

/* All actions in one sentence: "reboot, poweroff, local or inventory". */
#define ORDER_WORDS_SIZE 200
const char *order_actions_words(char buf[ORDER_WORDS_SIZE]);

#endif
