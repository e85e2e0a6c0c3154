/* image_made.h - why there is no image yet of a folder that another tool filled (lib/adopted.h):
 * the word of whoever makes it.
 */
#ifndef BOOT_HANDLER_IMAGE_MADE_H
#define BOOT_HANDLER_IMAGE_MADE_H

#include "boot_handler/image.h"
#include "lib/adopted.h"

/* `folder`: where it will be made; beside it lies <folder>.json. */
void image_made_why(const char *folder, const struct adopted *source, struct image_missing *out);

#endif
