/* guest_caller.h - which machine it is that calls as one that runs the agent. It acts for itself
 * only: one with a definition from an address of it, another for the card that it calls from. */
#ifndef BOOT_HANDLER_HTTP_GUEST_CALLER_H
#define BOOT_HANDLER_HTTP_GUEST_CALLER_H

#include "boot_handler/http/call.h"
#include "boot_handler/state/order.h"

struct guest_caller {
	struct mac mac;               /* that it names itself by */
	const struct vm *vm;          /* NULL: no definition has it */
	char name[MACHINE_NAME_SIZE]; /* the definition's, else its MAC address */
	struct order_cards cards;
};

/* -EPERM with the sentence when it is another. */
must_check int guest_caller_find(
    const struct call *c, const struct mac *mac, struct guest_caller *out, struct err *e);

#endif
