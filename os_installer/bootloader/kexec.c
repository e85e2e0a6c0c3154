#include "os_installer/bootloader/kexec.h"

#include <errno.h>
#include <linux/kexec.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/bootloader/kexec_parts.h"
#include "os_installer/system/tree.h"

#define CMDLINE_SIZE 2048 /* what kernels take */

int kexec_load(
    int tree, const char *kernel, const char *initramfs, const char *cmdline, struct err *e)
{
	unsigned long flags = initramfs ? 0 : KEXEC_FILE_NO_INITRAMFS;
	if (strlen(cmdline) >= CMDLINE_SIZE)
		return err_set(e, E2BIG, "the kernel's arguments are too long");
	_cleanup_close_ int kernel_fd = tree_file(tree, kernel, e);

	if (kernel_fd < 0)
		return kernel_fd;
	_cleanup_close_ int initramfs_fd = initramfs ? tree_file(tree, initramfs, e) : -1;
	if (initramfs && initramfs_fd < 0)
		return initramfs_fd;
	if (syscall(SYS_kexec_file_load, kernel_fd, initramfs_fd, strlen(cmdline) + 1, cmdline,
		flags) == 0)
		return 0;
	if (errno == ENOSYS)
		return kexec_parts_load(kernel_fd, initramfs_fd, cmdline, e);
	return err_errno(e, "this kernel does not start another one (kexec)");
}

void kexec_decline(enum vm_after *after, const char *why)
{
	if (*after != VM_AFTER_KEXEC)
		return;
	log_warn("no kexec, the machine reboots instead: %s", why);
	*after = VM_AFTER_REBOOT;
}

void kexec_prepare(enum vm_after *after, const struct bootloader *b)
{
	struct err e = ERR_INIT;

	if (*after != VM_AFTER_KEXEC)
		return;
	if (kexec_load(b->tree, b->kernel.path, b->kernel.initramfs, b->cmdline, &e) < 0)
		kexec_decline(after, e.msg);
}
