#include "os_installer/disk/image.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/disk/erase.h"

#define EDGE TABLE_EDGE_BYTES
#define WRITEBACK_BYTES (8U << 20)
#define LOOK_BYTES (1U << 20)
#define HOLE_BYTES (64U << 10) /* fewer zeros amid data are written: a gap costs a request */
#define BLOCK_BYTES 4096U
#define ERASE_STEP (1ULL << 30)
#define LAST_BYTES (2 * TABLE_SECTOR_BYTES_MAX) /* of the head: what makes it a partition table */
#define NODE_WAIT_MS 10000
#define NODE_HELP_MS 500

struct disk_image {
	struct disk disk;
	uint64_t image_bytes;
	bool unknown; /* image_bytes is the most that it can be */
	int fd;
	enum {
		ERASED_NOT,     /* zeros have to be written */
		ERASED_PERHAPS, /* worth a look before they are */
		ERASED,
	} erased;
	int look_fd;        /* reads past the kernel's cache; -1: not ERASED_PERHAPS */
	uint8_t *look;      /* LOOK_BYTES */
	uint64_t hole_at;   /* zeros of the image that were not written and not looked at yet */
	size_t hole_len;    /* up to LOOK_BYTES */
	uint64_t position;  /* of the next byte of the image */
	uint8_t *edges;     /* head, tail: shared */
	uint64_t unsent_at; /* what was written from here on the kernel may still keep to itself */
};

uint8_t *disk_image_head(struct disk_image *i)
{
	return i->edges;
}

uint8_t *disk_image_tail(struct disk_image *i)
{
	return i->edges + EDGE;
}

static uint64_t tail_at(const struct disk_image *i)
{
	return i->disk.size_bytes - EDGE;
}

static int write_at(
    struct disk_image *i, uint64_t offset, const uint8_t *data, size_t len, struct err *e)
{
	while (len > 0) {
		ssize_t n = pwrite(i->fd, data, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(e, "cannot write to %s at byte %llu", i->disk.path,
			    (unsigned long long)offset);
		data += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_disk(struct disk_image *i, struct err *e)
{
	return fsync(i->fd) < 0 ? err_errno(e, "cannot write to %s", i->disk.path) : 0;
}

/* ---- before ------------------------------------------------------------------------------------
 */

int disk_image_erase(struct disk_image *i, uint64_t offset, uint64_t len, struct err *e)
{
	static const uint8_t zeros[65536];

	while (len > 0) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
		int r = write_at(i, offset, zeros, n, e);
		if (r < 0)
			return r;
		offset += n;
		len -= n;
	}
	return 0;
}

/* What the disk says of itself; 0 when it says nothing. */
static unsigned long long queue_limit(const struct disk_image *i, const char *name)
{
	char path[DISK_NAME_SIZE + 64], text[32] = "";

	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", i->disk.name, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	return strtoull(text, NULL, 10);
}

static bool each_range(struct disk_image *i, unsigned long request)
{
	for (uint64_t at = 0; at < i->disk.size_bytes; at += ERASE_STEP) {
		uint64_t left = i->disk.size_bytes - at;
		uint64_t range[2] = {at, left < ERASE_STEP ? left : ERASE_STEP};
		if (ioctl(i->fd, request, range) < 0) {
			log_debug("%s does not erase itself: %s", i->disk.path, strerror(errno));
			return false;
		}
	}
	return true;
}

/* A disk that zeros ranges by itself does so in no time, and afterwards only what is not zero has
 * to be written. One that only discards promises nothing of what it reads as then; mostly that is
 * zeros, and to look is faster than to write them. */
static void erase_all(struct disk_image *i)
{
	if (queue_limit(i, "write_zeroes_max_bytes") && each_range(i, BLKZEROOUT)) {
		i->erased = ERASED;
		return;
	}
	if (!queue_limit(i, "discard_max_bytes") || !each_range(i, BLKDISCARD))
		return;
	i->look_fd = open(i->disk.path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (i->look_fd >= 0 && posix_memalign((void **)&i->look, BLOCK_BYTES, LOOK_BYTES) == 0)
		i->erased = ERASED_PERHAPS;
}

int disk_image_old_tail_erase(struct disk_image *i, const struct table *t, struct err *e)
{
	uint64_t at = t->old_tail_lba * t->sector_bytes;
	uint64_t end = at + t->old_tail_sectors * t->sector_bytes;
	uint64_t tail = tail_at(i);

	if (at < EDGE || end > i->disk.size_bytes || end == i->disk.size_bytes)
		return 0;
	if (end > tail) {
		uint64_t from = at > tail ? at : tail;
		memset(disk_image_tail(i) + (from - tail), 0, (size_t)(end - from));
		end = from;
	}
	return end > at ? disk_image_erase(i, at, end - at, e) : 0;
}

static int ends_erase(struct disk_image *i, struct err *e)
{
	uint64_t behind = i->image_bytes, size = i->disk.size_bytes, left = size - behind;
	/* The table's copy, and before it the end of the partition that will have grown. */
	uint64_t tail = EDGE + DISK_EDGE_BYTES, from = size - (tail < size ? tail : size);
	int r;

	if (from < behind)
		from = behind < tail_at(i) ? behind : tail_at(i);
	if ((r = disk_image_erase(i, 0, EDGE, e)) < 0 ||
	    (r = disk_image_erase(i, from, size - from, e)) < 0 ||
	    (r = disk_image_erase(i, behind, left < EDGE ? left : EDGE, e)) < 0 ||
	    (r = sync_disk(i, e)) < 0)
		return r;
	if (ioctl(i->fd, BLKRRPART) < 0)
		log_debug("BLKRRPART %s: %s", i->disk.path, strerror(errno));
	return 0;
}

static int device_open(struct disk_image *i, struct err *e)
{
	uint64_t size = 0;

	i->fd = open(i->disk.path, O_RDWR | O_CLOEXEC | O_EXCL);
	if (i->fd < 0)
		return err_errno(e, "cannot open %s for writing", i->disk.path);
	if (ioctl(i->fd, BLKGETSIZE64, &size) < 0 || size != i->disk.size_bytes)
		return err_set(
		    e, ESTALE, "disk %s changed its size since the plan was made", i->disk.path);
	return 0;
}

int disk_image_open(
    const struct disk *d, uint64_t image_bytes, struct disk_image **out, struct err *e)
{
	bool unknown = image_bytes == DISK_IMAGE_UNKNOWN;

	if (unknown)
		image_bytes = d->size_bytes;
	if (image_bytes < 4 * (uint64_t)EDGE || image_bytes % d->sector_bytes != 0)
		return err_set(e, EINVAL,
		    "a disk image of %llu bytes is none for sectors of %u bytes: import it again",
		    (unsigned long long)image_bytes, d->sector_bytes);
	if (image_bytes > d->size_bytes)
		return err_set(e, ENOSPC, "disk %s is smaller than the disk image", d->path);
	struct disk_image *i = calloc(1, sizeof(*i));
	if (!i)
		return err_set(e, ENOMEM, "out of memory");
	i->disk = *d;
	i->image_bytes = image_bytes;
	i->unknown = unknown;
	i->fd = i->look_fd = -1;
	i->edges = mmap(NULL, 2 * EDGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r = i->edges == MAP_FAILED ? err_set(e, ENOMEM, "out of memory") : 0;
	if (r == 0)
		r = device_open(i, e);
	if (r == 0)
		r = ends_erase(i, e);
	if (r < 0) {
		disk_image_close(i);
		return r;
	}
	erase_all(i);
	*out = i;
	return 0;
}

/* ---- the image ---------------------------------------------------------------------------------
 */

/* Lets the disk work while the next bytes are unpacked, instead of all at once at the end. Only a
 * beginning: what sync_disk() says counts. */
static void writeback_begin(struct disk_image *i, uint64_t end)
{
	if (end - i->unsent_at < WRITEBACK_BYTES)
		return;
	(void)sync_file_range(
	    i->fd, (off_t)i->unsent_at, (off_t)(end - i->unsent_at), SYNC_FILE_RANGE_WRITE);
	i->unsent_at = end;
}

static size_t zeros_count(const uint8_t *p, size_t len)
{
	size_t n = 0;

	while (len - n >= BLOCK_BYTES && bytes_are_zero(p + n, BLOCK_BYTES))
		n += BLOCK_BYTES;
	return n;
}

/* Whether the disk holds zeros where the image does; they are written if not. A disk that shows old
 * data once is not looked at again. */
static int hole_end(struct disk_image *i, struct err *e)
{
	size_t len = i->hole_len;

	i->hole_len = 0;
	if (len == 0 || (pread(i->look_fd, i->look, len, (off_t)i->hole_at) == (ssize_t)len &&
			    zeros_count(i->look, len) == len))
		return 0;
	i->erased = ERASED_NOT;
	return disk_image_erase(i, i->hole_at, len, e);
}

/* Leaves out zeros; *len becomes how many of them. */
static int hole_add(struct disk_image *i, size_t *len, struct err *e)
{
	if (i->erased == ERASED)
		return 0;
	if (i->hole_len == 0)
		i->hole_at = i->position;
	if (*len > LOOK_BYTES - i->hole_len)
		*len = LOOK_BYTES - i->hole_len;
	i->hole_len += *len;
	return i->hole_len == LOOK_BYTES ? hole_end(i, e) : 0;
}

/* How many bytes from here on are to be written, up to the next hole. */
static size_t data_ahead(const struct disk_image *i, const uint8_t *p, size_t len)
{
	size_t n = BLOCK_BYTES - i->position % BLOCK_BYTES, zeros = 0;

	if (i->erased == ERASED_NOT)
		return len;
	if (!p)
		return n < len ? n : len;
	for (; n + BLOCK_BYTES <= len && zeros < HOLE_BYTES; n += BLOCK_BYTES)
		zeros = bytes_are_zero(p + n, BLOCK_BYTES) ? zeros + BLOCK_BYTES : 0;
	return zeros < HOLE_BYTES ? len : n - zeros;
}

static void edge_write(uint8_t *to, const uint8_t *p, size_t len)
{
	if (p)
		memcpy(to, p, len);
	else
		memset(to, 0, len);
}

/* The part between head and tail; *len becomes what of it was taken. */
static int middle_write(struct disk_image *i, const uint8_t *p, size_t *len, struct err *e)
{
	bool holes = i->erased != ERASED_NOT && i->position % BLOCK_BYTES == 0;
	size_t whole = *len / BLOCK_BYTES * BLOCK_BYTES;
	size_t zeros = !holes ? 0 : p ? zeros_count(p, *len) : whole;
	int r;

	if (zeros > 0) {
		*len = zeros;
		return hole_add(i, len, e);
	}
	*len = data_ahead(i, p, *len);
	if ((r = hole_end(i, e)) < 0)
		return r;
	r = p ? write_at(i, i->position, p, *len, e) : disk_image_erase(i, i->position, *len, e);
	if (r < 0)
		return r;
	writeback_begin(i, i->position + *len);
	return 0;
}

/* Before the rest of the image is fetched. */
static int head_check(struct disk_image *i, struct err *e)
{
	uint32_t sector_bytes = table_sector_bytes(disk_image_head(i));

	return sector_bytes ? table_fits(sector_bytes, i->disk.path, i->disk.sector_bytes, e) : 0;
}

int disk_image_write(struct disk_image *i, const void *data, size_t len, struct err *e)
{
	const uint8_t *p = data;

	if (len > i->image_bytes - i->position && i->unknown)
		return err_set(e, ENOSPC, "disk %s is smaller than the disk image", i->disk.path);
	if (len > i->image_bytes - i->position)
		return err_set(e, EFBIG,
		    "the disk image unpacks to more than the %llu bytes its manifest says: import it again",
		    (unsigned long long)i->image_bytes);
	while (len > 0) {
		uint64_t end = i->position < EDGE         ? EDGE
			       : i->position < tail_at(i) ? tail_at(i)
							  : i->disk.size_bytes;
		size_t n = end - i->position < len ? (size_t)(end - i->position) : len;
		int r = 0;
		if (i->position < EDGE)
			edge_write(disk_image_head(i) + i->position, p, n);
		else if (i->position >= tail_at(i))
			edge_write(disk_image_tail(i) + (i->position - tail_at(i)), p, n);
		else
			r = middle_write(i, p, &n, e);
		if (r < 0)
			return r;
		i->position += n;
		p = p ? p + n : NULL;
		len -= n;
		if (i->position == EDGE && (r = head_check(i, e)) < 0)
			return r;
	}
	return 0;
}

/* What lies behind the image would else be found there. */
static int end_find(struct disk_image *i, struct err *e)
{
	uint64_t from = i->position, end = from + EDGE < tail_at(i) ? from + EDGE : tail_at(i);

	if (from < 4 * (uint64_t)EDGE || from % i->disk.sector_bytes != 0)
		return err_set(
		    e, EBADMSG, "a disk image of %llu bytes is none", (unsigned long long)from);
	i->image_bytes = from;
	return end > from ? disk_image_erase(i, from, end - from, e) : 0;
}

int disk_image_finish(struct disk_image *i, struct err *e)
{
	int r = i->unknown ? end_find(i, e) : 0;

	if (r < 0)
		return r;
	if (i->position != i->image_bytes)
		return err_set(e, EBADMSG,
		    "the disk image unpacks to %llu bytes where its manifest says %llu: import it again",
		    (unsigned long long)i->position, (unsigned long long)i->image_bytes);
	r = hole_end(i, e);
	return r < 0 ? r : sync_disk(i, e);
}

/* ---- after -------------------------------------------------------------------------------------
 */

void disk_image_release(struct disk_image *i)
{
	if (i->fd >= 0)
		close(steal_fd(&i->fd));
	if (i->look_fd >= 0)
		close(steal_fd(&i->look_fd));
}

static bool node_ready(struct disk_image *i, unsigned number, const char *path, bool help)
{
	const char *name = strrchr(path, '/') + 1;
	char attribute[2 * DISK_PATH_SIZE], text[32] = "";
	unsigned major = 0, minor = 0;
	struct stat st;

	(void)number;
	snprintf(attribute, sizeof(attribute), "/sys/block/%s/%s/dev", i->disk.name, name);
	_cleanup_close_ int fd = open(attribute, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
	    sscanf(text, "%u:%u", &major, &minor) != 2)
		return false;
	dev_t dev = makedev(major, minor);
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == dev)
		return true;
	if (!help)
		return false;
	unlink(path); /* nothing manages /dev here */
	return mknod(path, S_IFBLK | 0600, dev) == 0;
}

int disk_image_show(
    struct disk_image *i, const struct table_partition *p, char path[DISK_PATH_SIZE], struct err *e)
{
	size_t len = strlen(i->disk.path);
	bool digit = isdigit((unsigned char)i->disk.path[len - 1]);
	struct blkpg_partition add = {
	    .start = (long long)(p->start_lba * i->disk.sector_bytes),
	    .length = (long long)(p->sectors * i->disk.sector_bytes),
	    .pno = (int)p->number,
	};
	struct blkpg_ioctl_arg arg = {
	    .op = BLKPG_ADD_PARTITION, .datalen = sizeof(add), .data = &add};
	_cleanup_close_ int fd = open(i->disk.path, O_RDONLY | O_CLOEXEC);

	snprintf(path, DISK_PATH_SIZE, "%.100s%s%u", i->disk.path, digit ? "p" : "", p->number);
	if (fd < 0 || ioctl(fd, BLKPG, &arg) < 0)
		return err_errno(
		    e, "the kernel does not take partition %u of %s", p->number, i->disk.path);
	for (int waited = 0; waited < NODE_WAIT_MS; waited += 20) {
		if (node_ready(i, p->number, path, waited > NODE_HELP_MS))
			return 0;
		usleep(20000);
	}
	return err_set(e, ENODEV, "partition %s did not appear", path);
}

int disk_image_commit(struct disk_image *i, struct err *e)
{
	uint8_t *head = disk_image_head(i);
	int r;

	if (i->fd < 0 && (r = device_open(i, e)) < 0)
		return r;
	if ((r = write_at(i, tail_at(i), disk_image_tail(i), EDGE, e)) < 0 ||
	    (r = write_at(i, LAST_BYTES, head + LAST_BYTES, EDGE - LAST_BYTES, e)) < 0 ||
	    (r = sync_disk(i, e)) < 0 || (r = write_at(i, 0, head, LAST_BYTES, e)) < 0 ||
	    (r = sync_disk(i, e)) < 0)
		return r;
	if (ioctl(i->fd, BLKRRPART) < 0)
		log_debug("BLKRRPART %s: %s", i->disk.path, strerror(errno));
	disk_image_release(i);
	return 0;
}

void disk_image_close(struct disk_image *i)
{
	if (!i)
		return;
	disk_image_release(i);
	if (i->edges && i->edges != MAP_FAILED)
		munmap(i->edges, 2 * EDGE);
	free(i->look);
	free(i);
}
