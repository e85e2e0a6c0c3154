#include "os_installer/bootloader/grub_core.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512

/* boot.img */
#define KERNEL_SECTOR 0x5c /* 8 bytes: where the core image begins */
#define BOOT_DRIVE 0x64    /* 0xff: the one the BIOS booted from */
#define DRIVE_CHECK 0x66   /* a jump over the check below */
#define SIGNATURE 0x1fe

/* core.img's first sector: a list of extents from its end downwards; one is enough for us. */
#define EXTENT (SECTOR - 12) /* start: 8 bytes, sectors: 2, segment to load to: 2 */
#define EXTENT_SEGMENT 0x820

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | at[i];
	return value;
}

static bool boot_known(const uint8_t *b, size_t len)
{
	return len == SECTOR && get(b + SIGNATURE, 2) == 0xaa55 && get(b + KERNEL_SECTOR, 8) == 1 &&
	       b[BOOT_DRIVE] == 0xff && b[DRIVE_CHECK] == 0xeb;
}

static bool core_known(const uint8_t *c, size_t len)
{
	return len > 2 * SECTOR && len <= 0xffff * SECTOR &&
	       get(c + EXTENT + 10, 2) == EXTENT_SEGMENT && get(c + EXTENT - 12 + 8, 2) == 0;
}

uint8_t *grub_core_prepare(const char *boot, size_t boot_len, const char *core, size_t core_len,
    uint64_t core_lba, uint8_t sector[512], size_t *out_len, struct err *e)
{
	if (!boot_known((const uint8_t *)boot, boot_len) ||
	    !core_known((const uint8_t *)core, core_len)) {
		err_set(
		    e, EINVAL, "GRUB's boot.img or core.img is not of a kind this installer knows");
		return NULL;
	}
	size_t sectors = (core_len + SECTOR - 1) / SECTOR;
	uint8_t *out = calloc(sectors, SECTOR);
	if (!out) {
		err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	memcpy(sector, boot, SECTOR);
	put(sector + KERNEL_SECTOR, core_lba, 8);
	/* Some BIOSes do not say which drive they booted from: no jump over the check of that. */
	put(sector + DRIVE_CHECK, 0x9090, 2);
	memcpy(out, core, core_len);
	put(out + EXTENT, core_lba + 1, 8);
	put(out + EXTENT + 8, sectors - 1, 2);
	*out_len = sectors * SECTOR;
	return out;
}
