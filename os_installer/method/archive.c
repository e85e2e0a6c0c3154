/* A root file system in an archive: the disk is divided and formatted as the plan says, the archive
 * unpacked, and the system made this machine's own.
 */
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/bootloader/bootloader.h"
#include "os_installer/bootloader/kexec.h"
#include "os_installer/disk/disk.h"
#include "os_installer/disk/marker.h"
#include "os_installer/fs/fs.h"
#include "os_installer/method/method.h"
#include "os_installer/system/system.h"
#include "os_installer/system/tree.h"
#include "os_installer/unpack/archive.h"

static bool takes(const struct image_contents *m)
{
	return !image_format_is_disk(m->format);
}

static int partition(struct job *j, struct err *e)
{
	return disk_partition(&j->plan, fs_gpt_type, e);
}

static int format(struct job *j, struct err *e)
{
	return fs_format(&j->plan, e);
}

/* ---- rootfs -------------------------------------------------------------------------------- */

struct step {
	struct job *job;
	struct err *e;
};

static int partition_mount(void *ctx, const struct plan_partition *part)
{
	const struct fs_kind *kind = fs_of(part);
	struct job *j = ((struct step *)ctx)->job;
	struct err *e = ((struct step *)ctx)->e;
	int r;

	if (part->role == PLAN_ROOT) {
		r = mounts_add_device(
		    &j->mounts, part->path, j->directory, kind->name, kind->install_options, e);
		if (r == 0)
			j->tree = tree_open(j->directory, e);
		return r < 0 ? r : j->tree < 0 ? j->tree : 0;
	}
	if ((r = tree_mkdirs(j->tree, part->mount, 0755, e)) < 0)
		return r;
	return mounts_add_inside(&j->mounts, j->tree, j->directory, part->mount, part->path,
	    kind->name, kind->install_options, e);
}

/* Without a plan nothing is mounted: --no-disk. */
static int target(struct job *j, struct unpack_target *out, struct err *e)
{
	struct step step = {.job = j, .e = e};

	*out = (struct unpack_target){.root = j->directory, .write = unpack_archive};
	return plan_each_mount(&j->plan, partition_mount, &step);
}

static int configure(struct job *j, struct err *e)
{
	return system_configure(j->tree, j->directory, j->config, &j->plan, j->seed, e);
}

/* ---- bootloader ---------------------------------------------------------------------------- */

static int partition_sync(void *ctx, const struct plan_partition *part)
{
	struct step *s = ctx;

	return tree_sync(s->job->tree, part->mount, s->e);
}

static int esp_mount(struct job *j, const struct plan_partition *esp, struct err *e)
{
	int r = tree_mkdirs(j->tree, esp->mount, 0700, e);

	return r < 0 ? r
		     : mounts_add_inside(&j->mounts, j->tree, j->directory, esp->mount, esp->path,
			   fs_of(esp)->name, fs_of(esp)->install_options, e);
}

/* A disk that cannot say so is installed all the same. */
static void marker_leave(const struct job *j)
{
	const struct config *c = j->config;
	uint8_t sector[MARKER_BYTES];
	struct err e = ERR_INIT;
	struct marker m;

	if (!marker_make(&m, c->told.name, c->told.mac, c->told.distro, c->told.attempt))
		return;
	marker_render(&m, sector);
	if (disk_marker_write(&j->plan.disk, sector, &e) < 0)
		log_warn("the disk does not say that it is installed: %s", e.msg);
}

static int bootloader_stage_in_chroot(struct job *j, struct bootloader *b, struct err *e)
{
	unsigned keep = j->mounts.count;
	int r;

	if ((r = mounts_add_chroot(&j->mounts, j->tree, j->directory, e)) < 0 ||
	    (r = bootloader_stage(j->tree, j->directory, j->config, &j->plan, b, e)) < 0)
		return r;
	return mounts_undo(&j->mounts, keep, e);
}

/* The order is what keeps a half-done disk from booting: all of the system is on the disk before
 * the boot files get the names firmware looks for, or the first sector its code. */
static int bootloader(struct job *j, struct err *e)
{
	const struct plan_partition *esp = plan_partition(&j->plan, PLAN_ESP);
	struct bootloader *b = j->own = calloc(1, sizeof(*b));
	struct step step = {.job = j, .e = e};
	int r;

	if (!b)
		return err_set(e, ENOMEM, "out of memory");
	unsigned without_esp = j->mounts.count;
	if ((esp && (r = esp_mount(j, esp, e)) < 0) ||
	    (r = bootloader_stage_in_chroot(j, b, e)) < 0 ||
	    (r = plan_each_mount(&j->plan, partition_sync, &step)) < 0)
		return r;
	mounts_seal(&j->mounts, without_esp);
	if ((esp && (r = tree_sync(j->tree, esp->mount, e)) < 0) ||
	    (r = bootloader_activate(b, e)) < 0 ||
	    (esp && (r = tree_sync(j->tree, esp->mount, e)) < 0))
		return r;
	kexec_prepare(&j->after, b);
	close(steal_fd(&j->tree));
	if ((r = mounts_undo(&j->mounts, 0, e)) < 0 || (r = bootloader_finish(b, j->nvram, e)) < 0)
		return r;
	marker_leave(j);
	return 0;
}

static void clear(struct job *j)
{
	if (j->own)
		bootloader_clear(j->own);
	free(j->own);
	j->own = NULL;
}

const struct install_method method_archive = {
    .name = "archive",
    .takes = takes,
    .plan = plan_make,
    .partition = partition,
    .format = format,
    .target = target,
    .configure = configure,
    .bootloader = bootloader,
    .clear = clear,
};
