#include "vm_watcher/lease_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/atomic_file.h"
#include "vm_watcher/bus.h"
#include "lib/base/cleanup.h"
#include "vm_watcher/dnsmasq.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/pace.h"
#include "lib/net/lease_file.h"

#define PATIENCE_MS 3000 /* dnsmasq connects within a quarter of a second of its start... */
#define PATIENCE_RUNS_MS                                                                           \
	1000 /* ...or when it cannot, never: one that ran before us was another's */
#define ASK_EVERY_MS 1000
#define CARDS_WAIT_MS 5000 /* boot_handler tells which card is whose as soon as it has started */
#define READ_EVERY_MS 150  /* a storm of machines that boot changes the file with each of them */
#define KEEP_EVERY_MS 500
#define SCRIPT_MS 1500 /* within which a lease that was told of is noted, unless there are many */

/* What was declined is given anew: dnsmasq reads its files for it, which takes a moment with 10,000
 * definitions. A machine may decline for ever; the others have what they have meanwhile. */
static const struct pace_rule forget_pace = {
    .free = 4, .every_ms = 500, .first_ms = 1000, .most_ms = 16000};

struct file_id {
	struct timespec mtime;
	ino_t inode;
	off_t size;
};

struct lease_watch {
	struct lease_watch_options options;
	struct bus *bus;
	struct leases leases;
	struct leases before; /* its machines only, as they were when leases were last judged */
	bool has_machines, has_before;
	struct file_id leases_id, machines_id;
	char *unkept; /* the lease file's text, of which there is no copy yet; NULL: there is */
	size_t unkept_len;
	int64_t kept_ms;
	bool keep_failed, fold_failed; /* that was told */

	unsigned long judged; /* generation of the snapshot */
	atomic_int_fast64_t
	    news_ms; /* when dnsmasq last told of a lease, of which its script comes after */
	bool due;    /* a file has changed, or something failed */
	bool looked; /* at all leases, once */
	bool forget_due;
	struct pace forgets;
	int64_t missing_since_ms; /* dnsmasq is not connected though it is needed; 0: it is not */
	int64_t patience_ms;
	int64_t asked_ms, read_ms, opened_ms;
	size_t dropped; /* since the signs were last read */
	struct leases_signs signs;
	unsigned long signs_of; /* generation of the snapshot */
	uint32_t declines;
	bool answered; /* dnsmasq has, or could not, since that was asked */
};

static void news(void *ctx)
{
	struct lease_watch *w = ctx;

	atomic_store(&w->news_ms, monotonic_ms());
	w->options.news(w->options.ctx);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool file_changed(const char *path, struct file_id *id)
{
	struct stat st;
	struct file_id now = {0};

	if (stat(path, &st) == 0)
		now = (struct file_id){st.st_mtim, st.st_ino, st.st_size};
	bool same = now.inode == id->inode && now.size == id->size &&
		    now.mtime.tv_sec == id->mtime.tv_sec && now.mtime.tv_nsec == id->mtime.tv_nsec;
	*id = now;
	return !same;
}

/* *text is the caller's; NULL: there is none. */
static bool read_file(const char *path, struct leases *l,
    int (*take)(struct leases *l, const char *text), char **text, size_t *len)
{
	struct err e = ERR_INIT;

	int r = file_read(path, LEASE_FILE_MAX_BYTES, text, len, &e);
	if (r < 0 && e.code != ENOENT)
		log_warn("%s", e.msg);
	if (r >= 0 && take(l, *text) < 0)
		log_error("out of memory for %s", path);
	return r >= 0;
}

/* The lease file is in memory: what has to outlive the machine is written here, less often. */
static void keep(struct lease_watch *w, bool now)
{
	struct err e = ERR_INIT;

	if (!w->unkept || (!now && monotonic_ms() - w->kept_ms < KEEP_EVERY_MS))
		return;
	w->kept_ms = monotonic_ms();
	int r = atomic_file_replace(w->options.keep, w->unkept, w->unkept_len, 0644, &e);
	if (r < 0 && !w->keep_failed)
		log_error("leases would be forgotten over a restart: %s", e.msg);
	w->keep_failed = r < 0;
	if (r < 0)
		return;
	free(w->unkept);
	w->unkept = NULL;
}

static void fold_journal(struct lease_watch *w)
{
	struct stat st;
	struct err e = ERR_INIT;

	if (!w->options.journal || stat(w->options.journal, &st) < 0 || st.st_size == 0)
		return;
	int r = lease_file_fold(w->options.leases, w->options.journal, &e);
	if (r < 0 && !w->fold_failed)
		log_error("new leases are not known here: %s", e.msg);
	w->fold_failed = r < 0;
}

static bool read_leases(struct lease_watch *w)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	fold_journal(w);
	if (!file_changed(w->options.leases, &w->leases_id))
		return false;
	bool got = read_file(w->options.leases, &w->leases, leases_read, &text, &len);
	if (got && w->options.keep) {
		free(w->unkept);
		w->unkept = steal_ptr(text);
		w->unkept_len = len;
	}
	return got;
}

/* dnsmasq writes its file in place: one that is half written is read again when it is whole. */
bool lease_watch_read(struct lease_watch *w)
{
	const struct lease_watch_options *o = &w->options;
	_cleanup_free_ char *text = NULL;
	size_t len;

	sleep_ms(w->read_ms + READ_EVERY_MS - monotonic_ms());
	w->read_ms = monotonic_ms();
	bool changed = read_leases(w);
	keep(w, false);
	if (o->machines && file_changed(o->machines, &w->machines_id)) {
		if (w->has_machines && !w->has_before) {
			w->before.machines = steal_ptr(w->leases.machines);
			w->before.machine_count = w->leases.machine_count;
			w->leases.machine_count = w->leases.nic_count = 0;
			w->has_before = true;
		}
		if (read_file(o->machines, &w->leases, leases_read_machines, &text, &len))
			w->has_machines = changed = true;
	}
	w->due = w->due || changed;
	return changed;
}

const struct leases *lease_watch_leases(const struct lease_watch *w)
{
	return &w->leases;
}

/* ---- dropping ------------------------------------------------------------------------------- */

static void drop(void *ctx, const struct lease_line *lease, const struct vm *vm)
{
	char text[INET6_ADDRSTRLEN], mac[MAC_TEXT_SIZE] = "another identity";
	struct lease_watch *w = ctx;
	struct err e = ERR_INIT;
	bool six = !lease->ip.s_addr;

	inet_ntop(six ? AF_INET6 : AF_INET, six ? (const void *)&lease->ip6 : &lease->ip, text,
	    sizeof(text));
	if (lease->has_mac)
		mac_format(&lease->mac, mac);
	int r = bus_drop_lease(w->bus, text, &e);
	if (r == 0) {
		log_info(
		    "lease dropped: the address is declared for another machine, or for a system that is no more address=%s vm=%s held_by=%s",
		    text, vm->name, mac);
		w->dropped++;
		return;
	}
	if (r == BUS_NO_LEASE)
		return;
	w->due = true;
	if (r == BUS_NOT_CONNECTED && w->missing_since_ms == 0)
		w->missing_since_ms = monotonic_ms();
	else if (r < 0)
		log_error("the lease of %s, declared for %s, cannot be dropped: %s", text, vm->name,
		    e.msg);
}

/* After a restart of this program dnsmasq has nobody to talk to until it starts anew, too. */
static void reconnect(struct lease_watch *w)
{
	struct err e = ERR_INIT;

	if (w->missing_since_ms == 0 || monotonic_ms() - w->missing_since_ms < w->patience_ms)
		return;
	w->missing_since_ms = 0;
	w->patience_ms = PATIENCE_MS;
	log_warn("dnsmasq is restarted: a lease has to be dropped, and it is not connected");
	if (dnsmasq_end(w->options.pid_file, &e) < 0)
		log_error("%s", e.msg);
}

/* Without that the lease of a card that was learned seems another's. */
static bool knows_cards(const struct lease_watch *w)
{
	return !w->options.machines || w->has_machines ||
	       monotonic_ms() - w->opened_ms >= CARDS_WAIT_MS;
}

static void drop_all(struct lease_watch *w, const struct vm_snapshot *snap)
{
	unsigned long generation = vm_snapshot_generation(snap);

	if (!w->due && generation == w->judged)
		return;
	w->due = !knows_cards(w);
	if (w->due)
		return;
	w->judged = generation;
	leases_conflicts(&w->leases, w->has_before ? &w->before : NULL, !w->looked, snap, drop, w);
	if (!w->due) {
		w->looked = true;
		w->missing_since_ms = 0;
		free(w->before.machines);
		w->before = (struct leases){0};
		w->has_before = false;
	}
}

/* ---- declined addresses --------------------------------------------------------------------- */

static void look_for_declines(struct lease_watch *w, const struct vm_snapshot *snap)
{
	struct err ignored = ERR_INIT;
	struct leases_signs signs;
	uint32_t declines;

	leases_signs(&w->leases, snap, &signs);
	/* With other definitions dnsmasq has read its files anyway. */
	bool same = vm_snapshot_generation(snap) == w->signs_of;
	bool astray = same && signs.astray && signs.astray != w->signs.astray;
	bool suspect = same && ((signs.astray6 && signs.astray6 != w->signs.astray6) ||
				   (signs.held6 < w->signs.held6 && w->dropped == 0));
	w->signs = signs;
	w->signs_of = vm_snapshot_generation(snap);
	w->dropped = 0;
	if (monotonic_ms() - w->asked_ms >= ASK_EVERY_MS || astray || suspect || w->due) {
		w->asked_ms = monotonic_ms();
		int r = bus_declines(w->bus, &declines, &ignored);
		w->answered = w->answered || r == 0 || r == BUS_NOT_CONNECTED;
		if (r != 0) {
			suspect = suspect || astray;
		} else {
			if (declines > w->declines &&
			    pace_is_quiet(&w->forgets, &forget_pace, monotonic_ms()))
				log_warn(
				    "an address was declined by the machine that got it: another one seems to use it; what is declared stays");
			suspect = suspect || declines > w->declines;
			w->declines = declines;
		}
	}
	w->forget_due = w->forget_due || suspect;
}

bool lease_watch_enforce(struct lease_watch *w, const struct vm_snapshot *snap)
{
	if (!w->bus)
		return false;
	drop_all(w, snap);
	reconnect(w);
	look_for_declines(w, snap);
	if (!w->forget_due || pace_wait_ms(&w->forgets, &forget_pace, monotonic_ms()) > 0)
		return false;
	w->forget_due = false;
	if (pace_take(&w->forgets, &forget_pace, monotonic_ms()))
		log_warn(
		    "machines decline their addresses again and again: what is declared for them is offered anew more and more seldom, at last every %d s",
		    (int)(forget_pace.most_ms / 1000));
	return true;
}

bool lease_watch_reload(struct lease_watch *w)
{
	struct err e = ERR_INIT;
	int r = w->bus ? bus_reload(w->bus, &e) : BUS_NOT_CONNECTED;

	if (r < 0)
		log_warn("%s", e.msg);
	return r == 0;
}

bool lease_watch_answered(struct lease_watch *w)
{
	bool answered = w->answered;

	w->answered = false;
	return answered;
}

bool lease_watch_is_due(const struct lease_watch *w)
{
	return w->unkept || monotonic_ms() - atomic_load(&w->news_ms) < SCRIPT_MS ||
	       (w->bus && (w->due || w->forget_due));
}

/* ---- life ----------------------------------------------------------------------------------- */

int lease_watch_open(
    const struct lease_watch_options *options, struct lease_watch **out, struct err *e)
{
	struct lease_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	w->options = *options;
	int r = options->bus ? bus_open(options->bus, news, w, &w->bus, e) : 0;
	if (r < 0) {
		free(w);
		return r;
	}
	w->due = true;
	atomic_store(&w->news_ms, -SCRIPT_MS);
	w->opened_ms = monotonic_ms();
	/* What was declined while nobody looked cannot be known. */
	w->forget_due = options->bus && dnsmasq_runs(options->pid_file);
	w->patience_ms = w->forget_due ? PATIENCE_RUNS_MS : PATIENCE_MS;
	lease_watch_read(w);
	*out = w;
	return 0;
}

void lease_watch_close(struct lease_watch *w)
{
	if (!w)
		return;
	bus_close(w->bus);
	read_leases(w);
	keep(w, true);
	free(w->unkept);
	leases_clear(&w->leases);
	leases_clear(&w->before);
	free(w);
}
