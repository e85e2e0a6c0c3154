#include "unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <langinfo.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "log.h"

#define WARNINGS_MAX 20

/* libarchive converts the UTF-8 names of pax headers to the locale's character set, and a static
 * program in a bare initramfs has no locale but "C", where that fails for everything but ASCII.
 * File names are bytes: saying that the locale is UTF-8 makes the conversion the identity. The
 * linker puts this in place of nl_langinfo() (-Wl,--wrap=nl_langinfo). */
char *__real_nl_langinfo(nl_item item);
char *__wrap_nl_langinfo(nl_item item);
char *__wrap_nl_langinfo(nl_item item)
{
	static char utf8[] = "UTF-8";

	return item == CODESET ? utf8 : __real_nl_langinfo(item);
}

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

static void archive_write_cleanup(struct archive **a)
{
	archive_write_free(*a);
}

static const char *problem(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text ? text : "unknown error";
}

static int entry_failed(struct archive *a, struct archive_entry *entry, struct err *e)
{
	const char *path = archive_entry_pathname(entry);
	int code = archive_errno(a);

	return err_set(e, code > 0 ? code : EIO, "cannot unpack %.300s: %s", path ? path : "?",
	    problem(a));
}

static int data_copy(struct archive *in, struct archive *out, struct archive_entry *entry,
    struct unpack_counters *counters, struct err *e)
{
	const void *data;
	size_t len;
	la_int64_t offset;

	for (;;) {
		int r = archive_read_data_block(in, &data, &len, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return entry_failed(in, entry, e);
		if (archive_write_data_block(out, data, len, offset) < ARCHIVE_WARN)
			return entry_failed(out, entry, e);
		atomic_fetch_add_explicit(&counters->bytes, len, memory_order_relaxed);
	}
}

static int entry_unpack(struct archive *in, struct archive *out, struct archive_entry *entry,
    struct unpack_counters *counters, unsigned *warnings, struct err *e)
{
	atomic_fetch_add_explicit(&counters->entries, 1, memory_order_relaxed);
	switch (archive_entry_hardlink(entry) ? AE_IFREG : archive_entry_filetype(entry)) {
	case AE_IFREG:
	case AE_IFDIR:
	case AE_IFLNK:
	case AE_IFIFO:
		break;
	default:
		atomic_fetch_add_explicit(&counters->dropped, 1, memory_order_relaxed);
		return 0;
	}

	int r = archive_write_header(out, entry);
	if (r < ARCHIVE_WARN)
		return entry_failed(out, entry, e);
	if (r == ARCHIVE_WARN && (*warnings)++ < WARNINGS_MAX)
		log_warn("unpacking %s: %s", archive_entry_pathname(entry), problem(out));
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0) {
		int rc = data_copy(in, out, entry, counters, e);
		if (rc < 0)
			return rc;
	}
	r = archive_write_finish_entry(out);
	if (r < ARCHIVE_WARN)
		return entry_failed(out, entry, e);
	if (r == ARCHIVE_WARN && (*warnings)++ < WARNINGS_MAX)
		log_warn("unpacking %s: %s", archive_entry_pathname(entry), problem(out));
	return 0;
}

static int entries_unpack(struct archive *in, struct archive *out, struct unpack_counters *counters,
    struct reader *reader, struct err *e)
{
	struct archive_entry *entry;
	unsigned warnings = 0;

	for (;;) {
		int r = archive_read_next_header(in, &entry);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN && reader->failed)
			return reader->failed; /* e was filled by the source */
		if (r < ARCHIVE_WARN)
			return err_set(e, EBADMSG, "the archive cannot be read: %s", problem(in));
		if (r == ARCHIVE_WARN && warnings++ < WARNINGS_MAX)
			log_warn("reading the archive: %s", problem(in));
		int rc = entry_unpack(in, out, entry, counters, &warnings, e);
		if (rc < 0)
			return reader->failed ? reader->failed : rc;
	}
	if (archive_write_close(out) < ARCHIVE_WARN)
		return err_set(e, EIO, "cannot finish unpacking: %s", problem(out));
	return 0;
}

static int source_drain(const struct unpack_source *source, struct err *e)
{
	const uint8_t *data;
	uint32_t len;
	int r;

	while ((r = source->next(source->ctx, &data, &len, e)) > 0)
		;
	return r;
}

int unpack_stream(
    const struct unpack_source *source, struct unpack_counters *counters, struct err *e)
{
	_cleanup_(archive_read_cleanup) struct archive *in = archive_read_new();
	_cleanup_(archive_write_cleanup) struct archive *out = archive_write_disk_new();
	struct reader reader = {.source = source, .e = e};

	if (!in || !out)
		return err_set(e, ENOMEM, "out of memory");
	archive_read_support_format_tar(in);
	archive_read_support_filter_zstd(in);
	archive_read_support_filter_gzip(in);
	archive_read_support_filter_xz(in);
	/* No look-ups are set, so owners are the numbers in the archive. */
	archive_write_disk_set_options(out, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
	    ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_XATTR);
	if (archive_read_open2(in, &reader, NULL, on_read, NULL, NULL) != ARCHIVE_OK)
		return reader.failed ? reader.failed
				     : err_set(e, EBADMSG, "not a tar archive this installer can read: %s",
					   problem(in));
	int r = entries_unpack(in, out, counters, &reader, e);
	return r < 0 ? r : source_drain(source, e);
}
