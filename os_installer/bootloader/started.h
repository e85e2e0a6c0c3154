/* started.h - with what words the installed system's own boot loader starts its kernel: read from
 * its configuration, which the system may have written anew since it was installed.
 */
#ifndef OS_INSTALLER_BOOTLOADER_STARTED_H
#define OS_INSTALLER_BOOTLOADER_STARTED_H

#include "lib/base/err.h"
#include "os_installer/bootloader/kernel.h"

/* The kernel's command line; the caller frees *out. `root_uuid` is the root file system's, for
 * words that name none. -ENOENT when nothing there tells of a kernel. */
must_check int started_cmdline(
    int tree, const struct kernel *k, const char *root_uuid, char **out, struct err *e);

/* ---- pure --------------------------------------------------------------------------------------
 */

/* The words behind the kernel of that file name (without its directory) in a grub.cfg; of the first
 * kernel where none is called so. Words with one of GRUB's variables are left out. NULL: there is
 * no kernel, or no memory; the caller frees it. */
char *started_of_grub(const char *cfg, const char *kernel);

/* The same of an entry by the Boot Loader Specification; NULL also for another kernel's. */
char *started_of_entry(const char *entry, const char *kernel);

#endif
