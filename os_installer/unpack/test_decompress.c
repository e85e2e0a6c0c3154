/* test_decompress.c - decompression in a thread: what comes out, and how it ends early. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <zstd.h>

#include "os_installer/unpack/decompress.h"

#define MIB (1U << 20)
#define PLAIN_BYTES (9 * MIB + 12345)

static uint8_t plain[PLAIN_BYTES], packed[PLAIN_BYTES + MIB];
static size_t packed_bytes;

/* Noise, with holes of many sizes in it. */
static void plain_make(void)
{
	uint32_t noise = 1;

	for (size_t i = 0; i < sizeof(plain); i++) {
		noise = noise * 1664525 + 1013904223;
		plain[i] = (uint8_t)(noise >> 24);
	}
	memset(plain, 0, MIB + 1);
	memset(plain + 2 * MIB, 0, 4096);
	memset(plain + 3 * MIB, 0, 3 * MIB);
	memset(plain + sizeof(plain) - 70000, 0, 70000);
}

static void pack(int filter)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	archive_write_set_format_raw(a);
	assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
	assert_int_equal(
	    archive_write_open_memory(a, packed, sizeof(packed), &packed_bytes), ARCHIVE_OK);
	archive_entry_set_filetype(e, AE_IFREG);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, plain, sizeof(plain)), sizeof(plain));
	archive_entry_free(e);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

struct feed {
	size_t at, step, fail_at;
};

static int feed_next(void *ctx, const uint8_t **data, uint32_t *len, struct err *e)
{
	struct feed *f = ctx;

	if (f->fail_at && f->at >= f->fail_at)
		return err_set(e, EPIPE, "the line is cut");
	*data = packed + f->at;
	*len = (uint32_t)(packed_bytes - f->at < f->step ? packed_bytes - f->at : f->step);
	f->at += *len;
	return *len > 0;
}

static struct decompressor *start(struct feed *f)
{
	struct byte_source source = {.ctx = f, .next = feed_next};
	struct decompressor *d = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(decompress_start(&source, &d, &e), 0);
	return d;
}

/* Reads on to the end or a failure and compares. Returns what came last. */
static int compare_all(struct decompressor *d, size_t *total, struct err *e)
{
	const uint8_t *data;
	uint32_t len;
	int r;

	for (*total = 0; (r = decompress_next(d, &data, &len, e)) > 0; *total += len) {
		assert_true(len > 0 && *total + len <= sizeof(plain));
		assert_memory_equal(data, plain + *total, len);
	}
	return r;
}

static void test_all_of_it(void **state)
{
	static const int filters[] = {
	    ARCHIVE_FILTER_ZSTD, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_NONE};

	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		struct feed f = {.step = 100001};
		struct err e = ERR_INIT;
		size_t total;
		pack(filters[i]);
		struct decompressor *d = start(&f);
		assert_int_equal(compare_all(d, &total, &e), 0);
		assert_int_equal(total, sizeof(plain));
		assert_int_equal(decompress_finish(d, &e), 0);
		assert_int_equal(f.at, packed_bytes);
	}
}

static void frame_add(size_t at, size_t len, bool sum)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, sum);
	size_t n = ZSTD_compress2(
	    z, packed + packed_bytes, sizeof(packed) - packed_bytes, plain + at, len);
	assert_false(ZSTD_isError(n));
	packed_bytes += n;
	ZSTD_freeCCtx(z);
}

/* As a backup has them: frames of zeros that are alike, and others that are not. */
static void test_frames(void **state)
{
	static const size_t steps[] = {7, 1001, 5000, MIB, PLAIN_BYTES};
	static const uint8_t skipped[] = {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3};
	size_t at = 0, len;

	(void)state;
	packed_bytes = 0;
	for (unsigned n = 0; at < sizeof(plain); n++, at += len) {
		bool zeros = at >= 3 * MIB && at < 6 * MIB;
		len = at < MIB ? MIB : zeros ? (n % 5 ? 65536 : 32768) : 600001;
		len = at < 3 * MIB && at + len > 3 * MIB ? 3 * MIB - at : len;
		len = len < sizeof(plain) - at ? len : sizeof(plain) - at;
		frame_add(at, len, n % 7 == 0);
		if (n % 6 == 0) {
			memcpy(packed + packed_bytes, skipped, sizeof(skipped));
			packed_bytes += sizeof(skipped);
		}
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct feed f = {.step = steps[i]};
		struct err e = ERR_INIT;
		size_t total;
		struct decompressor *d = start(&f);
		assert_int_equal(compare_all(d, &total, &e), 0);
		assert_int_equal(total, sizeof(plain));
		assert_int_equal(decompress_finish(d, &e), 0);
	}
	/* What lies behind the last frame is none. */
	packed[packed_bytes++] = 1;
	packed[packed_bytes++] = 2;
	struct feed f = {.step = 5000};
	struct err e = ERR_INIT;
	size_t total;
	struct decompressor *d = start(&f);
	assert_int_equal(compare_all(d, &total, &e), -EBADMSG);
	assert_int_equal(decompress_finish(d, &e), 0);
}

static void test_enough(void **state)
{
	struct err e = ERR_INIT;
	const uint8_t *data;
	uint32_t len;

	(void)state;
	pack(ARCHIVE_FILTER_ZSTD);
	for (int blocks = 0; blocks < 20; blocks++) {
		struct feed f = {.step = 5000};
		struct decompressor *d = start(&f);
		for (int i = 0; i < blocks; i++)
			assert_int_equal(decompress_next(d, &data, &len, &e), 1);
		assert_int_equal(decompress_finish(d, &e), 0);
		assert_int_equal(f.at, packed_bytes);
	}
	/* The rest is read, and a failure there is told. */
	struct feed f = {.step = 5000, .fail_at = packed_bytes - 5000};
	struct decompressor *d = start(&f);
	assert_int_equal(decompress_next(d, &data, &len, &e), 1);
	assert_int_equal(decompress_finish(d, &e), -EPIPE);
	assert_string_equal(e.msg, "the line is cut");
}

static void test_failures(void **state)
{
	struct feed cut = {.step = 5000, .fail_at = 3000000}, damaged = {.step = 5000};
	struct err e = ERR_INIT;
	size_t total;

	(void)state;
	pack(ARCHIVE_FILTER_ZSTD);
	struct decompressor *c = start(&cut);
	assert_int_equal(compare_all(c, &total, &e), -EPIPE);
	assert_string_equal(e.msg, "the line is cut");
	assert_int_equal(
	    decompress_finish(c, &e), -EPIPE); /* its thread has ended: this does not wait */

	/* A frame that ends too early. */
	packed_bytes -= packed_bytes / 4;
	struct decompressor *d = start(&damaged);
	assert_int_equal(compare_all(d, &total, &e), -EBADMSG);
	assert_non_null(strstr(e.msg, "the file cannot be decompressed: "));
	assert_int_equal(decompress_finish(d, &e), 0); /* the source itself was well */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_of_it),
	    cmocka_unit_test(test_frames),
	    cmocka_unit_test(test_enough),
	    cmocka_unit_test(test_failures),
	};

	plain_make();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
