#include "os_installer/bootloader/kexec.h"

#include <errno.h>
#include <linux/kexec.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "os_installer/system/tree.h"

int kexec_load(int tree, const char *kernel, const char *initramfs, const char *cmdline,
    struct err *e)
{
	unsigned long flags = initramfs ? 0 : KEXEC_FILE_NO_INITRAMFS;
	_cleanup_close_ int kernel_fd = tree_file(tree, kernel, e);

	if (kernel_fd < 0)
		return kernel_fd;
	_cleanup_close_ int initramfs_fd = initramfs ? tree_file(tree, initramfs, e) : -1;
	if (initramfs && initramfs_fd < 0)
		return initramfs_fd;
	if (syscall(SYS_kexec_file_load, kernel_fd, initramfs_fd, strlen(cmdline) + 1, cmdline,
		flags) < 0)
		return err_errno(e, "this kernel does not start another one (kexec)");
	return 0;
}
