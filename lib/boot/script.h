/* script.h - inside of loader_*.c: a loader's text while it is written. */
#ifndef LIB_BOOT_SCRIPT_H
#define LIB_BOOT_SCRIPT_H

#include <string.h>

#include "lib/boot/loader.h"

struct text {
	char *buf; /* of BOOT_SCRIPT_MAX */
	size_t len;
	bool full; /* something was left out */
};

static inline void put_bytes(struct text *t, const char *s, size_t n)
{
	if (n > BOOT_SCRIPT_MAX - 1 - t->len) {
		t->full = true;
		return;
	}
	memcpy(t->buf + t->len, s, n);
	t->len += n;
}

static inline void put(struct text *t, const char *s)
{
	put_bytes(t, s, strlen(s));
}

static inline void put_number(struct text *t, unsigned n)
{
	char digits[BOOT_NUMBER_SIZE];

	put(t, boot_number(n, digits));
}

/* Its length; where something had no room, what render() makes of saying so. */
static inline size_t put_end(struct text *t, const struct boot_facts *f,
    size_t (*render)(const struct boot_plan *plan, const struct boot_facts *f, char *buf))
{
	if (t->full) {
		struct boot_plan refused;
		boot_plan_refused(f, &refused);
		return render(&refused, f, t->buf);
	}
	t->buf[t->len] = '\0';
	return t->len;
}

#endif
