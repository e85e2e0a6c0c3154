#include "lib/boot/offer.h"

#include <stdio.h>
#include <string.h>

/* Of a text of 80 columns, without what surrounds it. */
#define WIDTH 74

bool boot_offer_is_word(const char *name)
{
	return boot_mode_find(name) || strcmp(name, "again") == 0;
}

const struct boot_image *boot_offer_find(
    const struct boot_offers *offers, const char *word, bool *unattended)
{
	char name[MENU_NAME_MAX + 1];

	*unattended = word && menu_choice_split(word, name);
	if (!word || !offers || boot_offer_is_word(name))
		return NULL;
	for (unsigned i = 0; i < offers->count; i++) {
		const struct boot_image *image = offers->image[i];

		if (strcmp(image->name, name) == 0)
			return !*unattended || image_boot_unattended(&image->boot) ? image : NULL;
	}
	return NULL;
}

/* As wide as the screen. */
static const char *cut(char *text)
{
	if (strlen(text) > WIDTH)
		memcpy(text + WIDTH - 3, "...", 4);
	return text;
}

static void add(const struct boot_image *image, bool unattended, struct boot_plan *out)
{
	struct boot_item *item = &out->item[out->items++];
	const char *title = image->title && *image->title ? image->title : NULL;
	char says[300];

	if (unattended)
		snprintf(says, sizeof(says), "Erase the disk and install by %s, unattended",
		    image->name);
	else
		snprintf(says, sizeof(says), "Boot %s%s%.200s%s", image->name, title ? " (" : "",
		    title ? title : "", title ? ")" : "");
	item->name = boot_text(out, image->name, unattended ? MENU_UNATTENDED : "");
	item->says = boot_foreign(out, cut(says));
}

/* Room for what is wanted and for the line about those that had none. */
static bool has_room(const struct boot_plan *out, bool wanted_is_in)
{
	return out->items + !wanted_is_in + 1 < BOOT_ITEMS_MAX;
}

static const char *left_out_line(
    unsigned count, bool cut_before, bool has_default, struct boot_plan *out)
{
	char digits[BOOT_NUMBER_SIZE];

	if (count == 0)
		return boot_text(out, "(images/ has more folders than are looked at)");
	return boot_text(out, "(", boot_number(count, digits), cut_before ? " and others" : " more",
	    " have no room here", has_default ? "; menu_default can name one" : "", ")");
}

void boot_offer_items(
    const struct boot_offers *offers, const char *wanted, bool install, struct boot_plan *out)
{
	bool wants_install, in;
	const struct boot_image *of_wanted = boot_offer_find(offers, wanted, &wants_install);
	unsigned left_out = 0;

	if (!install && wants_install)
		of_wanted = NULL;
	in = !of_wanted;
	for (unsigned i = 0; offers && i < offers->count; i++) {
		const struct boot_image *image = offers->image[i];

		if (boot_offer_is_word(image->name))
			continue;
		for (int way = 0; way < 2; way++) {
			bool unattended = way == 1;
			bool is_wanted = image == of_wanted && unattended == wants_install;

			if (unattended && !(install && image_boot_unattended(&image->boot)))
				continue;
			in |= is_wanted;
			if (is_wanted || has_room(out, in))
				add(image, unattended, out);
			else
				left_out++;
		}
	}
	if (left_out > 0 || (offers && offers->cut))
		out->item[out->items++] =
		    (struct boot_item){"", left_out_line(left_out, offers->cut, install, out)};
}
