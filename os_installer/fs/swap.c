#include "os_installer/fs/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "os_installer/disk/device.h"
#include "os_installer/fs/fs.h"

/* union swap_header of linux/swap.h. */
void swap_header(
    const char *label, const char *uuid, uint64_t device_bytes, size_t page_bytes, uint8_t *page)
{
	uint32_t version = 1, last_page = (uint32_t)(device_bytes / page_bytes - 1);
	size_t n = 0;

	memset(page, 0, page_bytes);
	memcpy(page + 1024, &version, sizeof(version));
	memcpy(page + 1028, &last_page, sizeof(last_page));
	for (const char *s = uuid; *s && n < 16; s++) {
		unsigned byte;
		if (*s != '-' && sscanf(s, "%2x", &byte) == 1) {
			page[1036 + n++] = (uint8_t)byte;
			s++;
		}
	}
	memcpy(page + 1052, label, strnlen(label, 16));
	memcpy(page + page_bytes - 10, "SWAPSPACE2", 10);
}

static int make(const struct plan_partition *part, uint64_t bytes, struct err *e)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	_cleanup_free_ uint8_t *page = malloc(page_bytes);

	if (!page)
		return err_set(e, ENOMEM, "out of memory");
	_cleanup_close_ int fd = device_open(part->path, O_EXCL, e);
	if (fd < 0)
		return fd;
	swap_header(part->label, part->fs_uuid, bytes, page_bytes, page);
	if (device_write(fd, page, page_bytes, 0) < 0)
		return err_errno(e, "cannot write to %s", part->path);
	return 0;
}

const struct fs_kind fs_swap = {
    .name = "swap",
    .gpt_type = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
    .make = make,
};
