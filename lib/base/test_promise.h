/* test_promise.h - for fuzz targets: what must hold of whatever comes out. */
#ifndef LIB_BASE_TEST_PROMISE_H
#define LIB_BASE_TEST_PROMISE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* The text, in its place of `size` bytes, is one line that may be printed. */
static inline void promise_clean(const char *text, size_t size)
{
	PROMISE(strnlen(text, size) < size);
	char *clean = malloc(size);
	PROMISE(clean);
	text_copy_clean(text, clean, size);
	PROMISE(strcmp(text, clean) == 0);
	free(clean);
}

/* The input as a string; malloc'ed, so that a look past its end is noticed. */
static inline char *promise_string(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	PROMISE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
