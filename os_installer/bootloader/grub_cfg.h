/* grub_cfg.h - writes GRUB's configuration. The only place that does: every value is checked or
 * quoted for GRUB's language here, so none can become a command.
 *
 * Pure: values in, text out.
 */
#ifndef OS_INSTALLER_BOOTLOADER_GRUB_CFG_H
#define OS_INSTALLER_BOOTLOADER_GRUB_CFG_H

#include "lib/base/err.h"

struct grub_cfg {
	const char *title;     /* of the menu entry; any text */
	const char *boot_uuid; /* of the file system that holds /boot */
	const char *kernel;    /* path on that one, e.g. "/boot/vmlinuz-6.12" */
	const char *initramfs; /* path, or NULL */
	const char *cmdline;   /* the kernel's (kernel.h) */
};

/* grub.cfg as text; the caller frees *out. -EINVAL when a value cannot be written safely. */
must_check int grub_cfg_render(const struct grub_cfg *c, char **out, struct err *e);

/* The few lines beside a boot image on the EFI partition that find grub.cfg in `directory` of the
 * file system that holds /boot. */
must_check int grub_cfg_render_stub(
    const char *boot_uuid, const char *directory, char **out, struct err *e);

/* A fragment for /etc/default/grub.d, so that the system's own update-grub keeps our arguments. */
must_check int grub_cfg_render_defaults(
    const char *console, const char *kernel_args, char **out, struct err *e);

#endif
