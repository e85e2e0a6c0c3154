/* image.h - the images in images/<distro>/<arch>/: their manifests, read once and watched. Of a
 * folder that another tool filled (lib/image/adopted.h) the manifest is where the stack made one.
 *
 * An image counts only when everything its manifest names is there with the right size. That is
 * looked up at most once a second for each image; contents are the installer's to verify.
 */
#ifndef BOOT_HANDLER_SOURCES_IMAGE_H
#define BOOT_HANDLER_SOURCES_IMAGE_H

#include "lib/image/boot_image.h"
#include "lib/image/files.h"
#include "lib/image/image_advice.h"
#include "lib/image/manifest.h"

struct images;

/* `made`: where manifests are made for folders that have none; NULL: nowhere. `backups`: images of
 * machines' disks (backup.h), which are looked for where `dir` has none; NULL: nowhere.
 * `installers`: where <arch>/initrd.zst are, without which nothing of that architecture can be
 * installed; NULL when that is not known. All are borrowed. */
must_check int images_new(const char *dir, const char *made, const char *backups,
    const char *installers, struct images **out, struct err *e);
void images_free(struct images *im);

/* True when the image is complete, and one that is installed. Nearly always one atomic read; any
 * thread. */
bool images_has(struct images *im, const char *distro, enum vm_arch arch);
/* What is missing, and what to do about it; empty when nothing is. */
struct image_missing {
	char what[IMAGE_LACK_SIZE];
	char advice[IMAGE_ADVICE_SIZE];
};

/* The boot image, when it is complete and good for that use: NULL else. What is returned stays for
 * a minute at least. Nearly always atomic reads only; any thread. */
const struct boot_image *images_boot(
    struct images *im, const char *name, enum vm_arch arch, enum image_use use);

/* What is known of an image without reading it again. */
struct image_facts {
	bool complete;   /* and good for what it is wanted for */
	bool cloud_init; /* it says so itself */
	struct image_missing missing;
};

/* Any thread. */
void images_facts(struct images *im, const char *distro, enum vm_arch arch, enum image_use use,
    struct image_facts *out);
/* Its manifest, but for the sums of slices: image_manifest_clear() in any case. 0, or
 * -ENOENT with the sentence above. */
/* What there is to say of it to a person. */
struct image_told {
	bool complete; /* all its files are there, of the right sizes */
	struct image_missing missing;
	uint64_t size_bytes;               /* of its files; 0: not known */
	char kernel[64];                   /* its version; "": not known, or it has none of ours */
	char form[16];                     /* how it is booted; "": it is installed */
	char created[32];                  /* RFC 3339; "": not known */
	char sha256[2 * DIGEST_BYTES + 1]; /* of its rootfs, by the manifest; "": it has none */
};
void images_tell(struct images *im, const char *distro, enum vm_arch arch, struct image_told *out);
/* Where its files are, its rootfs not counted: "" when it cannot be used. */
void images_folder(
    struct images *im, const char *distro, enum vm_arch arch, char *out, size_t size);
must_check int images_get(struct images *im, const char *distro, enum vm_arch arch,
    struct image_manifest *out, struct err *e);

/* 0 when the folder itself can be read. */
must_check int images_readable(struct images *im, struct err *e);

/* Reads every manifest of the folder; problem() gets each that is wrong. Returns their number or
 * -errno when the folder cannot be read. */
must_check int images_check(struct images *im,
    void (*problem)(void *ctx, const char *file, int line, int column, const char *text), void *ctx,
    struct err *e);

#endif
