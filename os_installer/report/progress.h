/* progress.h - rate and remaining time of a transfer, from byte counts as they come in. Pure: the
 * caller brings the clock.
 */
#ifndef OS_INSTALLER_REPORT_PROGRESS_H
#define OS_INSTALLER_REPORT_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#define PROGRESS_SAMPLES 16

struct progress {
	uint64_t total_bytes;
	struct {
		int64_t at_ms;
		uint64_t bytes;
	} sample[PROGRESS_SAMPLES]; /* ring */
	unsigned count;             /* ever added */
};

void progress_init(struct progress *p, uint64_t total_bytes, int64_t now_ms);
void progress_add(struct progress *p, uint64_t bytes, int64_t now_ms);

/* Over the last samples, some ten to twenty seconds. */
uint64_t progress_rate(const struct progress *p);

/* Seconds left at that rate; 0 when it is not known or nothing is left. */
uint64_t progress_eta_s(const struct progress *p);

/* "rootfs  42%  61.5 MiB of 148.0 MiB, 9.8 MiB/s, 9 s left" */
const char *progress_text(const struct progress *p, const char *phase, char *buf, size_t size);

#endif
