/* manifest.h - the files of an image's folder, images/<distro>/<arch>/, and its manifest.json,
 * which says what they hold: the one reader and the one writer of it. Pure.
 */
#ifndef LIB_IMAGE_MANIFEST_H
#define LIB_IMAGE_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/digest.h"
#include "lib/base/err.h"
#include "lib/json/read.h"
#include "lib/machine/arch.h"

#define IMAGE_MANIFEST_FILE "manifest.json"
#define IMAGE_KERNEL_FILE "vmlinuz"
#define IMAGE_MODULES_FILE "modules.cpio.zst"

/* What "kind" says of an image that is booted and not installed. */
#define IMAGE_KIND_WORD_BOOT "boot"
#define IMAGE_INITRDS_MAX 8
#define IMAGE_FIRMWARE_MAX 24

/* About 240 GiB of image: every 4 MiB have a digest in it. */
#define IMAGE_MANIFEST_MAX_BYTES (4U << 20)

#define IMAGE_CHUNK_BYTES (4U << 20) /* of images that are made */
#define IMAGE_CHUNK_BYTES_MIN (64U << 10)
#define IMAGE_CHUNK_BYTES_MAX (8U << 20) /* the installer holds three of them in memory */

#define IMAGE_SECTOR_BYTES 512U /* of disks, where a manifest says nothing */
#define IMAGE_SECTOR_BYTES_MAX 4096U

/* A file of it, as it is stored. What is not said is NULL or 0. */
struct image_contents {
	const char *file; /* its name, without a slash */
	uint64_t size_bytes;
	struct digest sha256;

	/* Of the rootfs alone. */
	const char *format;      /* one of image_format_word() */
	uint64_t unpacked_bytes; /* sum of the regular files' sizes; of a disk, its size */
	uint64_t entries;        /* of a disk 0 */
	uint32_t sector_bytes; /* of a disk: by which its table counts; not said where it is 512 */
	uint32_t chunk_bytes;  /* it is verified in slices of this length, the last one shorter */
	size_t chunk_count;
	struct digest *chunks; /* its own */
};

/* What an image of the kind "boot" has: a kernel, a script, an EFI program or an ISO. One that has
 * an EFI program may have a kernel besides, for machines with a BIOS. Files without a name are not
 * there; texts are as boot_args.h takes them. */
struct image_boot {
	struct image_contents kernel, script, unattended_script, efi, iso;
	struct image_contents initrd[IMAGE_INITRDS_MAX];
	unsigned initrds;
	/* What a board's firmware loads besides, by these names: then nothing else boots it. */
	struct image_contents firmware[IMAGE_FIRMWARE_MAX];
	unsigned firmwares;
	const char *args, *unattended_args;
	const char
	    *unattended_format; /* of its unattended file: a word of lib/unattended/format.h */
};

/* Whether it can install without questions. */
bool image_boot_unattended(const struct image_boot *b);

/* All its files, in out[]; returns their number. */
#define IMAGE_BOOT_FILES_MAX (5 + IMAGE_INITRDS_MAX + IMAGE_FIRMWARE_MAX)
size_t image_boot_files(
    const struct image_boot *b, const struct image_contents *out[IMAGE_BOOT_FILES_MAX]);

/* "kernel", "script", "efi", "iso" or "firmware". */
const char *image_boot_form(const struct image_boot *b);

/* What a definition wants of an image. */
enum image_use {
	IMAGE_INSTALLED,
	IMAGE_BOOTED,
	IMAGE_UNATTENDED, /* booted, and it installs without questions */
	IMAGE_FIRMWARE,   /* booted by a board's own firmware */
};

/* Texts and values are borrowed, NULL where nothing is said. */
struct image_manifest {
	const char *distro, *arch;
	const char *created; /* RFC 3339, in UTC: sorts as text */
	const char *os_name;
	const char *kernel_from; /* of a disk: the image whose kernel the installer runs on */
	const char *kernel_version;
	struct image_contents rootfs, kernel, modules;
	bool boots; /* it is of the kind "boot", and of these three it has none */
	struct image_boot boot;
	json_t *provides;          /* words: what of an installation's needs is in the rootfs */
	json_t *network_renderers; /* words: cloud-init's names, the first is the one it takes */
	json_t *adopted;           /* the tarball it was made of (lib/image/adopted.h) */
	json_t *doc;               /* read: its own, what the above is borrowed from */
};

/* For lib/base/words.h: what "format" of its rootfs may be. */
const char *image_format_word(size_t i);

/* How the rootfs of a format that is such a word is called in an image. */
const char *image_format_file(const char *format);

/* Whether such a rootfs is a whole disk. NULL is allowed. */
bool image_format_is_disk(const char *format);

/* Whether "provides" has that word. */
bool image_provides(const struct image_manifest *m, const char *word);

/* Whether it is good for that; else a sentence's end and advice. */
struct image_misuse {
	char what[200], advice[400];
};
bool image_suits(const struct image_manifest *m, enum image_use use, struct image_misuse *out);

/* By which the table of such an image counts. */
uint32_t image_sector_bytes(const struct image_contents *rootfs);

/* Length of slice i. */
uint32_t image_chunk_length(const struct image_contents *rootfs, size_t i);

/* Reads the value of "rootfs", but for its file's name: with `whole` all that an installation has
 * to know of it must be there. All that is wrong is told. image_contents_clear() in any case. */
int image_rootfs_read(
    struct json_reader *r, const json_t *value, bool whole, struct image_contents *out);
void image_contents_clear(struct image_contents *c);

struct image_where {
	int line; /* from 1; 0: the whole text */
	int column;
};

/* Reads the manifest of that folder: what is said must be right and, with `whole`, all must be said
 * that installing it takes. Keys that are not known are left alone: a later version's. 0, or -errno
 * with one sentence and its place. image_manifest_clear() in any case. */
must_check int image_manifest_parse(const char *text, size_t len, const char *distro,
    enum vm_arch arch, bool whole, struct image_manifest *out, struct image_where *where,
    struct err *e);
void image_manifest_clear(struct image_manifest *m);
#define _cleanup_image_manifest_ __attribute__((cleanup(image_manifest_clear)))

/* What the reader reads: a new reference; NULL when out of memory. */
json_t *image_manifest_json(const struct image_manifest *m);

#endif
