#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "os_installer/agent/order.h"
#include "os_installer/agent/named_disk.h"
#include "os_installer/disk/device.h"
#include "os_installer/disk/disk.h"
#include "os_installer/disk/scan.h"
#include "os_installer/disk/secure.h"
#include "os_installer/disk/wipe.h"
#include "os_installer/system/installed.h"

#define PLACES 64 /* that are looked at afterwards */

static void tick(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
	order_progress(ctx, "wipe", done_bytes, total_bytes);
}

static int signatures(struct order_run *o, const struct disk *d, struct err *e)
{
	(void)o;
	return disk_erase(d, e);
}

static int discard(struct order_run *o, const struct disk *d, struct err *e)
{
	return disk_wipe_discard(d, tick, o, e);
}

static int blocks(struct order_run *o, const struct disk *d, struct err *e)
{
	return disk_wipe_blocks(d, tick, o, e);
}

/* Whether it can is asked before anything is lost. */
static int secure(struct order_run *o, const struct disk *d, struct err *e)
{
	_cleanup_close_ int fd = device_open(d->path, O_EXCL, e);
	struct secure_way way;
	int r = fd < 0 ? fd : secure_look(fd, d, secure_ioctl_real, &way, e);

	if (r < 0)
		return r;
	if (way.about_min)
		order_text(o, "%s, which takes it about %u min", way.text, way.about_min);
	else
		order_text(o, "%s", way.text);
	order_figure(o, "erased_by", json_string(way.text));
	/* Its partitions are opened for that. */
	close(steal_fd(&fd));
	if ((r = disk_erase(d, e)) < 0)
		return r;
	if ((fd = device_open(d->path, O_EXCL, e)) < 0)
		return fd;
	/* For whoever has not heard of its end. */
	order_hint(o,
	    way.locks
		? "the disk may be erasing itself still; should it be locked then: its password is \"" SECURE_PASSWORD
		  "\", and `hdparm --security-disable` takes it away"
		: "the disk may be erasing itself still: nothing is to use it before it is done");
	if ((r = secure_erase(fd, d, &way, secure_ioctl_real, e)) < 0)
		return r;
	order_hint(o, "");
	if (ioctl(fd, BLKRRPART) < 0)
		log_debug("BLKRRPART %s: %s", d->path, strerror(errno));
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct order_run *o, const struct disk *d, struct err *e);
	bool all;     /* of the disk, not only what tells of its content */
	bool counted; /* it is known how far it is */
} ways[] = {
    {"signatures", signatures, false, false},
    {"discard", discard, true, true},
    {"blocks", blocks, true, true},
    {"secure", secure, true, false},
};

/* What is said of it was seen. */
static void look(struct order_run *o, const struct disk *d)
{
	struct err e = ERR_INIT;
	bool zero;

	order_progress(o, "look", 0, 0);
	if (disk_reads_zero(d, PLACES, &zero, &e) < 0)
		log_warn("%s", e.msg);
	else
		order_figure(o, "reads_zero", json_boolean(zero));
}

/* ---- the system that is on it ---------------------------------------------------------------- */

/* Disks are looked at by mounting them. */
static bool has_mounts_of_its_own(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Whether no other disk holds one; *alone: there is no other disk. */
static bool no_other_has(const struct order_run *o, const struct disk *d, bool *alone)
{
	_cleanup_free_ struct disk *disks = calloc(DISKS_MAX, sizeof(*disks));
	struct err ignored = ERR_INIT;

	if (!disks)
		return false;
	int n = disk_list(NULL, 0, disks, DISKS_MAX, &ignored);
	*alone = n >= 0;
	for (int i = 0; i < n; i++) {
		if (strcmp(disks[i].name, d->name) == 0 ||
		    strcmp(disks[i].excluded, "removable") == 0)
			continue;
		*alone = false;
		if (installed_is_on(&disks[i], o->server->as.mac))
			return false;
	}
	return n >= 0;
}

/* Whether the machine has a system afterwards is told before: what ends this in the middle leaves
 * none either. One of a kind that is not known here is taken to be on the only disk there is. */
static int wipe(struct order_run *o, size_t way, const struct disk *d, struct err *e)
{
	const char *mac = o->server->as.mac;
	bool alone = false, look = has_mounts_of_its_own();
	bool held = look && installed_is_on(d, mac);
	bool gone = look && no_other_has(o, d, &alone) && (held || alone);

	if (gone)
		order_figure(o, "system_gone", json_true());
	int r = ways[way].run(o, d, e);
	if (r < 0 && gone && (!held || installed_is_on(d, mac)))
		order_figure(o, "system_gone", json_false());
	return r;
}

static int run(struct order_run *o, struct err *e)
{
	const char *how = json_string_value(json_object_get(o->args, "how"));
	int64_t began_ms = monotonic_ms();
	struct disk d;
	size_t i = 0;

	while (i < sizeof(ways) / sizeof(*ways) && strcmp(ways[i].name, how ? how : "signatures"))
		i++;
	if (i == sizeof(ways) / sizeof(*ways))
		return err_set(e, EINVAL, "no disk is wiped by \"%s\"", how);
	int r = order_disk(o, true, &d, e);
	if (r < 0)
		return r;
	log_info("wiping %s serial=%s how=%s", d.path, d.serial, ways[i].name);
	order_progress(o, "wipe", 0, ways[i].counted ? d.size_bytes : 0);
	order_figure(o, "disk", json_string(d.name));
	if ((r = wipe(o, i, &d, e)) < 0)
		return r;
	double seconds = (double)(monotonic_ms() - began_ms) / 1000;
	order_figure(o, "seconds", json_real(seconds));
	if (ways[i].counted)
		order_figure(o, "mb_per_s",
		    json_real((double)d.size_bytes / 1e6 / (seconds > 0 ? seconds : 1)));
	if (ways[i].all) {
		order_figure(o, "bytes", json_integer((json_int_t)d.size_bytes));
		look(o, &d);
	}
	order_text(o, "%s is wiped (%s)", d.path, ways[i].name);
	return 0;
}

extern const struct order order_wipe;
const struct order order_wipe = {.run = run};
