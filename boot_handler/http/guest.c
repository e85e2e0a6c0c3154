#include "boot_handler/http/guest.h"

#include <errno.h>

#include "boot_handler/documents/agent_call.h"
#include "boot_handler/documents/cloudinit.h"
#include "boot_handler/documents/config.h"
#include "boot_handler/http/call.h"
#include "boot_handler/http/guest_agent.h"
#include "boot_handler/http/guest_boot.h"
#include "boot_handler/http/guest_order.h"
#include "boot_handler/http/guest_unattended.h"
#include "boot_handler/state/firstboot.h"
#include "boot_handler/state/image_verified.h"
#include "boot_handler/state/report.h"
#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/definition/origin.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

/* ---- /config and /cloud-init ------------------------------------------------------------- */

static void note_given(const struct call *c, const struct image_manifest *image)
{
	char sha256[2 * DIGEST_BYTES + 1];

	if (bytes_are_zero(image->rootfs.sha256.byte, DIGEST_BYTES))
		return;
	hex_encode(image->rootfs.sha256.byte, DIGEST_BYTES, sha256);
	image_verified_given(c->services->state, &c->vm->mac, c->vm->name, c->vm->distro,
	    vm_arch_name(c->vm->arch), sha256);
}

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
	if (!c->request->head)
		note_given(c, &image);
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

static int not_done(const struct call *c, struct err *e)
{
	return err_set(e, EBUSY,
	    "%s is not done: it was not given its installer yet, which its next network boot gives it",
	    c->vm->name);
}

/* What the installer saw of an image that was removed meanwhile is an answer's status. */
static void name_missing_image(const struct call *c, struct report *report)
{
	const struct vm *vm = c->vm;
	struct image_facts image;
	size_t len = strlen(report->message);

	if (report->status != REPORT_FAILED || report->phase > PHASE_ROOTFS ||
	    boot_image_use(vm) != IMAGE_INSTALLED)
		return;
	images_facts(c->services->images, boot_image_name(vm), vm->arch, IMAGE_INSTALLED, &image);
	if (image.complete)
		return;
	snprintf(report->message + len, sizeof(report->message) - len,
	    "%sthe image %s for %s cannot be used by now: %s", len ? "; " : "", boot_image_name(vm),
	    vm_arch_name(vm->arch), image.missing.what);
	snprintf(report->hint, sizeof(report->hint), "%s", image.missing.advice);
}

/* The definition is what the disk gets from now on. */
static void keep_values(const struct call *c)
{
	json_t *values = vm_values(c->vm);
	state_keep(c->services->state, &c->vm->mac, STATE_INSTALLED_WITH,
	    values ? json_dumps(values, JSON_COMPACT) : NULL);
	json_decref(values);
}

static void keep_of(const struct call *c, const struct report *report)
{
	if (report->phase == PHASE_PARTITION && report->status == REPORT_RUNNING)
		keep_values(c);
	if (report->phase == PHASE_ROOTFS && report->status == REPORT_DONE)
		image_verified_done(c->services->state, &c->vm->mac, wall_ms());
}

static int take_report(const struct call *c, struct err *e)
{
	struct life before = state_life(c->services->state, &c->vm->mac);
	struct report report;

	int r = report_parse(c->request->body, c->request->body_len, &report, e);
	if (r == 0) {
		bool done = report.phase == PHASE_REPORT && report.status == REPORT_DONE;

		name_missing_image(c, &report);
		r = state_reported(c->services->state, &c->vm->mac, c->vm->name, &report);
		if (r != STATE_IGNORED)
			keep_of(c, &report);
		/* Where a reinstall was ordered meanwhile it is no error: the installer reboots. */
		if (r == STATE_IGNORED && done && before.state == MACHINE_DECLARED &&
		    !before.reinstall)
			r = not_done(c, e);
		else if (done || report.status == REPORT_FAILED)
			/* It may come a second time because it could not be saved the first. */
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
	call_note_address(c, c->vm);
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
	call_note_address(c, vm);
	int r = state_done(c->services->state, &vm->mac, vm->name);
	if (r == STATE_IGNORED && !state_life(c->services->state, &vm->mac).reinstall)
		return not_done(c, e);
	if (r == STATE_IGNORED)
		return err_set(e, EBUSY, "%s is not done: a reinstall is due", vm->name);
	return state_save(c->services->state, e);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct endpoint rows[] = {
    {"GET", "/ipxe", route_query_ipxe, guest_ipxe,
	.summary = "?mac=, uuid=, serial=, arch=...: what a machine boots, as a script"},
    {"GET", "/grub", route_query_ipxe, guest_grub, .summary = "the same, in GRUB's language"},
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
    {"POST", "/api/register-device", NULL, guest_register, .body_max = AGENT_CALL_MAX_BYTES,
	.summary = "the agent is there: {\"mac\", \"ip\", \"uuid\", \"serial\"}"},
    {"POST", "/inventory/<card>", NULL, guest_inventory, .body_max = INVENTORY_BYTES_MAX,
	.summary = "what the agent says that the machine is made of"},
    {"GET", "/api/device-action-poll", route_query_poll, guest_poll,
	.summary = "?mac=, wait=: what the agent is to do, as soon as there is anything"},
    {"POST", "/api/action-progress", NULL, guest_order_progress, .body_max = AGENT_CALL_MAX_BYTES,
	.summary =
	    "how far that is: {\"mac\", \"id\", \"phase\", \"done_bytes\", ...}; 409: it is over"},
    {"POST", "/api/action-output/<card>", route_query_output, guest_order_output,
	.body_max = OUTPUT_PIECE_MAX, .summary = "?id=, at=: what it wrote, from that byte on"},
    {"POST", "/api/action-done", NULL, guest_order_done, .body_max = AGENT_ENDING_MAX_BYTES,
	.summary = "how that ended: {\"mac\", \"id\", \"result\", \"text\", ...}"},
    {"GET", "/healthz", NULL, call_health, .summary = "\"ok\""},
};

const struct endpoint_table guest_endpoints = {
    .side = ENDPOINT_GUEST, .rows = rows, .count = sizeof(rows) / sizeof(rows[0])};
