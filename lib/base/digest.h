/* digest.h - a SHA-256 (FIPS 180-4). */
#ifndef LIB_BASE_DIGEST_H
#define LIB_BASE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DIGEST_BYTES 32

struct digest {
	uint8_t byte[DIGEST_BYTES];
};

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

#endif
