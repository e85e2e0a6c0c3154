#include "disk.h"

#include <blkid/blkid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libfdisk/libfdisk.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "command.h"
#include "log.h"

#define NODE_WAIT_MS 15000
#define SETTLE_MS 1000 /* then it is time to help */
#define EDGE_BYTES (1U << 20)

/* GPT partition types: UEFI 2.10 table 5.7; Discoverable Partitions Specification. */
#define TYPE_ESP "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define TYPE_LINUX "0FC63DAF-8483-4772-8E79-3D69D8477DE4"

/* ---- looking ----------------------------------------------------------------------------------- */

/* Reads /sys/block/<name>/<attribute>, trimmed; "" when there is none. */
static const char *sys_read(const char *name, const char *attribute, char *buf, size_t size)
{
	char path[300];

	snprintf(path, sizeof(path), "/sys/block/%s/%s", name, attribute);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);
	if (n < 0)
		n = 0;
	while (n > 0 && isspace((unsigned char)buf[n - 1]))
		n--;
	buf[n] = '\0';
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	return buf;
}

static unsigned long long sys_number(const char *name, const char *attribute)
{
	char buf[32];

	return strtoull(sys_read(name, attribute, buf, sizeof(buf)), NULL, 10);
}

/* Whether a kind of device can be somebody's disk, by its kernel name. */
static bool kind_is_disk(const char *name)
{
	static const char *const kinds[] = {"vd", "sd", "nvme", "mmcblk", "xvd", "hd"};

	if (strstr(name, "boot") || strstr(name, "rpmb"))
		return false; /* MMC's special areas */
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

static bool has_entry(const char *name, const char *directory)
{
	char path[300];

	snprintf(path, sizeof(path), "/sys/block/%s/%s", name, directory);
	_cleanup_closedir_ DIR *d = opendir(path);
	struct dirent *entry;
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			return true;
	return false;
}

/* Mounted, swapped on or held by device-mapper or RAID. An exclusive open says all of that; it does
 * so for the whole disk when a partition is in use, too. */
static bool in_use(const char *name, const char *path)
{
	if (has_entry(name, "holders"))
		return true;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	return fd < 0 && errno == EBUSY;
}

static bool disk_read(const char *name, struct disk *d)
{
	memset(d, 0, sizeof(*d));
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->path, sizeof(d->path), "/dev/%s", name);
	for (char *p = d->path; *p; p++)
		if (*p == '!')
			*p = '/'; /* sysfs' spelling of a slash */
	d->size_bytes = sys_number(name, "size") * 512;
	d->sector_bytes = (uint32_t)sys_number(name, "queue/logical_block_size");
	sys_read(name, "device/model", d->model, sizeof(d->model));
	sys_read(name, "device/serial", d->serial, sizeof(d->serial));
	if (!d->serial[0])
		sys_read(name, "serial", d->serial, sizeof(d->serial));
	return d->size_bytes > 0 && d->sector_bytes > 0;
}

static bool is_candidate(const char *name, struct disk *d)
{
	if (!kind_is_disk(name) || !disk_read(name, d))
		return false;
	const char *why = sys_number(name, "removable") ? "removable"
	    : sys_number(name, "ro")                    ? "read-only"
	    : in_use(name, d->path)                     ? "in use"
							: NULL;
	if (why) {
		log_info("disk %s is left alone: %s", d->path, why);
		return false;
	}
	return true;
}

static int list_once(struct disk *out, size_t max, struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir("/sys/block");
	struct dirent *entry;
	size_t count = 0;

	if (!d)
		return err_errno(e, "cannot read /sys/block");
	while (count < max && (entry = readdir(d)))
		if (entry->d_name[0] != '.' && is_candidate(entry->d_name, &out[count]))
			count++;
	return (int)count;
}

static int only_this(const char *path, struct disk *out, struct err *e)
{
	const char *name = strncmp(path, "/dev/", 5) == 0 ? path + 5 : path;

	if (strlen(name) >= DISK_NAME_SIZE || strchr(name, '/') || !disk_read(name, out))
		return err_set(e, ENODEV, "%s is no disk of this machine", path);
	if (in_use(name, out->path))
		return err_set(e, EBUSY, "disk %s is in use: unmount it first", out->path);
	return 1;
}

static void sleep_ms(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

int disk_list(const char *only, int wait_ms, struct disk *out, size_t max, struct err *e)
{
	if (only)
		return only_this(only, out, e);
	for (int waited = 0;; waited += 100) {
		int n = list_once(out, max, e);
		if (n != 0 || waited >= wait_ms)
			return n;
		sleep_ms(100);
	}
}

int disk_random(void *buf, size_t len, struct err *e)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		return err_errno(e, "cannot get random bytes");
	return 0;
}

/* ---- erasing ----------------------------------------------------------------------------------- */

/* Erases every signature libblkid knows, so that no stale LVM, RAID or file system comes back. */
static int signatures_wipe(int fd, const char *path, struct err *e)
{
	blkid_probe pr = blkid_new_probe();
	int r = 0;

	if (!pr)
		return err_set(e, ENOMEM, "out of memory");
	if (blkid_probe_set_device(pr, fd, 0, 0) < 0) {
		r = err_set(e, EIO, "cannot look for old signatures on %s", path);
		goto out;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_TYPE |
	    BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT);
	for (int n = 0; n < 64 && blkid_do_probe(pr) == 0; n++) {
		const char *type = NULL;
		if (blkid_probe_lookup_value(pr, "TYPE", &type, NULL) < 0)
			blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL);
		log_debug("erasing an old signature device=%s type=%s", path, type ? type : "?");
		if (blkid_do_wipe(pr, 0) < 0) {
			r = err_set(e, EIO, "cannot erase an old signature on %s", path);
			break;
		}
	}
out:
	blkid_free_probe(pr);
	return r;
}

static int zero_range(int fd, const char *path, uint64_t offset, size_t len, struct err *e)
{
	_cleanup_free_ char *zeros = calloc(1, len);

	if (!zeros)
		return err_set(e, ENOMEM, "out of memory");
	while (len > 0) {
		ssize_t n = pwrite(fd, zeros, len, (off_t)offset);
		if (n <= 0)
			return err_errno(e, "cannot write to %s at byte %llu", path,
			    (unsigned long long)offset);
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int device_open(const char *path, int flags, struct err *e)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags);

	if (fd < 0 && errno == EBUSY)
		return err_errno(e, "%s is in use", path);
	return fd < 0 ? err_errno(e, "cannot open %s for writing", path) : fd;
}

static int device_wipe(const char *path, struct err *e)
{
	_cleanup_close_ int fd = device_open(path, O_EXCL, e);

	return fd < 0 ? fd : signatures_wipe(fd, path, e);
}

/* The partitions the disk has now, before the new table. */
static int old_partitions_wipe(const struct disk *d, struct err *e)
{
	char dir[300];

	snprintf(dir, sizeof(dir), "/sys/block/%s", d->name);
	_cleanup_closedir_ DIR *list = opendir(dir);
	struct dirent *entry;
	while (list && (entry = readdir(list))) {
		char path[DISK_PATH_SIZE + 256];
		if (strncmp(entry->d_name, d->name, strlen(d->name)) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (access(path, F_OK) < 0)
			continue;
		int r = device_wipe(path, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- partition table --------------------------------------------------------------------------- */

static int table_add(struct fdisk_context *ctx, const struct plan_partition *part, struct err *e)
{
	struct fdisk_partition *pa = fdisk_new_partition();
	struct fdisk_parttype *type = fdisk_label_get_parttype_from_string(
	    fdisk_get_label(ctx, NULL), part->role == PLAN_ESP ? TYPE_ESP : TYPE_LINUX);
	int r = pa && type ? 0 : -ENOMEM;

	if (r == 0 && (r = fdisk_partition_set_type(pa, type)) == 0 &&
	    (r = fdisk_partition_set_start(pa, part->start_lba)) == 0 &&
	    (r = fdisk_partition_set_size(pa, part->sectors)) == 0 &&
	    (r = fdisk_partition_set_name(pa, part->label)) == 0 &&
	    (r = fdisk_partition_set_uuid(pa, part->part_uuid)) == 0 &&
	    (r = fdisk_partition_partno_follow_default(pa, 1)) == 0)
		r = fdisk_add_partition(ctx, pa, NULL);
	fdisk_unref_parttype(type);
	fdisk_unref_partition(pa);
	return r == 0 ? 0
		      : err_set(e, -r, "cannot add the partition for %s: %s", part->mount, strerror(-r));
}

static int table_write(int fd, const struct plan *p, struct err *e)
{
	struct fdisk_context *ctx = fdisk_new_context();
	int r;

	if (!ctx)
		return err_set(e, ENOMEM, "out of memory");
	fdisk_disable_dialogs(ctx, 1);
	r = fdisk_assign_device_by_fd(ctx, fd, p->disk.path, 0);
	if (r == 0)
		r = fdisk_create_disklabel(ctx, "gpt");
	if (r < 0)
		err_set(e, -r, "cannot start a partition table on %s: %s", p->disk.path, strerror(-r));
	for (unsigned i = 0; r == 0 && i < p->count; i++)
		r = table_add(ctx, &p->part[i], e);
	if (r == 0 && (r = fdisk_write_disklabel(ctx)) < 0)
		err_set(e, -r, "cannot write the partition table to %s: %s", p->disk.path,
		    strerror(-r));
	if (r == 0 && fsync(fd) < 0)
		r = err_errno(e, "cannot write the partition table to %s", p->disk.path);
	if (r == 0 && (r = fdisk_reread_partition_table(ctx)) < 0)
		err_set(e, -r, "the kernel does not take the new partition table of %s: %s",
		    p->disk.path, strerror(-r));
	fdisk_deassign_device(ctx, 1);
	fdisk_unref_context(ctx);
	return r;
}

/* For a kernel without a parser for GPT: names the partition to it. */
static void kernel_tell(const struct plan *p, unsigned i)
{
	const struct plan_partition *part = &p->part[i];
	struct blkpg_partition add = {
	    .start = (long long)(part->start_lba * p->disk.sector_bytes),
	    .length = (long long)(part->sectors * p->disk.sector_bytes),
	    .pno = (int)i + 1,
	};
	struct blkpg_ioctl_arg arg = {
	    .op = BLKPG_ADD_PARTITION, .datalen = sizeof(add), .data = &add};
	_cleanup_close_ int fd = open(p->disk.path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, BLKPG, &arg) < 0)
		log_debug("BLKPG %s: %s", part->path, strerror(errno));
}

/* Waits for the kernel to have the partition and /dev to have its node; where nothing manages /dev
 * (a container) the node is made here. */
static int node_wait(const struct plan *p, unsigned i, struct err *e)
{
	const struct plan_partition *part = &p->part[i];
	const char *name = strrchr(part->path, '/') + 1;
	char attribute[DISK_PATH_SIZE + 16], buf[32];
	struct stat st;

	for (int waited = 0; waited < NODE_WAIT_MS; waited += 20) {
		snprintf(attribute, sizeof(attribute), "%s/size", name);
		uint64_t sectors = sys_number(p->disk.name, attribute);
		if (sectors * 512 == part->sectors * p->disk.sector_bytes) {
			snprintf(attribute, sizeof(attribute), "%s/dev", name);
			unsigned major = 0, minor = 0;
			sys_read(p->disk.name, attribute, buf, sizeof(buf));
			if (sscanf(buf, "%u:%u", &major, &minor) == 2) {
				dev_t dev = makedev(major, minor);
				if (stat(part->path, &st) == 0 && st.st_rdev == dev)
					return 0;
				if (waited > SETTLE_MS && unlink(part->path) <= 0 &&
				    mknod(part->path, S_IFBLK | 0600, dev) == 0)
					return 0;
			}
		} else if (waited == SETTLE_MS) {
			kernel_tell(p, i);
		}
		sleep_ms(20);
	}
	return err_set(e, ENODEV, "partition %s did not appear within %d s of writing the table",
	    part->path, NODE_WAIT_MS / 1000);
}

int disk_partition(const struct plan *p, struct err *e)
{
	uint64_t size = 0;
	int r = old_partitions_wipe(&p->disk, e);

	if (r < 0)
		return r;
	_cleanup_close_ int fd = device_open(p->disk.path, O_EXCL, e);
	if (fd < 0)
		return fd;
	if (ioctl(fd, BLKGETSIZE64, &size) < 0 || size != p->disk.size_bytes)
		return err_set(e, ESTALE, "disk %s changed its size since the plan was made", p->disk.path);
	if ((r = signatures_wipe(fd, p->disk.path, e)) < 0 ||
	    (r = zero_range(fd, p->disk.path, 0, EDGE_BYTES, e)) < 0 ||
	    (r = zero_range(fd, p->disk.path, size - EDGE_BYTES, EDGE_BYTES, e)) < 0 ||
	    (r = table_write(fd, p, e)) < 0)
		return r;
	/* Partitions cannot be opened exclusively while the whole disk is. */
	close(steal_fd(&fd));
	for (unsigned i = 0; i < p->count; i++)
		if ((r = node_wait(p, i, e)) < 0 ||
		    (r = device_wipe(p->part[i].path, e)) < 0)
			return r;
	return 0;
}

/* ---- file systems ------------------------------------------------------------------------------ */

static int fat32_make(const struct plan_partition *part, struct err *e)
{
	char serial[UUID_TEXT_SIZE];
	size_t n = 0;

	for (const char *s = part->fs_uuid; *s; s++)
		if (*s != '-')
			serial[n++] = *s;
	serial[n] = '\0';
	const char *argv[] = {"mkfs.vfat", "-F", "32", "-n", part->label, "-i", serial, part->path, NULL};
	return command_run(&(struct command){.argv = argv}, e);
}

/* Without the two features that boot loaders and fsck of older distributions do not know. The
 * tables are zeroed by the installed system when it is idle, not now. */
static int ext4_make(const struct plan_partition *part, struct err *e)
{
	const char *argv[] = {"mkfs.ext4", "-q", "-F", "-L", part->label, "-U", part->fs_uuid, "-O",
	    "^metadata_csum_seed,^orphan_file", "-E",
	    "lazy_itable_init=1,lazy_journal_init=1,nodiscard", part->path, NULL};

	return command_run(&(struct command){.argv = argv}, e);
}

int disk_format(const struct plan *p, struct err *e)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct plan_partition *part = &p->part[i];
		int r = part->fs == PLAN_FS_FAT32 ? fat32_make(part, e) : ext4_make(part, e);
		if (r < 0)
			return err_wrap(e, "cannot make the file system for %s on %s", part->mount,
			    part->path);
	}
	return 0;
}
