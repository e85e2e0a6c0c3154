#include "lib/base/clock.h"

#include <stdio.h>
#include <string.h>

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME_COARSE);
}

int64_t monotonic_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t boottime_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

struct timespec monotonic_after(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	long nanoseconds = t.tv_nsec + (long)(ms % 1000) * 1000000;
	return (struct timespec){
	    t.tv_sec + ms / 1000 + nanoseconds / 1000000000, nanoseconds % 1000000000};
}

int64_t thread_cpu_ms(void)
{
	return clock_ms(CLOCK_THREAD_CPUTIME_ID);
}

void sleep_ms(int64_t ms)
{
	if (ms > 0)
		nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

const char *time_format(int64_t at_ms, char *buf)
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	size_t n = strftime(buf, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, TIME_TEXT_SIZE - n, ".%03dZ", (int)(at_ms % 1000));
	return buf;
}

int64_t time_parse(const char *text)
{
	struct tm tm = {0};
	const char *p = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t ms = 0;

	if (!p)
		return -1;
	if (*p == '.') {
		int scale = 100;
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			ms += (*p - '0') * scale;
	}
	if (strcmp(p, "Z") != 0 && strcmp(p, "+00:00") != 0)
		return -1;
	return (int64_t)timegm(&tm) * 1000 + ms;
}
