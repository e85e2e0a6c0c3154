/* images_page.h - /images: what there is to install and to boot, and what is wanted and missing. */
#ifndef BOOT_HANDLER_PAGES_IMAGES_PAGE_H
#define BOOT_HANDLER_PAGES_IMAGES_PAGE_H

#include "boot_handler/http/call.h"

int images_page(const struct call *c, struct server_answer *a, struct err *e);

#endif
