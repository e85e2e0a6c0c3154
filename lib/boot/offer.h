/* offer.h - the boot images that a menu offers, by the words of menu_choice.h. Pure. */
#ifndef LIB_BOOT_OFFER_H
#define LIB_BOOT_OFFER_H

#include "lib/boot/plan.h"
#include "lib/definition/menu_choice.h"

#define BOOT_OFFERS_MAX 200

/* What is there and complete, sorted by name; borrowed. */
struct boot_offers {
	const struct boot_image *image[BOOT_OFFERS_MAX];
	unsigned count;
	bool cut; /* there may be more */
};

/* Whether a menu has another meaning for it: an image of that name is never offered. */
bool boot_offer_is_word(const char *name);

/* The image that such a word names; NULL: it is not offered, or the word is none. `offers` and
 * `word` may be NULL. */
const struct boot_image *boot_offer_find(
    const struct boot_offers *offers, const char *word, bool *unattended);

/* Adds an item for each, as far as there is room, but always what `wanted` (or NULL) names; and how
 * many had none. `install`: those, too, that erase the disk. */
void boot_offer_items(
    const struct boot_offers *offers, const char *wanted, bool install, struct boot_plan *out);

#endif
