/* image_made.h - why there is no image yet of a folder that another tool filled
 * (lib/image/adopted.h): the word of whoever makes it.
 */
#ifndef BOOT_HANDLER_SOURCES_IMAGE_MADE_H
#define BOOT_HANDLER_SOURCES_IMAGE_MADE_H

#include "boot_handler/sources/image.h"
#include "lib/image/adopted.h"

/* `folder`: where it will be made; beside it lies <folder>.json. */
void image_made_why(const char *folder, const struct adopted *source, struct image_missing *out);

#endif
