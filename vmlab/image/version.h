/* version.h - which of two kernel versions is newer. Pure. */
#ifndef VMLAB_IMAGE_VERSION_H
#define VMLAB_IMAGE_VERSION_H

/* Compares as Debian Policy 5.6.12 does: runs of digits by value, '~' before everything even the
 * end, letters before other characters. Returns <0, 0 or >0. */
int image_version_compare(const char *a, const char *b);

#endif
