/* kernel_version.h - which of two kernel versions is newer. Pure. */
#ifndef LIB_IMAGE_KERNEL_VERSION_H
#define LIB_IMAGE_KERNEL_VERSION_H

/* Compares as Debian Policy 5.6.12 does: runs of digits by value, '~' before everything even the
 * end, letters before other characters. Returns <0, 0 or >0. */
int kernel_version_compare(const char *a, const char *b);

#endif
