/* memory.h - the memory modules that an SMBIOS table tells of. Pure. */
#ifndef OS_INSTALLER_INVENTORY_MEMORY_H
#define OS_INSTALLER_INVENTORY_MEMORY_H

#include <jansson.h>
#include <stdint.h>

#include "os_installer/inventory/smbios.h"

/* A new array, and how much those are whose size is known. */
json_t *memory_modules(const struct smbios_table *t, uint64_t *total_bytes);

#endif
