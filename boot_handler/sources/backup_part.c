#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_handler/sources/backup_inside.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

void backup_part_path(const struct backups *b, int64_t order, const char *file, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/parts/%" PRId64 "%s%s", b->dir, order, file ? "/" : "",
	    file ? file : "");
}

/* ---- what an earlier run of this program left ------------------------------------------------ */

/* False: it is not as its sum says, or not there. */
static bool slice_read(struct backup_part *p, uint64_t number, uint8_t *buf)
{
	struct digest wanted, got;
	off_t at = (off_t)(number * BACKUP_SLICE_BYTES);
	ssize_t n = pread(p->sums, &wanted, sizeof(wanted), (off_t)(number * sizeof(wanted)));

	if (n != sizeof(wanted) || (n = pread(p->data, buf, BACKUP_SLICE_BYTES, at)) <= 0)
		return false;
	struct sha256_ctx sum;
	sha256_init(&sum);
	sha256_update(&sum, (size_t)n, buf);
	sha256_digest(&sum, sizeof(got), got.byte);
	if (!digest_equal(&wanted, &got))
		return false;
	sha256_update(&p->whole, (size_t)n, buf);
	p->bytes += (uint64_t)n;
	return true;
}

/* Takes the slices up to `most` that are right. */
static int slices_take(struct backup_part *p, uint64_t most, struct err *e)
{
	_cleanup_free_ uint8_t *buf = malloc(BACKUP_SLICE_BYTES);

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	p->count = p->bytes = 0;
	sha256_init(&p->whole);
	while (
	    p->count < most && p->bytes % BACKUP_SLICE_BYTES == 0 && slice_read(p, p->count, buf))
		p->count++;
	return 0;
}

static int files_open(struct backups *b, struct backup_part *p, bool make, struct err *e)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0);
	char path[PATH_MAX];

	backup_part_path(b, p->order, NULL, path);
	if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_errno(e, "cannot make %s", path);
	if (make && chmod(path, 0755) < 0)
		return err_errno(e, "cannot make %s", path);
	backup_part_path(b, p->order, BACKUP_FILE, path);
	p->data = open(path, flags, 0644);
	if (p->data < 0)
		return err_errno(e, "cannot open %s", path);
	backup_part_path(b, p->order, BACKUP_SUMS, path);
	p->sums = open(path, flags, 0644);
	if (p->sums < 0)
		return err_errno(e, "cannot open %s", path);
	return 0;
}

static void files_close(struct backup_part *p)
{
	if (p->data >= 0)
		close(steal_fd(&p->data));
	if (p->sums >= 0)
		close(steal_fd(&p->sums));
}

static int load(struct backups *b, struct backup_part *p, bool make, struct err *e)
{
	int r = files_open(b, p, make, e);

	if (r == 0)
		r = slices_take(p, BACKUP_SLICES_MAX, e);
	p->loaded = r == 0;
	if (r < 0)
		files_close(p);
	return r;
}

/* ---- the list ------------------------------------------------------------------------------ */

static struct backup_part *find(struct backups *b, int64_t order)
{
	struct backup_part *p = b->parts;

	while (p && p->order != order)
		p = p->next;
	return p;
}

static struct backup_part *add(struct backups *b, int64_t order)
{
	struct backup_part *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->order = order;
	p->data = p->sums = -1;
	pthread_mutex_init(&p->lock, NULL);
	p->next = b->parts;
	b->parts = p;
	return p;
}

void backup_part_put(struct backups *b, struct backup_part *p)
{
	bool idle = p->gone || !p->loaded;

	pthread_mutex_unlock(&p->lock);
	pthread_mutex_lock(&b->lock);
	if (--p->users == 0 && idle) {
		struct backup_part **link = &b->parts;
		while (*link != p)
			link = &(*link)->next;
		*link = p->next;
		files_close(p);
		pthread_mutex_destroy(&p->lock);
		free(p);
	}
	pthread_mutex_unlock(&b->lock);
}

int backup_part_get(
    struct backups *b, int64_t order, bool make, struct backup_part **out, struct err *e)
{
	char path[PATH_MAX];

	*out = NULL;
	pthread_mutex_lock(&b->lock);
	struct backup_part *p = find(b, order);
	if (!p)
		p = add(b, order);
	if (p)
		p->users++;
	pthread_mutex_unlock(&b->lock);
	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	pthread_mutex_lock(&p->lock);
	backup_part_path(b, order, BACKUP_FILE, path);
	int r = p->gone ? err_set(e, EBUSY, "the order is over: what was sent for it is gone")
		: p->loaded || (!make && access(path, F_OK) < 0) ? 0
								 : load(b, p, make, e);
	if (r == 0 && p->loaded)
		*out = p;
	else
		backup_part_put(b, p);
	return r;
}

void backup_folder_remove(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
		    unlinkat(dirfd(dir), d->d_name, 0) < 0)
			log_warn("%s/%s cannot be removed: %s", path, d->d_name, strerror(errno));
	if (dir && rmdir(path) < 0)
		log_warn("%s cannot be removed: %s", path, strerror(errno));
}

void backup_part_remove(struct backups *b, struct backup_part *p)
{
	char path[PATH_MAX];

	p->gone = true;
	files_close(p);
	backup_part_path(b, p->order, NULL, path);
	backup_folder_remove(path);
}

/* ---- the store ----------------------------------------------------------------------------- */

static int folder_make(const char *dir, const char *name, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s%s", dir, name[0] ? "/" : "", name);
	/* nginx serves what is in there, whatever the umask. */
	if ((mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0)
		return err_errno(e, "cannot make the folder of backups %s", path);
	return 0;
}

int backups_new(const char *dir, const char *images,
    enum backup_use (*use)(void *ctx, int64_t order), void *ctx, struct backups **out,
    struct err *e)
{
	int r;

	if (strlen(dir) > PATH_MAX - 256)
		return err_set(e, ENAMETOOLONG, "the folder of backups has too long a name");
	if ((r = folder_make(dir, "", e)) < 0 || (r = folder_make(dir, "parts", e)) < 0 ||
	    (r = folder_make(dir, "images", e)) < 0)
		return r;
	struct backups *b = calloc(1, sizeof(*b));
	if (!b || !(b->dir = strdup(dir)) || asprintf(&b->made, "%s/images", dir) < 0) {
		if (b)
			free(b->dir);
		free(b);
		return err_set(e, ENOMEM, "out of memory");
	}
	b->images = images;
	b->use = use;
	b->use_ctx = ctx;
	pthread_mutex_init(&b->lock, NULL);
	pthread_mutex_init(&b->sweep, NULL);
	*out = b;
	return 0;
}

void backups_free(struct backups *b)
{
	if (!b)
		return;
	while (b->parts) {
		struct backup_part *p = b->parts;
		b->parts = p->next;
		files_close(p);
		pthread_mutex_destroy(&p->lock);
		free(p);
	}
	pthread_mutex_destroy(&b->lock);
	pthread_mutex_destroy(&b->sweep);
	free(b->dir);
	free(b->made);
	free(b);
}

const char *backups_images(const struct backups *b)
{
	return b ? b->made : NULL;
}

/* Locked, without reading what it has; NULL: it is not in memory. */
static struct backup_part *take_loaded(struct backups *b, int64_t order)
{
	pthread_mutex_lock(&b->lock);
	struct backup_part *p = find(b, order);
	if (p)
		p->users++;
	pthread_mutex_unlock(&b->lock);
	if (p)
		pthread_mutex_lock(&p->lock);
	return p;
}

void backup_part_stop(struct backups *b, int64_t order)
{
	struct backup_part *p = take_loaded(b, order);

	if (!p)
		return;
	p->writer = NULL;
	backup_part_put(b, p);
}

void backups_drop(struct backups *b, int64_t order)
{
	struct backup_part *p = take_loaded(b, order);
	char path[PATH_MAX];

	if (p) {
		backup_part_remove(b, p);
		backup_part_put(b, p);
		return;
	}
	backup_part_path(b, order, NULL, path);
	pthread_mutex_lock(&b->lock);
	if (!find(b, order) && access(path, F_OK) == 0)
		backup_folder_remove(path);
	pthread_mutex_unlock(&b->lock);
}
