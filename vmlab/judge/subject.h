/* subject.h - a definition together with its image and this machine, as far as it can be judged
 * before anything starts: what `vmlab plan` lays out and what preflight.h warns about.
 */
#ifndef VMLAB_JUDGE_SUBJECT_H
#define VMLAB_JUDGE_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/image/bootloader.h"
#include "lib/image/image_advice.h"
#include "lib/image/manifest.h"
#include "lib/image/own_kernel.h"
#include "lib/plan/plan.h"
#include "lib/image/files.h"
#include "vmlab/lab/lab.h"

struct subject {
	const struct vm *vm; /* borrowed */
	bool has_image;
	struct image_misuse misuse; /* of the image, for what its mode wants of it */
	struct image_manifest image;
	struct storage storage;
	struct plan_request request;
	struct disk_match match; /* with by_match */
	bool by_match; /* its disk is whichever of a machine matches; nobody said a size */
	char advice[IMAGE_ADVICE_SIZE]; /* without an image, or a file of it: how to come by it */
	char lack[IMAGE_LACK_SIZE];     /* a file of the image, a sentence; "": all are there */
	char unreadable[400];           /* of the image's files, a sentence; "": all can be read */
	struct own_kernel_gap own_gaps[OWN_KERNEL_FILES];
	unsigned own_gap_count; /* files of its own that it boots and that are not there */
	bool adopted;           /* no image, but a rootfs that the stack makes one of */
	bool backup;            /* the image is one that the lab's stack made of a machine's disk */
	bool backups_silent; /* no image, unless the stack, which does not answer, has such a one */
	char menu_lack[600]; /* why its menu cannot begin with "menu_default"; "": it can */
	unsigned host_cpus;
	uint64_t host_memory_bytes; /* 0: not known */
};

#define SUBJECT_INIT {0}

/* No image is no error; a broken one is. subject_clear() in any case. */
must_check int subject_load(
    const struct lab *lab, const struct vm *vm, struct subject *s, struct err *e);
void subject_clear(struct subject *s);
#define _cleanup_subject_ __attribute__((cleanup(subject_clear)))

/* Such an image brings its partitions along. */
bool subject_is_whole_disk(const struct subject *s);

/* The size of the disk that it is installed on, or the least that its match takes; 0: not known. */
uint64_t subject_disk_bytes(const struct subject *s);

/* Divides a disk of that size as the installer would. */
must_check int subject_plan(
    const struct subject *s, uint64_t disk_bytes, struct plan *out, struct err *e);

/* True, and what a manifest would call it ("grub-x86_64-efi"), when the image is known to have no
 * boot loader for the machine's firmware. */
bool subject_lacks_loader(const struct subject *s, char word[BOOTLOADER_TEXT_SIZE]);

#endif
