#include "vmlab/image/build.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/process.h"
#include "lib/image/bootloader.h"
#include "vmlab/lab/host.h"
#include "vmlab/image/import.h"

#define TAIL_BYTES 8192
#define TAIL_LINES 15

/* ---- what is built -----------------------------------------------------------------------------
 */

/* What a guest needs to boot, to be set up by cloud-init and to be logged in to. Its network is
 * systemd-networkd's; cloud-init writes it through netplan, since its own renderer for networkd
 * leaves out vlans, bonds, bridges and policy of any kind. */
static const char base_packages[] =
    "systemd-sysv,systemd-resolved,systemd-timesyncd,libpam-systemd,dbus,udev,initramfs-tools,zstd,cloud-init,cloud-guest-utils,openssh-server,sudo,ca-certificates,iproute2,iputils-ping,e2fsprogs,dosfstools,efibootmgr,netplan.io";

/* Hooks of mmdebstrap; "$1" is the new root. */
static const char *const hooks[] = {
    "chroot \"$1\" systemctl enable systemd-networkd.service systemd-resolved.service",
    "ln -sf ../run/systemd/resolve/stub-resolv.conf \"$1\"/etc/resolv.conf",

    /* cloud-init looks nowhere but in the seed that the installer writes. Without a locale of its
     * own it would generate one on each first boot; host keys are told to the lab, not the screen.
     */
    "printf '%s\\n' 'datasource_list: [NoCloud, None]' 'locale: \"false\"' 'ssh: {emit_keys_to_console: false}' >\"$1\"/etc/cloud/cloud.cfg.d/90_vmlab.cfg",
    "echo LANG=C.UTF-8 >\"$1\"/etc/default/locale",

    /* What each machine makes for itself. */
    "rm -f \"$1\"/etc/ssh/ssh_host_* \"$1\"/etc/hostname \"$1\"/etc/.resolv.conf.* \"$1\"/var/lib/dbus/machine-id \"$1\"/var/lib/systemd/random-seed \"$1\"/vmlinuz.old \"$1\"/initrd.img.old",
    ": >\"$1\"/etc/machine-id",

    /* Only of use with LVM; costs seconds of each boot. */
    "chroot \"$1\" systemctl disable e2scrub_reap.service",

    /* mmdebstrap's own settings: packages installed later bring their manual pages again. */
    "rm -f \"$1\"/etc/dpkg/dpkg.cfg.d/99mmdebstrap \"$1\"/etc/apt/apt.conf.d/99mmdebstrap",

    /* systemd.unit(5), ConditionNeedsUpdate=: the packages have just made these caches. */
    "touch \"$1\"/etc/.updated \"$1\"/var/.updated",
};

static const char *const dpkg_options[] = {
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/lib/binfmt.d/python*", /* to run .pyc files by name: a mount for nothing */
    "force-unsafe-io",
};

/* Debian Policy 5.6.7 and apt's "/suite", "=version" and ":arch". */
static bool packages_valid(const char *list)
{
	return strspn(list, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "+.-~:=/,_") == strlen(list) &&
	       *list != '-' && *list != ',' && !strstr(list, ",-");
}

int image_build_command(const struct image_build *b, bool as_root, struct argv *out, struct err *e)
{
	const struct arch *arch = arch_of(b->arch);
	char uefi[BOOTLOADER_TEXT_SIZE], bios[BOOTLOADER_TEXT_SIZE];

	if (b->include && !packages_valid(b->include))
		return err_set(e, EINVAL,
		    "--include \"%s\" is not a list of package names: separate them with commas, without spaces",
		    b->include);
	argv_adds(out, "mmdebstrap", "--variant=minbase", "--format=tar");
	argv_add(out, as_root ? "--mode=root" : "--mode=unshare");
	argv_addf(out, "--architectures=%s", arch->name);
	bootloader_text(bootloader_first(VM_FIRMWARE_UEFI)->package, arch, uefi);
	bootloader_text(bootloader_first(VM_FIRMWARE_BIOS)->package, arch, bios);
	argv_addf(out, "--include=%s,%s,linux-image-%s%s%s%s%s%s", base_packages, uefi,
	    b->generic_kernel ? "" : "cloud-", arch->name, arch->bios ? "," : "",
	    arch->bios ? bios : "", b->include ? "," : "", b->include ? b->include : "");
	argv_add(out, "--aptopt=APT::Install-Recommends \"false\"");
	for (size_t i = 0; i < sizeof(dpkg_options) / sizeof(*dpkg_options); i++)
		argv_addf(out, "--dpkgopt=%s", dpkg_options[i]);
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++)
		argv_addf(out, "--customize-hook=%s", hooks[i]);
	argv_adds(out, b->recipe->suite, "-");
	return out->failed ? err_set(e, ENOMEM, "out of memory") : 0;
}

const char *image_build_stage(const char *line)
{
	static const struct {
		const char *said;
		const char *stage;
	} stages[] = {
	    {"I: running apt-get update", "fetching package lists"},
	    {"I: downloading packages", "downloading packages"},
	    {"I: extracting archives", "unpacking the base system"},
	    {"I: installing essential", "installing the base system"},
	    {"I: installing remaining", "installing packages"},
	    {"I: running --customize-hook", "configuring"},
	    {"I: cleaning package lists", "cleaning up"},
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
		if (!strncmp(line, stages[i].said, strlen(stages[i].said)))
			return stages[i].stage;
	return NULL;
}

/* ---- the child
 * ---------------------------------------------------------------------------------*/

struct child {
	pid_t pid;
	int out; /* the tarball */
	int err; /* what it says */
	char line[512];
	size_t line_len;
	char tail[TAIL_BYTES + 1]; /* the end of what it said, for when it fails */
	size_t tail_len;
	const char *stage;
	struct image_progress *progress; /* NULL once the tarball flows: another owns the line */
	pthread_t thread;
	bool thread_runs;
	int status; /* wait status, once pid is 0 */
};

static int child_start(struct child *c, const struct argv *a, struct err *e)
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC))
		return err_errno(e, "cannot create a pipe");
	if (pipe2(err, O_CLOEXEC)) {
		close(out[0]);
		close(out[1]);
		return err_errno(e, "cannot create a pipe");
	}
	fcntl(out[0], F_SETPIPE_SZ, 1024 * 1024);
	/* Room for all that it says at its end, when nobody listens any more. */
	fcntl(err[0], F_SETPIPE_SZ, 1024 * 1024);
	const struct process p = {.argv = (const char *const *)a->items,
	    .out = out[1],
	    .err = err[1],
	    .listener = err[0]};
	int r = process_start(&p, &c->pid, e);
	close(out[1]);
	close(err[1]);
	c->out = out[0];
	c->err = err[0];
	return r;
}

static void child_line(struct child *c)
{
	const char *stage;

	c->line[c->line_len] = '\0';
	c->line_len = 0;
	stage = c->progress ? image_build_stage(c->line) : NULL;
	if (!stage || stage == c->stage)
		return;
	if (c->stage)
		image_progress_end(c->progress, 0);
	c->stage = stage;
	image_progress_begin(c->progress, stage, 0);
}

/* Takes what mmdebstrap said. Returns false at its end. */
static bool child_listen(struct child *c)
{
	char buf[1024];
	ssize_t n = read(c->err, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR;
	if (n == 0)
		return false;
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n')
			child_line(c);
		else if (c->line_len < sizeof(c->line) - 1)
			c->line[c->line_len++] = buf[i];
	}
	if (c->tail_len + (size_t)n > TAIL_BYTES) {
		size_t drop = c->tail_len + (size_t)n - TAIL_BYTES;
		c->tail_len -= drop;
		memmove(c->tail, c->tail + drop, c->tail_len);
	}
	memcpy(c->tail + c->tail_len, buf, (size_t)n);
	c->tail_len += (size_t)n;
	c->tail[c->tail_len] = '\0';
	return true;
}

/* Shows the stages until the tarball begins or mmdebstrap ends. */
static void child_follow(struct child *c, const struct image_build *b)
{
	struct pollfd fds[2] = {{c->err, POLLIN, 0}, {c->out, POLLIN, 0}};

	c->progress = b->progress;
	while (!*b->cancel) {
		if (poll(fds, 2, 1000) < 0 && errno != EINTR)
			break;
		if (fds[0].revents && child_listen(c))
			continue;
		if (fds[0].revents || fds[1].revents)
			break;
	}
	if (c->stage)
		image_progress_end(c->progress, 0);
	c->progress = NULL;
}

static void *child_listener(void *arg)
{
	struct child *c = arg;

	while (child_listen(c))
		;
	return NULL;
}

/* Waits for its end; closing the pipe makes a mmdebstrap that still writes stop and clean up. */
static void child_end(struct child *c)
{
	if (c->out >= 0)
		close(steal_fd(&c->out));
	if (c->thread_runs)
		pthread_join(c->thread, NULL);
	else
		while (c->err >= 0 && child_listen(c))
			;
	c->thread_runs = false;
	if (c->err >= 0)
		close(steal_fd(&c->err));
	if (c->pid > 0)
		c->status = process_wait(c->pid);
	c->pid = 0;
}

static void print_tail(const struct child *c)
{
	const char *p = c->tail + c->tail_len;

	for (int lines = 0; p > c->tail; p--)
		if (p[-1] == '\n' && ++lines > TAIL_LINES)
			break;
	fprintf(stderr, "--- the last lines of mmdebstrap ---\n%s", p);
	fprintf(stderr, "------------------------------------\n");
}

/* The child's verdict, before the image goes into place. */
static int child_confirm(void *ctx, struct err *e)
{
	struct child *c = ctx;

	child_end(c);
	if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0)
		return 0;
	print_tail(c);
	return err_set(e, EIO, "mmdebstrap failed; its last lines above say why");
}

static int check_host(const struct image_build *b, struct err *e)
{
	if (!process_available("mmdebstrap"))
		return err_set(e, ENOENT,
		    "mmdebstrap is not installed; `apt-get install mmdebstrap` brings it");
	if (b->arch == host_arch())
		return 0;
	if (!host_binfmt(b->arch))
		return err_set(e, ENOEXEC,
		    "this machine cannot run %s programs, which setting up an %s system needs; install qemu-user-static and register it with binfmt_misc (docker/binfmt.sh does)",
		    vm_arch_name(b->arch), vm_arch_name(b->arch));
	if (!process_available("arch-test"))
		return err_set(e, ENOENT,
		    "mmdebstrap needs arch-test for an %s system; `apt-get install arch-test` brings it",
		    vm_arch_name(b->arch));
	return 0;
}

int image_build(const struct image_build *b, struct err *e)
{
	_cleanup_argv_ struct argv command = ARGV_INIT;
	struct child child = {.out = -1, .err = -1};
	struct image_import import = {
	    .images_dir = b->images_dir,
	    .name = b->recipe->name,
	    .arch = b->arch,
	    .reading = "packing the rootfs",
	    .progress = b->progress,
	    .cancel = b->cancel,
	    .confirm = child_confirm,
	    .ctx = &child,
	};
	int rc;

	rc = check_host(b, e);
	if (!rc)
		rc = image_build_command(b, geteuid() == 0, &command, e);
	if (!rc)
		rc = child_start(&child, &command, e);
	if (rc)
		return rc;
	child_follow(&child, b);
	child.thread_runs = !pthread_create(&child.thread, NULL, child_listener, &child);
	import.fd = child.out;
	rc = image_import(&import, e);
	if (child.pid) {
		/* It failed here, perhaps only because mmdebstrap failed there. */
		bool cancelled = *b->cancel;
		if (cancelled)
			kill(-child.pid, SIGTERM);
		child_end(&child);
		if (!cancelled && WIFEXITED(child.status) && WEXITSTATUS(child.status)) {
			struct err first = *e;
			rc = child_confirm(&child, e);
			if (first.code != EBADMSG)
				*e = first;
		}
	}
	return rc;
}
