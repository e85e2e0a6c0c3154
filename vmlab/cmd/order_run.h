/* order_run.h - gives machines' agents a list of orders, and follows them to their end. */
#ifndef VMLAB_CMD_ORDER_RUN_H
#define VMLAB_CMD_ORDER_RUN_H

#include "vmlab/lab/command.h"

struct order_run {
	const json_t *orders;  /* a list, judged by order_list_parse() */
	const char *const *id; /* machines, as people name them */
	size_t count;
	unsigned parallel; /* so many machines at once; 0: all */
	bool no_wait;
};

/* STATUS_OK: all ended well, or with no_wait, all were given. What one machine's does not change
 * others'; lines go to standard output, what went wrong to standard error. */
int order_run(struct session *s, const struct order_run *run);

/* Follows one that is given already, and those after it in its list. */
int order_run_follow(struct session *s, const char *id, json_int_t order);

#endif
