#include "os_installer/report/progress.h"

#include <string.h>
#include <stdio.h>

#include "lib/base/size.h"
#include "lib/definition/disk_choice.h"

void progress_init(struct progress *p, uint64_t total_bytes, int64_t now_ms)
{
	memset(p, 0, sizeof(*p));
	p->total_bytes = total_bytes;
	progress_add(p, 0, now_ms);
}

void progress_add(struct progress *p, uint64_t bytes, int64_t now_ms)
{
	if (p->count > 0) {
		unsigned last = (p->count - 1) % PROGRESS_SAMPLES;
		/* Bursts within a second are one sample; the first stays as the start. */
		if (p->count > 1 &&
		    now_ms - p->sample[(p->count - 2) % PROGRESS_SAMPLES].at_ms < 1000) {
			p->sample[last].at_ms = now_ms;
			p->sample[last].bytes = bytes;
			return;
		}
	}
	p->sample[p->count % PROGRESS_SAMPLES].at_ms = now_ms;
	p->sample[p->count % PROGRESS_SAMPLES].bytes = bytes;
	p->count++;
}

uint64_t progress_rate(const struct progress *p)
{
	if (p->count < 2)
		return 0;
	unsigned first = p->count > PROGRESS_SAMPLES ? p->count - PROGRESS_SAMPLES : 0;
	unsigned a = first % PROGRESS_SAMPLES, b = (p->count - 1) % PROGRESS_SAMPLES;
	int64_t ms = p->sample[b].at_ms - p->sample[a].at_ms;

	if (ms <= 0 || p->sample[b].bytes < p->sample[a].bytes)
		return 0;
	return (p->sample[b].bytes - p->sample[a].bytes) * 1000 / (uint64_t)ms;
}

static uint64_t bytes_now(const struct progress *p)
{
	return p->count ? p->sample[(p->count - 1) % PROGRESS_SAMPLES].bytes : 0;
}

uint64_t progress_eta_s(const struct progress *p)
{
	uint64_t rate = progress_rate(p);
	uint64_t bytes = bytes_now(p);

	if (rate == 0 || bytes >= p->total_bytes)
		return 0;
	return (p->total_bytes - bytes + rate - 1) / rate;
}

const char *progress_text(const struct progress *p, const char *phase, char *buf, size_t size)
{
	char done[SIZE_TEXT_SIZE], total[SIZE_TEXT_SIZE], rate[SIZE_TEXT_SIZE], eta[32] = "";
	uint64_t bytes = bytes_now(p);
	uint64_t left = progress_eta_s(p);

	if (left > 0)
		snprintf(eta, sizeof(eta), ", %llu s left", (unsigned long long)left);
	snprintf(buf, size, "%s %3llu%%  %s of %s, %s/s%s", phase,
	    (unsigned long long)(p->total_bytes ? bytes * 100 / p->total_bytes : 0),
	    size_text(bytes, done), size_text(p->total_bytes, total),
	    size_text(progress_rate(p), rate), eta);
	return buf;
}
