/* machine.h - one machine, declared or not, as the operator names it, and its inventories. */
#ifndef BOOT_HANDLER_HTTP_MACHINE_H
#define BOOT_HANDLER_HTTP_MACHINE_H

#include <jansson.h>

#include "boot_handler/http/call.h"

struct machine_named {
	const struct vm *vm;      /* NULL: no definition has it */
	const char *name;         /* its name, or how it was named */
	struct order_cards cards; /* the one that it asked with last is the first */
};

/* Those of a declared one. */
void machine_cards(const struct services *services, const struct vm *vm, struct order_cards *out);

/* The one that the path names. */
must_check int machine_find(const struct call *c, struct machine_named *out, struct err *e);
/* The one of that name, MAC address, UUID or serial number. */
must_check int machine_find_id(const struct services *services, const struct vm_snapshot *snapshot,
    const char *id, struct machine_named *out, struct err *e);

/* The newest inventory told with one of these cards: a new reference, NULL: none. */
json_t *machine_told(struct services *services, const struct order_cards *cards);

int machine_inventory(const struct call *c, struct server_answer *a, struct err *e);

#endif
