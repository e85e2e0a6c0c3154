#include "vmlab/image/disk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/base/process.h"
#include "vmlab/engine/engine.h"
#include "lib/base/human.h"
#include "vmlab/image/disk_look.h"
#include "vmlab/image/file.h"
#include "vmlab/image/manifest.h"
#include "vmlab/image/source.h"
#include "vmlab/image/work.h"

#define DISK_ZSTD_LEVEL 10
#define THREADS_MAX 8
#define DISK_BYTES_MIN (4U << 20) /* what the installer takes for a disk */
#define CONVERTED_NAME ".converted"

/* ---- what it is --------------------------------------------------------------------------------
 */

/* qemu's docs/interop/qcow2: all numbers big endian. */
struct qcow2_header {
	char magic[4];
	uint32_t version;
	uint64_t backing_file_offset;
	uint8_t other[56];
	uint64_t incompatible_features; /* version 3 */
} __attribute__((packed));

#define QCOW2_EXTERNAL_DATA 4

/* A disk says so in its first two sectors; tar's magic lies in the first, too. */
static bool is_disk(const uint8_t *p, size_t len)
{
	if (len < 2 * IMAGE_SECTOR_BYTES || memcmp(p + 257, "ustar", 5) == 0)
		return false;
	return disk_look_gpt(p, len) || (p[510] == 0x55 && p[511] == 0xaa);
}

int image_kind_look(int fd, enum image_kind *out, struct err *e)
{
	_cleanup_image_source_ struct image_source *source = NULL;
	const void *data = NULL;
	char magic[4] = "";
	struct stat st;
	ssize_t n;

	*out = IMAGE_KIND_TARBALL;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	if (pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && !memcmp(magic, "QFI\xfb", 4)) {
		*out = IMAGE_KIND_QCOW2;
		return 0;
	}
	struct err ignored = ERR_INIT;
	if (image_source_open(fd, NULL, &source, &ignored) == 0 &&
	    (n = image_source_read(source, &data, &ignored)) > 0 && is_disk(data, (size_t)n))
		*out = IMAGE_KIND_RAW;
	/* What is wrong with it, whoever reads it next will say. */
	return lseek(fd, 0, SEEK_SET) < 0 ? err_errno(e, "cannot read the file") : 0;
}

/* ---- qcow2 -------------------------------------------------------------------------------------
 */

/* A file from elsewhere must not name files of this machine, whose content would become the image.
 */
static int qcow2_check(int fd, struct err *e)
{
	struct qcow2_header h;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		return err_set(e, EBADMSG, "the qcow2 file is cut short");
	if (h.backing_file_offset ||
	    (be32toh(h.version) >= 3 && (be64toh(h.incompatible_features) & QCOW2_EXTERNAL_DATA)))
		return err_set(e, EINVAL,
		    "the qcow2 file is only a part: it refers to another file; make it whole with `qemu-img convert -O qcow2`");
	return 0;
}

static int converter_run(const struct argv *a, struct err *e)
{
	int status = 0, rc = process_attach(a, PROCESS_BESIDE, &status, e);

	if (!rc && status)
		rc =
		    err_set(e, EIO, "qemu-img could not convert the file (exit status %d)", status);
	return rc;
}

/* qemu-img of this machine, or the one in the image that VMs run in. */
static int convert(const struct image_disk *d, const char *dir, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	struct engine en = ENGINE_INIT;
	struct err ignored = ERR_INIT;
	char full[PATH_MAX], full_dir[PATH_MAX];

	if (!realpath(d->path, full) || !realpath(dir, full_dir))
		return err_errno(e, "cannot find %s", d->path);
	if (process_available("qemu-img")) {
		argv_adds(&a, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", full);
		argv_addf(&a, "%s/" CONVERTED_NAME, full_dir);
		return converter_run(&a, e);
	}
	char *id = NULL;
	if (engine_find(&en, &ignored) || engine_image_id(&en, d->vm_image, &id, &ignored) || !id) {
		engine_clear(&en);
		return err_set(e, ENOENT,
		    "qcow2 is converted by qemu-img, and there is neither that program (package qemu-utils) nor the image %s (`make load`)",
		    d->vm_image);
	}
	free(id);
	argv_adds(&a, en.client, "run", "--rm", "--network", "none", "--entrypoint", "qemu-img");
	argv_addf(&a, "--volume=%s:/in:ro", full);
	argv_addf(&a, "--volume=%s:/out", full_dir);
	argv_adds(
	    &a, d->vm_image, "convert", "-f", "qcow2", "-O", "raw", "/in", "/out/" CONVERTED_NAME);
	int rc = converter_run(&a, e);
	engine_clear(&en);
	return rc;
}

/* Returns the raw disk as a descriptor of a file that has no name any more. */
static int qcow2_open(const struct image_disk *d, const struct image_work *w, struct err *e)
{
	_cleanup_free_ char *dir = NULL;
	int rc = qcow2_check(d->in.fd, e);

	if (rc)
		return rc;
	if (asprintf(&dir, "%s/%s", w->parent, w->name) < 0) {
		dir = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	image_progress_begin(d->in.progress, "converting qcow2", 0);
	rc = convert(d, dir, e);
	if (rc)
		return rc;
	image_progress_end(d->in.progress, 0);
	int fd = openat(w->fd, CONVERTED_NAME, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "cannot read what qemu-img wrote");
	unlinkat(w->fd, CONVERTED_NAME, 0);
	return fd;
}

/* ---- the disk ----------------------------------------------------------------------------------
 */

static int store(void *ctx, const void *data, size_t len, struct err *e)
{
	return image_file_write(ctx, data, len, e);
}

static int threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (int)n;
}

static const char *format_of(enum image_format format)
{
	return format == IMAGE_FORMAT_GZ   ? "raw.gz"
	       : format == IMAGE_FORMAT_XZ ? "raw.xz"
					   : "raw.zst";
}

/* Reads to the end. What is kept as it came is written by the source's tap. */
static int pump(const struct image_disk *d, struct image_source *source, struct image_file *file,
    bool keep, struct disk_look *look, struct err *e)
{
	const void *data;
	ssize_t n;
	int rc;

	while ((n = image_source_read(source, &data, e)) > 0) {
		if (look->seen_bytes == 0 && !is_disk(data, (size_t)n))
			return err_set(e, EINVAL, "the disk image has no partition table");
		disk_look_feed(look, data, (size_t)n);
		if (!keep && (rc = image_file_write(file, data, (size_t)n, e)))
			return rc;
		image_progress_update(d->in.progress, image_source_raw_bytes(source));
	}
	return n < 0 ? (int)n : image_source_finish(source, e);
}

static int read_disk(const struct image_disk *d, int fd, int dirfd, struct image_contents *out,
    struct disk_look *look, struct err *e)
{
	_cleanup_image_source_ struct image_source *source = NULL;
	_cleanup_image_file_ struct image_file *file = NULL;
	struct stat st;
	int rc;

	rc = image_source_open(fd, d->in.cancel, &source, e);
	if (rc)
		return rc;
	image_source_set_disk(source);
	bool keep = image_source_format(source) != IMAGE_FORMAT_OTHER;
	const char *format = format_of(image_source_format(source));
	image_progress_begin(
	    d->in.progress, "reading disk image", fstat(fd, &st) ? 0 : (uint64_t)st.st_size);
	rc = image_file_create(
	    dirfd, image_format_file(format), keep ? 0 : DISK_ZSTD_LEVEL, threads(), &file, e);
	if (rc)
		return rc;
	if (keep)
		image_source_tap(source, store, file);
	rc = pump(d, source, file, keep, look, e);
	uint64_t bytes = look->seen_bytes;
	uint32_t sector_bytes = look->sector_bytes ? look->sector_bytes : IMAGE_SECTOR_BYTES;
	if (!rc && (bytes % sector_bytes || bytes < DISK_BYTES_MIN))
		rc = err_set(e, EINVAL,
		    "the disk image unpacks to %llu bytes: a disk has whole sectors of %u bytes, and at least %u MiB",
		    (unsigned long long)bytes, sector_bytes, DISK_BYTES_MIN >> 20);
	if (!rc)
		rc = image_file_finish(file, out, e);
	out->file = image_format_file(format);
	out->format = format;
	out->unpacked_bytes = bytes;
	out->sector_bytes = sector_bytes;
	out->chunk_bytes = IMAGE_CHUNK_BYTES;
	if (!rc)
		image_progress_end(d->in.progress, image_source_raw_bytes(source));
	return rc;
}

static void summarise(
    const struct image_disk *d, const struct image_manifest *m, const struct disk_look *look)
{
	char stored[SIZE_TEXT_SIZE], unpacked[SIZE_TEXT_SIZE], lacks[300];

	if (disk_look_complaint(look, arch_of(d->in.arch)->bios, lacks, sizeof(lacks)))
		log_warn("%s", lacks);
	fprintf(stderr, "  disk image of %s (%s stored); the installer runs on kernel %s of %s\n",
	    size_text_short(m->rootfs.unpacked_bytes, unpacked),
	    size_text_short(m->rootfs.size_bytes, stored), m->kernel_version, m->kernel_from);
	fprintf(stderr, "  image ready: %s/%s/%s\n", d->in.images_dir, d->in.name,
	    vm_arch_name(d->in.arch));
}

struct parts {
	struct disk_look look;
	struct image_contents disk;
	struct image_kernel kernel;
};

static void parts_clear(struct parts *p)
{
	image_contents_clear(&p->disk);
	image_kernel_clear(&p->kernel);
}

int image_disk_import(const struct image_disk *d, struct err *e)
{
	_cleanup_(image_work_close) struct image_work work = IMAGE_WORK_INIT;
	_cleanup_(parts_clear) struct parts parts = {0};
	struct image_manifest m = {.distro = d->in.name, .arch = vm_arch_name(d->in.arch)};
	_cleanup_close_ int converted = -1;
	int rc;

	rc = image_work_open(&work, d->in.images_dir, d->in.name, d->in.arch, e);
	if (!rc) /* first: it is what may be missing, and reading a disk takes long */
		rc = image_kernel_copy(
		    d->in.images_dir, d->kernel_from, d->in.arch, work.fd, &parts.kernel, e);
	if (!rc && d->kind == IMAGE_KIND_QCOW2) {
		converted = qcow2_open(d, &work, e);
		rc = converted < 0 ? converted : 0;
	}
	if (!rc)
		rc = read_disk(
		    d, converted >= 0 ? converted : d->in.fd, work.fd, &parts.disk, &parts.look, e);
	if (!rc) {
		m.kernel_version = parts.kernel.version;
		m.kernel_from = parts.kernel.image;
		m.rootfs = parts.disk;
		m.kernel = parts.kernel.kernel;
		m.modules = parts.kernel.modules;
		rc = image_manifest_write(&m, NULL, work.fd, e);
	}
	if (!rc)
		rc = image_work_publish(&work, d->in.arch, e);
	image_progress_clear(d->in.progress);
	if (!rc)
		summarise(d, &m, &parts.look);
	return rc;
}
