#include "boot_handler/state/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"

/* Of a file: how many bytes there were in all, then the first ones, then the last ones as a ring.
 */
#define HEAD sizeof(uint64_t)
#define RING_AT (HEAD + OUTPUT_FIRST_BYTES)

struct output {
	int64_t order;
	uint64_t length; /* of all that came */
};

struct outputs {
	pthread_mutex_t lock;
	char *folder;
	uint64_t bytes_max, bytes;
	struct output *items; /* by order */
	size_t count, room;
};

static uint64_t kept_of(uint64_t length)
{
	uint64_t most = OUTPUT_FIRST_BYTES + OUTPUT_LAST_BYTES;

	return length < most ? length : most;
}

static char *path_of(const struct outputs *t, int64_t order)
{
	char *path = NULL;

	return asprintf(&path, "%s/%lld", t->folder, (long long)order) < 0 ? NULL : path;
}

/* ---- which there are ----------------------------------------------------------------------- */

static size_t place_of(const struct outputs *t, int64_t order)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (t->items[middle].order < order)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct output *find(const struct outputs *t, int64_t order)
{
	size_t i = place_of(t, order);

	return i < t->count && t->items[i].order == order ? &t->items[i] : NULL;
}

static struct output *add(struct outputs *t, int64_t order, uint64_t length)
{
	if (t->count == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		struct output *bigger = realloc(t->items, room * sizeof(*bigger));
		if (!bigger)
			return NULL;
		t->items = bigger;
		t->room = room;
	}
	size_t i = place_of(t, order);
	memmove(t->items + i + 1, t->items + i, (t->count - i) * sizeof(*t->items));
	t->items[i] = (struct output){order, length};
	t->count++;
	t->bytes += kept_of(length);
	return &t->items[i];
}

static void drop_at(struct outputs *t, size_t i)
{
	_cleanup_free_ char *path = path_of(t, t->items[i].order);

	if (path && unlink(path) < 0 && errno != ENOENT)
		log_warn(
		    "the output of an order cannot be removed: %s file=%s", strerror(errno), path);
	t->bytes -= kept_of(t->items[i].length);
	memmove(t->items + i, t->items + i + 1, (t->count - i - 1) * sizeof(*t->items));
	t->count--;
}

/* The oldest make room for `more` bytes, but for that of `order`. */
static void make_room(struct outputs *t, int64_t order, uint64_t more)
{
	for (size_t i = 0; i < t->count && t->bytes + more > t->bytes_max;)
		if (t->items[i].order == order)
			i++;
		else
			drop_at(t, i);
}

/* ---- a file -------------------------------------------------------------------------------- */

static bool put(int fd, const void *bytes, size_t len, uint64_t at)
{
	const char *from = bytes;

	while (len > 0) {
		ssize_t n = pwrite(fd, from, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

static bool get(int fd, void *bytes, size_t len, uint64_t at)
{
	char *to = bytes;

	while (len > 0) {
		ssize_t n = pread(fd, to, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

/* Where the byte at `at` of an output is in its file, and how many follow it there. */
static uint64_t where(uint64_t at, uint64_t *room)
{
	if (at < OUTPUT_FIRST_BYTES) {
		*room = OUTPUT_FIRST_BYTES - at;
		return HEAD + at;
	}
	uint64_t in_ring = (at - OUTPUT_FIRST_BYTES) % OUTPUT_LAST_BYTES;
	*room = OUTPUT_LAST_BYTES - in_ring;
	return RING_AT + in_ring;
}

static bool put_bytes(int fd, uint64_t at, const char *bytes, size_t len)
{
	while (len > 0) {
		uint64_t room, to = where(at, &room);
		size_t n = len < room ? len : (size_t)room;
		if (!put(fd, bytes, n, to))
			return false;
		bytes += n;
		at += n;
		len -= n;
	}
	return true;
}

static bool get_bytes(int fd, uint64_t at, char *bytes, size_t len)
{
	while (len > 0) {
		uint64_t room, from = where(at, &room);
		size_t n = len < room ? len : (size_t)room;
		if (!get(fd, bytes, n, from))
			return false;
		bytes += n;
		at += n;
		len -= n;
	}
	return true;
}

static int open_file(const struct outputs *t, int64_t order, int flags, struct err *e)
{
	_cleanup_free_ char *path = path_of(t, order);

	if (!path)
		return err_set(e, ENOMEM, "out of memory");
	if (flags & O_CREAT && mkdir(t->folder, 0700) < 0 && errno != EEXIST)
		return err_errno(e, "the folder %s cannot be made", t->folder);
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? err_errno(e, "the output of an order cannot be kept") : fd;
}

/* What a gap would have held is not known any more: zeros. */
static int write_at(
    struct outputs *t, struct output *o, uint64_t at, const char *bytes, size_t len, struct err *e)
{
	_cleanup_close_ int fd = open_file(t, o->order, O_RDWR | O_CREAT, e);
	static const char zeros[4096];
	uint64_t gap = at - o->length, most = OUTPUT_FIRST_BYTES + OUTPUT_LAST_BYTES;
	uint64_t length = at + len;

	if (fd < 0)
		return fd;
	for (uint64_t n = gap < most ? 0 : gap - most; n < gap; n += sizeof(zeros))
		if (!put_bytes(fd, o->length + n, zeros,
			gap - n < sizeof(zeros) ? (size_t)(gap - n) : sizeof(zeros)))
			return err_errno(e, "the output of an order cannot be kept");
	if (!put_bytes(fd, at, bytes, len) || !put(fd, &length, sizeof(length), 0))
		return err_errno(e, "the output of an order cannot be kept");
	t->bytes += kept_of(length) - kept_of(o->length);
	o->length = length;
	return 0;
}

/* ---- taken and read ------------------------------------------------------------------------ */

int outputs_take(
    struct outputs *t, int64_t order, uint64_t at, const void *bytes, size_t len, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&t->lock);
	make_room(t, order, len);
	struct output *o = find(t, order);
	if (!o)
		o = add(t, order, 0);
	if (!o)
		r = err_set(e, ENOMEM, "out of memory");
	else if (at + len > o->length) {
		size_t known = at < o->length ? (size_t)(o->length - at) : 0;
		r = write_at(t, o, at + known, (const char *)bytes + known, len - known, e);
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

static int read_all(
    const struct outputs *t, const struct output *o, char **out, size_t *len, struct err *e)
{
	_cleanup_close_ int fd = open_file(t, o->order, O_RDONLY, e);
	uint64_t kept = kept_of(o->length), left_out = o->length - kept;
	uint64_t first = kept < OUTPUT_FIRST_BYTES ? kept : OUTPUT_FIRST_BYTES;
	char line[80] = "";

	if (fd < 0)
		return fd;
	if (left_out)
		snprintf(line, sizeof(line), "\n[%llu bytes are left out here]\n",
		    (unsigned long long)left_out);
	size_t between = strlen(line);
	_cleanup_free_ char *text = malloc((size_t)kept + between + 1);
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(text + first, line, between);
	if (!get_bytes(fd, 0, text, (size_t)first) ||
	    !get_bytes(fd, first + left_out, text + first + between, (size_t)(kept - first)))
		return err_set(
		    e, EIO, "the output of order %lld cannot be read", (long long)o->order);
	*len = (size_t)kept + between;
	text[*len] = '\0';
	*out = steal_ptr(text);
	return 0;
}

int outputs_read(struct outputs *t, int64_t order, char **out, size_t *len, struct err *e)
{
	int r = 0;

	*out = NULL;
	*len = 0;
	pthread_mutex_lock(&t->lock);
	const struct output *o = find(t, order);
	if (o && o->length > 0)
		r = read_all(t, o, out, len, e);
	pthread_mutex_unlock(&t->lock);
	return r;
}

void outputs_drop(struct outputs *t, int64_t order)
{
	pthread_mutex_lock(&t->lock);
	const struct output *o = find(t, order);
	if (o)
		drop_at(t, (size_t)(o - t->items));
	pthread_mutex_unlock(&t->lock);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void take_over(struct outputs *t, const char *name)
{
	char *end;
	long long order = strtoll(name, &end, 10);
	uint64_t length = 0;

	if (*end || order <= 0 || *name == '+' || *name == ' ' || find(t, order))
		return;
	_cleanup_close_ int fd = open_file(t, order, O_RDONLY, NULL);
	if (fd >= 0 && get(fd, &length, sizeof(length), 0) && length < INT64_MAX)
		(void)add(t, order, length);
}

int outputs_new(const char *folder, uint64_t bytes_max, struct outputs **out, struct err *e)
{
	struct outputs *t = calloc(1, sizeof(*t));

	if (!t || !(t->folder = strdup(folder))) {
		free(t);
		return err_set(e, ENOMEM, "out of memory");
	}
	t->bytes_max = bytes_max;
	pthread_mutex_init(&t->lock, NULL);
	_cleanup_closedir_ DIR *dir = opendir(folder);
	for (const struct dirent *d; dir && (d = readdir(dir));)
		take_over(t, d->d_name);
	make_room(t, 0, 0);
	*out = t;
	return 0;
}

void outputs_free(struct outputs *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t->folder);
	free(t->items);
	free(t);
}
