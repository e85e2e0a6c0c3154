#include "boot_handler/http/guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/cloudinit.h"
#include "boot_handler/documents/config.h"
#include "boot_handler/state/firstboot.h"
#include "boot_handler/http/call.h"
#include "boot_handler/http/guest_unattended.h"
#include "boot_handler/http/neighbour.h"
#include "boot_handler/documents/owner.h"
#include "boot_handler/state/report.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/boot/loader.h"
#include "lib/boot/offer.h"
#include "lib/boot/stranger.h"
#include "lib/base/log.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

/* ---- who asks ---------------------------------------------------------------------------- */

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

/* ---- /ipxe and /grub --------------------------------------------------------------------- */

static const struct vm *find_vm(const struct vm_snapshot *snapshot, const struct route *route)
{
	const struct vm *vm = NULL;

	if (route->has_mac)
		vm = vm_snapshot_by_mac(snapshot, &route->mac);
	if (!vm && route->shown.uuid[0])
		vm = vm_snapshot_by_uuid(snapshot, route->shown.uuid);
	if (!vm && route->shown.serial[0])
		vm = vm_snapshot_by_serial(snapshot, route->shown.serial);
	return vm;
}

/* A flood of them must not become a flood of lines. */
static void log_stranger(const struct route *route)
{
	static _Atomic int64_t last_ms;
	int64_t now = wall_ms();
	int64_t last = atomic_load_explicit(&last_ms, memory_order_relaxed);
	char mac[MAC_TEXT_SIZE] = "-";

	if (now - last < 1000 || !atomic_compare_exchange_strong(&last_ms, &last, now))
		return;
	if (route->has_mac)
		mac_format(&route->mac, mac);
	log_info("a machine without a definition asks mac=%s uuid=%s serial=%s", mac,
	    route->shown.uuid, route->shown.serial);
}

/* The stack's own addresses are a proxy's. */
static bool is_proxy(const struct call *c)
{
	const char *source = c->request->source;

	return strcmp(source, c->services->dns) == 0 || strncmp(source, "127.", 4) == 0 ||
	       strcmp(source, "::1") == 0;
}

static void note_stranger(const struct call *c, const char *loader, const char *chose)
{
	const struct route *route = c->request->route;
	struct source source = {0};
	struct stranger_sight sight = {.mac = route->has_mac ? &route->mac : NULL,
	    .shown = &route->shown,
	    .loader = loader,
	    .chose = chose,
	    .now_ms = wall_ms()};

	if (c->request->head)
		return;
	if (!is_proxy(c) && source_parse(c->request->source, &source)) {
		sight.ip = source.ip;
		sight.ip6 = source.ip6;
	}
	if (services_stranger_seen(c->services, &sight))
		log_stranger(route);
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

static void note_address(const struct call *c, const struct vm *vm)
{
	if (!is_proxy(c))
		state_seen_from(c->services->state, &vm->mac, vm->name, c->request->source);
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
	state_source(c->request->source);
	note_address(c, facts->vm);
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

/* What a choice says and did not need for being made. */
struct words {
	struct machine_row row;
	struct own_kernel_gap gaps[OWN_KERNEL_FILES];
	struct image_facts image;
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
    struct services *services, const struct route *route, struct boot_facts *f)
{
	f->arch = route->arch;
	if (f->stranger == &boot_stranger_menu)
		find_offers(services, f->arch, f);
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

	facts.vm = find_vm(c->snapshot, route);
	if (facts.vm)
		find_facts(services, route, &facts, &words);
	else
		find_stranger(services, route, &facts);
	struct boot_choice choice = boot_decide(&facts);
	if (facts.vm)
		note_boot(c, &facts, choice, loader);
	else
		note_stranger(c, loader->name, boot_stranger_chooses(&facts) ? facts.chosen : NULL);
	find_words(services, choice, &facts, &words);
	boot_plan_make(&facts, choice, &plan);
	a->len = loader->render(&plan, &facts, buf);
	a->type = loader->content_type;
	a->kind = SERVER_BODY_COPY;
	a->body = buf;
	return 0;
}

static int ipxe(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)e;
	return script(c, boot_loader_find("ipxe"), a);
}

static int grub(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)e;
	return script(c, boot_loader_find("grub"), a);
}

/* ---- /config and /cloud-init ------------------------------------------------------------- */

static int config(const struct call *c, struct server_answer *a, struct err *e)
{
	struct services *services = c->services;
	const struct vm *vm = c->vm;
	_cleanup_image_manifest_ struct image_manifest image;
	json_t *json = NULL;
	struct mac nic;

	if (!c->request->head)
		state_seen(services->state, &vm->mac, vm->name);
	if (images_get(services->images, vm->distro, vm->arch, &image, e) < 0)
		return -EBUSY; /* the machine is known: 409, it may ask again */
	state_nic(services->state, &vm->mac, &nic);
	int r = config_build(vm, &nic, state_life(services->state, &vm->mac),
	    vm_snapshot_noreboot(c->snapshot, vm), &image, &services->urls,
	    services->domain ? services->domain : "", &json, e);
	if (r < 0)
		return r;
	server_answer_text(a, "application/json", json_dumps(json, JSON_INDENT(1)));
	json_decref(json);
	return 0;
}

static int document(const struct call *c, struct server_answer *a, struct err *e)
{
	struct services *services = c->services;
	const struct vm *vm = c->vm;
	json_t *keys = keys_get(services->keys);
	struct cloudinit source = {
	    .vm = vm,
	    .nic = vm->mac,
	    .keys = keys,
	    .base = services->urls.base,
	    .domain = services->domain,
	    .dns = services->dns,
	    .attempt = state_life(services->state, &vm->mac).attempt,
	};
	char *text = NULL;

	state_nic(services->state, &vm->mac, &source.nic);
	int r = cloudinit_document(&source, c->request->route->document, &text, e);
	json_decref(keys);
	if (r == 0)
		server_answer_text(a, TEXT_TYPE, text);
	return r;
}

/* ---- /report ----------------------------------------------------------------------------- */

static int take_ready(const struct call *c, struct err *e)
{
	struct firstboot_ready ready;

	int r = firstboot_ready_parse(c->request->body, c->request->body_len, &ready, e);
	if (r < 0)
		return r;
	r = state_became_ready(c->services->state, &c->vm->mac, c->vm->name, &ready);
	firstboot_ready_clear(&ready);
	if (r == STATE_IGNORED)
		return err_set(e, EBUSY,
		    "%s cannot be ready: it has not been installed, or a reinstall is due",
		    c->vm->name);
	return r;
}

static int take_event(const struct call *c, struct err *e)
{
	struct firstboot_event event;

	int r = firstboot_event_parse(c->request->body, c->request->body_len, &event, e);
	if (r == 0)
		state_cloud_init(c->services->state, &c->vm->mac, c->vm->name, &event);
	return r;
}

static int take_report(const struct call *c, struct err *e)
{
	struct report report;

	int r = report_parse(c->request->body, c->request->body_len, &report, e);
	if (r == 0) {
		r = state_reported(c->services->state, &c->vm->mac, c->vm->name, &report);
		/* The outcome may come a second time because it could not be saved the first. */
		if (report.status == REPORT_FAILED ||
		    (report.phase == PHASE_REPORT && report.status == REPORT_DONE))
			r = STATE_IMPORTANT;
	}
	report_clear(&report);
	return r;
}

static int take(const struct call *c, struct err *e)
{
	switch (c->request->route->report) {
	case ROUTE_REPORT_READY:
		return take_ready(c, e);
	case ROUTE_REPORT_CLOUD_INIT:
		return take_event(c, e);
	case ROUTE_REPORT_INSTALLER:
		break;
	}
	return take_report(c, e);
}

/* Success means: what matters of it is on disk. */
static int report(const struct call *c, struct server_answer *a, struct err *e)
{
	note_address(c, c->vm);
	int r = take(c, e);
	if (r == STATE_IMPORTANT)
		r = state_save(c->services->state, e);
	a->status = 204;
	return r < 0 ? r : 0;
}

/* ---- /done ------------------------------------------------------------------------------- */

/* Another system's installer has ended: the disk follows. Told twice is as good as once. */
static int done(const struct call *c, struct server_answer *a, struct err *e)
{
	const struct vm *vm = c->vm;

	a->status = 204;
	if (c->request->head)
		return 0;
	if (boot_mode_of(vm) != &boot_mode_unattended && boot_mode_of(vm) != &boot_mode_menu)
		return err_set(e, EBUSY,
		    "%s is not installed by a boot image: that takes \"mode\": \"boot\" and \"unattended\", or \"mode\": \"menu\", in its definition",
		    vm->name);
	note_address(c, vm);
	int r = state_done(c->services->state, &vm->mac, vm->name);
	if (r == STATE_IGNORED)
		return err_set(e, EBUSY, "%s is not done: a reinstall is due", vm->name);
	return state_save(c->services->state, e);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct endpoint rows[] = {
    {"GET", "/ipxe", route_query_ipxe, ipxe,
	.summary = "?mac=, uuid=, serial=, arch=...: what a machine boots, as a script"},
    {"GET", "/grub", route_query_ipxe, grub, .summary = "the same, in GRUB's language"},
    {"GET", "/config/<mac>", NULL, config, ENDPOINT_ITSELF,
	.summary = "what the installer is to do"},
    {"GET", "/cloud-init/<name>/<document>", NULL, document, ENDPOINT_ITSELF,
	.summary = "meta-data, user-data, vendor-data, network-config"},
    {"GET", "/unattended/<mac>", NULL, guest_unattended, ENDPOINT_ITSELF,
	.summary = "by which another system's installer asks nothing"},
    {"GET", "/unattended/<mac>/<document>", NULL, guest_unattended_nocloud, ENDPOINT_ITSELF,
	.summary = "the same as NoCloud's user-data, with its meta-data, for ds=nocloud;s=URL/"},
    {"GET", "/stage4/<mac>", NULL, guest_stage4, ENDPOINT_ITSELF,
	.summary = "the script that such an installer runs at its end"},
    {"POST", "/report/<mac>", route_query_report, report, ENDPOINT_ITSELF,
	.body_max = REPORT_BODY_MAX_BYTES,
	.summary = "?phase=: how far installer and cloud-init are"},
    {"POST|GET", "/done/<mac>", NULL, done, ENDPOINT_ITSELF,
	.summary = "an installer that is not ours has ended: the disk follows"},
    {"GET", "/healthz", NULL, call_health, .summary = "\"ok\""},
};

const struct endpoint_table guest_endpoints = {
    ENDPOINT_GUEST, rows, sizeof(rows) / sizeof(rows[0])};
