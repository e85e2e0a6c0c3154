/* test_capture.h - for tests: what code writes to a stream, as text. */
#ifndef LIB_BASE_TEST_CAPTURE_H
#define LIB_BASE_TEST_CAPTURE_H

#include <stdio.h>

/* Runs `write`, which writes to the stream `f`; `text` is then its caller's to free. */
#define CAPTURE(text, write)                                                                       \
	do {                                                                                       \
		size_t capture_len;                                                                \
		FILE *f = open_memstream(&(text), &capture_len);                                   \
		assert_non_null(f);                                                                \
		write;                                                                             \
		fclose(f);                                                                         \
	} while (0)

#endif
