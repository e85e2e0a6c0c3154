/* Whoever stands before the machine chooses, else its default comes after a while. */
#include <string.h>

#include "lib/boot/offer.h"

/* What can be chosen besides boot images: modes, in the order of the screen. */
static const struct {
	const struct boot_mode *mode;
	const char *says;
	bool image; /* named behind it */
} offers[] = {
    {&boot_mode_local, "Boot from disk", false},
    {&boot_mode_install, "Erase the disk and install ", true},
    {&boot_mode_shell, "Start a shell in the installer", false},
    {&boot_mode_agent, "Start the agent: inventory, then orders", false},
};

#define OFFERS (sizeof(offers) / sizeof(*offers))
_Static_assert(OFFERS + 2 < BOOT_ITEMS_MAX, "all of them fit on the screen, and some images");

static struct boot_choice choose(const struct boot_facts *f)
{
	bool unattended;

	for (size_t i = 0; f->chosen && i < OFFERS; i++)
		if (strcmp(offers[i].mode->name, f->chosen) == 0)
			return (struct boot_choice){offers[i].mode, BOOT_GOES};
	if (boot_offer_find(f->offers, f->chosen, &unattended))
		return (struct boot_choice){
		    unattended ? &boot_mode_unattended : &boot_mode_boot, BOOT_GOES};
	return (struct boot_choice){&boot_mode_menu, BOOT_GOES};
}

static bool is_offered(const struct boot_facts *f, const struct boot_mode *mode)
{
	return !(mode->needs & BOOT_NEEDS_IMAGE) || (f->has_needed && !f->other_arch);
}

/* What erases the disk goes on by itself until it has, as in the other modes. */
static bool may_be_preset(const struct boot_facts *f, bool erases)
{
	const struct life *life = &f->life;

	return !erases || life->reinstall ||
	       !(life->local || life->state == MACHINE_INSTALLED || life->state == MACHINE_READY ||
		   life->state == MACHINE_FAILED);
}

static bool erases(const char *word)
{
	char name[MENU_NAME_MAX + 1];

	return strcmp(word, boot_mode_install.name) == 0 || menu_choice_split(word, name);
}

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	const char *wanted = f->vm->menu_default;

	boot_say(out, f->vm->name, ": what shall it boot?");
	for (size_t i = 0; i < OFFERS; i++)
		if (is_offered(f, offers[i].mode))
			out->item[out->items++] = (struct boot_item){offers[i].mode->name,
			    boot_text(out, offers[i].says, offers[i].image ? f->vm->distro : "")};
	boot_offer_items(f->other_arch ? NULL : f->offers, wanted, true, out);
	out->preset = out->item[0].name;
	for (unsigned i = 0; i < out->items; i++)
		if (strcmp(out->item[i].name, wanted) == 0 && may_be_preset(f, erases(wanted)))
			out->preset = out->item[i].name;
	out->timeout_s = f->vm->menu_timeout;
}

static enum boot_end expects(const struct boot_facts *f)
{
	(void)f;
	return BOOT_END_UNKNOWN;
}

const struct boot_mode boot_mode_menu = {
    .name = "menu",
    .summary =
	"shows a menu on the screen: disk, installation, shell, agent, and the boot images that are there",
    .verb = BOOT_MENU,
    .choose = choose,
    .plan = plan,
    .expects = expects,
};
