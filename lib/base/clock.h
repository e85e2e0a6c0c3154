/* clock.h - the two clocks, and points of time as text. */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Since 1970, and it may be set meanwhile; at the resolution of the kernel's tick (1-4 ms): cheap.
 */
int64_t wall_ms(void);

/* For durations and deadlines. */
int64_t monotonic_ms(void);
/* The same with the time that the machine slept. */
int64_t boottime_ms(void);
/* Of CLOCK_MONOTONIC, `ms` from now. */
struct timespec monotonic_after(int ms);

/* What this thread has used of a processor. */
int64_t thread_cpu_ms(void);

/* Ends early at a signal. */
void sleep_ms(int64_t ms);

/* RFC 3339 in UTC with milliseconds ("2025-01-31T12:00:00.250Z"); buf takes TIME_TEXT_SIZE bytes.
 * Returns buf. */
#define TIME_TEXT_SIZE 32
const char *time_format(int64_t at_ms, char *buf);
/* The same read, with any number of decimals or none; -1 when it is not such a text, or NULL. */
int64_t time_parse(const char *text);

#endif
