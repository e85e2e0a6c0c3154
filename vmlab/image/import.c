#include "vmlab/image/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/base/human.h"
#include "vmlab/image/file.h"
#include "vmlab/image/kernel.h"
#include "vmlab/image/manifest.h"
#include "vmlab/image/scan.h"
#include "vmlab/image/source.h"
#include "vmlab/image/work.h"

/* Level 10 takes a minimal Debian through at about 60 MB/s a core; higher ones gain a few percent
 * of size for several times the time. */
#define ROOTFS_ZSTD_LEVEL 10
#define THREADS_MAX 8

/* ---- rootfs
 * ------------------------------------------------------------------------------------*/

struct reading {
	const struct image_import *in;
	struct image_source *source;
	struct image_file *file;
};

static int store_raw(void *ctx, const void *data, size_t len, struct err *e)
{
	return image_file_write(ctx, data, len, e);
}

static int store_decoded(void *ctx, const void *data, size_t len, struct err *e)
{
	struct reading *r = ctx;

	return image_file_write(r->file, data, len, e);
}

static void show(void *ctx)
{
	struct reading *r = ctx;

	image_progress_update(r->in->progress, image_source_raw_bytes(r->source));
}

/* Each takes some 30 MB. */
static int threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (int)n;
}

static int read_rootfs(const struct image_import *in, int dirfd, struct image_scan *scan,
    struct image_contents *out, struct err *e)
{
	_cleanup_image_source_ struct image_source *source = NULL;
	_cleanup_image_file_ struct image_file *file = NULL;
	struct reading reading = {in, NULL, NULL};
	const char *format, *name;
	bool keep;
	int rc;

	rc = image_source_open(in->fd, in->cancel, &source, e);
	if (rc)
		return rc;
	image_progress_begin(
	    in->progress, in->reading ? in->reading : "reading rootfs", in->size_bytes);
	keep = image_source_format(source) != IMAGE_FORMAT_OTHER;
	format = image_format_suffix(keep ? image_source_format(source) : IMAGE_FORMAT_ZST);
	name = in->adopt ? in->adopt->file : image_format_file(format);
	if (in->adopt && !keep)
		rc = err_set(e, EINVAL,
		    "it is compressed with neither gzip, zstd nor xz, which are what an installer reads");
	else if (in->adopt)
		rc = image_file_digest_only(&file, e);
	else
		rc = image_file_create(
		    dirfd, name, keep ? 0 : ROOTFS_ZSTD_LEVEL, threads(), &file, e);
	if (rc)
		return rc;
	if (keep)
		image_source_tap(source, store_raw, file);
	reading.source = source;
	reading.file = file;
	scan->or_disk = !in->adopt;
	rc = image_scan_run(scan, source, keep ? NULL : store_decoded, show, &reading, e);
	if (!rc)
		rc = image_file_finish(file, out, e);
	out->file = name;
	out->format = format;
	out->unpacked_bytes = scan->unpacked_bytes;
	out->entries = scan->entries;
	out->chunk_bytes = IMAGE_CHUNK_BYTES;
	if (!rc)
		image_progress_end(in->progress, image_source_raw_bytes(source));
	return rc;
}

/* ---- what is said at the end -------------------------------------------------------------------
 */

static void warn_parts(const struct image_scan *scan, const char *version, enum vm_arch for_arch)
{
	const bool *has = scan->has;
	const struct arch *arch = arch_of(for_arch);
	bool has_initramfs = image_scan_has_initramfs(scan, version);
	const struct bootloader_kind *uefi = bootloader_first(VM_FIRMWARE_UEFI, false);
	char package[BOOTLOADER_TEXT_SIZE];

	if (!image_scan_has_loader(scan, VM_FIRMWARE_UEFI, for_arch))
		log_warn(
		    "the rootfs has no %s with files for UEFI: an installed machine will not boot; add the package %s",
		    uefi->programs[0], bootloader_text(uefi->package, arch, package));
	if (arch->bios && !image_scan_has_loader(scan, VM_FIRMWARE_BIOS, for_arch))
		log_info(
		    "the rootfs has no boot loader for a BIOS: machines with \"firmware\": \"bios\" cannot be installed with it");
	if (!has[IMAGE_PART_CLOUD_INIT])
		log_warn(
		    "the rootfs has no cloud-init: users, keys and packages of a VM definition will not be set up");
	if (!has[IMAGE_PART_SSHD])
		log_warn("the rootfs has no sshd: there will be no login over the network");
	if (!image_scan_has_boot_kernel(scan))
		log_warn(
		    "the rootfs has no /boot/vmlinuz-<version>, which is what is started: an installation will fail; copy the kernel of /lib/modules/%s there",
		    version);
	if (!has_initramfs && has[IMAGE_PART_INITRAMFS_TOOL])
		log_info(
		    "the rootfs has no initramfs for %s; the installer will make one", version);
	else if (!has_initramfs)
		log_warn(
		    "the rootfs has no initramfs for %s and no program to make one (update-initramfs, dracut, mkinitcpio, mkinitfs): an installation will fail; add the distribution's package for it",
		    version);
}

static void summarise(const struct image_import *in, const struct image_manifest *m)
{
	char rootfs[SIZE_TEXT_SIZE], unpacked[SIZE_TEXT_SIZE], modules[SIZE_TEXT_SIZE];

	fprintf(stderr, "  %s, kernel %s: rootfs %s (%s unpacked, %llu entries), modules %s\n",
	    m->os_name ? m->os_name : m->distro, m->kernel_version,
	    size_text_short(m->rootfs.size_bytes, rootfs),
	    size_text_short(m->rootfs.unpacked_bytes, unpacked),
	    (unsigned long long)m->rootfs.entries, size_text_short(m->modules.size_bytes, modules));
	fprintf(
	    stderr, "  image ready: %s/%s/%s\n", in->images_dir, in->name, vm_arch_name(in->arch));
}

/* ---- all together
 * ------------------------------------------------------------------------------*/

struct parts {
	struct image_scan scan;
	struct image_contents rootfs, kernel, modules;
	char *version;
};

static void parts_clear(struct parts *p)
{
	image_scan_clear(&p->scan);
	image_contents_clear(&p->rootfs);
	image_contents_clear(&p->kernel);
	image_contents_clear(&p->modules);
	free(p->version);
}

static int make_parts(
    const struct image_import *in, struct image_work *w, struct parts *p, struct err *e)
{
	const struct image_member *kernel;
	int rc;

	rc = image_scan_init(&p->scan, w->fd, e);
	if (!rc)
		rc = read_rootfs(in, w->fd, &p->scan, &p->rootfs, e);
	if (!rc && in->confirm)
		rc = in->confirm(in->ctx, e);
	if (!rc)
		rc = image_scan_check_arch(&p->scan, in->arch, e);
	if (!rc)
		rc = image_scan_kernel(&p->scan, &kernel, &p->version, e);
	if (rc)
		return rc;
	image_progress_begin(in->progress, "collecting kernel and modules", 0);
	rc = image_member_write(&p->scan, kernel, w->fd, IMAGE_KERNEL_FILE, &p->kernel, e);
	if (!rc)
		rc = image_modules_write(
		    &p->scan, p->version, w->fd, in->adopt ? 1 : threads(), &p->modules, e);
	if (!rc)
		image_progress_end(in->progress, p->modules.size_bytes);
	return rc;
}

int image_import(const struct image_import *in, struct err *e)
{
	_cleanup_(image_work_close) struct image_work work = IMAGE_WORK_INIT;
	_cleanup_(parts_clear) struct parts parts = {.scan = {.spool_fd = -1}};
	struct image_manifest m = {.distro = in->name, .arch = vm_arch_name(in->arch)};
	int rc;

	rc = image_work_open(&work, in->images_dir, in->name, in->arch, e);
	if (!rc)
		rc = make_parts(in, &work, &parts, e);
	if (!rc) {
		m.os_name = parts.scan.os_name;
		m.kernel_version = parts.version;
		m.rootfs = parts.rootfs;
		m.kernel = parts.kernel;
		m.modules = parts.modules;
		m.adopted = in->adopt ? adopted_json(in->adopt) : NULL;
		rc = image_manifest_write(&m, &parts.scan, work.fd, e);
		json_decref(m.adopted);
	}
	if (!rc)
		rc = image_work_publish(&work, in->arch, e);
	image_progress_clear(in->progress);
	if (rc)
		return rc;
	warn_parts(&parts.scan, parts.version, in->arch);
	if (!in->progress->silent)
		summarise(in, &m);
	return 0;
}
