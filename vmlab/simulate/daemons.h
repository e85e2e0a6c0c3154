/* daemons.h - what the stack's programs take of processor and memory while a simulation runs, as
 * the kernel tells of the processes of this PID namespace, which is the stack's. One thread.
 */
#ifndef VMLAB_SIMULATE_DAEMONS_H
#define VMLAB_SIMULATE_DAEMONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DAEMONS_MAX 16
#define DAEMON_NAME_SIZE 16 /* of the kernel's */

/* All processes of one name together, with what those they have waited for took. */
struct daemon {
	char name[DAEMON_NAME_SIZE];
	uint64_t first_ticks, ticks;
	uint64_t rss_bytes, peak_bytes; /* now, and the most that was seen */
};

struct daemons {
	struct daemon item[DAEMONS_MAX];
	unsigned count;
	bool begun;
};

/* Looks once: the first time is what later ones are measured from. Leaves this process out. */
void daemons_look(struct daemons *d);

/* New references: {"name", "cpu_s", "peak_rss_bytes"} of each, the busiest first; and the sum. */
json_t *daemons_json(const struct daemons *d);
double daemons_cpu_s(const struct daemons *d);

#endif
