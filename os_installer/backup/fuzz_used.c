/* Arbitrary bytes as a file system: whatever it says of what is in use lies within it and in order,
 * says the same a second time, and takes no more time and reading than its size explains.
 *
 * The first byte chooses which file system and whether its sums are made right; the second how
 * many times 2 MiB it has; then come pieces, each with its place in sectors of 512 bytes (3 bytes,
 * little-endian), its length (2) and its bytes. All else is zeros.
 */
#include <errno.h>

#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "os_installer/backup/used.h"

#define HEAD_BYTES 2
#define PIECE_BYTES 5
#define SUMS_RIGHT 0x80
#define READ_MORE_BYTES (64U << 20) /* a tree may be deep where little lies */
#define CRC32C 0x82f63b78U

static const struct used_kind *const kinds[] = {
    &used_ext4, &used_vfat, &used_xfs, &used_btrfs, &used_swap};

struct disk {
	const uint8_t *data;
	size_t size;
	uint64_t bytes, read_bytes;
	bool sums_right;
};

/* ---- what is read ------------------------------------------------------------------------ */

static void lay(
    uint64_t at, uint8_t *buf, size_t len, uint64_t place, const uint8_t *data, size_t n)
{
	uint64_t from = place > at ? place : at;
	uint64_t end = place + n < at + len ? place + n : at + len;

	if (from < end)
		memcpy(buf + (from - at), data + (from - place), (size_t)(end - from));
}

/* btrfs' sum of a block. */
static void sum_right(uint8_t *block, size_t len)
{
	static uint32_t table[256];
	uint32_t crc = ~0U;

	for (uint32_t i = 0; i < 256 && !table[255]; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? CRC32C : 0);
	}
	for (size_t i = 32; i < len; i++)
		crc = crc >> 8 ^ table[(crc ^ block[i]) & 0xff];
	for (int i = 0; i < 4; i++)
		block[i] = (uint8_t)(~crc >> 8 * i);
}

static int read_disk(void *ctx, uint64_t at, void *buf, size_t len, struct err *e)
{
	struct disk *d = ctx;

	d->read_bytes += len;
	PROMISE(len > 0 && len <= 1 << 20);
	if (at > d->bytes || len > d->bytes - at)
		return err_set(e, EBADMSG, "it points outside of itself");
	memset(buf, 0, len);
	for (size_t i = HEAD_BYTES; i + PIECE_BYTES <= d->size;) {
		const uint8_t *p = d->data + i;
		uint64_t place = (uint64_t)(p[0] | p[1] << 8 | p[2] << 16) * 512;
		size_t n = (size_t)(p[3] | p[4] << 8), left = d->size - i - PIECE_BYTES;
		n = n < left ? n : left;
		lay(at, buf, len, place, p + PIECE_BYTES, n);
		i += PIECE_BYTES + n;
	}
	if (d->sums_right && len >= 4096)
		sum_right(buf, len);
	return 0;
}

/* ---- what is said ------------------------------------------------------------------------ */

struct told {
	int opened, ended;
	uint64_t runs, sum, places;
};

static void go_through(const struct used_kind *kind, struct disk *d, struct told *out)
{
	struct used_source source = {d, d->bytes, read_disk};
	_cleanup_free_ void *state = NULL;
	struct err e = ERR_INIT;
	struct used_run run;
	uint64_t end = 0;

	memset(out, 0, sizeof(*out));
	d->read_bytes = 0;
	out->opened = kind->open(&source, &state, &e);
	PROMISE(out->opened <= USED_UNSURE && (out->opened == 0 || e.msg[0]));
	PROMISE(out->opened != 0 || state);
	while (out->opened == 0 && (out->ended = kind->next(state, &run, &e)) == 1) {
		PROMISE(run.len > 0 && run.at >= end);
		PROMISE(run.at <= d->bytes && run.len <= d->bytes - run.at);
		end = run.at + run.len;
		out->sum += run.len;
		out->places ^= run.at * 31 + run.len;
		out->runs++;
	}
	PROMISE(out->ended <= 0 && (out->ended == 0 || e.msg[0]));
	PROMISE(d->read_bytes <= READ_MORE_BYTES + 3 * d->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told first, second;

	if (size < HEAD_BYTES)
		return -1;
	const struct used_kind *kind = kinds[(data[0] & 0x7f) % (sizeof(kinds) / sizeof(*kinds))];
	struct disk d = {.data = data,
	    .size = size,
	    .bytes = (uint64_t)(1 + data[1]) << 21,
	    .sums_right = (data[0] & SUMS_RIGHT) != 0};
	go_through(kind, &d, &first);
	go_through(kind, &d, &second);
	PROMISE(memcmp(&first, &second, sizeof(first)) == 0);
	return 0;
}
