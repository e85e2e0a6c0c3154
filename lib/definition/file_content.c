#include "lib/definition/file_content.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "lib/base/cleanup.h"

#define GZIP_WINDOW (16 + MAX_WBITS)

/* ---- base64, as Python's b64decode() reads it
 * --------------------------------------------------*/

struct decoded {
	uint8_t *bytes;
	size_t len;
	unsigned odd; /* characters over, of a group of four */
	bool foreign; /* characters that are not base64's: Python skips them */
};

static int value_of(char c)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -1;
}

/* d->bytes has room for all of it. */
static void decode(const char *text, struct decoded *d)
{
	unsigned bits = 0, pads = 0;

	for (; *text; text++) {
		int value = value_of(*text);
		if (*text == '=') {
			if (d->odd >= 2 && d->odd + ++pads >= 4) {
				d->odd = 0;
				d->foreign = d->foreign || text[1 + strspn(text + 1, " \t\r\n=")];
				return;
			}
			continue;
		}
		if (value < 0) {
			d->foreign = d->foreign || !strchr(" \t\r\n", *text);
			continue;
		}
		pads = 0;
		bits = bits << 6 | (unsigned)value;
		d->odd = (d->odd + 1) % 4;
		if (d->odd != 1)
			d->bytes[d->len++] = (uint8_t)(bits >> (d->odd == 2      ? 4
								   : d->odd == 3 ? 2
										 : 0));
	}
}

/* ---- gzip
 * --------------------------------------------------------------------------------------*/

/* True for whole members one after the other, and zeros between and behind them. */
static bool is_gzip(const uint8_t *bytes, size_t len)
{
	z_stream z = {.next_in = (uint8_t *)bytes, .avail_in = (uInt)len};
	uint8_t out[16384];
	int rc = Z_STREAM_END;

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return true;
	while (z.avail_in > 0 && rc == Z_STREAM_END) {
		if (*z.next_in == 0 && z.total_in > 0) {
			z.next_in++;
			z.avail_in--;
			continue;
		}
		inflateReset(&z);
		do {
			z.next_out = out;
			z.avail_out = sizeof(out);
			rc = inflate(&z, Z_NO_FLUSH);
		} while (rc == Z_OK);
		z.total_in = 1;
	}
	inflateEnd(&z);
	return rc == Z_STREAM_END;
}

/* ---- both
 * --------------------------------------------------------------------------------------*/

static const char *base64_fault(const char *content, bool zipped, bool *certain)
{
	struct decoded d = {.bytes = malloc(strlen(content) + 1)};
	_cleanup_free_ uint8_t *bytes = d.bytes;

	*certain = true;
	for (const char *p = content; *p; p++)
		if ((unsigned char)*p >= 0x80)
			return "is not base64: it has characters beyond ASCII; write what `base64 FILE` prints";
	if (!bytes)
		return NULL;
	decode(content, &d);
	if (d.odd != 0)
		return "is not base64, or is cut off: write what `base64 FILE` prints";
	if (zipped && !is_gzip(d.bytes, d.len))
		return "is base64, but of nothing that gzip made, or is cut off: write what `gzip -c FILE | base64` prints";
	*certain = false;
	return d.foreign
		   ? "has characters that are not base64's, which cloud-init skips: write what `base64 FILE` prints"
		   : NULL;
}

const char *file_content_fault(const char *content, const char *encoding, bool *certain)
{
	bool zipped = encoding && strncmp(encoding, "gz", 2) == 0;

	*certain = true;
	if (!encoding || !encoding[0] || !content[0] || strcmp(encoding, "text/plain") == 0)
		return NULL;
	if (zipped && !strchr(encoding, '+'))
		return "cannot be what gzip made, which is no text: write what `gzip -c FILE | base64` prints, with \"encoding\": \"gz+base64\"";
	return base64_fault(content, zipped, certain);
}
