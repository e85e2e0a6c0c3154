/* order_read.h - orders as people write them, to the API and in files:
 * {"action": "local", "args": {"netboot": "off"}, "deadline_s": 300}, a list of those, or
 * {"orders": [...]}. Pure; which there are: lib/machine/order.h.
 */
#ifndef LIB_ORDER_ORDER_READ_H
#define LIB_ORDER_ORDER_READ_H

#include <jansson.h>

#include "lib/json/read.h"
#include "lib/machine/order.h"

#define ORDER_LIST_MAX 16
#define ORDER_DEADLINE_MAX_S (7 * 24 * 3600)

/* One order, judged. */
struct order_wish {
	enum order_action action;
	/* An object or NULL: what was given, a disk and an image as they were named, and of what
	 * was not the usual. */
	json_t *args;
	unsigned timeout_s;
};

struct order_list {
	struct order_wish wish[ORDER_LIST_MAX];
	unsigned count;
};

/* All that is wrong is told; order_list_clear() in any case. */
int order_list_read(struct json_reader *r, const json_t *value, struct order_list *out);
void order_list_clear(struct order_list *list);

/* The same for those who want the first refusal: -EINVAL with where and what in one sentence. */
must_check int order_list_parse(const json_t *value, struct order_list *out, struct err *e);

/* An argument from a command line; a new reference: the number that a count is, else the text. */
json_t *order_arg_of_text(const struct order_arg *arg, const char *text);

#endif
