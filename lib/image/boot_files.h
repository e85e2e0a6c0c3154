/* boot_files.h - how distributions name kernel and initramfs, and what makes an initramfs: what the
 * installer looks for, and what `vmlab image import` therefore looks for in a tarball. Pure.
 */
#ifndef LIB_IMAGE_BOOT_FILES_H
#define LIB_IMAGE_BOOT_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define BOOT_FILE_SIZE 300
#define BOOT_VERSION_SIZE 129

enum boot_file { BOOT_FILE_KERNEL, BOOT_FILE_INITRAMFS };

/* The n-th path at which a file for this kernel version may be, the likeliest first; false when
 * there are no more. A name may hold the version (vmlinuz-6.12.1-amd64) or only its flavour, from a
 * hyphen and a letter on (Alpine: vmlinuz-virt for 6.6.31-0-virt). */
bool boot_file_path(enum boot_file file, unsigned n, const char *version, char out[BOOT_FILE_SIZE]);

struct initramfs_tool {
	const char *program;  /* path in the tree */
	const char *argv[10]; /* "%v": the kernel's version, "%k": what follows "vmlinuz-" */
	/* What its initramfs has to be told on the kernel's command line; "%f": the root's file
	 * system. NULL: nothing. */
	const char *arguments;
};
extern const struct initramfs_tool initramfs_tools[];
extern const size_t initramfs_tool_count;

/* Writes `format` with its "%v", "%k" and "%f" replaced. */
void boot_text_expand(const char *format, const char *version, const char *kernel, const char *fs,
    char out[BOOT_FILE_SIZE]);

#endif
