#include "vmlab/image/build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/process.h"
#include "lib/image/bootloader.h"
#include "vmlab/lab/host.h"
#include "vmlab/image/import.h"
#include "vmlab/image/mmdebstrap.h"

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
    "path-exclude=/usr/lib/grub/*-signed/gcd*", /* signed GRUBs for CDs and the network */
    "path-exclude=/usr/lib/grub/*-signed/grubnet*",
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

/* A comma before each. */
static void loader_packages(
    const struct arch *arch, char out[BOOTLOADER_COUNT * BOOTLOADER_TEXT_SIZE])
{
	char text[BOOTLOADER_TEXT_SIZE];
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < BOOTLOADER_COUNT; i++)
		if (bootloader_suits(&bootloader_kinds[i], arch))
			used += (size_t)snprintf(out + used,
			    BOOTLOADER_COUNT * BOOTLOADER_TEXT_SIZE - used, ",%s",
			    bootloader_text(bootloader_kinds[i].package, arch, text));
}

int image_build_command(const struct image_build *b, bool as_root, struct argv *out, struct err *e)
{
	const struct arch *arch = arch_of(b->arch);
	char packages[BOOTLOADER_COUNT * BOOTLOADER_TEXT_SIZE];

	if (b->include && !packages_valid(b->include))
		return err_set(e, EINVAL,
		    "--include \"%s\" is not a list of package names: separate them with commas, without spaces",
		    b->include);
	argv_adds(out, "mmdebstrap", "--variant=minbase", "--format=tar");
	argv_add(out, as_root ? "--mode=root" : "--mode=unshare");
	argv_addf(out, "--architectures=%s", arch->name);
	loader_packages(arch, packages);
	argv_addf(out, "--include=%s%s,linux-image-%s%s%s%s", base_packages, packages,
	    b->generic_kernel ? "" : "cloud-", arch->name, b->include ? "," : "",
	    b->include ? b->include : "");
	argv_add(out, "--aptopt=APT::Install-Recommends \"false\"");
	for (size_t i = 0; i < sizeof(dpkg_options) / sizeof(*dpkg_options); i++)
		argv_addf(out, "--dpkgopt=%s", dpkg_options[i]);
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++)
		argv_addf(out, "--customize-hook=%s", hooks[i]);
	argv_adds(out, b->recipe->suite, "-");
	return out->failed ? err_set(e, ENOMEM, "out of memory") : 0;
}

static int check_host(const struct image_build *b, struct err *e)
{
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

static int read_tarball(void *ctx, struct mmdebstrap *child, struct err *e)
{
	const struct image_build *b = ctx;
	struct image_import import = {
	    .images_dir = b->images_dir,
	    .name = b->recipe->name,
	    .arch = b->arch,
	    .reading = "packing the rootfs",
	    .progress = b->progress,
	    .cancel = b->cancel,
	    .confirm = mmdebstrap_confirm,
	    .ctx = child,
	    .fd = child->out,
	};

	return image_import(&import, e);
}

int image_build(const struct image_build *b, struct err *e)
{
	_cleanup_argv_ struct argv command = ARGV_INIT;
	int rc = check_host(b, e);

	if (!rc)
		rc = image_build_command(b, geteuid() == 0, &command, e);
	return rc ? rc
		  : mmdebstrap_run(&command, b->progress, b->cancel, read_tarball, (void *)b, e);
}
