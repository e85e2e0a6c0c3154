#include "lib/base/bytes.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_byte(const char *two)
{
	int high = digit(two[0]);
	int low = high < 0 ? -1 : digit(two[1]);

	return low < 0 ? -1 : high << 4 | low;
}

char *hex_encode(const void *data, size_t len, char *buf)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		buf[2 * i] = digits[p[i] >> 4];
		buf[2 * i + 1] = digits[p[i] & 15];
	}
	buf[2 * len] = '\0';
	return buf;
}

bool hex_decode(const char *text, void *out, size_t len)
{
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++) {
		int byte = hex_byte(text + 2 * i);
		if (byte < 0)
			return false;
		p[i] = (uint8_t)byte;
	}
	return text[2 * len] == '\0';
}

void uuid_mark(uint8_t uuid[16], unsigned version)
{
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | version << 4);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

char *uuid_format(const uint8_t uuid[16], char buf[UUID_TEXT_SIZE])
{
	static const uint8_t parts[] = {4, 2, 2, 2, 6};
	char *out = buf;

	for (size_t i = 0; i < sizeof(parts); i++) {
		hex_encode(uuid, parts[i], out);
		uuid += parts[i];
		out += 2 * parts[i];
		*out++ = i + 1 < sizeof(parts) ? '-' : '\0';
	}
	return buf;
}
