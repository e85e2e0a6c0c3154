/* Whoever stands before the machine chooses, else its default comes after a while. */
#include <string.h>

#include "lib/boot/plan.h"

/* What can be chosen: modes, in the order of the screen. */
static const struct {
	const struct boot_mode *mode;
	const char *says;
	bool image; /* named behind it */
} offers[] = {
    {&boot_mode_local, "Boot from disk", false},
    {&boot_mode_install, "Erase the disk and install ", true},
    {&boot_mode_shell, "Start a shell in the installer", false},
};

#define OFFERS (sizeof(offers) / sizeof(*offers))
_Static_assert(OFFERS <= BOOT_ITEMS_MAX, "all of them fit on the screen");

static struct boot_choice choose(const struct boot_facts *f)
{
	for (size_t i = 0; f->chosen && i < OFFERS; i++)
		if (strcmp(offers[i].mode->name, f->chosen) == 0)
			return (struct boot_choice){offers[i].mode, BOOT_GOES};
	return (struct boot_choice){&boot_mode_menu, BOOT_GOES};
}

static bool is_offered(const struct boot_facts *f, const struct boot_mode *mode)
{
	return !(mode->needs & BOOT_NEEDS_IMAGE) || (f->has_needed && !f->other_arch);
}

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	const char *wanted = f->vm->menu_default;

	boot_say(out, f->vm->name, ": what shall it boot?");
	for (size_t i = 0; i < OFFERS; i++) {
		const char *name = offers[i].mode->name;

		if (!is_offered(f, offers[i].mode))
			continue;
		out->item[out->items++] = (struct boot_item){
		    name, boot_text(out, offers[i].says, offers[i].image ? f->vm->distro : "")};
		if (!out->preset || strcmp(name, wanted) == 0)
			out->preset = name;
	}
	out->timeout_s = f->vm->menu_timeout;
}

static enum boot_end expects(const struct boot_facts *f)
{
	(void)f;
	return BOOT_END_UNKNOWN;
}

const struct boot_mode boot_mode_menu = {
    .name = "menu",
    .summary = "shows a menu on the screen: disk, installation, shell",
    .verb = BOOT_MENU,
    .choose = choose,
    .plan = plan,
    .expects = expects,
};
