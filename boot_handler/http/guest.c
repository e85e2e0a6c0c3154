#include "boot_handler/http/guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/card.h"
#include "boot_handler/documents/cloudinit.h"
#include "boot_handler/documents/config.h"
#include "boot_handler/state/firstboot.h"
#include "boot_handler/http/neighbour.h"
#include "boot_handler/documents/owner.h"
#include "boot_handler/state/report.h"
#include "boot_handler/http/services.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/boot/loader.h"
#include "lib/base/log.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

static void answer_err(struct server_answer *a, int r, const struct err *e)
{
	server_answer_error(a, ROUTE_SIDE_GUEST, server_status(r), e->msg);
}

static void cleanup_snapshot(const struct vm_snapshot **snapshot)
{
	if (*snapshot)
		vm_snapshot_unref(*snapshot);
}

#define _cleanup_snapshot_ _cleanup_(cleanup_snapshot)

/* ---- who asks ---------------------------------------------------------------------------- */

static bool is_defined(void *snapshot, const struct mac *mac)
{
	return vm_snapshot_by_mac(snapshot, mac) != NULL;
}

static bool another_has(struct services *services, const struct vm_snapshot *snapshot,
    const struct vm *vm, const struct source *source)
{
	struct in6_addr address = source_address(source);

	return vm_snapshot_is_anothers(snapshot, vm, &address) ||
	       state_is_anothers(services->state, &vm->mac, &address, is_defined, (void *)snapshot);
}

/* True when the request about `vm` comes from an address of it. */
static bool asks_itself(
    struct services *services, const struct vm *vm, const struct server_request *request)
{
	struct machine_addresses known;
	struct source source;

	if (services->any_source)
		return true;
	if (!source_parse(request->source, &source))
		return false;
	if (!source.six && vm->ip.s_addr == source.ip.s_addr)
		return true;
	state_addresses(services->state, &vm->mac, &known);
	return owner_has(vm, &known, &source);
}

/* 0, or -EPERM with the sentence; a refusal is an event of the machine. */
static int need_itself(struct services *services, const struct vm *vm,
    const struct server_request *request, const char *what, struct err *e)
{
	struct machine_addresses known;
	char address[INET6_ADDRSTRLEN];

	if (asks_itself(services, vm, request))
		return 0;
	state_refused(services->state, &vm->mac, vm->name, what);
	state_addresses(services->state, &vm->mac, &known);
	return err_set(e, EPERM,
	    "%s of %s is only for %s itself, which has %s: this request came from %s (where machines get their addresses from another DHCP server, start the stack with GUEST_ACCESS=any)",
	    what, vm->name, vm->name, owner_address(vm, &known, address),
	    request->source[0] ? request->source : "nowhere");
}

/* ---- /ipxe ------------------------------------------------------------------------------- */

static const struct vm *find_vm(const struct vm_snapshot *snapshot, const struct route *route)
{
	const struct vm *vm = NULL;

	if (route->has_mac)
		vm = vm_snapshot_by_mac(snapshot, &route->mac);
	if (!vm && route->uuid[0])
		vm = vm_snapshot_by_uuid(snapshot, route->uuid);
	if (!vm && route->serial[0])
		vm = vm_snapshot_by_serial(snapshot, route->serial);
	return vm;
}

/* Strangers ask every 10 s, and a flood of them must not become a flood of lines. */
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
	log_info("unknown machine waits mac=%s uuid=%s serial=%s", mac, route->uuid, route->serial);
}

/* A machine that told its UUID or serial number with another card than its definition's may have
 * any address that is nobody else's, if it does not come from another machine's card. */
static bool is_no_other(struct services *services, const struct vm_snapshot *snapshot,
    const struct vm *vm, const struct server_request *request)
{
	const struct vm *other;
	struct source source;
	struct mac mac;

	if (!source_parse(request->source, &source) || another_has(services, snapshot, vm, &source))
		return false;
	if (!neighbour_mac(&source, &mac))
		return true;
	other = services_vm_by_mac(services, snapshot, &mac);
	return !other || other == vm;
}

/* Not the stack's own addresses: those are a proxy's. */
static void note_address(struct services *services, const struct vm *vm, const char *source)
{
	if (strcmp(source, services->dns) != 0 && strncmp(source, "127.", 4) != 0 &&
	    strcmp(source, "::1") != 0)
		state_seen_from(services->state, &vm->mac, vm->name, source);
}

/* Another card may ask for the machine by what it tells of itself when the machine's is gone. */
static bool may_be_its_card(struct services *services, const struct vm *vm, const struct mac *card)
{
	struct machine_addresses known;
	struct machine_row row;
	struct mac nic;

	state_nic(services->state, &vm->mac, &nic);
	if (card && mac_equal(card, &nic))
		return true;
	if (!state_row(services->state, &vm->mac, &row))
		return true;
	state_addresses(services->state, &vm->mac, &known);
	return !card_is_there(row.state, row.last_seen_ms, &known, wall_ms());
}

static void refuse_card(
    struct services *services, struct boot_facts *facts, const struct server_request *request)
{
	char what[MACHINE_STAGE_SIZE], mac[MAC_TEXT_SIZE] = "unnamed";

	if (facts->mac)
		mac_format(facts->mac, mac);
	facts->elsewhere = request->source;
	facts->other_card = true;
	snprintf(what, sizeof(what), "another card, %s, while its own is there", mac);
	if (!request->head)
		state_refused(services->state, &facts->vm->mac, facts->vm->name, what);
}

/* From its own address, or known by its UUID or serial number with a card that may be its. */
static bool boots_itself(struct services *services, const struct vm_snapshot *snapshot,
    struct boot_facts *facts, const struct server_request *request)
{
	const struct vm *vm = facts->vm;
	bool by_id = !facts->mac || !mac_equal(facts->mac, &vm->mac);

	if (asks_itself(services, vm, request))
		return true;
	if (by_id && is_no_other(services, snapshot, vm, request)) {
		if (may_be_its_card(services, vm, facts->mac)) {
			if (!request->head)
				note_address(services, vm, request->source);
			return true;
		}
		refuse_card(services, facts, request);
		return false;
	}
	facts->elsewhere = request->source;
	if (!request->head)
		state_refused(services->state, &vm->mac, vm->name, "/ipxe");
	return false;
}

/* Remembers what this boot changes, unless nobody boots: a look from elsewhere has no effect. */
static void note_boot(struct services *services, const struct vm_snapshot *snapshot,
    struct boot_facts *facts, struct boot_choice choice, const struct server_request *request)
{
	const struct mac *mac = &facts->vm->mac;
	const char *name = facts->vm->name;

	if (!boots_itself(services, snapshot, facts, request) || request->head)
		return;
	if (facts->mac)
		state_asked_with(services->state, mac, name, facts->mac);
	facts->attempt = state_booted(services->state, mac, name, choice);
}

/* What a choice says and did not need for being made. */
struct words {
	struct machine_row row;
	struct own_kernel_gap gaps[OWN_KERNEL_FILES];
	struct image_facts image;
};

static void find_facts(
    struct services *services, const struct route *route, struct boot_facts *f, struct words *w)
{
	f->life = state_life(services->state, &f->vm->mac);
	f->attempt = f->life.attempt;
	f->other_arch = route->arch != VM_ARCH_NOT_SAID && route->arch != f->vm->arch;
	f->has_needed = boot_mode_of(f->vm)->needs & BOOT_NEEDS_FILES
			    ? own_kernel_missing(services->images_dir, f->vm, w->gaps) == 0
			    : images_has(services->images, f->vm->distro, f->vm->arch);
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
		images_facts(services->images, f->vm->distro, f->vm->arch, &w->image);
		f->missing = w->image.missing.what;
		f->advice = w->image.missing.advice;
	}
}

static void answer_ipxe(
    struct services *services, const struct server_request *request, struct server_answer *a)
{
	_cleanup_snapshot_ const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	const struct boot_loader *loader = boot_loader_find("ipxe");
	const struct route *route = request->route;
	static _Thread_local char buf[BOOT_SCRIPT_MAX];
	struct boot_facts facts = {
	    .urls = &services->urls, .mac = route->has_mac ? &route->mac : NULL};
	struct boot_plan plan;
	struct words words;

	facts.vm = find_vm(snapshot, route);
	if (facts.vm)
		find_facts(services, route, &facts, &words);
	struct boot_choice choice = boot_decide(&facts);
	if (facts.vm)
		note_boot(services, snapshot, &facts, choice, request);
	else
		log_stranger(route);
	find_words(services, choice, &facts, &words);
	boot_plan_make(&facts, choice, &plan);
	a->len = loader->render(&plan, &facts, buf);
	a->type = loader->content_type;
	a->kind = SERVER_BODY_COPY;
	a->body = buf;
}

/* ---- /config and /cloud-init ------------------------------------------------------------- */

/* By the definition's MAC address, or by that of the card which the machine last asked with. */
static const struct vm *vm_by_mac(struct services *services, const struct vm_snapshot *snapshot,
    const struct route *route, struct err *e)
{
	const struct vm *vm = services_vm_by_mac(services, snapshot, &route->mac);
	char mac[MAC_TEXT_SIZE];

	if (!vm)
		err_set(e, ENOENT, "no definition in vms/ has the MAC address %s",
		    mac_format(&route->mac, mac));
	return vm;
}

static int build_config(
    struct services *services, const struct server_request *request, json_t **out, struct err *e)
{
	_cleanup_snapshot_ const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	const struct vm *vm = vm_by_mac(services, snapshot, request->route, e);
	struct image *image = NULL;
	struct mac nic;

	if (!vm)
		return -ENOENT;
	int r = need_itself(services, vm, request, "/config", e);
	if (r < 0)
		return r;
	if (!request->head)
		state_seen(services->state, &vm->mac, vm->name);
	r = images_get(services->images, vm->distro, vm->arch, &image, e);
	if (r == -ENOENT)
		return -EBUSY; /* the machine is known: 409, it may ask again */
	state_nic(services->state, &vm->mac, &nic);
	if (r == 0)
		r = config_build(vm, &nic, state_life(services->state, &vm->mac),
		    vm_snapshot_noreboot(snapshot, vm), image, &services->urls,
		    services->domain ? services->domain : "", out, e);
	image_free(image);
	return r;
}

static void answer_config(
    struct services *services, const struct server_request *request, struct server_answer *a)
{
	struct err e = ERR_INIT;
	json_t *config = NULL;

	int r = build_config(services, request, &config, &e);
	if (r < 0) {
		answer_err(a, r, &e);
		return;
	}
	server_answer_text(a, "application/json", json_dumps(config, JSON_INDENT(1)));
	json_decref(config);
}

static int build_document(
    struct services *services, const struct server_request *request, char **out, struct err *e)
{
	const struct route *route = request->route;
	_cleanup_snapshot_ const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	const struct vm *vm = vm_snapshot_by_name(snapshot, route->name);

	if (!vm)
		return err_set(e, ENOENT, "no definition in vms/ has the name %s", route->name);
	int r = need_itself(services, vm, request, "/cloud-init", e);
	if (r < 0)
		return r;
	json_t *keys = keys_get(services->keys);
	struct cloudinit c = {
	    .vm = vm,
	    .nic = vm->mac,
	    .keys = keys,
	    .base = services->urls.base,
	    .domain = services->domain,
	    .dns = services->dns,
	    .attempt = state_life(services->state, &vm->mac).attempt,
	};
	state_nic(services->state, &vm->mac, &c.nic);
	r = cloudinit_document(&c, route->document, out, e);
	json_decref(keys);
	return r;
}

static void answer_document(
    struct services *services, const struct server_request *request, struct server_answer *a)
{
	struct err e = ERR_INIT;
	char *text = NULL;

	int r = build_document(services, request, &text, &e);
	if (r < 0)
		answer_err(a, r, &e);
	else
		server_answer_text(a, TEXT_TYPE, text);
}

/* ---- /report ----------------------------------------------------------------------------- */

static int take_ready(struct services *services, const struct vm *vm,
    const struct server_request *request, struct err *e)
{
	struct firstboot_ready ready;

	int r = firstboot_ready_parse(request->body, request->body_len, &ready, e);
	if (r < 0)
		return r;
	r = state_became_ready(services->state, &vm->mac, vm->name, &ready);
	firstboot_ready_clear(&ready);
	if (r == STATE_IGNORED)
		return err_set(e, EBUSY,
		    "%s cannot be ready: it has not been installed, or a reinstall is due",
		    vm->name);
	return r;
}

static int take_event(struct services *services, const struct vm *vm,
    const struct server_request *request, struct err *e)
{
	struct firstboot_event event;

	int r = firstboot_event_parse(request->body, request->body_len, &event, e);
	if (r == 0)
		state_cloud_init(services->state, &vm->mac, vm->name, &event);
	return r;
}

static int take_report(struct services *services, const struct vm *vm,
    const struct server_request *request, struct err *e)
{
	struct report report;

	int r = report_parse(request->body, request->body_len, &report, e);
	if (r == 0) {
		r = state_reported(services->state, &vm->mac, vm->name, &report);
		/* The outcome may come a second time because it could not be saved the first. */
		if (report.status == REPORT_FAILED ||
		    (report.phase == PHASE_REPORT && report.status == REPORT_DONE))
			r = STATE_IMPORTANT;
	}
	report_clear(&report);
	return r;
}

static int take(struct services *services, const struct server_request *request, struct err *e)
{
	_cleanup_snapshot_ const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	const struct vm *vm = vm_by_mac(services, snapshot, request->route, e);

	if (!vm)
		return -ENOENT;
	int r = need_itself(services, vm, request, "/report", e);
	if (r < 0)
		return r;
	note_address(services, vm, request->source);
	switch (request->route->report) {
	case ROUTE_REPORT_READY:
		return take_ready(services, vm, request, e);
	case ROUTE_REPORT_CLOUD_INIT:
		return take_event(services, vm, request, e);
	case ROUTE_REPORT_INSTALLER:
		break;
	}
	return take_report(services, vm, request, e);
}

/* Success means: what matters of it is on disk. */
static void answer_report(
    struct services *services, const struct server_request *request, struct server_answer *a)
{
	struct err e = ERR_INIT;

	int r = take(services, request, &e);
	if (r == STATE_IMPORTANT)
		r = state_save(services->state, &e);
	if (r < 0)
		answer_err(a, r, &e);
	else
		a->status = 204;
}

void guest_handle(void *ctx, const struct server_request *request, struct server_answer *a)
{
	struct services *services = ctx;

	state_source(request->source);
	switch (request->route->kind) {
	case ROUTE_IPXE:
		answer_ipxe(services, request, a);
		break;
	case ROUTE_CONFIG:
		answer_config(services, request, a);
		break;
	case ROUTE_CLOUD_INIT:
		answer_document(services, request, a);
		break;
	case ROUTE_REPORT:
		answer_report(services, request, a);
		break;
	default: /* ROUTE_HEALTHZ; the operator's routes are not parsed on this side */
		server_answer_text(a, TEXT_TYPE, strdup("ok\n"));
		break;
	}
	state_source("");
}
