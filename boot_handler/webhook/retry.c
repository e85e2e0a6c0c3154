#include "boot_handler/webhook/retry.h"

#include <stdbool.h>

static bool is_hopeless(unsigned status)
{
	return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

static int64_t longest_ms(unsigned status, unsigned tries)
{
	int64_t ms = RETRY_FIRST_MS;

	if (is_hopeless(status))
		return RETRY_MOST_MS;
	while (tries-- > 0 && ms < RETRY_MOST_MS)
		ms *= 2;
	return ms < RETRY_MOST_MS ? ms : RETRY_MOST_MS;
}

enum retry retry_judge(
    unsigned status, unsigned tries, int64_t retry_after_s, uint32_t random, int64_t *wait_ms)
{
	*wait_ms = 0;
	if (status >= 200 && status < 300)
		return RETRY_TAKEN;
	if (status == 410)
		return RETRY_NEVER;
	if (retry_after_s > 0) {
		*wait_ms = 1000 * (retry_after_s < RETRY_AFTER_MOST_S ? retry_after_s
								      : RETRY_AFTER_MOST_S);
		return RETRY_LATER;
	}
	int64_t half = longest_ms(status, tries) / 2;
	*wait_ms = half + (int64_t)(random % (uint32_t)(half + 1));
	return RETRY_LATER;
}
