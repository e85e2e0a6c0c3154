/* system.h - makes an unpacked image this machine's own system: fstab, name, identity. Works on a
 * tree (tree.h); syncs nothing.
 */
#ifndef OS_INSTALLER_SYSTEM_SYSTEM_H
#define OS_INSTALLER_SYSTEM_SYSTEM_H

#include "lib/base/err.h"
#include "lib/plan/plan.h"
#include "os_installer/base/config.h"
#include "os_installer/system/seed.h"

/* `directory` is where the tree is mounted; programs of the image may be run in a chroot there. */
must_check int system_configure(int tree, const char *directory, const struct config *c,
    const struct plan *p, const struct seed *seed, struct err *e);

/* /etc/fstab for a plan. The caller frees it; NULL: out of memory. */
char *system_fstab(const struct plan *p);

/* /etc/hosts: `old` (may be NULL) with its 127.0.1.1 line replaced or added. The caller frees it.
 */
char *system_hosts(const char *old, const char *hostname);

#endif
