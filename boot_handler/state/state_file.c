/* The part of state.h that is about the state file: rows from and to it, opened and closed. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/hook_file.h"
#include "boot_handler/state/inventory_file.h"
#include "boot_handler/state/machine_address.h"
#include "boot_handler/state/order_file.h"
#include "boot_handler/state/state.h"
#include "boot_handler/state/state_inside.h"
#include "boot_handler/state/stranger_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

/* ---- rows -------------------------------------------------------------------------------- */

static void copy_text(const char *from, char *out, size_t size)
{
	snprintf(out, size, "%s", from ? from : "");
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
	row->began_ms = m->began_ms;
	row->phase_ms = m->phase_ms;
	row->moved_at_ms = m->moved_at_ms;
	row->asks = atomic_load_explicit(&m->asks, memory_order_relaxed);
	row->asked = atomic_load_explicit(&m->asked, memory_order_relaxed);
	row->asked_at_ms = atomic_load_explicit(&m->asked_ms, memory_order_relaxed);
	row->last_seen_ms = atomic_load_explicit(&m->last_seen_ms, memory_order_relaxed);
	row->agent_at_ms = m->agent_at_ms;
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
	m->began_ms = row->began_ms;
	m->phase_ms = row->phase_ms;
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
	machine_replace_text(&m->error_reason, row->error_reason);
	machine_replace_text(&m->error_hint, row->error_hint);
	for (int i = 0; i < MACHINE_KEYS_MAX; i++)
		machine_replace_text(&m->host_key[i], row->host_key[i]);
	state_keep_result(m, row->cloud_init[0] ? strdup(row->cloud_init) : NULL);
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

void state_put_back(struct state *s, const struct machine_row *row)
{
	struct machine *m;

	load_row(s, row);
	m = machine_table_lock(&s->table, &row->mac, row->name);
	if (!m)
		return;
	state_record(s, m, EVENT_ACTION, "taken back, as it could not be kept", wall_ms());
	machine_mark_dirty(&s->table, m);
	machine_unlock(&s->table, m);
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
	hooks_free(s->hooks);
	machine_table_clear(&s->table);
	pthread_mutex_destroy(&s->reader_lock);
	pthread_mutex_destroy(&s->heard_lock);
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
	pthread_mutex_init(&s->heard_lock, NULL);
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
		r = hooks_new(&s->hooks, e);
	if (r == 0)
		r = hooks_load(s->hooks, db, e);
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
	    orders_aside(s->orders), inventories_aside(s->inventories), hooks_aside(s->hooks)};
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

struct hooks *state_hooks(struct state *s)
{
	return s->hooks;
}

void state_keep_hook(struct state *s, const struct hook *hook, bool soon)
{
	hooks_update(s->hooks, hook);
	if (soon)
		writer_kick(s->writer);
}

int state_save(struct state *s, struct err *e)
{
	return writer_flush(s->writer, false, e);
}

int state_probe(struct state *s, struct err *e)
{
	return writer_flush(s->writer, true, e);
}

void state_on_events(
    struct state *s, void (*heard)(void *ctx, const struct event *events, size_t count), void *ctx)
{
	writer_listen(s->writer, &(struct writer_listener){heard, ctx});
}

/* Their names in the file. */
static const char *const kept_names[] = {[STATE_INSTALLED_WITH] = "installed",
    [STATE_STARTED_WITH] = "started",
    [STATE_CURVE] = "curve",
    [STATE_GIVEN] = "given",
    [STATE_VERIFIED] = "verified"};

int state_last_event(struct state *s, uint64_t *last, struct err *e)
{
	pthread_mutex_lock(&s->reader_lock);
	int r = db_last_event(s->reader, last, e);
	pthread_mutex_unlock(&s->reader_lock);
	return r;
}

int state_events(struct state *s, const struct event_query *query,
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

void state_keep(struct state *s, const struct mac *mac, enum state_kept what, char *text)
{
	if (text)
		writer_kept(s->writer, mac, kept_names[what], text);
}

int state_kept(
    struct state *s, const struct mac *mac, enum state_kept what, char **out, struct err *e)
{
	pthread_mutex_lock(&s->reader_lock);
	int r = db_read_kept(s->reader, mac, kept_names[what], out, e);
	pthread_mutex_unlock(&s->reader_lock);
	return r;
}

int state_each_kept(struct state *s, enum state_kept what,
    void (*each)(void *ctx, const char *mac, const char *text), void *ctx, struct err *e)
{
	pthread_mutex_lock(&s->reader_lock);
	int r = db_read_each_kept(s->reader, kept_names[what], each, ctx, e);
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
