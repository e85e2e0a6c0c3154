/* memory_map.h - where in a machine's memory something can be put that another kernel is to find
 * there: by /proc/iomem, System RAM without what is reserved in it. Pure.
 */
#ifndef OS_INSTALLER_BOOTLOADER_MEMORY_MAP_H
#define OS_INSTALLER_BOOTLOADER_MEMORY_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct memory_range {
	uint64_t begin, end; /* bytes; `end` is the first that is not in it */
};

/* What is free, ordered and disjoint. More ranges than there is room for are left out. */
#define MEMORY_RANGES_MAX 1024
struct memory_map {
	struct memory_range free[MEMORY_RANGES_MAX];
	size_t count;
};

/* Of the text of /proc/iomem (Documentation/filesystems/proc.rst of the kernel): only what is whole
 * at the outermost level counts as RAM, and in it "reserved" does not. -ENOENT: it tells of no
 * memory, as to who is not root. */
must_check int memory_map_parse(const char *iomem, struct memory_map *out, struct err *e);

/* The lowest place for `size` bytes (not 0), a multiple of `align` (a power of two), that lies in
 * whole below `below`; it is free no more. 0: there is none. */
uint64_t memory_map_take(struct memory_map *m, uint64_t size, uint64_t align, uint64_t below);

#endif
