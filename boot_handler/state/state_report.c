/* The part of state.h that is about what machines tell: installers and cloud-init. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/state.h"
#include "boot_handler/state/state_inside.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* It is drawn while the bytes of the image come, and kept when they have. */
static void take_curve(struct state *s, struct machine *m, const struct report *r, int64_t now)
{
	struct mac mac = mac_from_number(m->mac);
	bool counts = r->status == REPORT_RUNNING && r->total_bytes > 0;

	if (counts && !m->curve && (m->curve = calloc(1, sizeof(*m->curve))))
		m->curve_phase = r->phase;
	if (counts && m->curve && m->curve_phase == r->phase)
		curve_add(m->curve, now, r->bytes, r->total_bytes);
	if (!m->curve || (m->curve_phase == r->phase && r->status == REPORT_RUNNING))
		return;
	state_keep(s, &mac, STATE_CURVE, curve_text(m->curve));
	free(m->curve);
	m->curve = NULL;
}

int state_curve(struct state *s, const struct mac *mac, char **out, struct err *e)
{
	struct machine *m = machine_table_find(&s->table, mac_number(mac));

	*out = NULL;
	if (m) {
		machine_lock(&s->table, m);
		*out = m->curve ? curve_text(m->curve) : NULL;
		machine_unlock(&s->table, m);
	}
	return *out ? 0 : state_kept(s, mac, STATE_CURVE, out, e);
}

static void take_progress(struct state *s, struct machine *m, const struct report *r, int64_t now)
{
	bool begins = m->phase != r->phase;
	bool ends = r->status == REPORT_DONE && m->phase == r->phase && m->phase_ms;

	if (begins || r->bytes != m->bytes)
		m->moved_at_ms = now;
	m->phase = r->phase;
	if (r->disk_bytes > 0)
		m->disk_bytes = r->disk_bytes;
	/* That a phase is done is said without counts: the last ones stay. */
	if (begins || r->total_bytes > 0) {
		m->bytes = r->bytes;
		m->total_bytes = r->total_bytes;
		m->rate_bytes_per_s = r->rate_bytes_per_s;
		m->eta_s = r->eta_s;
	}
	if (begins) {
		m->phase_ms = now;
		state_record_data(s, m, EVENT_PHASE, machine_phase_name(r->phase), NULL, now);
	}
	if (ends) { /* once */
		state_record_data(s, m, EVENT_PHASE_END, machine_phase_name(r->phase),
		    &(struct event_value){.number = now - m->phase_ms}, now);
		m->phase_ms = 0;
	}
	machine_mark_dirty(&s->table, m);
}

static int take_report(struct state *s, struct machine *m, struct report *r, int64_t now)
{
	struct life before = machine_life(m);
	struct mac mac = mac_from_number(m->mac);
	struct happening h = {.kind = LIFE_REPORTS,
	    .failed = r->status == REPORT_FAILED,
	    .done = r->phase == PHASE_REPORT && r->status == REPORT_DONE,
	    .installed_as = r->already ? r->attempt : 0};
	struct life_step step = lifecycle_step(&before, &h);

	if (!step.taken)
		return STATE_IGNORED;
	take_curve(s, m, r, now);
	take_progress(s, m, r, now);
	if (r->log)
		writer_log(s->writer, &mac, steal_ptr(r->log));
	if (h.failed) {
		m->error_phase = r->phase;
		machine_replace_text(
		    &m->error_reason, r->message[0] ? r->message : "the installer gave no reason");
		machine_replace_text(&m->error_hint, r->hint);
		if (state_is_due(&m->logged_at_ms[STATE_LINE_FAILED], now))
			log_warn("install failed vm=%s phase=%s reason=%s", m->name,
			    machine_phase_name(r->phase), r->message);
	}
	if (h.done && r->already && state_is_due(&m->logged_at_ms[STATE_LINE_ALREADY], now))
		log_info("its disk says it is installed already vm=%s attempt=%u", m->name,
		    step.life.attempt);
	if (step.anew)
		state_forget_progress(m);
	if (step.changed)
		state_change_life(s, m, step.life, now);
	return step.must_save ? STATE_IMPORTANT : 0;
}

int state_reported(struct state *s, const struct mac *mac, const char *name, struct report *r)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return STATE_IGNORED;
	machine_touch(&s->table, m, now);
	int outcome = take_report(s, m, r, now);
	machine_unlock(&s->table, m);
	return outcome;
}

void state_logged(struct state *s, const struct mac *mac, const char *name, char *log)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);

	if (m) {
		m->moved_at_ms = wall_ms();
		machine_unlock(&s->table, m);
	}
	if (log)
		writer_log(s->writer, mac, log);
}

int state_done(struct state *s, const struct mac *mac, const char *name)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	const struct happening h = {.kind = LIFE_REPORTS, .done = true};
	int64_t now = wall_ms();

	if (!m)
		return STATE_IGNORED;
	machine_touch(&s->table, m, now);
	struct life before = machine_life(m);
	struct life_step step = lifecycle_step(&before, &h);
	if (step.anew)
		state_forget_progress(m);
	if (step.changed)
		state_change_life(s, m, step.life, now);
	machine_unlock(&s->table, m);
	bool was_before = before.state == MACHINE_INSTALLED || before.state == MACHINE_READY;
	return step.taken || was_before ? 0 : STATE_IGNORED;
}

/* One call may be heard twice: a boot is new by its id. */
static bool boots_anew(const struct machine *m, const struct firstboot_ready *ready)
{
	const char *id = json_string_value(json_object_get(ready->result, "boot_id"));
	char known[MACHINE_NAME_SIZE + 1];

	if (!id || !m->cloud_init)
		return false;
	firstboot_id(m->cloud_init, known, sizeof(known));
	return strcmp(known, id) != 0;
}

static int take_ready(
    struct state *s, struct machine *m, const struct firstboot_ready *ready, int64_t now)
{
	struct life before = machine_life(m);
	struct life_step step = lifecycle_step(&before, &(struct happening){.kind = LIFE_IS_READY});
	bool anew = boots_anew(m, ready);
	bool knows_keys = m->host_key[0] || m->host_key[1] || m->host_key[2];

	if (!step.taken)
		return STATE_IGNORED;
	/* Once for each install: a reinstall forgets them. */
	for (int i = 0; i < MACHINE_KEYS_MAX && !knows_keys; i++)
		machine_replace_text(&m->host_key[i], ready->host_key[i]);
	if (ready->result)
		state_keep_result(m, firstboot_result(ready, m->cloud_init));
	state_begin_boot(m);
	if (step.changed) {
		state_change_life(s, m, step.life, now);
	} else if (anew) {
		/* Its firmware did not ask us. */
		state_record_state(s, m, MACHINE_READY, before.attempt, now);
		m->changed_at_ms = now;
	}
	machine_mark_dirty(&s->table, m);
	return STATE_IMPORTANT;
}

int state_became_ready(
    struct state *s, const struct mac *mac, const char *name, const struct firstboot_ready *ready)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return STATE_IGNORED;
	machine_touch(&s->table, m, now);
	int outcome = take_ready(s, m, ready, now);
	machine_unlock(&s->table, m);
	return outcome;
}

void state_cloud_init(
    struct state *s, const struct mac *mac, const char *name, const struct firstboot_event *event)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	char text[MACHINE_STAGE_SIZE];
	int64_t now = wall_ms();

	if (!m)
		return;
	machine_touch(&s->table, m, now);
	struct life life = machine_life(m);
	bool taken = lifecycle_step(&life, &(struct happening){.kind = LIFE_TELLS}).taken;
	if (taken && (event->begins || event->failed)) {
		if (event->begins)
			snprintf(m->stage, sizeof(m->stage), "%s", event->text);
		snprintf(
		    text, sizeof(text), "%.55s%s", event->text, event->failed ? " failed" : "");
		if (m->stage_events++ < STATE_STAGE_EVENTS_MAX)
			state_record(s, m, EVENT_CLOUD_INIT, text, now);
	} else if (taken && m->stage_events++ < STATE_STAGE_EVENTS_MAX) {
		state_record(s, m, EVENT_CLOUD_INIT_END, event->text, now);
	}
	machine_unlock(&s->table, m);
}
