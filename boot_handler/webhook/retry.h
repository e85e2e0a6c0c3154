/* retry.h - what follows from a receiver's answer. Pure. */
#ifndef BOOT_HANDLER_WEBHOOK_RETRY_H
#define BOOT_HANDLER_WEBHOOK_RETRY_H

#include <stdint.h>

#define RETRY_FIRST_MS ((int64_t)1000)      /* then twice as long each time... */
#define RETRY_MOST_MS ((int64_t)600000)     /* ...up to this */
#define RETRY_AFTER_MOST_S ((int64_t)86400) /* what a receiver may ask for */

enum retry {
	RETRY_TAKEN, /* 2xx */
	RETRY_LATER,
	RETRY_NEVER, /* 410: the receiver is gone for good (RFC 9110, 15.5.11) */
};

/* `status` of HTTP, 0: there was none. `tries` failed before this one. `random` is any number.
 * *wait_ms is set for RETRY_LATER: what `retry_after_s` says (RFC 9110, 10.2.3; 0: nothing), else
 * between half and all of a time that doubles, so that those who failed together do not come again
 * together. What other requests of this kind will not get better by itself (4xx) waits the longest
 * at once. */
enum retry retry_judge(
    unsigned status, unsigned tries, int64_t retry_after_s, uint32_t random, int64_t *wait_ms);

#endif
