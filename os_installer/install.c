#include "os_installer/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/plan/plan.h"
#include "os_installer/base/config.h"
#include "os_installer/disk/disk.h"
#include "os_installer/disk/marker.h"
#include "os_installer/disk/scan.h"
#include "os_installer/fetch/http.h"
#include "os_installer/method/method.h"
#include "os_installer/report/journal.h"
#include "os_installer/report/progress.h"
#include "os_installer/report/usage.h"
#include "os_installer/system/hooks.h"
#include "os_installer/system/mounts.h"
#include "os_installer/system/seed.h"
#include "os_installer/unpack/handover.h"

#define HTTP_TIMEOUT_S 10
#define BELIEVED 4 /* times that the server has no such file */
#define REPORT_PATIENCE_S 900
#define DISK_WAIT_MS 30000
#define MATCH_WAIT_MS 15000 /* for a disk that is found late */
#define PROGRESS_MS 700     /* ticks come every quarter of a second: at least one line a second */

/* What the phases hand on to each other. Each phase function reads what earlier ones made. */
struct install {
	const struct install_options *o;
	struct report *report;
	struct http_response answer; /* network: /config's text */
	struct config *config;       /* config */
	struct seed seed;
	const struct install_method *method; /* for what the configuration's image is */
	struct job job;
	bool already;             /* plan; `marker` was found: nothing to install */
	struct marker marker;     /* what the disk says */
	struct progress progress; /* rootfs */
};

/* ---- network, config ---------------------------------------------------------------------------
 */

/* The link, its DHCP or the server itself may be late. */
static int phase_network(struct install *in, struct err *e)
{
	return http_get_patiently(
	    in->o->config_url, CONFIG_MAX_BYTES, HTTP_TIMEOUT_S, BELIEVED, &in->answer, e);
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
		return err_set(e, ENOTSUP, "this machine is no " ARCH_OR);
	if (arch != c->told.arch)
		return err_set(e, EINVAL, "the configuration is for %s, this machine is %s",
		    arch_of(c->told.arch)->machine, u.machine);
	return 0;
}

static int manifest_fetch(struct config *c, struct err *e)
{
	struct http_response answer;
	_cleanup_free_ char *url = config_manifest_url(c);

	if (!url)
		return err_set(e, ENOMEM, "out of memory");
	log_info("the configuration does not say what the rootfs holds, asking %s", url);
	int r =
	    http_get_patiently(url, IMAGE_MANIFEST_MAX_BYTES, HTTP_TIMEOUT_S, BELIEVED, &answer, e);
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

/* Without a disk there is nothing to do but to unpack. */
static void job_start(struct install *in)
{
	in->method = in->o->no_disk ? &method_archive : method_find(&in->config->rootfs);
	in->job.config = in->config;
	in->job.directory = in->o->directory;
	in->job.nvram = !in->o->no_nvram;
	in->job.after = in->config->told.after_install;
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
		return where.line ? err_wrap(e, "%s line %d column %d", in->o->config_url,
					where.line, where.column)
				  : err_wrap(e, "%s", in->o->config_url);
	http_response_clear(&in->answer);
	if (in->config->told.report_url)
		report_set_url(in->report, in->config->told.report_url);
	if ((r = machine_check(in->config, e)) < 0 ||
	    (!in->config->has_rootfs && (r = manifest_fetch(in->config, e)) < 0))
		return r;
	job_start(in);
	if (!in->config->told.cloud_init_url)
		return 0;
	/* Before anything is erased: without them the system would be of no use. */
	in->job.seed = &in->seed;
	return seed_fetch(in->config->told.cloud_init_url, &in->seed, e);
}

/* ---- plan, partition, format -------------------------------------------------------------------
 */

/* A system for one firmware does not start on the other; better to hear it now. */
static int firmware_check(struct config *c, bool matters, struct err *e)
{
	bool uefi = access("/sys/firmware/efi", F_OK) == 0;
	enum vm_firmware here =
	    uefi || !arch_of(c->told.arch)->bios ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS;

	if (!matters || c->told.firmware == here)
		return 0;
	if (c->has_firmware)
		return err_set(e, EINVAL,
		    "this machine was started by its %s, and the definition says \"firmware\": \"%s\": write \"%s\" there, or change the machine's setting; nothing was written",
		    here == VM_FIRMWARE_UEFI ? "UEFI firmware" : "BIOS",
		    vm_firmware_name(c->told.firmware), vm_firmware_name(here));
	c->told.firmware = here;
	return 0;
}

static void disks_log(const struct disk *disks, size_t count)
{
	char line[500];

	for (size_t i = 0; i < count; i++)
		log_info("disk %s%s%s", disk_describe(&disks[i], line, sizeof(line)),
		    disks[i].excluded[0] ? " is left alone: " : "", disks[i].excluded);
}

/* The server asks for the first install of a machine that says it is installed: it has lost its
 * state, or the report was lost. What is on the disk is worth more. */
static bool installed_already(struct install *in, const struct disk *disks, size_t count)
{
	const struct config *c = in->config;
	const struct disk *d =
	    c->keep_installed && !in->o->reinstall
		? marker_find(disks, count, c->told.name, c->told.mac, &in->marker)
		: NULL;

	in->already = d != NULL;
	if (d)
		log_info(
		    "already installed: %s says so, name=%s mac=%s distro=%s attempt=%u; nothing is written, `vmlab reinstall` installs again",
		    d->path, in->marker.name, in->marker.mac, in->marker.distro,
		    in->marker.attempt);
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
		int r = in->method->plan(&q, disks, (size_t)n, &in->job.plan, e);
		if (r != -ENODEV || !q.match || waited >= MATCH_WAIT_MS) {
			disks_log(disks, (size_t)n);
			return r < 0 ? err_wrap(e, "nothing was written") : r;
		}
		usleep(500000);
	}
}

static int phase_plan(struct install *in, struct err *e)
{
	struct disk *disks = calloc(DISKS_MAX, sizeof(*disks));
	char size[SIZE_TEXT_SIZE];

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
		r = plan_assign_uuids(&in->job.plan, disk_random, e);
	free(disks);
	if (r == 0)
		report_set_disk(in->report, in->job.plan.disk.size_bytes);
	if (r == 0)
		log_info("installing %s onto %s size=%s",
		    in->config->told.distro ? in->config->told.distro : "the image",
		    in->job.plan.disk.path, size_text(in->job.plan.disk.size_bytes, size));
	return r;
}

static int phase_partition(struct install *in, struct err *e)
{
	return in->method->partition(&in->job, e);
}

static int phase_format(struct install *in, struct err *e)
{
	return in->method->format ? in->method->format(&in->job, e) : 0;
}

/* ---- rootfs ------------------------------------------------------------------------------------
 */

static void rootfs_tick(void *ctx, const struct unpack_progress *p)
{
	struct install *in = ctx;
	char line[200];
	static int64_t last_ms;
	int64_t now = monotonic_ms();

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

static int phase_rootfs(struct install *in, struct err *e)
{
	const struct image_contents *m = &in->config->rootfs;
	struct unpack_target target;
	struct unpack_progress p;
	char line[200];
	int64_t start = monotonic_ms();
	struct usage before = usage_now();

	int r = in->method->target(&in->job, &target, e);
	if (r < 0)
		return r;
	progress_init(&in->progress, m->size_bytes, start);
	r = unpack_run(in->config->told.rootfs_url, m, &target, rootfs_tick, in, &p, e);
	if (r == 0) {
		progress_add(&in->progress, m->size_bytes, monotonic_ms());
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
	    (unsigned long long)p.dropped, p.fetch.retries, (long long)(monotonic_ms() - start),
	    after.own_cpu_ms - before.own_cpu_ms, after.children_cpu_ms - before.children_cpu_ms,
	    /* The buffers that both hold count once. */
	    after.own_peak_kib + after.child_peak_kib - (long)(slots * m->chunk_bytes >> 10));
	return 0;
}

/* ---- configure, bootloader ---------------------------------------------------------------------
 */

static int phase_configure(struct install *in, struct err *e)
{
	return in->method->configure(&in->job, e);
}

static bool hooks_wanted(const struct install *in)
{
	return in->config->hooks[0];
}

/* Before the boot files get their names: what a script breaks does not boot. */
static int phase_hooks(struct install *in, struct err *e)
{
	struct job *j = &in->job;
	unsigned keep = j->mounts.count;
	int r;

	if ((r = mounts_add_chroot(&j->mounts, j->tree, j->directory, e)) < 0 ||
	    (r = hooks_run(j->tree, j->directory, in->config->hooks, e)) < 0)
		return r;
	return mounts_undo(&j->mounts, keep, e);
}

static int phase_bootloader(struct install *in, struct err *e)
{
	return in->method->bootloader(&in->job, e);
}

static int phase_report(struct install *in, struct err *e)
{
	return report_success(in->report, in->already ? &in->marker : NULL, REPORT_PATIENCE_S, e);
}

/* ---- order -------------------------------------------------------------------------------------
 */

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
	"the image needs a kernel, and a boot loader for the machine's firmware; the disk does not boot"},
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
	if (in->method)
		in->method->clear(&in->job);
	config_free(in->config);
	for (unsigned i = 0; i < in->job.mounts.count; i++)
		free(in->job.mounts.where[i]);
}

static int phases_run(struct install *in, struct install_failure *failure)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		const struct phase *p = &phases[i];
		int64_t start = monotonic_ms();
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
		log_info(
		    "phase done phase=%s ms=%lld", p->name, (long long)(monotonic_ms() - start));
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
	struct install in = {.o = o, .report = r, .job.tree = -1};

	memset(failure, 0, sizeof(*failure));
	int rc = phases_run(&in, failure);
	if (rc == 0 && in.config)
		*after =
		    in.already && in.job.after != VM_AFTER_SHELL ? VM_AFTER_REBOOT : in.job.after;
	/* Also after a failure, so that a second try finds the disk free. */
	if (in.job.tree >= 0)
		close(steal_fd(&in.job.tree));
	struct err e = ERR_INIT;
	if (mounts_undo(&in.job.mounts, 0, &e) < 0 && rc == 0) {
		*failure = (struct install_failure){.phase = "configure", .hint = "", .err = e};
		rc = -e.code;
	}
	install_clear(&in);
	return rc;
}
