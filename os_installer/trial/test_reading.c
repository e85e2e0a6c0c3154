/* test_reading.c - a disk read to its end, for a time, and one that ends too early: on files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os_installer/trial/reading.h"

#define MIB (1ULL << 20)

static int file(uint64_t size)
{
	char path[] = "/tmp/test_reading.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

struct watch {
	unsigned ticks, stop_at;
};

static bool tick(void *ctx, const struct reading *r)
{
	struct watch *w = ctx;

	(void)r;
	return ++w->ticks != w->stop_at;
}

static void all_of_it_is_read(void **state)
{
	int fd = file(5 * MIB + 4096);
	struct watch w = {0};
	struct reading r;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(reading_run(fd, 5 * MIB + 4096, tick, &w, &r, &e), 0);
	assert_int_equal(r.bytes, 5 * MIB + 4096);
	assert_int_equal(r.at, r.bytes);
	assert_int_equal(r.errors, 0);
	assert_int_equal(w.ticks, 6);
	assert_true(reading_latency_us(&r, 500) <= reading_latency_us(&r, 990));
	assert_true(reading_latency_us(&r, 990) <= r.max_us);
	close(fd);
}

static void it_is_stopped(void **state)
{
	int fd = file(5 * MIB);
	struct watch w = {.stop_at = 2};
	struct reading r;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(reading_run(fd, 5 * MIB, tick, &w, &r, &e), 0);
	assert_int_equal(r.bytes, 2 * MIB);
	close(fd);
}

static void what_cannot_be_read_is_counted_and_passed_over(void **state)
{
	int fd = file(2 * MIB + 8192);
	struct watch w = {0};
	struct reading r;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(reading_run(fd, 4 * MIB, tick, &w, &r, &e), 0);
	assert_int_equal(r.bytes, 2 * MIB + 8192);
	assert_int_equal(r.at, 4 * MIB);
	assert_int_equal(r.errors, 2 * MIB / 4096 - 2);
	assert_int_equal(r.place[0], 2 * MIB + 8192);
	assert_int_equal(r.place[1], 2 * MIB + 12288);
	assert_int_equal(reading_run(fd, 100 * MIB, tick, &w, &r, &e), -EIO);
	assert_int_equal(r.errors, READING_ERRORS_MAX);
	close(fd);
}

static void latencies_are_kept_within_an_eighth(void **state)
{
	static const uint64_t values[] = {0, 1, 7, 8, 9, 100, 1000, 12345, 1000000, 60000000};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		int fd = file(4096);
		struct watch w = {0};
		struct reading r;
		struct err e = ERR_INIT;
		assert_int_equal(reading_run(fd, 4096, tick, &w, &r, &e), 0);
		close(fd);
		/* The bucket of a value is found by what it is asked for. */
		memset(r.bucket, 0, sizeof(r.bucket));
		r.reads = 1;
		r.max_us = UINT64_MAX;
		for (unsigned n = 0; n < READING_BUCKETS; n++) {
			r.bucket[n] = 1;
			uint64_t end = reading_latency_us(&r, 500);
			r.bucket[n] = 0;
			if (end >= values[i]) {
				assert_true(end <= values[i] + values[i] / 8 + 1);
				break;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_of_it_is_read),
	    cmocka_unit_test(it_is_stopped),
	    cmocka_unit_test(what_cannot_be_read_is_counted_and_passed_over),
	    cmocka_unit_test(latencies_are_kept_within_an_eighth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
