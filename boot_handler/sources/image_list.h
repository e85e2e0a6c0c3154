/* image_list.h - the boot images that are there and complete, for menus.
 *
 * The folder is read at most once a second, and only when somebody asks; of what it holds so
 * many folders are looked at, and as many images listed as BOOT_OFFERS_MAX.
 */
#ifndef BOOT_HANDLER_SOURCES_IMAGE_LIST_H
#define BOOT_HANDLER_SOURCES_IMAGE_LIST_H

#include "boot_handler/sources/image.h"
#include "lib/boot/offer.h"

#define IMAGE_LIST_FOLDERS 1000

struct image_list;

/* `dir` is that of `images`; both are borrowed. */
must_check int image_list_new(
    struct images *images, const char *dir, struct image_list **out, struct err *e);
void image_list_free(struct image_list *l); /* NULL is allowed */

/* What is returned stays for a minute at least. Nearly always atomic reads only; any thread. NULL:
 * nothing is known, as of an architecture that is none. `l` may be NULL. */
const struct boot_offers *image_list_get(struct image_list *l, enum vm_arch arch);

#endif
