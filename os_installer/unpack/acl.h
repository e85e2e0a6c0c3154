/* acl.h - access control lists of an archive's entries, by number.
 *
 * GNU tar names the users of an ACL by the names of the machine that made the archive, which mean
 * nothing here. It also stores the list as the kernel has it, with numbers, among the extended
 * attributes, where libarchive ignores it.
 */
#ifndef OS_INSTALLER_UNPACK_ACL_H
#define OS_INSTALLER_UNPACK_ACL_H

#include <archive_entry.h>

/* Replaces the lists of an entry by those among its extended attributes, where there are any. What
 * makes no sense is left as it was. */
void unpack_acl_adopt(struct archive_entry *entry);

#endif
