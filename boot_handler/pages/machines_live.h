/* machines_live.h - /machines.json, what keeps /machines up to date.
 *
 * ?after= is the version that a page has, ?heard= the last event that it was told of; ?q= and
 * ?state= are the page's. The answer has what has changed since: rows that were formed anew as
 *HTML, of others the values that are others now.
 *	{"version":N,"counts":HTML,"rows":[{"id":..,"html":..},{"id":..,"percent":..}],"order":[id..]}
 * "order", the ids of all rows that the page is to show, is there where it may be another one. What
 * of these it does not have, it has missed: it then asks without ?after=, and gets every row.
 */
#ifndef BOOT_HANDLER_PAGES_MACHINES_LIVE_H
#define BOOT_HANDLER_PAGES_MACHINES_LIVE_H

#include "boot_handler/http/call.h"

int machines_live(const struct call *c, struct server_answer *a, struct err *e);

#endif
