#include "unpack_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#include "cleanup.h"

struct reader {
	const struct unpack_source *source;
	struct err *e;
	int failed; /* -errno of the source */
};

static la_ssize_t on_read(struct archive *a, void *ctx, const void **data)
{
	struct reader *r = ctx;
	const uint8_t *bytes = NULL;
	uint32_t len = 0;
	int got = r->source->next(r->source->ctx, &bytes, &len, r->e);

	if (got < 0) {
		r->failed = got;
		archive_set_error(a, -got, "%s", r->e->msg);
		return -1;
	}
	*data = bytes;
	return got == 0 ? 0 : (la_ssize_t)len;
}

static void archive_read_cleanup(struct archive **a)
{
	archive_read_free(*a);
}

static int unreadable(struct reader *r, struct archive *in)
{
	const char *text = archive_error_string(in);

	return r->failed ? r->failed
			 : err_set(r->e, archive_errno(in) == ENOMEM ? ENOMEM : EBADMSG,
			       "the disk image cannot be unpacked: %s", text ? text : "unknown error");
}

static int all_write(struct reader *r, struct archive *in, struct disk_image *image,
    struct unpack_counters *counters)
{
	const void *data;
	size_t len;
	la_int64_t offset;

	for (;;) {
		int rc = archive_read_data_block(in, &data, &len, &offset);
		if (rc == ARCHIVE_EOF)
			return disk_image_finish(image, r->e);
		if (rc < ARCHIVE_WARN)
			return unreadable(r, in);
		if ((rc = disk_image_write(image, data, len, r->e)) < 0)
			return rc;
		atomic_fetch_add_explicit(&counters->bytes, len, memory_order_relaxed);
	}
}

int unpack_image(const struct unpack_source *source, struct disk_image *image,
    struct unpack_counters *counters, struct err *e)
{
	_cleanup_(archive_read_cleanup) struct archive *in = archive_read_new();
	struct reader reader = {.source = source, .e = e};
	struct archive_entry *entry;
	const uint8_t *data;
	uint32_t len;
	int r;

	if (!in)
		return err_set(e, ENOMEM, "out of memory");
	archive_read_support_format_raw(in);
	archive_read_support_filter_zstd(in);
	archive_read_support_filter_gzip(in);
	archive_read_support_filter_xz(in);
	if (archive_read_open2(in, &reader, NULL, on_read, NULL, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(in, &entry) < ARCHIVE_WARN)
		return unreadable(&reader, in);
	if ((r = all_write(&reader, in, image, counters)) < 0)
		return reader.failed ? reader.failed : r;
	while ((r = source->next(source->ctx, &data, &len, e)) > 0)
		;
	return r;
}
