/* machine_list.h - the rows of /machines: whoever boots from the network, declared or not, chosen
 * by a search and a filter, those that need somebody first. The page and its script get the same
 * rows.
 *
 * A row: "id" (its name, else a MAC address), "name" (null: no definition), "state", "says",
 * "percent" (-1: not known), "detail", "ip", "declared_ip" (where it is another), "image", "why",
 * "hint", "event" and "event_at", "asked", "what", "uuid", "serial", "macs", "seen".
 */
#ifndef BOOT_HANDLER_PAGES_MACHINE_LIST_H
#define BOOT_HANDLER_PAGES_MACHINE_LIST_H

#include <jansson.h>

#include "boot_handler/http/call.h"

#define MACHINE_LIST_MAX 1000 /* rows of a page */
#define MACHINE_SEARCH_SIZE 100

/* A filter is a state's word; "" those that are not ignored; "attention" those that need somebody.
 */
struct machine_filter {
	const char *word, *title;
};
extern const struct machine_filter machine_filters[]; /* ends with a word of NULL */

struct machine_list {
	char search[MACHINE_SEARCH_SIZE];
	char filter[16]; /* a word of machine_filters */
	json_t *rows;    /* at most MACHINE_LIST_MAX */
	size_t found;    /* so many there are */
	json_t *counts;  /* {state: how many}, whatever was searched for */
};

/* What the query of the request asks for; machine_list_clear() in any case. */
must_check int machine_list_make(const struct call *c, struct machine_list *out, struct err *e);
void machine_list_clear(struct machine_list *list);
#define _cleanup_machine_list_ __attribute__((cleanup(machine_list_clear)))

#endif
