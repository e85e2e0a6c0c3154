/* Asks at the screen, for as long as it takes to be declared. It has no definition to be installed
 * by, so boot images ask themselves what they need. */
#include <string.h>

#include "lib/boot/offer.h"
#include "lib/boot/stranger.h"

typedef void planner(const struct boot_facts *f, struct boot_plan *out);

static void disk(const struct boot_facts *f, struct boot_plan *out)
{
	boot_stranger_local.plan(f, out);
}

static void prompt(const struct boot_facts *f, struct boot_plan *out)
{
	(void)f;
	out->prompt = true;
	boot_say(out, "its loader's own command line; exit leads back to the menu");
}

static void agent(const struct boot_facts *f, struct boot_plan *out)
{
	boot_stranger_agent.plan(f, out);
}

static void image(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, "it boots ", f->image->name);
	boot_plan_image(f, false, out);
}

/* In the order of the screen; without a plan: the menu anew. */
static const struct {
	struct boot_item item;
	planner *plan;
} offers[] = {
    {{"again", "Ask again: once it is declared, it starts by itself"}, NULL},
    {{"local", "Boot from disk"}, disk},
    {{"shell", "Start the loader's own shell"}, prompt},
    {{"agent", "Start the agent: inventory, then orders"}, agent},
};

#define OFFERS (sizeof(offers) / sizeof(*offers))

static bool is_there(const struct boot_facts *f, planner *of)
{
	return of != agent || (f->agent_image && f->arch < VM_ARCH_COUNT);
}

static planner *chosen(const struct boot_facts *f)
{
	if (f->disk_once)
		return disk;
	for (size_t i = 0; f->chosen && i < OFFERS; i++)
		if (strcmp(offers[i].item.name, f->chosen) == 0)
			return is_there(f, offers[i].plan) ? offers[i].plan : NULL;
	return f->image ? image : NULL;
}

bool boot_stranger_chooses(const struct boot_facts *f)
{
	return f->stranger == &boot_stranger_menu && chosen(f);
}

static void menu(const struct boot_facts *f, struct boot_plan *out)
{
	char mac[MAC_TEXT_SIZE];

	out->verb = BOOT_MENU;
	const char *how = boot_text(out, "(to declare it: vmlab adopt ",
	    f->mac ? mac_format(f->mac, mac) : "and what `vmlab machines` shows of it", ")");
	out->item[out->items++] = (struct boot_item){"", how};
	for (size_t i = 0; i < OFFERS; i++)
		if (is_there(f, offers[i].plan))
			out->item[out->items++] = offers[i].item;
	boot_offer_items(f->offers, NULL, false, out);
	out->preset = offers[0].item.name;
	out->timeout_s = BOOT_WAIT_S;
}

static void plan(const struct boot_facts *f, struct boot_plan *out)
{
	planner *as = chosen(f);

	(as ? as : menu)(f, out);
}

const struct boot_stranger boot_stranger_menu = {
    .name = "menu",
    .summary = "a menu: disk, boot images, asking again",
    .plan = plan,
};
