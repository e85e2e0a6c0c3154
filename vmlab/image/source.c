#include "vmlab/image/source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/cleanup.h"

#define RAW_BYTES (1024 * 1024)
#define DECODED_BYTES (1024 * 1024)
#define MAGIC_BYTES 6
#define TAR_END_BYTES 1024 /* POSIX pax: two zero blocks of 512 bytes end an archive */

struct image_source {
	int fd;
	const volatile sig_atomic_t *cancel;
	enum image_format format;
	bool disk;
	int (*tap)(void *ctx, const void *data, size_t len, struct err *e);
	void *tap_ctx;

	uint8_t *raw;
	size_t raw_len; /* bytes in raw not yet handed on; only the first read fills ahead */
	bool raw_end;
	uint64_t raw_bytes;

	struct archive *decoder; /* all but gzip */
	z_stream gzip;
	bool gzip_open;
	bool gzip_between; /* a member ended; another may follow */
	uint8_t *decoded;

	uint64_t decoded_bytes;
	uint64_t zero_tail; /* zero bytes at the end of what was decoded so far */
	bool decoded_end;
	struct err err; /* what made a callback of the decoder fail */
};

const char *image_format_suffix(enum image_format format)
{
	switch (format) {
	case IMAGE_FORMAT_ZST:
		return "tar.zst";
	case IMAGE_FORMAT_GZ:
		return "tar.gz";
	case IMAGE_FORMAT_XZ:
		return "tar.xz";
	case IMAGE_FORMAT_OTHER:
		break;
	}
	return "tar";
}

static enum image_format sniff(const uint8_t *p, size_t len)
{
	if (len >= 4 && !memcmp(p, "\x28\xb5\x2f\xfd", 4))
		return IMAGE_FORMAT_ZST;
	if (len >= 3 && !memcmp(p, "\x1f\x8b\x08", 3))
		return IMAGE_FORMAT_GZ;
	if (len >= 6 && !memcmp(p,
			    "\xfd"
			    "7zXZ\0",
			    6))
		return IMAGE_FORMAT_XZ;
	return IMAGE_FORMAT_OTHER;
}

/* Fills s->raw with at least `want` bytes unless the input ends before. */
static int raw_fill(struct image_source *s, size_t want, struct err *e)
{
	while (s->raw_len < want && !s->raw_end) {
		ssize_t n;

		if (s->cancel && *s->cancel)
			return err_set(e, EINTR, "interrupted");
		n = read(s->fd, s->raw + s->raw_len, RAW_BYTES - s->raw_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "cannot read the file");
		s->raw_end = n == 0;
		s->raw_len += (size_t)n;
		s->raw_bytes += (uint64_t)n;
	}
	return 0;
}

/* Next raw bytes, after the tap saw them. */
static ssize_t raw_read(struct image_source *s, const void **data, struct err *e)
{
	int rc = raw_fill(s, 1, e);

	if (!rc && s->raw_len && s->tap)
		rc = s->tap(s->tap_ctx, s->raw, s->raw_len, e);
	if (rc)
		return rc;
	*data = s->raw;
	rc = (int)s->raw_len;
	s->raw_len = 0;
	return rc;
}

static la_ssize_t decoder_read(struct archive *a, void *ctx, const void **data)
{
	struct image_source *s = ctx;
	ssize_t n = raw_read(s, data, &s->err);

	if (n < 0)
		archive_set_error(a, (int)-n, "%s", s->err.msg);
	return n;
}

/* libarchive says what is wrong with the data; our own callback's error comes first. */
static int decoder_error(struct image_source *s, struct err *e)
{
	if (s->err.code)
		return err_set(e, s->err.code, "%s", s->err.msg);
	return err_set(e, EBADMSG, "the file is damaged or cut short (%s)",
	    archive_error_string(s->decoder) ? archive_error_string(s->decoder) : "no details");
}

/* Opened at the first read, because opening already reads and the tap must see all. */
static int decoder_open(struct image_source *s, struct err *e)
{
	struct archive_entry *entry;
	int rc;

	s->decoder = archive_read_new();
	if (!s->decoder)
		return err_set(e, ENOMEM, "out of memory");
	archive_read_support_filter_zstd(s->decoder);
	archive_read_support_filter_xz(s->decoder);
	archive_read_support_filter_bzip2(s->decoder);
	archive_read_support_format_raw(s->decoder);
	rc = archive_read_open(s->decoder, s, NULL, decoder_read, NULL);
	if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN)
		rc = archive_read_next_header(s->decoder, &entry);
	if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN)
		return 0;
	return decoder_error(s, e);
}

static ssize_t decoder_next(struct image_source *s, const void **data, struct err *e)
{
	ssize_t n;

	if (!s->decoder) {
		int rc = decoder_open(s, e);
		if (rc)
			return rc;
	}
	n = archive_read_data(s->decoder, s->decoded, DECODED_BYTES);
	if (n < 0)
		return decoder_error(s, e);
	*data = s->decoded;
	return n;
}

/* RFC 1952: one or more members, each with CRC and length; zlib checks both. Zero bytes after the
 * last member are padding. */
static ssize_t gzip_next(struct image_source *s, const void **data, struct err *e)
{
	if (!s->gzip_open) {
		if (inflateInit2(&s->gzip, 15 + 16) != Z_OK)
			return err_set(e, ENOMEM, "out of memory");
		s->gzip_open = true;
	}
	s->gzip.next_out = s->decoded;
	s->gzip.avail_out = DECODED_BYTES;
	while (s->gzip.avail_out == DECODED_BYTES) {
		int rc;

		if (!s->gzip.avail_in) {
			const void *raw = NULL;
			ssize_t n = raw_read(s, &raw, e);
			if (n < 0)
				return n;
			if (n == 0 && s->gzip_between)
				return 0;
			if (n == 0)
				return err_set(e, EBADMSG,
				    "the file is cut short (gzip data ends after %llu bytes in the middle)",
				    (unsigned long long)s->raw_bytes);
			s->gzip.next_in = (uint8_t *)(uintptr_t)raw;
			s->gzip.avail_in = (uInt)n;
		}
		if (s->gzip_between) {
			while (s->gzip.avail_in && *s->gzip.next_in == 0)
				s->gzip.next_in++, s->gzip.avail_in--;
			if (!s->gzip.avail_in)
				continue;
			if (inflateReset(&s->gzip) != Z_OK)
				return err_set(e, EIO, "gzip cannot be read");
			s->gzip_between = false;
		}
		rc = inflate(&s->gzip, Z_NO_FLUSH);
		if (rc == Z_STREAM_END)
			s->gzip_between = true;
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			return err_set(e, EBADMSG, "the file is damaged (gzip: %s)",
			    s->gzip.msg ? s->gzip.msg : "bad data");
	}
	*data = s->decoded;
	return (ssize_t)(DECODED_BYTES - s->gzip.avail_out);
}

static void count_zero_tail(struct image_source *s, const uint8_t *p, size_t len)
{
	size_t zeros = 0;

	while (zeros < len && p[len - 1 - zeros] == 0)
		zeros++;
	s->zero_tail = zeros == len ? s->zero_tail + zeros : zeros;
	s->decoded_bytes += len;
}

ssize_t image_source_read(struct image_source *s, const void **data, struct err *e)
{
	ssize_t n;

	if (s->decoded_end)
		return 0;
	n = s->format == IMAGE_FORMAT_GZ ? gzip_next(s, data, e) : decoder_next(s, data, e);
	if (n > 0)
		count_zero_tail(s, *data, (size_t)n);
	s->decoded_end = n == 0;
	return n;
}

int image_source_finish(struct image_source *s, struct err *e)
{
	const void *raw;
	ssize_t n;

	while ((n = raw_read(s, &raw, e)) > 0)
		;
	if (n < 0)
		return (int)n;
	if (!s->disk && s->zero_tail < TAR_END_BYTES)
		return err_set(e, EBADMSG,
		    "the tarball is cut short: tar's end mark is missing after %llu unpacked bytes",
		    (unsigned long long)s->decoded_bytes);
	return 0;
}

int image_source_open(
    int fd, const volatile sig_atomic_t *cancel, struct image_source **out, struct err *e)
{
	_cleanup_image_source_ struct image_source *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->fd = fd;
	s->cancel = cancel;
	s->raw = malloc(RAW_BYTES);
	s->decoded = malloc(DECODED_BYTES);
	if (!s->raw || !s->decoded)
		return err_set(e, ENOMEM, "out of memory");
	rc = raw_fill(s, MAGIC_BYTES, e);
	if (rc)
		return rc;
	if (!s->raw_len)
		return err_set(e, EBADMSG, "the file is empty");
	s->format = sniff(s->raw, s->raw_len);
	*out = steal_ptr(s);
	return 0;
}

void image_source_free(struct image_source *s)
{
	if (!s)
		return;
	if (s->decoder)
		archive_read_free(s->decoder);
	if (s->gzip_open)
		inflateEnd(&s->gzip);
	free(s->raw);
	free(s->decoded);
	free(s);
}

void image_source_set_disk(struct image_source *s)
{
	s->disk = true;
}

enum image_format image_source_format(const struct image_source *s)
{
	return s->format;
}

void image_source_tap(struct image_source *s,
    int (*fn)(void *ctx, const void *data, size_t len, struct err *e), void *ctx)
{
	s->tap = fn;
	s->tap_ctx = ctx;
}

uint64_t image_source_raw_bytes(const struct image_source *s)
{
	return s->raw_bytes;
}
