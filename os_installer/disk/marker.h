/* marker.h - what a disk says of the install that was finished on it: one sector between the
 * partition table and the first partition, where nothing else is. A server that has forgotten its
 * machines asks for an install of this one again; the marker tells that there is nothing to do.
 *
 * Written last and erased first: it never speaks for a disk that does not boot. Reads disks, writes
 * none (disk.h does).
 */
#ifndef OS_INSTALLER_DISK_MARKER_H
#define OS_INSTALLER_DISK_MARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/definition/disk_choice.h"

#define MARKER_OFFSET (512U << 10) /* layouts begin at 1 MiB, tables end below 32 KiB */
#define MARKER_BYTES 512

struct marker {
	char name[64]; /* the definition's */
	char mac[18];
	char distro[72];
	unsigned attempt; /* the server's number of the install */
};

/* Fills it; texts may be NULL. False without a name and a MAC: it would speak of nobody. */
bool marker_make(
    struct marker *m, const char *name, const char *mac, const char *distro, unsigned attempt);
/* The sector. Pure. */
void marker_render(const struct marker *m, uint8_t sector[MARKER_BYTES]);
/* False when the sector holds no marker, or a damaged one. Pure. */
bool marker_parse(const uint8_t sector[MARKER_BYTES], struct marker *out);
/* Whether it speaks of the machine that this name and MAC (either may be NULL) belong to. */
bool marker_is_of(const struct marker *m, const char *name, const char *mac);

/* Whether the sector at MARKER_OFFSET is free: nothing is in it, and no partition's start below
 * 1 MiB. `start` is the first MiB of a disk of such sectors, as an image brings it along. Pure. */
bool marker_has_place(const uint8_t *start, uint32_t sector_bytes);

/* The first of the disks, those that are left alone not counted, whose marker speaks of this
 * machine; NULL: none. One without a boot record's signature never does. */
const struct disk *marker_find(
    const struct disk *disks, size_t count, const char *name, const char *mac, struct marker *out);

#endif
