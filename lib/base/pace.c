#include "lib/base/pace.h"

/* A clock that was set back forgets, too. */
bool pace_is_quiet(const struct pace *p, const struct pace_rule *rule, int64_t now_ms)
{
	return p->count == 0 || now_ms < p->last_ms || now_ms - p->last_ms >= 2 * rule->most_ms;
}

static int64_t interval_ms(const struct pace *p, const struct pace_rule *rule)
{
	int64_t ms = rule->first_ms;

	if (p->count < rule->free)
		return rule->every_ms;
	for (unsigned i = rule->free; i < p->count && ms < rule->most_ms; i++)
		ms *= 2;
	return ms < rule->most_ms ? ms : rule->most_ms;
}

int64_t pace_wait_ms(const struct pace *p, const struct pace_rule *rule, int64_t now_ms)
{
	if (pace_is_quiet(p, rule, now_ms))
		return 0;
	int64_t left = p->last_ms + interval_ms(p, rule) - now_ms;
	return left > 0 ? left : 0;
}

bool pace_take(struct pace *p, const struct pace_rule *rule, int64_t now_ms)
{
	if (pace_is_quiet(p, rule, now_ms))
		p->count = 0;
	if (p->count <= rule->free + 32) /* far beyond the longest interval */
		p->count++;
	p->last_ms = now_ms;
	return p->count == rule->free;
}
