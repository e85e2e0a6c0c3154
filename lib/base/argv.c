#include "lib/base/argv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes ownership of `item`; NULL means that making it failed. */
static void append(struct argv *a, char *item)
{
	char **grown = NULL;

	if (item && !a->failed)
		grown = reallocarray(a->items, a->count + 2, sizeof(*grown));
	if (!grown) {
		a->failed = true;
		free(item);
		return;
	}
	a->items = grown;
	a->items[a->count++] = item;
	a->items[a->count] = NULL;
}

void argv_add(struct argv *a, const char *item)
{
	append(a, strdup(item));
}

void argv_addf(struct argv *a, const char *fmt, ...)
{
	char *item;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&item, fmt, ap) < 0)
		item = NULL;
	va_end(ap);
	append(a, item);
}

void argv_add_all(struct argv *a, const char *const *items)
{
	for (; *items; items++)
		argv_add(a, *items);
}

void argv_extend(struct argv *a, size_t count, char *const *items)
{
	for (size_t i = 0; i < count; i++)
		argv_add(a, items[i]);
}

void argv_clear(struct argv *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->items[i]);
	free(a->items);
	*a = (struct argv)ARGV_INIT;
}
