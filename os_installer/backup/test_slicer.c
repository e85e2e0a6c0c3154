/* Slices of disks with holes: all together they are the disk, and each time the same. And what is
 * known of a file at some address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "lib/base/cleanup.h"
#include "os_installer/backup/slicer.h"
#include "os_installer/backup/source.h"

#define DISK (9U << 20)
#define SLICE 5000
#define UNIT SLICER_HOLE_BYTES

struct sent {
	uint8_t slice[SLICE];
	uint8_t *all;
	size_t len, slices, last;
	size_t refuse_at; /* 0: never */
};

static int take(void *ctx, uint8_t **slice, struct err *e)
{
	(void)e;
	*slice = ((struct sent *)ctx)->slice;
	return 0;
}

static int give(void *ctx, size_t len, struct err *e)
{
	struct sent *s = ctx;

	assert_true(len > 0 && len <= SLICE);
	assert_true(s->slices == 0 || s->last == SLICE); /* only the last is shorter */
	if (++s->slices == s->refuse_at)
		return err_set(e, ECANCELED, "enough");
	s->all = realloc(s->all, s->len + len);
	assert_non_null(s->all);
	memcpy(s->all + s->len, s->slice, len);
	s->len += len;
	s->last = len;
	return 0;
}

/* Random pieces and holes; `disk` becomes what they are. */
static int slice_all(unsigned seed, uint8_t *disk, size_t bytes, struct sent *out)
{
	struct slicer_sink sink = {out, SLICE, take, give};
	struct err e = ERR_INIT;
	struct slicer *s;
	int r = 0;

	srand(seed);
	memset(disk, 0, bytes);
	assert_int_equal(slicer_new(&sink, 3, &s, &e), 0);
	for (size_t at = 0; r == 0 && at < bytes;) {
		size_t len = rand() % 3 ? UNIT : 1 + (size_t)rand() % 100000;
		if (len > bytes - at)
			len = bytes - at;
		if (rand() % 2) {
			for (size_t i = 0; i < len; i++)
				disk[at + i] = (uint8_t)(rand() % 4 ? rand() : (int)i / 1000);
			r = slicer_data(s, disk + at, len, &e);
		} else {
			r = slicer_hole(s, len, &e);
		}
		at += len;
	}
	if (r == 0)
		r = slicer_end(s, &e);
	slicer_free(s);
	return r;
}

static void all_slices_are_the_disk(void **state)
{
	_cleanup_free_ uint8_t *disk = malloc(DISK), *got = malloc(DISK);

	(void)state;
	for (unsigned seed = 1; seed < 7; seed++) {
		size_t bytes = DISK - seed * 512, at = 0;
		struct sent first = {.len = 0}, second = {.len = 0};
		ZSTD_DStream *z = ZSTD_createDStream();
		assert_int_equal(slice_all(seed, disk, bytes, &first), 0);
		assert_int_equal(slice_all(seed, disk, bytes, &second), 0);
		assert_int_equal(first.len, second.len);
		assert_memory_equal(first.all, second.all, first.len);
		ZSTD_inBuffer in = {first.all, first.len, 0};
		while (in.pos < in.size || at < bytes) {
			ZSTD_outBuffer out = {got, DISK, at};
			size_t left = ZSTD_decompressStream(z, &out, &in);
			assert_false(ZSTD_isError(left));
			if (out.pos == at && in.pos == in.size)
				break;
			at = out.pos;
		}
		assert_int_equal(at, bytes);
		assert_memory_equal(got, disk, bytes);
		ZSTD_freeDStream(z);
		free(first.all);
		free(second.all);
	}
}

static void a_disk_of_holes_is_next_to_nothing(void **state)
{
	struct sent sent = {.len = 0};
	struct slicer_sink sink = {&sent, SLICE, take, give};
	struct err e = ERR_INIT;
	struct slicer *s;

	(void)state;
	assert_int_equal(slicer_new(&sink, 3, &s, &e), 0);
	assert_int_equal(slicer_hole(s, 1ULL << 30, &e), 0);
	assert_int_equal(slicer_end(s, &e), 0);
	slicer_free(s);
	assert_true(sent.len > 0 && sent.len < (100U << 10));
	free(sent.all);
}

static void who_takes_no_more_is_heard(void **state)
{
	_cleanup_free_ uint8_t *disk = malloc(DISK);
	struct sent sent = {.refuse_at = 3};

	(void)state;
	assert_int_equal(slice_all(2, disk, DISK, &sent), -ECANCELED);
	free(sent.all);
}

static void what_a_file_unpacks_to(void **state)
{
	static const char gz[] = "\x1f\x8b\x08", xz[] = "\xfd"
							"7zXZ";
	uint8_t zst[64], data[1000] = {1};
	size_t n = ZSTD_compress(zst, sizeof(zst), data, sizeof(data), 3);

	(void)state;
	assert_int_equal(source_unpacked_bytes(zst, n, 99), 1000);
	assert_int_equal(source_unpacked_bytes(zst, 5, 99), 0);
	assert_int_equal(source_unpacked_bytes((const uint8_t *)gz, 3, 99), 0);
	assert_int_equal(source_unpacked_bytes((const uint8_t *)xz, 6, 99), 0);
	assert_int_equal(source_unpacked_bytes(data, 64, 99), 99);
	assert_int_equal(source_unpacked_bytes(data, 0, 1), 1);
}

static void an_address_that_cannot_be_fetched(void **state)
{
	struct image_contents c;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(source_look("ftp://x/y", &c, &e), -EINVAL);
	assert_int_equal(source_look("file:///etc/passwd", &c, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_slices_are_the_disk),
	    cmocka_unit_test(a_disk_of_holes_is_next_to_nothing),
	    cmocka_unit_test(who_takes_no_more_is_heard),
	    cmocka_unit_test(what_a_file_unpacks_to),
	    cmocka_unit_test(an_address_that_cannot_be_fetched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
