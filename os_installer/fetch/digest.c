#include "os_installer/fetch/digest.h"

void digest_init(struct digest_state *s)
{
	sha256_init(&s->ctx);
}

void digest_update(struct digest_state *s, const void *data, size_t len)
{
	sha256_update(&s->ctx, len, data);
}

void digest_final(struct digest_state *s, struct digest *out)
{
	sha256_digest(&s->ctx, sizeof(out->byte), out->byte);
}
