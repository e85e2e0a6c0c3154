#include "boot_handler/http/guest_syslog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/guest_unattended.h"
#include "boot_handler/sources/datagram.h"
#include "boot_handler/sources/syslog.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* What is new of a machine's last lines is written so often at most. */
#define KEEP_EVERY_MS 5000

/* The last lines of one installation. */
struct tail {
	struct mac mac;
	char name[MACHINE_NAME_SIZE];
	unsigned attempt;
	int64_t heard_ms, kept_ms; /* 0: of nobody */
	bool is_new;               /* something since it was kept */
	size_t len;
	char text[REPORT_LOG_MAX_BYTES + 1];
};

struct guest_syslog {
	struct services *services;
	struct datagram_receiver *datagrams;
	struct tail tail[SYSLOG_MACHINES];
};

/* ---- the last lines ------------------------------------------------------------------------ */

static void keep(struct guest_syslog *g, struct tail *t, int64_t now)
{
	state_logged(g->services->state, &t->mac, t->name, strndup(t->text, t->len));
	t->is_new = false;
	t->kept_ms = now;
}

static struct tail *tail_of(struct guest_syslog *g, const struct vm *vm, unsigned attempt)
{
	struct tail *t = &g->tail[0];

	for (size_t i = 0; i < SYSLOG_MACHINES; i++) {
		struct tail *one = &g->tail[i];

		if (one->heard_ms && mac_equal(&one->mac, &vm->mac)) {
			t = one;
			break;
		}
		if (one->heard_ms < t->heard_ms)
			t = one;
	}
	if (!t->heard_ms || !mac_equal(&t->mac, &vm->mac) || t->attempt != attempt) {
		if (t->is_new)
			keep(g, t, t->heard_ms);
		memset(t, 0, sizeof(*t));
	}
	t->mac = vm->mac;
	snprintf(t->name, sizeof(t->name), "%s", vm->name);
	t->attempt = attempt;
	return t;
}

/* Whole lines go where there is no room. */
static void append(struct tail *t, const struct syslog_line *line)
{
	char text[sizeof(line->program) + sizeof(line->text) + 4];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s%s%s\n", line->program,
	    line->program[0] ? ": " : "", line->text);

	while (t->len + len >= sizeof(t->text)) {
		const char *end = memchr(t->text, '\n', t->len);
		size_t gone = end ? (size_t)(end + 1 - t->text) : t->len;

		t->len -= gone;
		memmove(t->text, t->text + gone, t->len);
	}
	memcpy(t->text + t->len, text, len);
	t->len += len;
	t->is_new = true;
}

static void tick(void *ctx)
{
	struct guest_syslog *g = ctx;
	int64_t now = wall_ms();

	for (size_t i = 0; i < SYSLOG_MACHINES; i++)
		if (g->tail[i].is_new && now - g->tail[i].kept_ms >= KEEP_EVERY_MS)
			keep(g, &g->tail[i], now);
}

/* ---- what they tell ------------------------------------------------------------------------ */

static bool is_installing(const struct vm *vm, struct life life)
{
	const struct boot_mode *mode = boot_mode_of(vm);

	return (mode == &boot_mode_unattended || mode == &boot_mode_menu) && !life.reinstall &&
	       life.state != MACHINE_INSTALLED && life.state != MACHINE_READY;
}

static void tell(struct guest_syslog *g, const struct vm *vm, const struct syslog_line *line)
{
	struct report report = {.eta_s = -1, .status = REPORT_RUNNING};
	struct machine_row row = {0};
	struct err e = ERR_INIT;
	const struct unattended_format *format = guest_installer(g->services, vm, &e);
	const struct unattended_sign *sign;

	if (!format || !format->signs)
		return;
	/* Most lines are no sign, and the row is large. */
	if (!unattended_sign_of(format, line->program, line->text, PHASE_NONE))
		return;
	(void)state_row(g->services->state, &vm->mac, &row);
	sign = unattended_sign_of(format, line->program, line->text, row.phase);
	if (!sign)
		return;
	report.phase = sign->phase;
	if (sign->phase == PHASE_NONE) {
		report.phase = row.phase ? row.phase : PHASE_NETWORK;
		report.status = REPORT_FAILED;
		snprintf(report.message, sizeof(report.message), "its %s installer stopped: %s",
		    format->name, line->text);
		snprintf(report.hint, sizeof(report.hint),
		    "it waits at its screen (vmlab console %s); what it said: vmlab logs --installer %s",
		    vm->name, vm->name);
	}
	if (state_reported(g->services->state, &vm->mac, vm->name, &report) == STATE_IMPORTANT &&
	    state_save(g->services->state, &e) < 0)
		log_warn("what the installer of %s said cannot be saved: %s", vm->name, e.msg);
}

static void take(void *ctx, const struct datagram *d)
{
	struct guest_syslog *g = ctx;
	struct syslog_line line;
	char address[INET6_ADDRSTRLEN];

	if (!syslog_parse(d->bytes, d->len, &line))
		return;
	const struct vm_snapshot *snapshot = vm_store_snapshot(g->services->store);
	const struct vm *vm = services_vm_at(g->services, snapshot, &d->from);
	struct life life = {0};

	if (vm)
		life = state_life(g->services->state, &vm->mac);
	if (vm && is_installing(vm, life)) {
		struct tail *t = tail_of(g, vm, life.attempt);
		t->heard_ms = wall_ms();
		append(t, &line);
		state_source("syslog", ip_text(&d->from, address));
		state_logged(g->services->state, &vm->mac, vm->name, NULL);
		tell(g, vm, &line);
		state_source("", "");
	}
	vm_snapshot_unref(snapshot);
}

/* ---- its thread ---------------------------------------------------------------------------- */

int guest_syslog_start(
    const char *where, struct services *services, struct guest_syslog **out, struct err *e)
{
	_cleanup_free_ struct guest_syslog *g = calloc(1, sizeof(*g));
	struct datagram_handler handler = {.what = "syslog", .take = take, .tick = tick, .ctx = g};

	if (!g)
		return err_set(e, ENOMEM, "out of memory");
	g->services = services;
	int fd = syslog_open(where, e);
	int r = fd < 0 ? fd : datagram_receiver_start(fd, &handler, &g->datagrams, e);
	if (r == 0)
		*out = steal_ptr(g);
	return r;
}

void guest_syslog_stop(struct guest_syslog *g)
{
	if (!g)
		return;
	datagram_receiver_stop(g->datagrams);
	for (size_t i = 0; i < SYSLOG_MACHINES; i++)
		if (g->tail[i].is_new)
			keep(g, &g->tail[i], 0);
	free(g);
}
