/* digest.h - computes SHA-256, with the processor's SHA instructions where it has them. */
#ifndef OS_INSTALLER_FETCH_DIGEST_H
#define OS_INSTALLER_FETCH_DIGEST_H

#include <nettle/sha2.h>
#include <stddef.h>

#include "lib/base/digest.h"

/* A digest over data that arrives in pieces. */
struct digest_state {
	struct sha256_ctx ctx;
};

void digest_init(struct digest_state *s);
void digest_update(struct digest_state *s, const void *data, size_t len);
void digest_final(struct digest_state *s, struct digest *out);

#endif
