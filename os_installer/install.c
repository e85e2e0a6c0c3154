#include "os_installer/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/plan.h"
#include "os_installer/bootloader/bootloader.h"
#include "os_installer/bootloader/kexec.h"
#include "os_installer/config.h"
#include "os_installer/disk/disk.h"
#include "os_installer/disk/marker.h"
#include "os_installer/disk/scan.h"
#include "os_installer/fetch/http.h"
#include "os_installer/fs/fs.h"
#include "os_installer/method/disk_image.h"
#include "os_installer/report/journal.h"
#include "os_installer/report/progress.h"
#include "os_installer/report/usage.h"
#include "os_installer/system/hooks.h"
#include "os_installer/system/mounts.h"
#include "os_installer/system/seed.h"
#include "os_installer/system/system.h"
#include "os_installer/system/tree.h"
#include "os_installer/unpack/handover.h"
#include "os_installer/unpack/unpack.h"

#define HTTP_TIMEOUT_S 10
#define NETWORK_PATIENCE_S 600
#define REPORT_PATIENCE_S 900
#define DISK_WAIT_MS 30000
#define MATCH_WAIT_MS 15000 /* for a disk that is found late */
#define PROGRESS_MS 700 /* ticks come every quarter of a second: at least one line a second */

/* What the phases hand on to each other. Each phase function reads what earlier ones made. */
struct install {
	const struct install_options *o;
	struct report *report;
	struct http_response answer; /* network: /config's text */
	struct config *config;       /* config */
	struct seed seed;
	bool has_seed;
	struct plan plan;            /* plan */
	bool already;                /* `marker` was found: nothing to install */
	struct marker marker;        /* what the disk says, or is to say */
	struct mounts mounts;        /* rootfs */
	int tree;
	struct bootloader bootloader;
	struct image_install *image; /* NULL: the rootfs is an archive */
	struct progress progress;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---- network, config --------------------------------------------------------------------------- */

/* Asks until the server gives an answer: the link, its DHCP or the server itself may be late. */
static int get_patiently(const char *url, size_t max_bytes, struct http_response *out, struct err *e)
{
	int64_t deadline = now_ms() + NETWORK_PATIENCE_S * 1000LL;

	for (unsigned n = 1;; n++) {
		int r = http_get(url, max_bytes, HTTP_TIMEOUT_S, out, e);
		if (r == 0 && (out->status == 200 || (out->status < 500 && n >= 5)))
			return 0;
		if (r == 0)
			r = err_set(e, EPROTO, "%s: the server answered %ld", url, out->status);
		http_response_clear(out);
		if (now_ms() > deadline || r == -EFBIG)
			return r;
		if (n == 2)
			log_info("waiting for the server: %s", e->msg);
		usleep(n < 5 ? 300000 : 2000000);
	}
}

static int phase_network(struct install *in, struct err *e)
{
	return get_patiently(in->o->config_url, CONFIG_MAX_BYTES, &in->answer, e);
}

static void warn_key(const char *text)
{
	log_warn("configuration: %s", text);
}

static int machine_check(const struct config *c, struct err *e)
{
	struct utsname u;
	enum vm_arch arch;

	if (uname(&u) < 0 || vm_arch_parse(u.machine, &arch) < 0)
		return err_set(e, ENOTSUP, "this machine is no x86_64 or aarch64");
	if (arch != c->arch)
		return err_set(e, EINVAL, "the configuration is for %s, this machine is %s",
		    vm_arch_kernel_name(c->arch), u.machine);
	return 0;
}

static int manifest_fetch(struct config *c, struct err *e)
{
	struct http_response answer;
	_cleanup_free_ char *url = config_manifest_url(c);

	if (!url)
		return err_set(e, ENOMEM, "out of memory");
	log_info("the configuration does not say what the rootfs holds, asking %s", url);
	int r = get_patiently(url, MANIFEST_MAX_BYTES, &answer, e);
	if (r < 0)
		return r;
	if (answer.status != 200)
		r = err_set(e, ENOENT,
		    "neither the configuration nor %s says length and SHA-256 of the rootfs, and unverified files are not installed",
		    url);
	else if ((r = config_add_manifest(c, answer.body, answer.len, e)) < 0)
		err_wrap(e, "%s", url);
	http_response_clear(&answer);
	return r;
}

static int phase_config(struct install *in, struct err *e)
{
	struct config_where where;
	int r;

	if (in->answer.status != 200)
		return err_set(e, EPROTO, "%s: the server answered %ld: %.300s", in->o->config_url,
		    in->answer.status, in->answer.body);
	r = config_parse(in->answer.body, in->answer.len, &in->config, &where, warn_key, e);
	if (r < 0)
		return where.line ? err_wrap(e, "%s line %d column %d", in->o->config_url, where.line,
					where.column)
				  : err_wrap(e, "%s", in->o->config_url);
	http_response_clear(&in->answer);
	if (in->config->report_url)
		report_set_url(in->report, in->config->report_url);
	if ((r = machine_check(in->config, e)) < 0 ||
	    (!in->config->has_manifest && (r = manifest_fetch(in->config, e)) < 0))
		return r;
	if (!in->config->cloud_init_url)
		return 0;
	/* Before anything is erased: without them the system would be of no use. */
	in->has_seed = true;
	return seed_fetch(in->config->cloud_init_url, &in->seed, e);
}

/* ---- plan, partition, format ------------------------------------------------------------------- */

/* A system for one firmware does not start on the other; better to hear it now. */
static int firmware_check(struct config *c, bool matters, struct err *e)
{
	bool uefi = access("/sys/firmware/efi", F_OK) == 0;
	enum vm_firmware here = uefi || c->arch != VM_ARCH_AMD64 ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS;

	if (!matters || c->firmware == here)
		return 0;
	if (c->has_firmware)
		return err_set(e, EINVAL,
		    "this machine was started by its %s, and the definition says \"firmware\": \"%s\": write \"%s\" there, or change the machine's setting; nothing was written",
		    here == VM_FIRMWARE_UEFI ? "UEFI firmware" : "BIOS",
		    vm_firmware_name(c->firmware), vm_firmware_name(here));
	c->firmware = here;
	return 0;
}

static void disks_log(const struct disk *disks, size_t count)
{
	char line[500];

	for (size_t i = 0; i < count; i++)
		log_info("disk %s%s%s", disk_describe(&disks[i], line, sizeof(line)),
		    disks[i].excluded[0] ? " is left alone: " : "", disks[i].excluded);
}

/* The server asks for the first install of a machine that says it is installed: it has lost its state,
 * or the report was lost. What is on the disk is worth more. */
static bool installed_already(struct install *in, const struct disk *disks, size_t count)
{
	const struct config *c = in->config;
	const struct disk *d = c->keep_installed && !in->o->reinstall
	    ? marker_find(disks, count, c->name, c->mac, &in->marker)
	    : NULL;

	in->already = d != NULL;
	if (d)
		log_info(
		    "already installed: %s says so, name=%s mac=%s distro=%s attempt=%u; nothing is written, `vmlab reinstall` installs again",
		    d->path, in->marker.name,
		    in->marker.mac, in->marker.distro, in->marker.attempt);
	return in->already;
}

/* Looks for disks and chooses one. With a match the right one may still be on its way. */
static int disk_plan(struct install *in, struct disk *disks, struct err *e)
{
	struct plan_request q = config_plan_request(in->config);

	if (in->o->disk)
		q.match = NULL; /* somebody at this machine has chosen */
	for (int waited = 0;; waited += 500) {
		int n = disk_list(in->o->disk, DISK_WAIT_MS, disks, DISKS_MAX, e);
		if (n < 0)
			return n;
		if (installed_already(in, disks, (size_t)n))
			return 0;
		int r = manifest_is_disk(&in->config->manifest)
		    ? plan_whole_disk(&q, disks, (size_t)n, &in->plan, e)
		    : plan_make(&q, disks, (size_t)n, &in->plan, e);
		if (r != -ENODEV || !q.match || waited >= MATCH_WAIT_MS) {
			disks_log(disks, (size_t)n);
			return r;
		}
		usleep(500000);
	}
}

static int phase_plan(struct install *in, struct err *e)
{
	struct disk *disks = calloc(DISKS_MAX, sizeof(*disks));
	char size[32];

	if (!disks)
		return err_set(e, ENOMEM, "out of memory");
	int r = firmware_check(in->config, !in->o->no_nvram, e);
	if (r == 0)
		r = disk_plan(in, disks, e);
	if (in->already) {
		free(disks);
		return r;
	}
	if (r == 0)
		r = plan_assign_uuids(&in->plan, disk_random, e);
	free(disks);
	if (r == 0)
		report_set_disk(in->report, in->plan.disk.size_bytes);
	if (r == 0)
		log_info("installing %s onto %s size=%s",
		    in->config->distro ? in->config->distro : "the image", in->plan.disk.path,
		    size_text(in->plan.disk.size_bytes, size, sizeof(size)));
	return r;
}

static int phase_partition(struct install *in, struct err *e)
{
	if (manifest_is_disk(&in->config->manifest))
		return image_install_open(&in->plan.disk, in->config, &in->image, e);
	return disk_partition(&in->plan, e);
}

static int phase_format(struct install *in, struct err *e)
{
	return in->image ? 0 : disk_format(&in->plan, e);
}

/* ---- rootfs ------------------------------------------------------------------------------------ */

static void rootfs_tick(void *ctx, const struct rootfs_progress *p)
{
	struct install *in = ctx;
	char line[200];
	static int64_t last_ms;
	int64_t now = now_ms();

	progress_add(&in->progress, p->received_bytes, now);
	if (now - last_ms < PROGRESS_MS)
		return;
	last_ms = now;
	struct report_bytes b = {
	    .bytes = p->received_bytes,
	    .total_bytes = in->progress.total_bytes,
	    .rate_bytes_per_s = progress_rate(&in->progress),
	    .eta_s = progress_rate(&in->progress) ? (int64_t)progress_eta_s(&in->progress) : -1,
	};
	report_progress(in->report, "rootfs", &b);
	journal_progress(progress_text(&in->progress, "rootfs", line, sizeof(line)));
}

struct mounting {
	struct install *in;
	struct err *e;
};

static int partition_mount(void *ctx, const struct plan_partition *part)
{
	const struct fs_kind *kind = fs_of(part);
	struct install *in = ((struct mounting *)ctx)->in;
	struct err *e = ((struct mounting *)ctx)->e;
	int r;

	if (part->role == PLAN_ROOT) {
		r = mounts_add_device(&in->mounts, part->path, in->o->directory, kind->name,
		    kind->install_options, e);
		if (r == 0)
			in->tree = tree_open(in->o->directory, e);
		return r < 0 ? r : in->tree < 0 ? in->tree : 0;
	}
	if ((r = tree_mkdirs(in->tree, part->mount, 0755, e)) < 0)
		return r;
	return mounts_add_inside(&in->mounts, in->tree, in->o->directory, part->mount, part->path,
	    kind->name, kind->install_options, e);
}

static int phase_rootfs(struct install *in, struct err *e)
{
	struct mounting mounting = {.in = in, .e = e};
	const struct manifest *m = &in->config->manifest;
	struct rootfs_progress p;
	char line[200];
	int64_t start = now_ms();
	struct usage before = usage_now();

	int r = in->image ? 0 : plan_each_mount(&in->plan, partition_mount, &mounting);
	if (r < 0)
		return r;
	progress_init(&in->progress, m->size_bytes, start);
	r = in->image
	    ? rootfs_write_image(in->config->rootfs_url, m, in->image->disk, rootfs_tick, in, &p, e)
	    : rootfs_install(in->config->rootfs_url, m, in->o->directory, rootfs_tick, in, &p, e);
	if (r == 0) {
		progress_add(&in->progress, m->size_bytes, now_ms());
		journal_progress(progress_text(&in->progress, "rootfs", line, sizeof(line)));
	}
	journal_progress(NULL);
	if (r < 0)
		return r;
	struct usage after = usage_now();
	size_t slots = m->chunk_count < HANDOVER_SLOTS ? m->chunk_count : HANDOVER_SLOTS;
	log_info(
	    "rootfs unpacked entries=%llu bytes=%llu dropped=%llu retries=%u ms=%lld download_cpu_ms=%lld unpack_cpu_ms=%lld peak_rss_kib=%ld",
	    (unsigned long long)p.entries, (unsigned long long)p.unpacked_bytes,
	    (unsigned long long)p.dropped, p.fetch.retries, (long long)(now_ms() - start),
	    after.own_cpu_ms - before.own_cpu_ms, after.children_cpu_ms - before.children_cpu_ms,
	    /* The buffers that both hold count once. */
	    after.own_peak_kib + after.child_peak_kib - (long)(slots * m->chunk_bytes >> 10));
	return 0;
}

/* ---- configure, bootloader --------------------------------------------------------------------- */

static int phase_configure(struct install *in, struct err *e)
{
	if (in->image)
		return image_install_configure(in->image, &in->mounts, in->o->directory,
		    in->has_seed ? &in->seed : NULL, &in->tree, e);
	return target_configure(in->tree, in->o->directory, in->config, &in->plan,
	    in->has_seed ? &in->seed : NULL, e);
}

/* Everything of the file system at `path` is on the disk afterwards. syncfs() alone leaves FAT's last
 * writes in the disk's cache; fsync() of a directory sends the flush. */
static int sync_tree(int tree, const char *path, struct err *e)
{
	_cleanup_close_ int dir = tree_directory(tree, path, e);

	if (dir < 0)
		return dir;
	/* Both want a descriptor that is more than a name. */
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0 || fsync(fd) < 0)
		return err_errno(e, "cannot write out the file system at %s", path);
	return 0;
}

static int partition_sync(void *ctx, const struct plan_partition *part)
{
	struct mounting *m = ctx;

	return sync_tree(m->in->tree, part->mount, m->e);
}

static int esp_mount(struct install *in, const struct plan_partition *esp, struct err *e)
{
	int r = tree_mkdirs(in->tree, esp->mount, 0700, e);

	return r < 0 ? r : mounts_add_inside(&in->mounts, in->tree, in->o->directory, esp->mount,
	    esp->path, "vfat", NULL, e);
}

static bool hooks_wanted(const struct install *in)
{
	return in->config->hooks && in->config->hooks[0];
}

/* Before the boot files get their names: what a script breaks does not boot. */
static int phase_hooks(struct install *in, struct err *e)
{
	unsigned keep = in->mounts.count;
	int r;

	if ((r = mounts_add_chroot(&in->mounts, in->tree, in->o->directory, e)) < 0 ||
	    (r = hooks_run(in->tree, in->o->directory, (const char *const *)in->config->hooks, e)) <
		0)
		return r;
	return mounts_undo(&in->mounts, keep, e);
}

/* The kernel reads the files now, while they are mounted; it starts them after the report. */
static void kexec_prepare(struct install *in)
{
	const struct bootloader *b = &in->bootloader;
	struct err e = ERR_INIT;

	if (in->config->after_install != VM_AFTER_KEXEC)
		return;
	if (in->image)
		err_set(&e, ENOTSUP, "a disk image's kernel is its own boot loader's business");
	else if (!b->cmdline[0])
		err_set(&e, E2BIG, "the kernel's arguments are too long");
	else if (kexec_load(in->tree, b->kernel, b->initramfs, b->cmdline, &e) == 0)
		return;
	log_warn("no kexec, the machine reboots instead: %s", e.msg);
	in->config->after_install = VM_AFTER_REBOOT;
}

static int image_finish(struct install *in, struct err *e)
{
	int r = sync_tree(in->tree, "/", e);

	if (r < 0)
		return r;
	close(steal_fd(&in->tree));
	if ((r = mounts_undo(&in->mounts, 0, e)) < 0)
		return r;
	kexec_prepare(in);
	return image_install_activate(in->image, in->config, !in->o->no_nvram, e);
}

/* A disk that cannot say so is installed all the same. */
static void marker_leave(struct install *in)
{
	const struct config *c = in->config;
	uint8_t sector[MARKER_BYTES];
	struct err e = ERR_INIT;

	if (!marker_make(&in->marker, c->name, c->mac, c->distro, c->attempt))
		return;
	marker_render(&in->marker, sector);
	if (disk_marker_write(&in->plan.disk, sector, &e) < 0)
		log_warn("the disk does not say that it is installed: %s", e.msg);
}

/* The order is what keeps a half-done disk from booting: all of the system is on the disk before
 * the boot files get the names firmware looks for, or the first sector its code. */
static int phase_bootloader(struct install *in, struct err *e)
{
	const struct plan_partition *esp = plan_partition(&in->plan, PLAN_ESP);
	struct mounting mounting = {.in = in, .e = e};
	int r;

	if (in->image)
		return image_finish(in, e);
	unsigned without_esp = in->mounts.count;
	if (esp && (r = esp_mount(in, esp, e)) < 0)
		return r;
	unsigned without_chroot = in->mounts.count;
	if ((r = mounts_add_chroot(&in->mounts, in->tree, in->o->directory, e)) < 0 ||
	    (r = bootloader_stage(in->tree, in->o->directory, in->config, &in->plan,
		 &in->bootloader, e)) < 0 ||
	    (r = mounts_undo(&in->mounts, without_chroot, e)) < 0 ||
	    (r = plan_each_mount(&in->plan, partition_sync, &mounting)) < 0)
		return r;
	mounts_seal(&in->mounts, without_esp);
	if ((esp && (r = sync_tree(in->tree, esp->mount, e)) < 0) ||
	    (r = bootloader_activate(in->tree, &in->bootloader, e)) < 0 ||
	    (esp && (r = sync_tree(in->tree, esp->mount, e)) < 0))
		return r;
	kexec_prepare(in);
	close(steal_fd(&in->tree));
	if ((r = mounts_undo(&in->mounts, 0, e)) < 0)
		return r;
	if (!esp && (r = disk_boot_code(&in->plan, in->bootloader.boot_sector, in->bootloader.core,
			 in->bootloader.core_len, e)) < 0)
		return r;
	if (esp && !in->o->no_nvram)
		bootloader_register(&in->bootloader, &in->plan);
	marker_leave(in);
	return 0;
}

static int phase_report(struct install *in, struct err *e)
{
	return report_success(in->report, in->already ? &in->marker : NULL, REPORT_PATIENCE_S, e);
}

/* ---- order ------------------------------------------------------------------------------------- */

static const struct phase {
	const char *name;
	int (*run)(struct install *in, struct err *e);
	const char *hint;
} phases[] = {
    {"network", phase_network,
	"check that the machine's network card is connected to the lab and that the server runs"},
    {"config", phase_config,
	"correct the machine's definition or its image on the server, then start the install again"},
    {"plan", phase_plan,
	"give the machine a larger or another disk, or correct disks, storage or firmware in its definition; `vmlab plan` shows what they mean"},
    {"partition", phase_partition, "the disk may be faulty or in use; nothing on it boots now"},
    {"format", phase_format, "the disk may be faulty; nothing on it boots now"},
    {"rootfs", phase_rootfs,
	"if the archive does not match its manifest, build or import the image again; the disk does not boot"},
    {"configure", phase_configure,
	"the image may lack parts of a root file system; the disk does not boot"},
    {"hooks", phase_hooks,
	"correct hooks.post_install in the machine's definition: what the script said is in the log; the disk does not boot"},
    {"bootloader", phase_bootloader,
	"the image needs a kernel, and GRUB for the machine's firmware; the disk does not boot"},
    {"report", phase_report,
	"the system is installed, but the server does not know; a reboot would install it again"},
};

/* What to do is often plain from the kind of failure. */
static const struct {
	const char *phase;
	int code;
	const char *hint;
} closer_hints[] = {
    {"rootfs", ENOSPC,
	"the image takes more room than its manifest says, or the disk is too small: build or import the image again, or give the machine a larger disk; the disk does not boot"},
    {"rootfs", ETIMEDOUT,
	"check that the machine still reaches the server and that the server runs, then start the install again; the disk does not boot"},
    {"rootfs", ENOENT,
	"the image's file is not on the server any more: build or import the image again; the disk does not boot"},
    {"rootfs", EIO,
	"the disk may be faulty: the console shows what the kernel says of it; the disk does not boot"},
    {"bootloader", ENOSPC,
	"the boot files do not fit: use an image with fewer kernels; the disk does not boot"},
};

static const char *hint_find(const struct phase *p, int code)
{
	for (size_t i = 0; i < sizeof(closer_hints) / sizeof(*closer_hints); i++)
		if (closer_hints[i].code == code && strcmp(closer_hints[i].phase, p->name) == 0)
			return closer_hints[i].hint;
	return p->hint;
}

static void install_clear(struct install *in)
{
	http_response_clear(&in->answer);
	seed_clear(&in->seed);
	bootloader_clear(&in->bootloader);
	config_free(in->config);
	image_install_free(in->image);
	if (in->tree >= 0)
		close(in->tree);
	for (unsigned i = 0; i < in->mounts.count; i++)
		free(in->mounts.where[i]);
}

static int phases_run(struct install *in, struct install_failure *failure)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		const struct phase *p = &phases[i];
		int64_t start = now_ms();
		if (in->o->no_disk && p->run != phase_network && p->run != phase_config &&
		    p->run != phase_rootfs)
			continue;
		if (p->run == phase_hooks && !hooks_wanted(in))
			continue;
		if (in->already && p->run != phase_report)
			continue;
		report_phase(in->report, p->name, false);
		int r = p->run(in, &failure->err);
		if (r < 0) {
			failure->phase = p->name;
			failure->hint = hint_find(p, failure->err.code);
			return r;
		}
		log_info("phase done phase=%s ms=%lld", p->name, (long long)(now_ms() - start));
		if (p->run != phase_report)
			report_phase(in->report, p->name, true);
		if (in->o->until && strcmp(in->o->until, p->name) == 0)
			break;
	}
	return 0;
}

int install_run(const struct install_options *o, struct report *r, enum vm_after *after,
    struct install_failure *failure)
{
	struct install in = {.o = o, .report = r, .tree = -1};

	memset(failure, 0, sizeof(*failure));
	int rc = phases_run(&in, failure);
	if (rc == 0 && in.config)
		*after = in.already && in.config->after_install != VM_AFTER_SHELL
		    ? VM_AFTER_REBOOT
		    : in.config->after_install;
	/* Also after a failure, so that a second try finds the disk free. */
	if (in.tree >= 0)
		close(steal_fd(&in.tree));
	struct err e = ERR_INIT;
	if (mounts_undo(&in.mounts, 0, &e) < 0 && rc == 0) {
		*failure = (struct install_failure){.phase = "configure", .hint = "", .err = e};
		rc = -e.code;
	}
	install_clear(&in);
	return rc;
}
