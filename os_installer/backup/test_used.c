/* What file systems say of what is in use: those in testdata/ were made by their own programs,
 * which also said how much that is. Damaged in every way, none is believed beyond its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "os_installer/backup/used.h"

#define DAMAGES 400
#define PIECE 65536

struct made {
	const char *file, *name;
	uint64_t used_bytes;
	int fd;
	uint64_t bytes, reads;
	uint64_t place[4096]; /* of blocks that are not nothing but zeros */
	size_t places;
	/* What is read in their stead. */
	uint64_t damage_at[4];
	uint8_t damage[4];
	unsigned damages;
};

static struct made made[] = {
    {"ext4", "ext4", 8679 * 1024ULL, .fd = -1},                                    /* dumpe2fs */
    {"vfat", "vfat", 100352 + 250 * 2048ULL, .fd = -1},                            /* fsck.vfat */
    {"xfs", "xfs", 16559 * 4096ULL, .fd = -1},                                     /* xfs_db */
    {"btrfs", "btrfs", (1ULL << 20) + 3 * 8388608ULL + 2 * 33554432ULL, .fd = -1}, /* dump-tree */
    {"swap", "swap", 65536, .fd = -1},
    /* FAT32 of 20408 clusters, since its sectors are of 4096 bytes: fsck.vfat */
    {"vfat-4096", "vfat", 72 * 4096 + 1 * 4096ULL, .fd = -1},
};
#define MADE (sizeof(made) / sizeof(*made))

/* ---- what was made ----------------------------------------------------------------------------
 */

static void keep(struct made *m, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i += 512) {
		size_t n = len - i < 512 ? len - i : 512;
		if (bytes_are_zero(data + i, n))
			continue;
		assert_int_equal(pwrite(m->fd, data + i, n, (off_t)(m->bytes + i)), n);
		if (m->places < sizeof(m->place) / sizeof(*m->place))
			m->place[m->places++] = m->bytes + i;
	}
	m->bytes += len;
}

static void unpack(struct made *m)
{
	static uint8_t packed[PIECE], out[PIECE];
	char path[200], temporary[] = "/tmp/test_used.XXXXXX";
	ZSTD_DStream *z = ZSTD_createDStream();

	snprintf(path, sizeof(path), "os_installer/backup/testdata/%s.zst", m->file);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	ZSTD_inBuffer in = {packed, fread(packed, 1, sizeof(packed), f), 0};
	fclose(f);
	m->fd = mkstemp(temporary);
	assert_true(m->fd >= 0);
	unlink(temporary);
	for (size_t left = 1; left > 0;) {
		ZSTD_outBuffer o = {out, sizeof(out), 0};
		left = ZSTD_decompressStream(z, &o, &in);
		assert_false(ZSTD_isError(left));
		keep(m, out, o.pos);
	}
	assert_int_equal(ftruncate(m->fd, (off_t)m->bytes), 0);
	ZSTD_freeDStream(z);
}

static int read_made(void *ctx, uint64_t at, void *buf, size_t len, struct err *e)
{
	struct made *m = ctx;

	m->reads++;
	if (at > m->bytes || len > m->bytes - at)
		return err_set(e, EBADMSG, "outside");
	assert_int_equal(pread(m->fd, buf, len, (off_t)at), len);
	for (unsigned i = 0; i < m->damages; i++)
		if (m->damage_at[i] >= at && m->damage_at[i] - at < len)
			((uint8_t *)buf)[m->damage_at[i] - at] ^= m->damage[i];
	return 0;
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < MADE; i++)
		unpack(&made[i]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < MADE; i++)
		close(made[i].fd);
	return 0;
}

/* ---- asked ------------------------------------------------------------------------------------
 */

/* What `open` returned; *sum of all runs, which are in order. */
static int ask(struct made *m, uint64_t *sum)
{
	const struct used_kind *kind = used_find(m->name);
	struct used_source source = {m, m->bytes, read_made};
	_cleanup_free_ void *state = NULL;
	struct err e = ERR_INIT;
	struct used_run run;
	uint64_t end = 0;
	int r;

	*sum = 0;
	m->reads = 0;
	assert_non_null(kind);
	int opened = kind->open(&source, &state, &e);
	if (opened != 0) {
		assert_true(e.msg[0] != '\0');
		return opened;
	}
	while ((r = kind->next(state, &run, &e)) == 1) {
		assert_true(run.len > 0);
		/* What lies outside is the caller's to find; order is not. */
		assert_true(run.at >= end && run.at + run.len > run.at);
		end = run.at + run.len;
		*sum += run.len;
		assert_true(m->reads < 200000);
	}
	return r;
}

static void what_is_in_use_is_what_their_programs_say(void **state)
{
	uint64_t sum;

	(void)state;
	for (size_t i = 0; i < MADE; i++) {
		assert_int_equal(ask(&made[i], &sum), 0);
		if (sum != made[i].used_bytes)
			fail_msg("%s: %llu bytes, not %llu", made[i].file, (unsigned long long)sum,
			    (unsigned long long)made[i].used_bytes);
	}
}

static void damage(struct made *m, unsigned n)
{
	m->damages = n;
	for (unsigned i = 0; i < n; i++) {
		uint64_t place = m->place[(size_t)rand() % m->places];
		m->damage_at[i] = place + (uint64_t)rand() % 512;
		m->damage[i] = (uint8_t)(1 + rand() % 255);
	}
}

static void one_that_is_damaged_is_not_believed_beyond_its_bounds(void **state)
{
	uint64_t sum;

	(void)state;
	srand(1);
	for (size_t i = 0; i < MADE; i++) {
		for (unsigned n = 0; n < DAMAGES; n++) {
			damage(&made[i], 1 + n % 4);
			(void)ask(&made[i], &sum);
		}
		made[i].damages = 0;
	}
}

/* One byte of a superblock, at a place that matters, and what is said then. */
static void one_that_was_not_unmounted_is_taken_whole(void **state)
{
	static const struct {
		unsigned made;
		uint64_t at;
		uint8_t flip;
	} rows[] = {
	    {0, 1024 + 0x60, 4},    /* ext4: recover */
	    {0, 1024 + 0x3a, 1},    /* not valid */
	    {0, 1024 + 0x3a, 2},    /* errors */
	    {0, 1024 + 0x62, 4},    /* an incompatible feature nobody knows */
	    {1, 0x25, 1},           /* vfat: dirty */
	    {1, 4 * 512 + 3, 0x80}, /* the same in its table */
	    {2, 216, 16},           /* xfs: a feature; be32, so its highest byte */
	    {3, 65536 + 136, 3},    /* btrfs: two devices, and the sum is wrong */
	    {4, 4096 - 10, 1},      /* swap: no signature */
	};
	uint64_t sum;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct made *m = &made[rows[i].made];
		m->damages = 1;
		m->damage_at[0] = rows[i].at;
		m->damage[0] = rows[i].flip;
		if (ask(m, &sum) != USED_UNSURE)
			fail_msg("row %zu is believed", i);
		m->damages = 0;
	}
}

/* What its bitmap has no agreement with its count on is taken whole: more, never less. */
static void a_bit_that_is_lost_takes_the_group_whole(void **state)
{
	struct made *m = &made[0];
	uint8_t desc[4];
	uint64_t sum;

	(void)state;
	assert_int_equal(pread(m->fd, desc, 4, 2048), 4);
	uint64_t bitmap = (uint64_t)(desc[0] | desc[1] << 8 | desc[2] << 16) * 1024;
	m->damages = 1;
	m->damage_at[0] = bitmap;
	m->damage[0] = 1;
	assert_int_equal(ask(m, &sum), 0);
	assert_true(sum > m->used_bytes);
	m->damages = 0;
}

static void nothing_else_is_known(void **state)
{
	(void)state;
	assert_null(used_find("ntfs"));
	assert_null(used_find(""));
	assert_non_null(used_find("ext2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_in_use_is_what_their_programs_say),
	    cmocka_unit_test(one_that_is_damaged_is_not_believed_beyond_its_bounds),
	    cmocka_unit_test(one_that_was_not_unmounted_is_taken_whole),
	    cmocka_unit_test(a_bit_that_is_lost_takes_the_group_whole),
	    cmocka_unit_test(nothing_else_is_known),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
