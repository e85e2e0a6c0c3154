/* progress.h - one calm line on stderr for work that takes long: rewritten in place on a
 * terminal, a plain line every few seconds otherwise.
 */
#ifndef VMLAB_IMAGE_PROGRESS_H
#define VMLAB_IMAGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct image_progress {
	const char *what; /* borrowed */
	uint64_t total_bytes;
	int64_t started_ms;
	int64_t shown_ms;
	bool silent; /* nothing at all is shown */
	bool tty;
	bool line_open; /* an unfinished line is on the terminal */
};

void image_progress_init(struct image_progress *p);

/* A new stage. total_bytes 0: unknown. `what` must outlive the stage. */
void image_progress_begin(struct image_progress *p, const char *what, uint64_t total_bytes);
void image_progress_update(struct image_progress *p, uint64_t done_bytes);

/* Ends the stage's line with its size (0: none) and time. */
void image_progress_end(struct image_progress *p, uint64_t done_bytes);

/* Clears an open line, before something else is printed. */
void image_progress_clear(struct image_progress *p);

#endif
