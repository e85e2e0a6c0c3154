/* The part of backup.h that keeps what ended orders have sent, for those that may be resumed. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "boot_handler/sources/backup_inside.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

struct kept {
	int64_t order, at_ms; /* when its last slice came */
};

uint64_t backup_room_left(const struct backups *b)
{
	struct statvfs v;

	return statvfs(b->dir, &v) < 0 ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

/* False: it has no slice. */
static bool last_slice(const struct backups *b, int64_t order, int64_t *at_ms)
{
	char path[PATH_MAX];
	struct stat st;

	backup_part_path(b, order, BACKUP_SUMS, path);
	*at_ms = 0;
	if (stat(path, &st) < 0 || st.st_size == 0)
		return false;
	*at_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return true;
}

static int oldest_first(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms);
}

static void let_go(struct backups *b, int64_t order, const char *why)
{
	log_info("what is left of the backup of order %" PRId64 " goes: %s", order, why);
	backups_drop(b, order);
}

/* Those that may be resumed, the oldest first, into *out; the others that are over go. */
static size_t sort_out(struct backups *b, struct kept **out)
{
	char path[PATH_MAX], *end;
	size_t count = 0, room = 0;
	const struct dirent *d;

	*out = NULL;
	snprintf(path, sizeof(path), "%s/parts", b->dir);
	_cleanup_closedir_ DIR *dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		struct kept one = {.order = strtoll(d->d_name, &end, 10)};
		if (*end || end == d->d_name)
			continue;
		enum backup_use use = b->use(b->use_ctx, one.order);
		bool sent = last_slice(b, one.order, &one.at_ms);
		if (use == BACKUP_IN_USE)
			continue;
		if (use == BACKUP_OVER || !sent) {
			let_go(b, one.order, "its order is over");
			continue;
		}
		if (count == room) {
			struct kept *more = reallocarray(*out, room + 64, sizeof(*more));
			if (!more)
				break;
			*out = more;
			room += 64;
		}
		(*out)[count++] = one;
	}
	if (count > 0)
		qsort(*out, count, sizeof(**out), oldest_first);
	return count;
}

void backups_sweep(struct backups *b, uint64_t room_bytes, int64_t now_ms)
{
	struct kept *kept = NULL;

	pthread_mutex_lock(&b->sweep);
	size_t count = sort_out(b, &kept);
	for (size_t i = 0; i < count; i++)
		if (now_ms - kept[i].at_ms >= BACKUP_KEPT_MS)
			let_go(b, kept[i].order, "nobody has resumed it");
		else if (count - i > BACKUP_KEPT_MAX)
			let_go(b, kept[i].order, "there are many newer ones");
		else if (backup_room_left(b) < BACKUP_RESERVE_BYTES + room_bytes)
			let_go(b, kept[i].order, "its room is needed");
	free(kept);
	pthread_mutex_unlock(&b->sweep);
}

void backups_ended(struct backups *b, int64_t order, bool done)
{
	if (done) {
		backups_drop(b, order);
		return;
	}
	backup_part_stop(b, order);
	backups_sweep(b, 0, wall_ms());
}
