/* scan.h - looks into a rootfs tarball while it passes by, once.
 *
 * The entries of a tarball come in any order: modules.dep may follow the modules, the kernel may be
 * the last. So everything that may turn out to be needed (kernels, modules as they are, compressed,
 * depmod's files) is put aside in one unlinked spool file, at most IMAGE_SPOOL_MAX_BYTES of it; all
 * else is only counted. Memory stays small and independent of the tarball's size.
 */
#ifndef VMLAB_IMAGE_SCAN_H
#define VMLAB_IMAGE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/definition/vm.h"
#include "lib/image/bootloader.h"
#include "vmlab/image/source.h"
#include "vmlab/image/top.h"

#define IMAGE_SPOOL_MAX_BYTES (2LL * 1024 * 1024 * 1024)

/* What an installation needs from the rootfs itself. */
enum image_part {
	IMAGE_PART_CLOUD_INIT,
	IMAGE_PART_SSHD,
	IMAGE_PART_INITRAMFS_TOOL,
	/* What cloud-init can write a network's configuration for, in the order in which it
	   chooses. */
	IMAGE_PART_ENI,
	IMAGE_PART_SYSCONFIG,
	IMAGE_PART_NETPLAN,
	IMAGE_PART_NETWORK_MANAGER,
	IMAGE_PART_NETWORKD,
	IMAGE_PART_COUNT
};

/* A file put aside. Paths here have no leading "./" and, where /lib is merged, no "usr/". */
struct image_member {
	char *path;
	uint64_t offset;
	uint64_t size_bytes;
};

struct image_scan {
	uint64_t entries;
	uint64_t unpacked_bytes; /* sum of the regular files' sizes */
	struct image_member *members;
	size_t member_count;
	size_t member_room;
	char **initramfs; /* paths below boot/ */
	size_t initramfs_count;
	char *kernel_link; /* where /vmlinuz or /boot/vmlinuz points to, base name */
	char *os_name;     /* PRETTY_NAME of os-release */
	bool has[IMAGE_PART_COUNT];
	unsigned loader_files[BOOTLOADER_COUNT][VM_ARCH_COUNT]; /* bits of the rows' files */
	bool loader_program[BOOTLOADER_COUNT];
	bool (*also)(const char *path); /* more files that are needed; NULL: none */
	bool or_disk; /* a disk would be taken as well: for what is said of neither */
	struct image_top top;
	unsigned elf_machine; /* e_machine of the first program seen, 0: none */
	int spool_fd;
	uint64_t spool_bytes;
};

/* Creates the spool file in dirfd. */
must_check int image_scan_init(struct image_scan *s, int dirfd, struct err *e);
void image_scan_clear(struct image_scan *s);

/* Reads the tarball to its end and checks that it was whole. `decoded`, when given, sees each
 * decompressed byte in order; `progress`, when given, is called now and then. */
must_check int image_scan_run(struct image_scan *s, struct image_source *source,
    int (*decoded)(void *ctx, const void *data, size_t len, struct err *e),
    void (*progress)(void *ctx), void *ctx, struct err *e);

const struct image_member *image_scan_find(const struct image_scan *s, const char *path);

/* Reads a member into *data (caller frees; a NUL follows). With `unpack`, .xz, .zst and .gz are
 * decompressed. */
must_check int image_scan_load(const struct image_scan *s, const struct image_member *m,
    bool unpack, char **data, size_t *len, struct err *e);

/* The kernel to install with and its version (*version, caller frees): the one that /vmlinuz points
 * to, else the newest, among those that have modules. -EINVAL with a sentence that says what is
 * missing. */
must_check int image_scan_kernel(
    const struct image_scan *s, const struct image_member **kernel, char **version, struct err *e);

/* True when /boot holds a kernel by a name that the installer looks for. */
bool image_scan_has_boot_kernel(const struct image_scan *s);

/* True when the rootfs has an initramfs for this kernel version. */
bool image_scan_has_initramfs(const struct image_scan *s, const char *version);

/* 0 when the programs in the rootfs are for `arch` or there are none to tell by; else -EINVAL. */
must_check int image_scan_check_arch(const struct image_scan *s, enum vm_arch arch, struct err *e);

/* Whether a system of it can start by such a firmware. */
bool image_scan_has_loader(
    const struct image_scan *s, enum vm_firmware firmware, enum vm_arch arch);

#endif
