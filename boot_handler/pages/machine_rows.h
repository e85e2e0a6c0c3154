/* machine_rows.h - what /machines tells of each machine: whoever boots from the network, declared
 * or not, those that need somebody first.
 *
 * A row: "id" (its name, else a MAC address), "name" (null: no definition), "state", "says",
 * "percent" (-1: not known), "detail", "ip", "declared_ip" (where it is another), "image", "why",
 * "hint", "event" and "event_at", "asked", "what", "uuid", "serial", "macs", "seen".
 */
#ifndef BOOT_HANDLER_PAGES_MACHINE_ROWS_H
#define BOOT_HANDLER_PAGES_MACHINE_ROWS_H

#include <jansson.h>

#include "boot_handler/http/call.h"

/* A filter is a state's word; "" those that are not ignored; "attention" those that need somebody.
 * In the order of the list. */
struct machine_filter {
	const char *word, *title;
};
extern const struct machine_filter machine_filters[]; /* ends with a word of NULL */

/* All of them as they are now, in their order: a new reference to an array, in any case. */
must_check int machine_rows_make(const struct call *c, json_t **out, struct err *e);

#endif
