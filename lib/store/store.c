#include "lib/store/store.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/store/claims.h"
#include "lib/store/folder.h"
#include "lib/store/profiles.h"
#include "lib/base/clock.h"

#define RESCAN_MS 2000
#define QUIET_MS 20
#define BURST_MAX_MS 200
/* Looking at every file takes at most this share of a processor where inotify tells all changes. */
#define SCAN_SHARE 100
#define SCAN_PAUSE_MAX_MS 60000
#define DIRTY_MAX 64 /* more changed names than this: look at all */

#define WATCH_MASK                                                                                 \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |        \
	    IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct vm_store {
	struct vm_folder folder;
	int rescan_ms, quiet_ms, burst_max_ms, scan_pause_ms;
	int inotify;        /* -1: rescans only */
	int watch;          /* -1: none */
	int profiles_watch; /* of _profiles/; -1: none */
	int wake;

	/* Changes told by inotify and not looked at yet. */
	char *dirty[DIRTY_MAX];
	size_t dirty_count;
	bool dirty_all;
	int64_t burst_start_ms; /* 0: nothing is waiting */
	int64_t last_event_ms;
	int64_t next_rescan_ms;
	bool failed; /* the last look: the folder could not be read */
	int64_t
	    scan_due_ms; /* where inotify tells all changes: when every file is looked at anyway */

	struct vm_node *
	    *nodes; /* those of the current snapshot, ordered by name; borrowed from it */
	size_t node_count;
	unsigned long generation;
	pthread_mutex_t lock; /* over `current` */
	struct vm_snapshot *current;
};

/* ---- publishing -------------------------------------------------------------------------------*/

static int by_vm_name(const void *a, const void *b)
{
	return strcmp(
	    (*(struct vm_node *const *)a)->vm->name, (*(struct vm_node *const *)b)->vm->name);
}

static int by_file(const void *a, const void *b)
{
	const struct vm_problem *x = &(*(struct vm_problem_node *const *)a)->problem;
	const struct vm_problem *y = &(*(struct vm_problem_node *const *)b)->problem;
	int order = strcmp(x->file, y->file);

	if (order == 0)
		order = x->where.line - y->where.line;
	return order ? order : x->where.column - y->where.column;
}

/* The old order and the few new ones are merged: sorting a hundred thousand again takes long. */
static bool list_nodes(struct vm_store *s, struct vm_snapshot_content *c)
{
	struct vm_folder *f = &s->folder;
	size_t kept = 0, fresh = 0, i = 0, j = 0;

	for (size_t n = 0; n < s->node_count; n++)
		kept += s->nodes[n]->listed;
	for (size_t n = 0; n < f->added_count; n++) {
		if (f->added[n]->listed)
			f->added[fresh++] = f->added[n];
		else
			vm_node_unref(f->added[n]); /* replaced again before it was ever listed */
	}
	f->added_count = fresh;
	if (fresh > 1)
		qsort(f->added, fresh, sizeof(struct vm_node *), by_vm_name);

	c->nodes = malloc((kept + fresh + 1) * sizeof(struct vm_node *));
	if (!c->nodes)
		return false;
	while (i < s->node_count || j < fresh) {
		if (i < s->node_count && !s->nodes[i]->listed)
			i++;
		else if (j == fresh ||
			 (i < s->node_count && by_vm_name(&s->nodes[i], &f->added[j]) < 0))
			c->nodes[c->node_count++] = s->nodes[i++];
		else
			c->nodes[c->node_count++] = f->added[j++];
	}
	return true;
}

static size_t add_problems(struct vm_problem_node **list, size_t room, const struct vm_file *file)
{
	size_t n = 0;

	if (file->problem) {
		if (list && n < room)
			list[n] = file->problem;
		n++;
	}
	for (struct vm_problem_node *p = file->further; p; p = p->next) {
		if (list && n < room)
			list[n] = p;
		n++;
	}
	return n;
}

/* How many there are; those that fit are put into the list. */
static size_t gather_problems(const struct vm_folder *f, struct vm_problem_node **list, size_t room)
{
	const struct hash_table *tables[] = {&f->profile_files, &f->files};
	size_t n = f->defaults_file ? add_problems(list, room, f->defaults_file) : 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (size_t i = 0; i < tables[t]->capacity; i++)
			if (tables[t]->slots[i].item)
				n += add_problems(list ? list + n : NULL, list ? room - n : 0,
				    tables[t]->slots[i].item);
	return n;
}

static bool list_problems(struct vm_store *s, struct vm_snapshot_content *c)
{
	const struct vm_folder *f = &s->folder;

	if (f->files_with_problems == 0)
		return true;
	size_t room = gather_problems(f, NULL, 0);
	c->problems = malloc((room + 1) * sizeof(struct vm_problem_node *));
	if (!c->problems)
		return false;
	c->problem_count = gather_problems(f, c->problems, room);
	if (c->problem_count > 1)
		qsort(c->problems, c->problem_count, sizeof(struct vm_problem_node *), by_file);
	return true;
}

static void take_references(struct vm_store *s, const struct vm_snapshot_content *c)
{
	struct vm_folder *f = &s->folder;

	for (size_t i = 0; i < c->node_count; i++)
		vm_node_ref(c->nodes[i]);
	for (size_t i = 0; i < c->problem_count; i++)
		atomic_fetch_add_explicit(&c->problems[i]->refs, 1, memory_order_relaxed);
	for (size_t i = 0; i < f->added_count; i++)
		vm_node_unref(f->added[i]);
	free(f->added);
	f->added = NULL;
	f->added_count = f->added_room = 0;
}

/* On failure everything is left to try again after the next look at the folder. */
static int publish(struct vm_store *s, struct err *e)
{
	struct vm_snapshot_content c = {.noreboot = s->folder.noreboot,
	    .noreboot_count = s->folder.noreboot_count,
	    .defaults = s->folder.defaults,
	    .profiles = s->folder.profiles,
	    .generation = s->generation + 1};
	struct vm_snapshot *snap = NULL;

	if (list_nodes(s, &c) && list_problems(s, &c) && vm_claims_kept(&s->folder, &c.kept) == 0)
		snap = vm_snapshot_new(&c);
	if (!snap) {
		free(c.nodes);
		free(c.problems);
		free(c.kept);
		return err_set(e, ENOMEM, "out of memory for %zu definitions", c.node_count);
	}
	take_references(s, &c);
	s->generation++;
	s->folder.changed = false;

	pthread_mutex_lock(&s->lock);
	struct vm_snapshot *old = s->current;
	s->current = snap;
	s->nodes = c.nodes;
	s->node_count = c.node_count;
	pthread_mutex_unlock(&s->lock);
	vm_snapshot_unref(old);
	return 0;
}

const struct vm_snapshot *vm_store_snapshot(struct vm_store *s)
{
	pthread_mutex_lock(&s->lock);
	struct vm_snapshot *snap = vm_snapshot_ref(s->current);
	pthread_mutex_unlock(&s->lock);
	return snap;
}

/* ---- inotify ----------------------------------------------------------------------------------*/

static void forget_dirty(struct vm_store *s)
{
	for (size_t i = 0; i < s->dirty_count; i++)
		free(s->dirty[i]);
	s->dirty_count = 0;
	s->dirty_all = false;
	s->burst_start_ms = 0;
}

static void note_dirty(struct vm_store *s, const char *name)
{
	if (s->dirty_all)
		return;
	for (size_t i = 0; i < s->dirty_count; i++)
		if (strcmp(s->dirty[i], name) == 0)
			return;
	char *copy = s->dirty_count < DIRTY_MAX ? strdup(name) : NULL;
	if (copy)
		s->dirty[s->dirty_count++] = copy;
	else
		s->dirty_all = true;
}

/* (Re)places the watch on whatever the path is now. Without it rescans find every change. */
static void watch_folder(struct vm_store *s)
{
	if (s->inotify < 0)
		return;
	if (s->watch >= 0)
		inotify_rm_watch(s->inotify, s->watch);
	s->watch = inotify_add_watch(s->inotify, s->folder.path, WATCH_MASK);
}

/* The one that is there now; where there was no other, that is the same watch again. */
static void watch_profiles(struct vm_store *s, const char *dir)
{
	_cleanup_free_ char *path = NULL;

	if (s->inotify < 0 || asprintf(&path, "%s/" PROFILES_DIR, dir) < 0)
		return (void)(path = NULL);
	int watch = inotify_add_watch(s->inotify, path, WATCH_MASK);
	if (s->profiles_watch >= 0 && watch != s->profiles_watch)
		inotify_rm_watch(s->inotify, s->profiles_watch);
	s->profiles_watch = watch;
}

static void note_event(struct vm_store *s, const struct inotify_event *event)
{
	bool profiles = event->wd == s->profiles_watch && !(event->mask & IN_Q_OVERFLOW);

	if (event->wd != s->watch && !profiles && !(event->mask & IN_Q_OVERFLOW))
		return; /* of a folder that is no longer ours */
	if (event->mask & IN_IGNORED)
		*(profiles ? &s->profiles_watch : &s->watch) = -1;
	if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF))
		s->dirty_all = true;
	else if (event->len > 0)
		note_dirty(s, profiles ? PROFILES_DIR : event->name);
	else
		return; /* the folder's own attributes */
	s->last_event_ms = monotonic_ms();
	if (!s->burst_start_ms)
		s->burst_start_ms = s->last_event_ms;
}

static void read_events(struct vm_store *s)
{
	_Alignas(struct inotify_event) char buf[16384];
	ssize_t n;

	while ((n = read(s->inotify, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *event = (const void *)p;
			note_event(s, event);
			p += sizeof(*event) + event->len;
		}
	}
}

/* ---- waiting ----------------------------------------------------------------------------------*/

static int64_t earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int scan_now(struct vm_store *s, struct err *e)
{
	int64_t start_cpu_ms = thread_cpu_ms();

	forget_dirty(s);
	if (s->watch < 0)
		watch_folder(s);
	watch_profiles(s, s->folder.path);
	int rc = vm_folder_scan(&s->folder, e);
	if (rc > 0) {
		/* Watch the new folder, then look again: it may have changed in between. */
		watch_folder(s);
		watch_profiles(s, s->folder.path);
		rc = vm_folder_scan(&s->folder, e);
	}
	int64_t pause_ms = (thread_cpu_ms() - start_cpu_ms) * SCAN_SHARE;
	s->next_rescan_ms = monotonic_ms() + s->rescan_ms;
	s->scan_due_ms =
	    monotonic_ms() +
	    (s->scan_pause_ms ? s->scan_pause_ms : earliest(pause_ms, SCAN_PAUSE_MAX_MS));
	return rc < 0 ? rc : 0;
}

/* The periodic look. Of a hundred thousand files each time it would take a fifth of a processor, so
 * it is left out while nothing can have escaped inotify. */
static int rescan(struct vm_store *s, struct err *e)
{
	if (s->failed || s->watch < 0 || s->folder.silent_changes ||
	    (s->folder.profiles_ino && s->profiles_watch < 0) || monotonic_ms() >= s->scan_due_ms ||
	    vm_folder_touched(&s->folder))
		return scan_now(s, e);
	s->next_rescan_ms = monotonic_ms() + s->rescan_ms;
	return 0;
}

static int look_at_dirty(struct vm_store *s, struct err *e)
{
	bool enough = !s->dirty_all;

	for (size_t i = 0; i < s->dirty_count && enough; i++)
		enough = vm_folder_look_at(&s->folder, s->dirty[i]);
	if (!enough)
		return scan_now(s, e);
	forget_dirty(s);
	vm_claims_settle(&s->folder);
	return 0;
}

/* When the waiting changes are to be looked at. */
static int64_t burst_end(const struct vm_store *s)
{
	if (!s->burst_start_ms)
		return INT64_MAX;
	return earliest(s->last_event_ms + s->quiet_ms, s->burst_start_ms + s->burst_max_ms);
}

/* Sleeps until something happens or `until`; true when it was vm_store_wake(). */
static bool sleep_until(struct vm_store *s, int64_t until)
{
	struct pollfd fds[] = {
	    {.fd = s->wake, .events = POLLIN}, {.fd = s->inotify, .events = POLLIN}};
	int64_t left = until - monotonic_ms();

	if (poll(fds, 2, left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left) <= 0)
		return false;
	if (fds[1].revents)
		read_events(s);
	if (!fds[0].revents)
		return false;
	eventfd_t count;
	(void)eventfd_read(s->wake, &count);
	return true;
}

int vm_store_wait(struct vm_store *s, int timeout_ms, struct err *e)
{
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : monotonic_ms() + timeout_ms;

	for (;;) {
		bool woken =
		    sleep_until(s, earliest(earliest(deadline, s->next_rescan_ms), burst_end(s)));
		int64_t now = monotonic_ms();
		int rc = 0;
		bool again = false;
		if (now >= s->next_rescan_ms) {
			rc = rescan(s, e);
			again = s->failed && rc == 0;
			s->failed = rc < 0;
		} else if (now >= burst_end(s)) {
			rc = look_at_dirty(s, e);
			s->failed |= rc < 0;
		}
		if (s->folder.changed) {
			struct err ignored;
			int published = publish(s, rc < 0 ? &ignored : e);
			if (rc == 0)
				rc = published < 0 ? published : 1;
		}
		if (rc != 0)
			return rc;
		if (woken || again || now >= deadline)
			return 0;
	}
}

void vm_store_wake(struct vm_store *s)
{
	int saved = errno;
	const uint64_t one = 1;

	/* Fails only when the counter is full, and then the waiter is woken already. */
	if (write(s->wake, &one, sizeof(one)) < 0)
		errno = saved;
}

/* ---- opening and closing ----------------------------------------------------------------------*/

int vm_store_open(const struct vm_store_options *o, struct vm_store **out, struct err *e)
{
	struct vm_store *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->rescan_ms = o->rescan_ms ? o->rescan_ms : RESCAN_MS;
	s->quiet_ms = o->quiet_ms ? o->quiet_ms : QUIET_MS;
	s->burst_max_ms = o->burst_max_ms ? o->burst_max_ms : BURST_MAX_MS;
	s->scan_pause_ms = o->scan_pause_ms;
	s->watch = s->profiles_watch = -1;
	pthread_mutex_init(&s->lock, NULL);
	/* Without inotify (its limits are per user and easily used up) rescans have to do. */
	s->inotify = o->no_inotify ? -1 : inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	s->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int rc = s->wake < 0 ? err_errno(e, "no eventfd can be made") : 0;
	if (rc == 0 && s->inotify >= 0)
		s->watch =
		    inotify_add_watch(s->inotify, o->dir, WATCH_MASK); /* before the first look */
	if (rc == 0)
		watch_profiles(s, o->dir);
	if (rc == 0)
		rc = vm_folder_open(&s->folder, o->dir, o->lab, o->lab6, o->holders, e);
	if (rc == 0)
		rc = publish(s, e);
	if (rc < 0) {
		vm_store_close(s);
		return rc;
	}
	s->next_rescan_ms = monotonic_ms() + s->rescan_ms;
	*out = s;
	return 0;
}

void vm_store_close(struct vm_store *s)
{
	if (!s)
		return;
	forget_dirty(s);
	vm_snapshot_unref(s->current);
	vm_folder_close(&s->folder);
	if (s->inotify >= 0)
		close(s->inotify);
	if (s->wake >= 0)
		close(s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
