#include "os_installer/fetch/patience.h"

#include <inttypes.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define PAUSE_FIRST_MS 250
#define PAUSE_MOST_MS 4000

void patience_begin(struct patience *p, unsigned seconds)
{
	*p = (struct patience){
	    .until_ms = monotonic_ms() + seconds * 1000LL, .pause_ms = PAUSE_FIRST_MS};
}

bool patience_rest(struct patience *p, const char *why)
{
	if (monotonic_ms() > p->until_ms)
		return false;
	if (p->pause_ms < PAUSE_MOST_MS)
		log_warn("%s, again in %" PRId64 " ms", why, p->pause_ms);
	sleep_ms(p->pause_ms);
	p->pause_ms = p->pause_ms * 2 < PAUSE_MOST_MS ? p->pause_ms * 2 : PAUSE_MOST_MS;
	return true;
}

bool patience_is_for(long status)
{
	return status >= 500 || status == 408 || status == 425 || status == 429;
}
