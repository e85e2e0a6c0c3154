#include "os_installer/fetch/digest.h"

#include <string.h>

#include "lib/net/addr.h"

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

bool digest_parse(const char *text, struct digest *out)
{
	if (strlen(text) != 2 * DIGEST_BYTES)
		return false;
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out->byte[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

const char *digest_format(const struct digest *d, char *buf)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		buf[2 * i] = hex[d->byte[i] >> 4];
		buf[2 * i + 1] = hex[d->byte[i] & 15];
	}
	buf[2 * DIGEST_BYTES] = '\0';
	return buf;
}
