#include "boot_handler/http/guest_boot.h"

#include <stdio.h>
#include <string.h>

#include "boot_handler/documents/owner.h"
#include "boot_handler/http/guest_stranger.h"
#include "boot_handler/http/neighbour.h"
#include "boot_handler/http/ordered_boot.h"
#include "lib/boot/loader.h"
#include "lib/boot/offer.h"
#include "lib/boot/stranger.h"

/* ---- who asks ---------------------------------------------------------------------------- */

/* What it shows of itself counts before a card that was learned. */
static const struct vm *find_vm(const struct call *c, const struct route *route)
{
	const struct vm_snapshot *snapshot = c->snapshot;
	const struct vm *vm = NULL;

	if (route->has_mac)
		vm = vm_snapshot_by_mac(snapshot, &route->mac);
	if (!vm && route->uuid[0])
		vm = vm_snapshot_by_uuid(snapshot, route->uuid);
	if (!vm && route->serial[0])
		vm = vm_snapshot_by_serial(snapshot, route->serial);
	if (!vm && route->has_mac)
		vm = services_vm_by_mac(c->services, snapshot, &route->mac);
	return vm;
}

static bool is_defined(void *snapshot, const struct mac *mac)
{
	return vm_snapshot_by_mac(snapshot, mac) != NULL;
}

static bool another_has(const struct call *c, const struct vm *vm, const struct source *source)
{
	struct in6_addr address = source_address(source);

	return vm_snapshot_is_anothers(c->snapshot, vm, &address) ||
	       state_is_anothers(
		   c->services->state, &vm->mac, &address, is_defined, (void *)c->snapshot);
}

/* A machine that told its UUID or serial number with another card than its definition's may have
 * any address that is nobody else's, if it does not come from another machine's card. */
static bool is_no_other(const struct call *c, const struct vm *vm)
{
	const struct vm *other;
	struct source source;
	struct mac mac;

	if (!source_parse(c->request->source, &source) || another_has(c, vm, &source))
		return false;
	if (!neighbour_mac(&source, &mac))
		return true;
	other = services_vm_by_mac(c->services, c->snapshot, &mac);
	return !other || other == vm;
}

static void refuse_card(const struct call *c, struct boot_facts *facts)
{
	char what[MACHINE_STAGE_SIZE], mac[MAC_TEXT_SIZE] = "unnamed";

	if (facts->mac)
		mac_format(facts->mac, mac);
	facts->elsewhere = c->request->source;
	facts->other_card = true;
	snprintf(what, sizeof(what), "another card, %s, while its own is there", mac);
	if (!c->request->head)
		state_refused(c->services->state, &facts->vm->mac, facts->vm->name, what);
}

/* What was leased to the card before is the machine's, and no address of its own making. */
static void note_card(const struct call *c, const struct boot_facts *facts)
{
	if (c->request->head)
		return;
	if (facts->mac)
		services_learn_card(c->services, facts->vm, facts->mac);
	state_source("", c->request->source);
	call_note_address(c, facts->vm);
}

/* From its own address, or known by its UUID or serial number with a card that may be its. */
static bool boots_itself(
    const struct call *c, struct boot_facts *facts, const struct boot_loader *loader)
{
	const struct vm *vm = facts->vm;
	char path[20];
	bool by_id = !facts->mac || !mac_equal(facts->mac, &vm->mac);

	if (call_is_its_own(c, vm))
		return true;
	if (by_id && is_no_other(c, vm)) {
		if (services_may_be_its_card(c->services, vm, facts->mac)) {
			note_card(c, facts);
			return true;
		}
		refuse_card(c, facts);
		return false;
	}
	facts->elsewhere = c->request->source;
	snprintf(path, sizeof(path), "/%s", loader->name);
	if (!c->request->head)
		state_refused(c->services->state, &vm->mac, vm->name, path);
	return false;
}

/* Remembers what this boot changes, unless nobody boots: a look from elsewhere has no effect. */
static void note_boot(const struct call *c, struct boot_facts *facts, struct boot_choice choice,
    const struct boot_loader *loader)
{
	struct state *state = c->services->state;
	const struct mac *mac = &facts->vm->mac;
	const char *name = facts->vm->name;

	if (!boots_itself(c, facts, loader) || c->request->head)
		return;
	if (facts->mac)
		(void)state_asked_with(state, mac, name, facts->mac);
	if (boot_is_chosen(facts, choice))
		state_chose(
		    state, mac, name, facts->chosen, facts->image ? facts->image->name : NULL);
	facts->attempt = state_booted(state, mac, name, choice);
}

/* ---- what it gets ------------------------------------------------------------------------ */

/* What a choice says and did not need for being made. */
struct words {
	struct machine_row row;
	struct own_kernel_gap gaps[OWN_KERNEL_FILES];
	struct image_facts image;
	char agent_image[IMAGE_NAME_SIZE];
};

/* Of a menu, and what was chosen of it. */
static void find_offers(struct services *services, enum vm_arch arch, struct boot_facts *f)
{
	bool unattended;

	f->offers = image_list_get(services->boot_images, arch);
	f->image = boot_offer_find(f->offers, f->chosen, &unattended);
	if (!f->vm && unattended)
		f->image = NULL;
}

static void find_facts(
    struct services *services, const struct route *route, struct boot_facts *f, struct words *w)
{
	f->life = state_life(services->state, &f->vm->mac);
	f->attempt = f->life.attempt;
	f->other_arch = route->arch != VM_ARCH_NOT_SAID && route->arch != f->vm->arch;
	unsigned needs = boot_mode_of(f->vm)->needs;
	if (needs & BOOT_NEEDS_BOOT) {
		f->image =
		    images_boot(services->images, f->vm->image, f->vm->arch, boot_image_use(f->vm));
		f->has_needed = f->image != NULL;
	} else if (needs & BOOT_NEEDS_FILES) {
		f->has_needed = own_kernel_missing(services->images_dir, f->vm, w->gaps) == 0;
	} else {
		f->has_needed = images_has(services->images, f->vm->distro, f->vm->arch);
	}
	if (boot_mode_of(f->vm) == &boot_mode_menu)
		find_offers(services, f->vm->arch, f);
}

static void find_stranger(
    const struct call *c, const struct route *route, struct boot_facts *f, struct words *w)
{
	f->arch = route->arch;
	if (f->stranger == &boot_stranger_menu || f->stranger == &boot_stranger_agent)
		f->agent_image =
		    ordered_boot_agent_image(c->services, c->snapshot, f->arch, w->agent_image);
	if (f->stranger == &boot_stranger_menu)
		find_offers(c->services, f->arch, f);
}

/* ---- ordered ----------------------------------------------------------------------------- */

static struct order_cards cards_of(const struct boot_facts *f)
{
	struct order_cards cards = {.count = 0};

	if (f->mac)
		cards.mac[cards.count++] = *f->mac;
	if (f->vm)
		cards.mac[cards.count++] = f->vm->mac;
	return cards;
}

static void find_words(
    struct services *services, struct boot_choice choice, struct boot_facts *f, struct words *w)
{
	if (choice.wait == BOOT_FAILED) {
		state_row(services->state, &f->vm->mac, &w->row);
		f->error_phase = w->row.error_phase;
		f->error_reason = w->row.error_reason;
	} else if (choice.wait == BOOT_NO_IMAGE && choice.mode->needs & BOOT_NEEDS_FILES) {
		f->missing = w->gaps[0].what;
		f->advice = w->gaps[0].advice;
	} else if (choice.wait == BOOT_NO_IMAGE) {
		images_facts(services->images, boot_image_name(f->vm), f->vm->arch,
		    boot_image_use(f->vm), &w->image);
		f->missing = w->image.missing.what;
		f->advice = w->image.missing.advice;
	}
}

/* ---- the answer -------------------------------------------------------------------------- */

static int script(const struct call *c, const struct boot_loader *loader, struct server_answer *a)
{
	struct services *services = c->services;
	const struct route *route = c->request->route;
	static _Thread_local char buf[BOOT_SCRIPT_MAX];
	struct boot_facts facts = {.urls = &services->urls,
	    .stranger = services->strangers,
	    .mac = route->has_mac ? &route->mac : NULL,
	    .chosen = route->choice[0] ? route->choice : NULL};
	struct boot_plan plan;
	struct words words;

	facts.vm = find_vm(c, route);
	if (facts.vm)
		find_facts(services, route, &facts, &words);
	else
		find_stranger(c, route, &facts, &words);
	const struct order_cards cards = cards_of(&facts);
	ordered_boot_find(services, c->snapshot, &cards, &facts, words.agent_image);
	struct boot_choice choice = boot_decide(&facts);
	if (facts.vm)
		note_boot(c, &facts, choice, loader);
	else
		guest_note_stranger(
		    c, loader->name, boot_stranger_chooses(&facts) ? facts.chosen : NULL);
	if (!facts.elsewhere && !c->request->head)
		orders_asked(
		    state_orders(services->state), &cards, facts.disk_once || facts.image_once);
	find_words(services, choice, &facts, &words);
	boot_plan_make(&facts, choice, &plan);
	a->len = loader->render(&plan, &facts, buf);
	a->type = loader->content_type;
	a->kind = SERVER_BODY_COPY;
	a->body = buf;
	return 0;
}

int guest_ipxe(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)e;
	return script(c, boot_loader_find("ipxe"), a);
}

int guest_grub(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)e;
	return script(c, boot_loader_find("grub"), a);
}
