/* swap.h - Linux's swap header, which is all that a swap area is made of. */
#ifndef OS_INSTALLER_FS_SWAP_H
#define OS_INSTALLER_FS_SWAP_H

#include <stddef.h>
#include <stdint.h>

/* For a device of that size: version 1, in the first page. Pure. */
void swap_header(
    const char *label, const char *uuid, uint64_t device_bytes, size_t page_bytes, uint8_t *page);

#endif
