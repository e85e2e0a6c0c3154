#include "boot_handler/state/state.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/inventory_file.h"
#include "boot_handler/state/machine_address.h"
#include "boot_handler/state/order_file.h"
#include "boot_handler/state/state_inside.h"
#include "boot_handler/state/stranger_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

#define ASKED_FOR_EVENT_EVERY_MS 5000

/* ---- rows -------------------------------------------------------------------------------- */

static void copy_text(const char *from, char *out, size_t size)
{
	snprintf(out, size, "%s", from ? from : "");
}

static void replace_text(char **text, const char *with)
{
	free(*text);
	*text = with && with[0] ? strdup(with) : NULL;
}

static void copy_row(struct state *s, struct machine *m, struct machine_row *row)
{
	struct life memory;

	memset(row, 0, sizeof(*row));
	machine_lock(&s->table, m);
	memory = machine_life(m);
	row->mac = mac_from_number(m->mac);
	copy_text(m->name, row->name, sizeof(row->name));
	row->state = memory.state;
	row->local = memory.local;
	row->reinstall = memory.reinstall;
	row->ordered = memory.ordered;
	row->netboot_off = memory.netboot_off;
	row->attempt = memory.attempt;
	row->phase = m->phase;
	row->bytes = m->bytes;
	row->total_bytes = m->total_bytes;
	row->rate_bytes_per_s = m->rate_bytes_per_s;
	row->eta_s = m->eta_s;
	row->disk_bytes = m->disk_bytes;
	row->changed_at_ms = m->changed_at_ms;
	row->moved_at_ms = m->moved_at_ms;
	row->asks = atomic_load_explicit(&m->asks, memory_order_relaxed);
	row->asked = atomic_load_explicit(&m->asked, memory_order_relaxed);
	row->asked_at_ms = atomic_load_explicit(&m->asked_ms, memory_order_relaxed);
	row->last_seen_ms = atomic_load_explicit(&m->last_seen_ms, memory_order_relaxed);
	row->nic = mac_from_number(atomic_load(&m->nic));
	row->leased_ip = m->address.leased_ip;
	row->leased_ip6 = m->address.leased_ip6;
	row->seen_ip = m->address.seen_ip;
	row->seen_ip6 = m->address.seen_ip6;
	row->error_phase = m->error_phase;
	copy_text(m->error_reason, row->error_reason, sizeof(row->error_reason));
	copy_text(m->error_hint, row->error_hint, sizeof(row->error_hint));
	for (int i = 0; i < MACHINE_KEYS_MAX; i++)
		copy_text(m->host_key[i], row->host_key[i], sizeof(row->host_key[i]));
	copy_text(m->cloud_init, row->cloud_init, sizeof(row->cloud_init));
	copy_text(m->stage, row->stage, sizeof(row->stage));
	machine_unlock(&s->table, m);
}

/* Takes over `result`. */
static void keep_result(struct machine *m, char *result)
{
	free(m->cloud_init);
	m->cloud_init = result;
	atomic_store(&m->calls, result != NULL);
}

static void load_row(void *ctx, const struct machine_row *row)
{
	struct state *s = ctx;
	struct machine *m = machine_table_lock(&s->table, &row->mac, row->name);

	if (!m)
		return;
	machine_set_life(m, (struct life){.state = row->state,
				.local = row->local,
				.reinstall = row->reinstall,
				.ordered = row->ordered,
				.netboot_off = row->netboot_off,
				.attempt = row->attempt});
	m->phase = row->phase;
	m->bytes = row->bytes;
	m->total_bytes = row->total_bytes;
	m->disk_bytes = row->disk_bytes;
	m->changed_at_ms = row->changed_at_ms;
	m->moved_at_ms = wall_ms();
	atomic_store(&m->last_seen_ms, row->last_seen_ms);
	if (mac_number(&row->nic))
		machine_set_nic(&s->table, m, mac_number(&row->nic));
	m->address = (struct machine_addresses){
	    .leased_ip = row->leased_ip,
	    .leased_ip6 = row->leased_ip6,
	    .seen_ip = row->seen_ip,
	    .seen_ip6 = row->seen_ip6,
	};
	machine_readdress(&s->table, m);
	m->error_phase = row->error_phase;
	replace_text(&m->error_reason, row->error_reason);
	replace_text(&m->error_hint, row->error_hint);
	for (int i = 0; i < MACHINE_KEYS_MAX; i++)
		replace_text(&m->host_key[i], row->host_key[i]);
	keep_result(m, row->cloud_init[0] ? strdup(row->cloud_init) : NULL);
	machine_unlock(&s->table, m);
}

static bool next_row(void *ctx, struct machine_row *row)
{
	struct state *s = ctx;

	if (!s->taken)
		s->taken = machine_table_take_dirty(&s->table);
	struct machine *m = s->taken;
	if (!m)
		return false;
	s->taken = m->next_dirty;
	/* Cleared before copying: a change from now on marks it again. */
	atomic_exchange_explicit(&m->dirty, false, memory_order_acq_rel);
	copy_row(s, m, row);
	return true;
}

static void row_failed(void *ctx, const struct mac *mac)
{
	struct state *s = ctx;
	struct machine *m = machine_table_find(&s->table, mac_number(mac));

	if (m)
		machine_mark_dirty(&s->table, m);
}

bool state_row(struct state *s, const struct mac *mac, struct machine_row *row)
{
	struct machine *m = machine_table_find(&s->table, mac_number(mac));

	if (m) {
		copy_row(s, m, row);
		return true;
	}
	memset(row, 0, sizeof(*row));
	row->mac = *mac;
	row->eta_s = -1;
	return false;
}

/* Whom this thread acts for. */
static _Thread_local const char *acting = "";

void state_source(const char *who)
{
	acting = who;
}

/* ---- changes; the machine is locked ------------------------------------------------------ */

void state_record_data(struct state *s, const struct machine *m, enum event_kind kind,
    const char *text, const int64_t *values, int64_t now)
{
	struct event event = {
	    .at_ms = now,
	    .mac = mac_from_number(m->mac),
	    .kind = kind,
	    .phase = m->phase,
	    .bytes = m->bytes,
	    .total_bytes = m->total_bytes,
	};

	snprintf(event.vm, sizeof(event.vm), "%s", m->name);
	snprintf(event.text, sizeof(event.text), "%s", text);
	text_copy_clean(acting, event.source, sizeof(event.source));
	event_data(event_info(kind), values, event.data);
	writer_event(s->writer, &event);
}

void state_record(
    struct state *s, const struct machine *m, enum event_kind kind, const char *text, int64_t now)
{
	state_record_data(s, m, kind, text, NULL, now);
}

static void record_state(struct state *s, const struct machine *m, enum machine_state state,
    unsigned attempt, int64_t now)
{
	state_record_data(
	    s, m, EVENT_STATE, machine_state_name(state), (const int64_t[]){attempt}, now);
}

static void change_life(struct state *s, struct machine *m, struct life life, int64_t now)
{
	bool differs = life.state != machine_life(m).state;

	machine_set_life(m, life);
	m->changed_at_ms = now;
	m->moved_at_ms = now;
	machine_mark_dirty(&s->table, m);
	if (differs) {
		record_state(s, m, life.state, life.attempt, now);
		log_info("state changed vm=%s state=%s attempt=%u", m->name,
		    machine_state_name(life.state), life.attempt);
	}
}

static void begin_boot(struct machine *m)
{
	m->stage[0] = '\0';
	m->stage_events = 0;
}

static void forget_progress(struct machine *m)
{
	m->phase = PHASE_NONE;
	m->bytes = 0;
	m->total_bytes = 0;
	m->rate_bytes_per_s = 0;
	m->eta_s = -1;
	m->error_phase = PHASE_NONE;
	replace_text(&m->error_reason, NULL);
	replace_text(&m->error_hint, NULL);
	keep_result(m, NULL);
	begin_boot(m);
}

/* ---- boots ------------------------------------------------------------------------------- */

struct life state_life(struct state *s, const struct mac *mac)
{
	const struct machine *m = machine_table_find(&s->table, mac_number(mac));

	return m ? machine_life(m) : (struct life){.state = MACHINE_DECLARED};
}

static bool installs(struct boot_choice choice)
{
	return !choice.wait && (choice.mode->needs & BOOT_NEEDS_DISK);
}

static bool is_news(const struct machine *m, struct boot_choice choice, int64_t now)
{
	const char *asked = atomic_load_explicit(&m->asked, memory_order_relaxed);

	return boot_choice_is_news(
	    choice, asked, now - atomic_load_explicit(&m->asked_ms, memory_order_relaxed));
}

static struct happening booting(const struct machine *m, struct boot_choice choice)
{
	return (struct happening){.kind = LIFE_BOOTS,
	    .installs = installs(choice),
	    .from_disk = boot_choice_verb(choice) == BOOT_DISK,
	    .tells = m && atomic_load_explicit(&m->calls, memory_order_relaxed)};
}

/* The machine is locked. Returns what became of it. */
static struct life take_boot(
    struct state *s, struct machine *m, struct boot_choice choice, int64_t now)
{
	struct happening h = booting(m, choice);
	struct life before = machine_life(m);
	struct life_step step = lifecycle_step(&before, &h);

	if (step.anew || is_news(m, choice, now)) {
		atomic_store(&m->asked, boot_choice_name(choice));
		atomic_store(&m->asked_ms, now);
		if (step.anew)
			forget_progress(m);
		m->address.booted_ms = now;
		state_tell_addresses(s);
		state_record(s, m, EVENT_IPXE, boot_choice_word(choice), now);
	}
	if (step.anew)
		atomic_store(&m->asks, 1);
	if (step.reboots) {
		keep_result(m, firstboot_booting(m->cloud_init));
		begin_boot(m);
	}
	if (step.changed) {
		change_life(s, m, step.life, now);
		writer_kick(s->writer);
	}
	return step.life;
}

unsigned state_booted(
    struct state *s, const struct mac *mac, const char *name, struct boot_choice choice)
{
	struct machine *m = machine_table_find(&s->table, mac_number(mac));
	int64_t now = wall_ms();

	if (m) {
		struct happening h = booting(m, choice);
		struct life life = machine_life(m);

		machine_touch(&s->table, m, now);
		if (h.installs)
			atomic_fetch_add_explicit(&m->asks, 1, memory_order_relaxed);
		if (!lifecycle_step(&life, &h).changed && !is_news(m, choice, now))
			return life.attempt;
	}
	m = machine_table_lock(&s->table, mac, name);
	if (!m)
		return 1;
	struct life life = take_boot(s, m, choice, now);
	machine_touch(&s->table, m, now);
	machine_unlock(&s->table, m);
	return life.attempt;
}

bool state_asked_with(
    struct state *s, const struct mac *mac, const char *name, const struct mac *nic)
{
	uint64_t number = mac_equal(mac, nic) ? 0 : mac_number(nic);
	struct machine *m = machine_table_find(&s->table, mac_number(mac));
	char text[MAC_TEXT_SIZE], own[MAC_TEXT_SIZE];

	if (m ? atomic_load_explicit(&m->nic, memory_order_relaxed) == number : number == 0)
		return false;
	m = machine_table_lock(&s->table, mac, name);
	if (!m)
		return false;
	machine_set_nic(&s->table, m, number);
	state_tell_addresses(s);
	machine_unlock(&s->table, m);
	log_info("asks with %s card vm=%s mac=%s defined=%s", number ? "another" : "its own", name,
	    mac_format(nic, text), mac_format(mac, own));
	return true;
}

bool state_nic(struct state *s, const struct mac *mac, struct mac *nic)
{
	const struct machine *m = machine_table_find(&s->table, mac_number(mac));
	uint64_t number = m ? atomic_load(&m->nic) : 0;

	*nic = number ? mac_from_number(number) : *mac;
	return number != 0;
}

bool state_by_nic(struct state *s, const struct mac *nic, struct mac *mac)
{
	const struct machine *m = machine_table_find_nic(&s->table, mac_number(nic));

	if (m)
		*mac = mac_from_number(m->mac);
	return m != NULL;
}

/* At most one of a kind in so long; the machine is locked. */
static bool is_due(int64_t *last_ms, int64_t now)
{
	if (now - *last_ms < ASKED_FOR_EVENT_EVERY_MS)
		return false;
	*last_ms = now;
	return true;
}

void state_refused(struct state *s, const struct mac *mac, const char *name, const char *what)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return;
	if (is_due(&m->refused_at_ms, now)) {
		state_record(s, m, EVENT_REFUSED, what, now);
		log_warn("refused to a stranger vm=%s what=%s source=%s", m->name, what, acting);
	}
	machine_unlock(&s->table, m);
}

void state_chose(
    struct state *s, const struct mac *mac, const char *name, const char *choice, const char *image)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return;
	if (is_due(&m->chose_at_ms, now))
		state_record(s, m, EVENT_CHOICE, choice, now);
	copy_text(image, m->chosen_image, sizeof(m->chosen_image));
	machine_unlock(&s->table, m);
}

bool state_chosen_image(struct state *s, const struct mac *mac, char image[IMAGE_NAME_SIZE])
{
	struct machine *m = machine_table_find(&s->table, mac_number(mac));

	image[0] = '\0';
	if (!m)
		return false;
	machine_lock(&s->table, m);
	copy_text(m->chosen_image, image, IMAGE_NAME_SIZE);
	machine_unlock(&s->table, m);
	return image[0] != '\0';
}

void state_declared(struct state *s, const struct mac *mac, const char *name, const char *profile)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);

	if (!m)
		return;
	state_record(s, m, EVENT_DECLARED, profile, wall_ms());
	machine_unlock(&s->table, m);
}

void state_tell(struct state *s, const struct mac *mac, const char *name, enum event_kind kind,
    const char *text, const int64_t *values)
{
	struct event event = {.at_ms = wall_ms(), .mac = *mac, .kind = kind};

	snprintf(event.vm, sizeof(event.vm), "%s", name);
	snprintf(event.text, sizeof(event.text), "%s", text);
	text_copy_clean(acting, event.source, sizeof(event.source));
	event_data(event_info(kind), values, event.data);
	writer_event(s->writer, &event);
}

void state_agent(struct state *s, const struct mac *mac, const char *name)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return;
	machine_touch(&s->table, m, now);
	if (is_due(&m->agent_at_ms, now))
		state_record(s, m, EVENT_AGENT, "", now);
	machine_unlock(&s->table, m);
}

void state_seen(struct state *s, const struct mac *mac, const char *name)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);

	if (!m)
		return;
	machine_touch(&s->table, m, wall_ms());
	machine_unlock(&s->table, m);
}

/* ---- reports ----------------------------------------------------------------------------- */

static void take_progress(struct state *s, struct machine *m, const struct report *r, int64_t now)
{
	bool begins = m->phase != r->phase;

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
	machine_mark_dirty(&s->table, m);
	if (begins)
		state_record(s, m, EVENT_PHASE, machine_phase_name(r->phase), now);
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
	take_progress(s, m, r, now);
	if (r->log)
		writer_log(s->writer, &mac, steal_ptr(r->log));
	if (h.failed) {
		m->error_phase = r->phase;
		replace_text(
		    &m->error_reason, r->message[0] ? r->message : "the installer gave no reason");
		replace_text(&m->error_hint, r->hint);
		log_warn("install failed vm=%s phase=%s reason=%s", m->name,
		    machine_phase_name(r->phase), r->message);
	}
	if (h.done && r->already)
		log_info("its disk says it is installed already vm=%s attempt=%u", m->name,
		    step.life.attempt);
	if (step.anew)
		forget_progress(m);
	if (step.changed)
		change_life(s, m, step.life, now);
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
		forget_progress(m);
	if (step.changed)
		change_life(s, m, step.life, now);
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
		replace_text(&m->host_key[i], ready->host_key[i]);
	if (ready->result)
		keep_result(m, firstboot_result(ready, m->cloud_init));
	begin_boot(m);
	if (step.changed) {
		change_life(s, m, step.life, now);
	} else if (anew) {
		/* Its firmware did not ask us. */
		record_state(s, m, MACHINE_READY, before.attempt, now);
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
	}
	machine_unlock(&s->table, m);
}

/* ---- orders ------------------------------------------------------------------------------ */

static void take_order(struct state *s, const struct mac *mac, const char *name,
    enum happening_kind order, const char *word)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return;
	struct life before = machine_life(m);
	struct life_step step = lifecycle_step(&before, &(struct happening){.kind = order});
	if (step.anew) {
		forget_progress(m);
		for (int i = 0; i < MACHINE_KEYS_MAX; i++)
			replace_text(&m->host_key[i], NULL);
	}
	state_record(s, m, EVENT_ACTION, word, now);
	change_life(s, m, step.life, now);
	machine_unlock(&s->table, m);
	writer_kick(s->writer);
}

void state_reinstall(struct state *s, const struct mac *mac, const char *name)
{
	take_order(s, mac, name, LIFE_REINSTALL, "reinstall");
}

void state_local(struct state *s, const struct mac *mac, const char *name)
{
	take_order(s, mac, name, LIFE_LOCAL, "local");
}

void state_deployed(struct state *s, const struct mac *mac, const char *name)
{
	take_order(s, mac, name, LIFE_DEPLOYED, "deployed");
}

void state_netboot(struct state *s, const struct mac *mac, const char *name, bool on)
{
	take_order(s, mac, name, on ? LIFE_NETBOOT_ON : LIFE_NETBOOT_OFF,
	    on ? "netboot on" : "netboot off");
	state_tell_addresses(s);
}

/* ---- life and the file ------------------------------------------------------------------- */

void state_close(struct state *s)
{
	if (!s)
		return;
	writer_stop(s->writer);
	db_close(s->reader);
	strangers_free(s->strangers);
	orders_free(s->orders);
	outputs_free(s->outputs);
	inventories_free(s->inventories);
	machine_table_clear(&s->table);
	pthread_mutex_destroy(&s->reader_lock);
	free(s);
}

static void cleanup_state(struct state **s)
{
	state_close(*s);
}

/* In a folder beside the state file. */
static int open_outputs(const char *path, struct outputs **out, struct err *e)
{
	_cleanup_free_ char *folder = NULL;

	if (asprintf(&folder, "%s.output", path) < 0) {
		folder = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	return outputs_new(folder, OUTPUTS_BYTES_MAX, out, e);
}

int state_open(const char *path, struct state **out, struct err *e)
{
	_cleanup_(cleanup_state) struct state *s = calloc(1, sizeof(*s));
	struct db *db = NULL;
	uint64_t last_event = 0;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	machine_table_init(&s->table);
	pthread_mutex_init(&s->reader_lock, NULL);
	int r = db_open(path, &db, e);
	if (r < 0)
		return r;
	r = db_load(db, load_row, s, e);
	if (r == 0)
		r = strangers_new(&s->strangers, e);
	if (r == 0)
		r = strangers_load(s->strangers, db, e);
	if (r == 0)
		r = orders_new(&s->orders, e);
	if (r == 0)
		r = orders_load(s->orders, db, e);
	if (r == 0)
		r = open_outputs(path, &s->outputs, e);
	if (r == 0)
		r = inventories_new(INVENTORIES_BYTES_MAX, &s->inventories, e);
	if (r == 0)
		r = inventories_load(s->inventories, db, e);
	if (r == 0)
		r = db_last_event(db, &last_event, e);
	if (r == 0)
		r = db_open_reader(path, &s->reader, e);
	if (r < 0) {
		db_close(db);
		return r;
	}
	struct writer_source source = {s, next_row, row_failed};
	const struct writer_aside asides[WRITER_ASIDES] = {strangers_aside(s->strangers),
	    orders_aside(s->orders), inventories_aside(s->inventories)};
	r = writer_start(db, last_event, &source, asides, &s->writer, e);
	if (r < 0)
		return r;
	*out = steal_ptr(s);
	return 0;
}

struct strangers *state_strangers(struct state *s)
{
	return s->strangers;
}

struct orders *state_orders(struct state *s)
{
	return s->orders;
}

struct outputs *state_outputs(struct state *s)
{
	return s->outputs;
}

struct inventories *state_inventories(struct state *s)
{
	return s->inventories;
}

int state_save(struct state *s, struct err *e)
{
	return writer_flush(s->writer, false, e);
}

int state_probe(struct state *s, struct err *e)
{
	return writer_flush(s->writer, true, e);
}

int state_events(struct state *s, const struct db_event_query *query,
    void (*event)(void *ctx, const struct event *event), void *ctx, struct err *e)
{
	pthread_mutex_lock(&s->reader_lock);
	int r = db_read_events(s->reader, query, event, ctx, e);
	pthread_mutex_unlock(&s->reader_lock);
	return r;
}

int state_inventory(struct state *s, int64_t id, char **out, struct err *e)
{
	pthread_mutex_lock(&s->reader_lock);
	int r = db_read_inventory(s->reader, id, out, e);
	pthread_mutex_unlock(&s->reader_lock);
	return r;
}

int state_log(struct state *s, const struct mac *mac, char **out, struct err *e)
{
	pthread_mutex_lock(&s->reader_lock);
	int r = db_read_log(s->reader, mac, out, e);
	pthread_mutex_unlock(&s->reader_lock);
	return r;
}
