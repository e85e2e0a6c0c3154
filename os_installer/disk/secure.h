/* secure.h - has a disk erase itself, spare blocks and all: NVMe's Format NVM (NVM Express base
 * specification 2.0, 5.14) and ATA's SECURITY ERASE UNIT (ACS-4, 7.37) through SCSI's ATA
 * PASS-THROUGH (16) (SAT-4, 12.2.3).
 */
#ifndef OS_INSTALLER_DISK_SECURE_H
#define OS_INSTALLER_DISK_SECURE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/definition/disk_choice.h"

/* What a disk is locked with between ATA's commands; should the power go just then, it is unlocked
 * with this. */
#define SECURE_PASSWORD "vmlab"

/* ioctl(2), or what a test has in its place. */
typedef int (*secure_ioctl)(int fd, unsigned long request, void *arg);

struct secure_way {
	char text[64];      /* "NVMe format, cryptographic" */
	unsigned about_min; /* what the disk says it takes; 0: it does not */
	bool locks;         /* it has SECURE_PASSWORD while it does so */
	/* private: */
	bool nvme, enhanced;
	uint32_t format; /* NVMe: the command's dword 10 */
	uint32_t namespace_id;
};

/* Whether it can, and how it would: -ENOTSUP, with the reason, also where it would erase another
 * disk, too. Changes nothing. `fd` is the disk. */
must_check int secure_look(
    int fd, const struct disk *d, secure_ioctl call, struct secure_way *out, struct err *e);

/* Does it and waits for its end, which no signal hastens. */
must_check int secure_erase(
    int fd, const struct disk *d, const struct secure_way *way, secure_ioctl call, struct err *e);

/* ioctl(2) itself. */
int secure_ioctl_real(int fd, unsigned long request, void *arg);

#endif
