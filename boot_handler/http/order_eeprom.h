/* order_eeprom.h - the order boot-order to a Raspberry Pi: which update of its EEPROM vm_watcher is
 * to serve it while that runs, and what its agent is told of it (lib/boot/eeprom.h).
 */
#ifndef BOOT_HANDLER_HTTP_ORDER_EEPROM_H
#define BOOT_HANDLER_HTTP_ORDER_EEPROM_H

#include <jansson.h>

#include "boot_handler/http/services.h"

/* What it is to become now, by an order that runs; nothing in every other case. As
 * address_eeprom(), of services. */
void order_eeprom_wish(void *services, const struct vm *vm, struct eeprom_wish *out);

/* Adds to the arguments `given` of an order that is handed out: "eeprom", an object with "soc",
 * "timestamp" and how long it is served, "since_s"; or with "why" not. Nothing for other orders and
 * machines; `vm` may be NULL. */
void order_eeprom_put(
    struct services *services, const struct vm *vm, const struct order *order, json_t *given);

/* TFTP has sent it a file. A board that has fetched its update boots its disk from then on, where
 * the network is last: nobody comes back to tell the order's end. */
void order_eeprom_fetched(struct services *services, const struct vm *vm, const char *file);

#endif
