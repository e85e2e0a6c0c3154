#include "vmlab/image/cpio.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

static la_ssize_t pass_on(struct archive *a, void *ctx, const void *data, size_t len)
{
	struct image_cpio *c = ctx;

	if (image_file_write(c->file, data, len, &c->err) == 0)
		return (la_ssize_t)len;
	archive_set_error(a, c->err.code, "%s", c->err.msg);
	return -1;
}

/* What went wrong is our file's, else libarchive's. */
static int check(struct image_cpio *c, int result, struct err *e)
{
	if (result == ARCHIVE_OK)
		return 0;
	if (c->err.code)
		return err_set(e, c->err.code, "%s", c->err.msg);
	const char *why = c->archive ? archive_error_string(c->archive) : NULL;
	return err_set(e, EIO, "cannot write a cpio archive: %s", why ? why : "out of memory");
}

int image_cpio_open(struct image_cpio *c, struct image_file *f, struct err *e)
{
	c->file = f;
	c->archive = archive_write_new();
	int r = !c->archive || archive_write_set_format_cpio_newc(c->archive) ||
		archive_write_set_bytes_per_block(c->archive, 0) ||
		archive_write_open(c->archive, c, NULL, pass_on, NULL);
	return check(c, r, e);
}

static int entry(struct image_cpio *c, const char *path, __LA_MODE_T mode, const void *data,
    size_t len, struct err *e)
{
	struct archive_entry *entry = archive_entry_new();

	if (!entry)
		return err_set(e, ENOMEM, "out of memory");
	archive_entry_set_pathname(entry, path);
	archive_entry_set_mode(entry, mode);
	archive_entry_set_size(entry, (la_int64_t)len);
	archive_entry_set_nlink(entry, 1);
	archive_entry_set_ino(entry, ++c->inode);
	int r = archive_write_header(c->archive, entry);
	if (r == ARCHIVE_OK && archive_write_data(c->archive, data, len) != (la_ssize_t)len)
		r = ARCHIVE_FATAL;
	archive_entry_free(entry);
	return check(c, r, e);
}

int image_cpio_add(
    struct image_cpio *c, const char *path, const void *data, size_t len, struct err *e)
{
	for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
		size_t n = (size_t)(slash - path);

		if (c->last_path && !strncmp(c->last_path, path, n + 1))
			continue;
		_cleanup_free_ char *folder = strndup(path, n);
		int rc = folder ? entry(c, folder, AE_IFDIR | 0755, NULL, 0, e)
				: err_set(e, ENOMEM, "out of memory");
		if (rc)
			return rc;
	}
	free(c->last_path);
	c->last_path = strdup(path);
	if (!c->last_path)
		return err_set(e, ENOMEM, "out of memory");
	return entry(c, path, AE_IFREG | 0644, data, len, e);
}

int image_cpio_end(struct image_cpio *c, struct err *e)
{
	return check(c, archive_write_close(c->archive), e);
}

void image_cpio_clear(struct image_cpio *c)
{
	archive_write_free(c->archive);
	free(steal_ptr(c->last_path));
}
