/* digest.h - SHA-256 (FIPS 180-4), with the processor's SHA instructions where it has them. */
#ifndef OS_INSTALLER_FETCH_DIGEST_H
#define OS_INSTALLER_FETCH_DIGEST_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32

struct digest {
	uint8_t byte[DIGEST_BYTES];
};

/* A digest over data that arrives in pieces. */
struct digest_state {
	struct sha256_ctx ctx;
};

void digest_init(struct digest_state *s);
void digest_update(struct digest_state *s, const void *data, size_t len);
void digest_final(struct digest_state *s, struct digest *out);

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

#endif
