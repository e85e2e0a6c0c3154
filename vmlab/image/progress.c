#include "vmlab/image/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/size.h"
#include "lib/base/human.h"

#define TTY_INTERVAL_MS 200
#define PLAIN_INTERVAL_MS 5000

void image_progress_init(struct image_progress *p)
{
	*p = (struct image_progress){.tty = isatty(STDERR_FILENO)};
}

void image_progress_begin(struct image_progress *p, const char *what, uint64_t total_bytes)
{
	image_progress_clear(p);
	p->what = what;
	p->total_bytes = total_bytes;
	p->started_ms = p->shown_ms = monotonic_ms();
	if (p->tty && !p->silent) {
		fprintf(stderr, "  %s", what);
		fflush(stderr);
		p->line_open = true;
	}
}

void image_progress_update(struct image_progress *p, uint64_t done_bytes)
{
	char done[SIZE_TEXT_SIZE], total[SIZE_TEXT_SIZE];
	int64_t now = monotonic_ms();

	if (p->silent || now - p->shown_ms < (p->tty ? TTY_INTERVAL_MS : PLAIN_INTERVAL_MS))
		return;
	p->shown_ms = now;
	fprintf(
	    stderr, "%s  %s  %s", p->tty ? "\r" : "", p->what, size_text_short(done_bytes, done));
	if (p->total_bytes >= done_bytes && p->total_bytes)
		fprintf(stderr, " of %s  %" PRIu64 " %%", size_text_short(p->total_bytes, total),
		    done_bytes * 100 / p->total_bytes);
	fputs(p->tty ? "\033[K" : "\n", stderr);
	fflush(stderr);
	p->line_open = p->tty;
}

void image_progress_end(struct image_progress *p, uint64_t done_bytes)
{
	char done[SIZE_TEXT_SIZE], took[HUMAN_TEXT_SIZE];

	if (p->silent)
		return;
	fprintf(stderr, "%s  %s", p->tty ? "\r" : "", p->what);
	if (done_bytes)
		fprintf(stderr, "  %s", size_text_short(done_bytes, done));
	fprintf(stderr, "  (%s)%s\n", human_duration(monotonic_ms() - p->started_ms, took),
	    p->tty ? "\033[K" : "");
	p->line_open = false;
}

void image_progress_clear(struct image_progress *p)
{
	if (p->line_open)
		fputs("\r\033[K", stderr);
	p->line_open = false;
}
