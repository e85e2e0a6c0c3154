/* curve_picture.h - how fast an image came onto a disk, as a picture and in words. */
#ifndef BOOT_HANDLER_PAGES_CURVE_PICTURE_H
#define BOOT_HANDLER_PAGES_CURVE_PICTURE_H

#include <jansson.h>

#include "boot_handler/pages/html.h"

/* `curve` is what curve_text() writes; nothing of one with fewer than two points. */
void curve_picture_put(struct html *h, const json_t *curve);

#endif
