#include "os_installer/unpack/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <langinfo.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/unpack/acl.h"
#include "os_installer/unpack/writeback.h"

#define WARNINGS_MAX 20

/* Headers, padding and pax records: what a tar stream holds besides its files, at most. Far above
 * what is usual; it ends streams that expand to nothing but more of themselves. */
#define OVERHEAD_BYTES (64ULL << 20)
#define OVERHEAD_ENTRY_BYTES (64ULL << 10)
#define ENTRIES_UNSAID (1ULL << 24)

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
	struct decompressor *stream;
	const struct unpack_limits *limits;
	struct unpack_counters *counters;
	struct archive *in, *out;
	struct err *e;
	int failed;              /* -errno of the stream */
	uint64_t stream_bytes;   /* decompressed so far */
	uint64_t declared_bytes; /* by the entries so far */
	uint64_t written_bytes;
	unsigned warnings;
};

/* How far the stream may unpack in all. */
static uint64_t stream_max(const struct unpack_limits *limits)
{
	uint64_t entries = limits->entries ? limits->entries : ENTRIES_UNSAID;

	return limits->bytes + OVERHEAD_BYTES + entries * OVERHEAD_ENTRY_BYTES;
}

static int stream_check(struct reader *r)
{
	if (r->stream_bytes <= stream_max(r->limits))
		return 0;
	return err_set(r->e, EFBIG,
	    "the archive unpacks to more than its manifest says (%llu bytes): build or import the image again",
	    (unsigned long long)r->limits->bytes);
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **data)
{
	struct reader *r = ctx;
	const uint8_t *bytes = NULL;
	uint32_t len = 0;
	int got = stream_check(r);

	if (got == 0)
		got = decompress_next(r->stream, &bytes, &len, r->e);
	if (got < 0) {
		r->failed = got;
		archive_set_error(a, -got, "%s", r->e->msg);
		return -1;
	}
	*data = bytes;
	r->stream_bytes += got == 0 ? 0 : len;
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
	/* libarchive's text has not always what the disk said in it. */
	bool disk = (code == ENOSPC || code == EIO) && !strstr(problem(a), strerror(code));

	return err_set(e, code > 0 ? code : EIO, "cannot unpack %.300s: %s%s%s", path ? path : "?",
	    problem(a), disk ? ": " : "", disk ? strerror(code) : "");
}

/* Whether an entry brings file data. libarchive leaves a size on a link only when data follows. */
static bool has_data(struct archive_entry *entry)
{
	bool file = archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFREG;

	return file && archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0;
}

/* Counts an entry in, before anything of it is written. */
static int entry_admit(struct reader *r, struct archive_entry *entry)
{
	const struct unpack_limits *limits = r->limits;
	uint64_t count =
	    atomic_fetch_add_explicit(&r->counters->entries, 1, memory_order_relaxed) + 1;
	const char *path = archive_entry_pathname(entry);

	if (!path || !path[0])
		return err_set(r->e, EBADMSG, "entry %llu of the archive has no name",
		    (unsigned long long)count);
	if (limits->entries && count > limits->entries)
		return err_set(r->e, EFBIG,
		    "the archive has more than the %llu entries its manifest says: build or import the image again",
		    (unsigned long long)limits->entries);
	if (!has_data(entry))
		return stream_check(r);
	uint64_t size = (uint64_t)archive_entry_size(entry);
	if (size > limits->bytes - r->declared_bytes)
		return err_set(r->e, EFBIG,
		    "%.300s has %llu bytes, more than the archive's manifest says is left (%llu): build or import the image again",
		    path, (unsigned long long)size,
		    (unsigned long long)(limits->bytes - r->declared_bytes));
	r->declared_bytes += size;
	return 0;
}

static int data_copy(struct reader *r, struct archive_entry *entry)
{
	const void *data;
	size_t len;
	la_int64_t offset;

	for (;;) {
		int rc = archive_read_data_block(r->in, &data, &len, &offset);
		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc < ARCHIVE_WARN)
			return entry_failed(r->in, entry, r->e);
		r->written_bytes += len;
		if (offset < 0 || r->written_bytes > r->declared_bytes)
			return err_set(r->e, EBADMSG, "%.300s holds more than its header says",
			    archive_entry_pathname(entry));
		if (len > 0 && archive_write_data_block(r->out, data, len, offset) < ARCHIVE_WARN)
			return entry_failed(r->out, entry, r->e);
		atomic_fetch_add_explicit(&r->counters->bytes, len, memory_order_relaxed);
	}
}

static void entry_warn(struct reader *r, struct archive_entry *entry)
{
	if (r->warnings++ < WARNINGS_MAX)
		log_warn("unpacking %s: %s", archive_entry_pathname(entry), problem(r->out));
}

static int entry_unpack(struct reader *r, struct archive_entry *entry)
{
	int rc = entry_admit(r, entry);

	if (rc < 0)
		return rc;
	switch (archive_entry_hardlink(entry) ? AE_IFREG : archive_entry_filetype(entry)) {
	case AE_IFREG:
	case AE_IFDIR:
	case AE_IFLNK:
	case AE_IFIFO:
		break;
	default:
		atomic_fetch_add_explicit(&r->counters->dropped, 1, memory_order_relaxed);
		return 0;
	}

	unpack_acl_adopt(entry);
	rc = archive_write_header(r->out, entry);
	if (rc < ARCHIVE_WARN)
		return entry_failed(r->out, entry, r->e);
	if (rc == ARCHIVE_WARN)
		entry_warn(r, entry);
	if (has_data(entry) && (rc = data_copy(r, entry)) < 0)
		return rc;
	rc = archive_write_finish_entry(r->out);
	if (rc < ARCHIVE_WARN)
		return entry_failed(r->out, entry, r->e);
	if (rc == ARCHIVE_WARN)
		entry_warn(r, entry);
	return 0;
}

/* libarchive takes an archive that was cut at the edge of a member for a whole one. */
static int whole_check(struct reader *r)
{
	uint64_t entries = atomic_load(&r->counters->entries);

	if ((!r->limits->entries || entries == r->limits->entries) &&
	    r->declared_bytes == r->limits->bytes)
		return 0;
	return err_set(r->e, EBADMSG,
	    "the archive holds %llu entries with %llu bytes where its manifest says %llu with %llu: build or import the image again",
	    (unsigned long long)entries, (unsigned long long)r->declared_bytes,
	    (unsigned long long)r->limits->entries, (unsigned long long)r->limits->bytes);
}

static int entries_unpack(struct reader *r)
{
	struct archive_entry *entry;

	for (;;) {
		int rc = archive_read_next_header(r->in, &entry);
		if (rc == ARCHIVE_EOF)
			break;
		if (rc < ARCHIVE_WARN && r->failed)
			return r->failed; /* r->e was filled by the source */
		if (rc < ARCHIVE_WARN)
			return err_set(r->e, archive_errno(r->in) == ENOMEM ? ENOMEM : EBADMSG,
			    "the archive cannot be read: %s", problem(r->in));
		if (rc == ARCHIVE_WARN && r->warnings++ < WARNINGS_MAX)
			log_warn("reading the archive: %s", problem(r->in));
		if ((rc = entry_unpack(r, entry)) < 0)
			return r->failed ? r->failed : rc;
	}
	if (archive_write_close(r->out) < ARCHIVE_WARN)
		return err_set(r->e, EIO, "cannot finish unpacking: %s", problem(r->out));
	return whole_check(r);
}

static int stream_unpack(struct reader *r)
{
	_cleanup_(archive_read_cleanup) struct archive *in = archive_read_new();
	_cleanup_(archive_write_cleanup) struct archive *out = archive_write_disk_new();

	if (!in || !out)
		return err_set(r->e, ENOMEM, "out of memory");
	r->in = in;
	r->out = out;
	archive_read_support_format_tar(in);
	/* No look-ups are set, so owners are the numbers in the archive. */
	archive_write_disk_set_options(out, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
						ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL |
						ARCHIVE_EXTRACT_XATTR);
	if (archive_read_open2(in, r, NULL, on_read, NULL, NULL) != ARCHIVE_OK)
		return r->failed
			   ? r->failed
			   : err_set(r->e, EBADMSG, "not a tar archive this installer can read: %s",
				 problem(in));
	return entries_unpack(r);
}

int unpack_stream(const struct byte_source *source, const struct unpack_limits *limits,
    struct unpack_counters *counters, struct err *e)
{
	struct reader reader = {.limits = limits, .counters = counters, .e = e};
	int r = decompress_start(source, &reader.stream, e);

	if (r == 0 && (r = stream_unpack(&reader)) == 0)
		r = decompress_finish(reader.stream, e);
	return r;
}

int unpack_archive(void *ctx, const struct byte_source *source, const struct image_contents *m,
    struct unpack_counters *counters, struct err *e)
{
	struct unpack_limits limits = {.bytes = m->unpacked_bytes, .entries = m->entries};
	struct writeback *w;

	(void)ctx;
	int r = writeback_start(&counters->bytes, &w, e);
	if (r == 0 && (r = unpack_stream(source, &limits, counters, e)) == 0)
		r = writeback_stop(w, e);
	return r;
}
