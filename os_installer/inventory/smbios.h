/* smbios.h - the SMBIOS table (DMTF DSP0134, 6.1) as firmware wrote it: any bytes at all. Pure. */
#ifndef OS_INSTALLER_INVENTORY_SMBIOS_H
#define OS_INSTALLER_INVENTORY_SMBIOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMBIOS_MAX_BYTES (256U << 10)

enum { SMBIOS_PROCESSOR = 4, SMBIOS_MEMORY_DEVICE = 17, SMBIOS_END = 127 };

struct smbios_table {
	uint8_t *bytes; /* NULL: none */
	size_t len;
};

#define _cleanup_smbios_ __attribute__((cleanup(smbios_clear)))

/* Reads <root>/sys/firmware/dmi/tables/DMI; nothing in it where there is none. */
struct smbios_table smbios_read(const char *root);
void smbios_clear(struct smbios_table *t);

/* One structure; borrowed from the table. */
struct smbios_entry {
	uint8_t type;
	const uint8_t *fields; /* with its header: offsets are the specification's */
	size_t fields_len;
	const uint8_t *strings; /* behind them */
	size_t strings_len;
};

/* The structure at *at, which is moved on to the next. False at the end, or where what follows is
 * no structure. */
bool smbios_next(const struct smbios_table *t, size_t *at, struct smbios_entry *out);

/* The little-endian number of `bytes` (at most 8) at `offset`; 0 where the structure is shorter. */
uint64_t smbios_number(const struct smbios_entry *s, size_t offset, size_t bytes);

/* The string whose number is at `offset`, cleaned; "" where there is none. Returns buf. */
const char *smbios_text(const struct smbios_entry *s, size_t offset, char *buf, size_t size);

#endif
