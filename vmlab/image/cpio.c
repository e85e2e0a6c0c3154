#include "vmlab/image/cpio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"

#define HEADER_BYTES 110
#define TRAILER "TRAILER!!!"

static int pad(struct image_cpio *c, size_t written, struct err *e)
{
	static const char zeros[4];
	size_t n = (4 - written % 4) % 4;

	return n ? image_file_write(c->file, zeros, n, e) : 0;
}

static int entry(struct image_cpio *c, const char *path, size_t path_len, unsigned mode,
    const void *data, size_t len, struct err *e)
{
	char header[HEADER_BYTES + 1];
	_cleanup_free_ char *name = strndup(path, path_len);
	int rc;

	if (!name)
		return err_set(e, ENOMEM, "out of memory");
	if (len > UINT32_MAX)
		return err_set(e, EFBIG, "%s is too large for a cpio archive", name);
	/* magic, inode, mode, uid, gid, links, time, size, device and rdevice numbers, name, sum */
	snprintf(header, sizeof(header),
	    "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", mode ? ++c->inode : 0U,
	    mode, 0U, 0U, 1U, 0U, (unsigned)len, 0U, 0U, 0U, 0U, (unsigned)path_len + 1, 0U);
	rc = image_file_write(c->file, header, HEADER_BYTES, e);
	if (!rc)
		rc = image_file_write(c->file, name, path_len + 1, e);
	if (!rc)
		rc = pad(c, HEADER_BYTES + path_len + 1, e);
	if (!rc && len)
		rc = image_file_write(c->file, data, len, e);
	if (!rc)
		rc = pad(c, len, e);
	return rc;
}

int image_cpio_add(
    struct image_cpio *c, const char *path, const void *data, size_t len, struct err *e)
{
	for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
		size_t n = (size_t)(slash - path);
		int rc;

		if (c->last_path && !strncmp(c->last_path, path, n + 1))
			continue;
		rc = entry(c, path, n, S_IFDIR | 0755, NULL, 0, e);
		if (rc)
			return rc;
	}
	free(c->last_path);
	c->last_path = strdup(path);
	if (!c->last_path)
		return err_set(e, ENOMEM, "out of memory");
	return entry(c, path, strlen(path), S_IFREG | 0644, data, len, e);
}

int image_cpio_end(struct image_cpio *c, struct err *e)
{
	return entry(c, TRAILER, strlen(TRAILER), 0, NULL, 0, e);
}

void image_cpio_clear(struct image_cpio *c)
{
	free(steal_ptr(c->last_path));
}
