#include "os_installer/disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libfdisk/libfdisk.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "os_installer/disk/device.h"
#include "os_installer/disk/erase.h"
#include "os_installer/disk/scan.h"

#define NODE_WAIT_MS 15000
#define SETTLE_MS 1000 /* then it is time to help */

/* GPT partition types that no file system has: UEFI 2.10 table 5.7; GRUB's manual, "BIOS
 * installation". */
#define TYPE_ESP "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define TYPE_BIOS_BOOT "21686148-6449-6E6F-744E-656564454649"

int disk_random(void *buf, size_t len, struct err *e)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		return err_errno(e, "cannot get random bytes");
	return 0;
}

/* ---- erasing -----------------------------------------------------------------------------------
 */

static int device_wipe(const char *path, struct err *e)
{
	_cleanup_close_ int fd = device_open(path, O_EXCL, e);

	return fd < 0 ? fd : disk_erase_signatures(fd, path, e);
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

/* ---- partition table ---------------------------------------------------------------------------
 */

const char *disk_place(const struct plan_partition *part)
{
	return part->mount[0] ? part->mount : plan_role_name(part->role);
}

static const char *type_of(const struct plan_partition *part, disk_fs_type fs_type)
{
	switch (part->role) {
	case PLAN_ESP:
		return TYPE_ESP;
	case PLAN_BIOS_BOOT:
		return TYPE_BIOS_BOOT;
	default:
		return fs_type(part);
	}
}

static int table_add(struct fdisk_context *ctx, const struct plan_partition *part,
    disk_fs_type fs_type, struct err *e)
{
	struct fdisk_partition *pa = fdisk_new_partition();
	struct fdisk_parttype *type = fdisk_label_get_parttype_from_string(
	    fdisk_get_label(ctx, NULL), type_of(part, fs_type));
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
		      : err_set(e, -r, "cannot add the partition for %s: %s", disk_place(part),
			    strerror(-r));
}

static int table_write(int fd, const struct plan *p, disk_fs_type fs_type, struct err *e)
{
	struct fdisk_context *ctx = fdisk_new_context();
	int r;

	if (!ctx)
		return err_set(e, ENOMEM, "out of memory");
	fdisk_disable_dialogs(ctx, 1);
	r = fdisk_assign_device_by_fd(ctx, fd, p->disk.path, 0);
	bool assigned = r == 0; /* to give back what it has not, the library ends the program */
	if (r == 0)
		r = fdisk_create_disklabel(ctx, "gpt");
	if (r < 0)
		err_set(
		    e, -r, "cannot start a partition table on %s: %s", p->disk.path, strerror(-r));
	for (unsigned i = 0; r == 0 && i < p->count; i++)
		r = table_add(ctx, &p->part[i], fs_type, e);
	if (r == 0 && (r = fdisk_write_disklabel(ctx)) < 0)
		err_set(e, -r, "cannot write the partition table to %s: %s", p->disk.path,
		    strerror(-r));
	if (r == 0 && fsync(fd) < 0)
		r = err_errno(e, "cannot write the partition table to %s", p->disk.path);
	if (r == 0 && (r = fdisk_reread_partition_table(ctx)) < 0)
		err_set(e, -r, "the kernel does not take the new partition table of %s: %s",
		    p->disk.path, strerror(-r));
	if (assigned)
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
		uint64_t sectors = disk_sys_number(p->disk.name, attribute);
		if (sectors * 512 == part->sectors * p->disk.sector_bytes) {
			snprintf(attribute, sizeof(attribute), "%s/dev", name);
			unsigned major = 0, minor = 0;
			disk_sys_read(p->disk.name, attribute, buf, sizeof(buf));
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

/* Where the partitions are going to be, before there are any: as soon as the kernel names one, what
 * watches for members of an array may take it. */
static int places_erase(int fd, const struct plan *p, struct err *e)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct plan_partition *part = &p->part[i];
		int r = disk_erase_edges(fd, p->disk.path, part->start_lba * p->disk.sector_bytes,
		    part->sectors * p->disk.sector_bytes, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Erases what tells of anything that was on it, and keeps it for the caller: the device, or -errno.
 */
static int erased_open(const struct disk *d, struct err *e)
{
	uint64_t size = 0;
	_cleanup_close_ int fd = device_open(d->path, O_EXCL, e);
	if (fd < 0)
		return fd;
	if (ioctl(fd, BLKGETSIZE64, &size) < 0 || size != d->size_bytes)
		return err_set(
		    e, ESTALE, "disk %s changed its size since the plan was made", d->path);
	/* Partitions cannot be opened exclusively while the whole disk is. */
	close(steal_fd(&fd));
	/* The disk can be had: from here on it does not say that it is installed. */
	int r = disk_marker_write(d, NULL, e);
	if (r < 0 || (r = old_partitions_wipe(d, e)) < 0)
		return r;
	fd = device_open(d->path, O_EXCL, e);
	if (fd < 0)
		return fd;
	if ((r = disk_erase_signatures(fd, d->path, e)) < 0 ||
	    (r = disk_erase_edges(fd, d->path, 0, size, e)) < 0)
		return r;
	return steal_fd(&fd);
}

int disk_erase(const struct disk *d, struct err *e)
{
	_cleanup_close_ int fd = erased_open(d, e);

	if (fd < 0)
		return fd;
	if (fsync(fd) < 0)
		return err_errno(e, "cannot write to %s", d->path);
	/* One that has no partitions, ever, says no. */
	if (ioctl(fd, BLKRRPART) < 0)
		log_debug("BLKRRPART %s: %s", d->path, strerror(errno));
	return 0;
}

int disk_partition(const struct plan *p, disk_fs_type fs_type, struct err *e)
{
	_cleanup_close_ int fd = erased_open(&p->disk, e);
	int r;

	if (fd < 0)
		return fd;
	if ((r = places_erase(fd, p, e)) < 0 || (r = table_write(fd, p, fs_type, e)) < 0)
		return r;
	close(steal_fd(&fd));
	for (unsigned i = 0; i < p->count; i++)
		if ((r = node_wait(p, i, e)) < 0 || (r = device_wipe(p->part[i].path, e)) < 0)
			return r;
	return 0;
}

/* ---- a BIOS' way in ----------------------------------------------------------------------------
 */

#define BOOT_CODE_BYTES 440 /* then come the disk's signature and the partition table */

int disk_marker_write(const struct disk *d, const uint8_t sector[MARKER_BYTES], struct err *e)
{
	static const uint8_t nothing[MARKER_BYTES];
	_cleanup_close_ int fd = device_open(d->path, O_EXCL, e);

	if (fd < 0)
		return fd;
	if (device_write(fd, sector ? sector : nothing, MARKER_BYTES, MARKER_OFFSET) < 0)
		return err_errno(e, "cannot write to %s", d->path);
	return 0;
}

int disk_boot_code(const struct plan *p, const uint8_t boot[512], const uint8_t *core,
    size_t core_len, struct err *e)
{
	const struct plan_partition *part = plan_partition(p, PLAN_BIOS_BOOT);
	uint8_t sector[512];

	if (!part || core_len > part->sectors * p->disk.sector_bytes)
		return err_set(e, ENOSPC,
		    "GRUB's core image of %zu bytes is too large for its partition", core_len);
	_cleanup_close_ int fd = device_open(p->disk.path, O_EXCL, e);
	if (fd < 0)
		return fd;
	if (pread(fd, sector, sizeof(sector), 0) != (ssize_t)sizeof(sector))
		return err_errno(e, "cannot read the first sector of %s", p->disk.path);
	memcpy(sector, boot, BOOT_CODE_BYTES);
	if (device_write(fd, core, core_len, part->start_lba * p->disk.sector_bytes) < 0 ||
	    device_write(fd, sector, sizeof(sector), 0) < 0)
		return err_errno(e, "cannot write GRUB to %s", p->disk.path);
	return 0;
}
