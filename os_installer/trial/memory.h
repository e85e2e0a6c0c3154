/* memory.h - tries whether memory keeps what is written to it: as address, in moving inversions (up
 * and down) of patterns that differ from pass to pass, and as random numbers.
 */
#ifndef OS_INSTALLER_TRIAL_MEMORY_H
#define OS_INSTALLER_TRIAL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define MEMORY_FAULTS_MAX 16 /* that are told one by one */

struct memory_fault {
	const volatile void *at;
	uint64_t expected, found;
};

/* What was seen; grows from pass to pass. */
struct memory_seen {
	uint64_t bytes; /* read and compared */
	unsigned passes;
	uint64_t errors;
	struct memory_fault fault[MEMORY_FAULTS_MAX]; /* the first of them */
};

/* Called again and again while a pass is made; false: stop. */
typedef bool (*memory_tick)(void *ctx, const struct memory_seen *seen);

/* One pass over `count` words, the `number`-th. False when it was stopped; then it does not count.
 */
bool memory_pass(uint64_t *words, size_t count, unsigned number, memory_tick tick, void *ctx,
    struct memory_seen *seen);

/* Takes the memory that is free but for what the system needs to live on, at most `most_bytes` (0:
 * all), and its size. Returned to the kernel when the process ends. */
must_check int memory_take(uint64_t most_bytes, uint64_t **words, size_t *count, struct err *e);

/* Where it is on the machine's modules, by /proc/self/pagemap; 0: the kernel does not tell. */
uint64_t memory_physical(const volatile void *at);

#endif
