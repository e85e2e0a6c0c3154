/* patience.h - how long, and how often, a server that is away is asked again: its line is cut, or
 * it starts. One thread. */
#ifndef OS_INSTALLER_FETCH_PATIENCE_H
#define OS_INSTALLER_FETCH_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#define PATIENCE_S 900 /* as a rule */

struct patience {
	int64_t until_ms, pause_ms;
};

void patience_begin(struct patience *p, unsigned seconds);

/* Rests, each time longer, and logs `why` until it rests as long as it ever does. False at once
 * when it is over. */
bool patience_rest(struct patience *p, const char *why);

/* Whether an answer of that HTTP status passes: of a server or a proxy that is starting, or has too
 * much to do. */
bool patience_is_for(long status);

#endif
