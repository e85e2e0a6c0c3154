/* pages.h - the operator's pages in the browser, the dashboard: what can be asked of them. */
#ifndef BOOT_HANDLER_PAGES_PAGES_H
#define BOOT_HANDLER_PAGES_PAGES_H

#include "boot_handler/http/endpoint.h"

extern const struct endpoint_table page_endpoints;

#endif
