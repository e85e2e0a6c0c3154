/* pace.h - how often something may happen that others cause: a few times at once, then at growing
 * intervals while it goes on. Pure; a zeroed struct has seen nothing. */
#ifndef LIB_BASE_PACE_H
#define LIB_BASE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace_rule {
	unsigned free;    /* so many before it is slowed down */
	int64_t every_ms; /* between those */
	int64_t first_ms; /* then this, twice as long each time... */
	int64_t most_ms;  /* ...up to this; all is forgotten after twice that without any */
};

struct pace {
	unsigned count;
	int64_t last_ms;
};

/* How long it has to wait: 0: it may happen now. */
int64_t pace_wait_ms(const struct pace *p, const struct pace_rule *rule, int64_t now_ms);

/* Nothing of late: it would be the first. */
bool pace_is_quiet(const struct pace *p, const struct pace_rule *rule, int64_t now_ms);

/* It happens. True when it is slowed down from now on: worth a word, which is not said again before
 * it has been quiet. */
bool pace_take(struct pace *p, const struct pace_rule *rule, int64_t now_ms);

#endif
