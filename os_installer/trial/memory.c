#include "os_installer/trial/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

#define BLOCK_WORDS ((size_t)(4U << 20) / sizeof(uint64_t)) /* between two ticks */
#define LEAST_LEFT_BYTES                                                                           \
	(48ULL << 20) /* of it this system lives, with a full page cache of files */
#define MOST_LEFT_BYTES (512ULL << 20)
#define LEAST_BYTES (16ULL << 20)

/* ---- a pass ------------------------------------------------------------------------------------
 */

struct pass {
	uint64_t *words;
	size_t count;
	unsigned number;
	memory_tick tick;
	void *ctx;
	struct memory_seen *seen;
};

/* So that what was written is read from memory, not known. */
static void forget(void)
{
	__asm__ volatile("" ::: "memory");
}

static void fault(struct pass *p, const uint64_t *at, uint64_t expected, uint64_t found)
{
	if (p->seen->errors < MEMORY_FAULTS_MAX)
		p->seen->fault[p->seen->errors] = (struct memory_fault){at, expected, found};
	p->seen->errors++;
}

static bool go_on(struct pass *p)
{
	return p->tick(p->ctx, p->seen);
}

/* xorshift64*, from a seed that is not 0 (Vigna, 2016). */
static uint64_t next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* What a word is to hold: its address or a number of a row, as it is or inverted. */
enum content { ADDRESS, RANDOM };

static uint64_t content_at(
    const struct pass *p, enum content c, size_t i, uint64_t *state, uint64_t flip)
{
	return (c == ADDRESS ? (uint64_t)(uintptr_t)&p->words[i] : next(state)) ^ flip;
}

static uint64_t seed(const struct pass *p)
{
	return 0x9e3779b97f4a7c15ULL * (p->number + 1);
}

static bool fill(struct pass *p, enum content c, uint64_t flip)
{
	uint64_t state = seed(p);

	for (size_t i = 0; i < p->count;) {
		size_t end = p->count - i < BLOCK_WORDS ? p->count : i + BLOCK_WORDS;
		for (; i < end; i++)
			p->words[i] = content_at(p, c, i, &state, flip);
		if (!go_on(p))
			return false;
	}
	forget();
	return true;
}

static bool compare(struct pass *p, enum content c, uint64_t flip)
{
	uint64_t state = seed(p);

	for (size_t i = 0; i < p->count;) {
		size_t begin = i, end = p->count - i < BLOCK_WORDS ? p->count : i + BLOCK_WORDS;
		for (; i < end; i++) {
			uint64_t expected = content_at(p, c, i, &state, flip), found = p->words[i];
			if (found != expected)
				fault(p, &p->words[i], expected, found);
		}
		p->seen->bytes += (end - begin) * sizeof(uint64_t);
		if (!go_on(p))
			return false;
	}
	return true;
}

static bool both_ways(struct pass *p, enum content c)
{
	return fill(p, c, 0) && compare(p, c, 0) && fill(p, c, ~0ULL) && compare(p, c, ~0ULL);
}

/* Reads what is to be there and at once writes the other, upwards or downwards: so neighbours
 * differ at every moment. */
static bool move(struct pass *p, bool up, uint64_t expected, uint64_t then)
{
	for (size_t done = 0; done < p->count;) {
		size_t len = p->count - done < BLOCK_WORDS ? p->count - done : BLOCK_WORDS;
		for (size_t k = 0; k < len; k++) {
			size_t i = up ? done + k : p->count - 1 - done - k;
			uint64_t found = p->words[i];
			if (found != expected)
				fault(p, &p->words[i], expected, found);
			p->words[i] = then;
		}
		done += len;
		p->seen->bytes += len * sizeof(uint64_t);
		if (!go_on(p))
			return false;
	}
	forget();
	return true;
}

static bool inversions(struct pass *p, uint64_t pattern)
{
	for (size_t i = 0; i < p->count; i++)
		p->words[i] = pattern;
	forget();
	return go_on(p) && move(p, true, pattern, ~pattern) && move(p, false, ~pattern, pattern) &&
	       move(p, true, pattern, pattern);
}

bool memory_pass(uint64_t *words, size_t count, unsigned number, memory_tick tick, void *ctx,
    struct memory_seen *seen)
{
	static const uint64_t patterns[] = {0, 0x5555555555555555ULL, 0x3333333333333333ULL,
	    0x0f0f0f0f0f0f0f0fULL, 0x00ff00ff00ff00ffULL};
	struct pass p = {words, count, number, tick, ctx, seen};
	uint64_t state = seed(&p);

	if (!both_ways(&p, ADDRESS) || !both_ways(&p, RANDOM) ||
	    !inversions(&p, patterns[number % (sizeof(patterns) / sizeof(*patterns))]) ||
	    !inversions(&p, 1ULL << number % 64) || !inversions(&p, next(&state)))
		return false;
	seen->passes++;
	return true;
}

/* ---- which memory ------------------------------------------------------------------------------
 */

static uint64_t available_bytes(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	char line[200];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			return kib * 1024;
	return 0;
}

int memory_take(uint64_t most_bytes, uint64_t **words, size_t *count, struct err *e)
{
	uint64_t there = available_bytes(), left = there / 16;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), step = 16U << 20;

	left = left < LEAST_LEFT_BYTES  ? LEAST_LEFT_BYTES
	       : left > MOST_LEFT_BYTES ? MOST_LEFT_BYTES
					: left;
	if (there < left + LEAST_BYTES)
		return err_set(e, ENOMEM,
		    "only %llu MiB of memory are free, of which this system needs %llu to live on",
		    (unsigned long long)there >> 20, (unsigned long long)left >> 20);
	uint64_t bytes = there - left;
	if (most_bytes && most_bytes < bytes)
		bytes = most_bytes;
	bytes -= bytes % page;
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return err_errno(e, "cannot take %llu bytes of memory", (unsigned long long)bytes);
	/* Piece by piece: what is said to be available may not be. */
	size_t got = 0;
	while (got < bytes && (got == 0 || available_bytes() > left / 2)) {
		size_t len = bytes - got < step ? bytes - got : step;
		for (size_t i = 0; i < len; i += page)
			at[got + i] = 1;
		got += len;
	}
	munmap(at + got, bytes - got);
	*words = (uint64_t *)(void *)at;
	*count = got / sizeof(uint64_t);
	return 0;
}

uint64_t memory_physical(const volatile void *at)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), entry = 0, address = (uintptr_t)at;
	_cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &entry, sizeof(entry), (off_t)(address / page * sizeof(entry))) !=
			  (ssize_t)sizeof(entry))
		return 0;
	uint64_t frame = entry & ((1ULL << 55) - 1);
	return entry >> 63 && frame ? frame * page + address % page : 0;
}
