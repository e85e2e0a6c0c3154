#include "lib/base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct range {
	uint32_t first;
	uint32_t last;
};

static const struct range unseen[] = {
    {0, 0x1f},
    {0x7f, 0x9f},
    {0x61c, 0x61c},
    {0x200e, 0x200f},
    {0x2028, 0x202e},
    {0x2066, 0x206f},
    {0xfeff, 0xfeff},
    {0xfff9, 0xfffb},
    {0xfffe, 0xffff},
};

/* Unicode's East_Asian_Width W and F, and the marks that take no place of their own: wcwidth()
 * knows them in the locales of the machine alone. */
static const struct range wide[] = {
    {0x1100, 0x115f},
    {0x2e80, 0x303e},
    {0x3041, 0x4dbf},
    {0x4e00, 0xa4cf},
    {0xa960, 0xa97f},
    {0xac00, 0xd7a3},
    {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},
    {0xff00, 0xff60},
    {0xffe0, 0xffe6},
    {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff},
    {0x1f900, 0x1f9ff},
    {0x20000, 0x3fffd},
};
static const struct range joining[] = {
    {0x300, 0x36f},
    {0x483, 0x489},
    {0x591, 0x5bd},
    {0x610, 0x61a},
    {0x64b, 0x65f},
    {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff},
    {0x200b, 0x200d},
    {0x20d0, 0x20ff},
    {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f},
};

static bool is_in(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}
#define IS_IN(c, ranges) is_in(c, ranges, sizeof(ranges) / sizeof((ranges)[0]))

/* RFC 3629. Returns the length, or 0 for bytes that are no character. */
static size_t decode(const unsigned char *p, size_t len, uint32_t *out)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80   ? 1
		   : p[0] < 0xc2 ? 0
		   : p[0] < 0xe0 ? 2
		   : p[0] < 0xf0 ? 3
		   : p[0] < 0xf5 ? 4
				 : 0;

	if (n == 0 || n > len)
		return 0;
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	*out = c;
	return c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

size_t text_character(const char *text, size_t len, int *plain)
{
	uint32_t c = 0;
	size_t n = decode((const unsigned char *)text, len, &c);

	*plain = n > 0 && !IS_IN(c, unseen);
	return n > 0 ? n : 1;
}

size_t text_columns(const char *text)
{
	size_t len = strlen(text), columns = 0;

	for (size_t i = 0, n; i < len; i += n) {
		uint32_t c = 0;
		n = decode((const unsigned char *)text + i, len - i, &c);
		columns += IS_IN(c, joining) ? 0 : IS_IN(c, wide) ? 2 : 1;
		n = n > 0 ? n : 1;
	}
	return columns;
}

size_t text_clean(char *text, size_t len, const char *keep)
{
	size_t out = 0;
	int plain;

	for (size_t i = 0; i < len;) {
		size_t n = text_character(text + i, len - i, &plain);

		if (plain || (text[i] && strchr(keep, text[i]))) {
			memmove(text + out, text + i, n);
			out += n;
		} else {
			text[out++] = '?';
		}
		i += n;
	}
	return out;
}

void text_clean_string(char *text, const char *keep)
{
	text[text_clean(text, strlen(text), keep)] = '\0';
}

void text_copy_clean(const char *text, char *out, size_t size)
{
	size_t len = strlen(text), used = 0;
	int plain;

	for (size_t i = 0; i < len;) {
		size_t n = text_character(text + i, len - i, &plain);
		size_t takes = plain ? n : 1;

		if (used + takes >= size)
			break;
		if (plain)
			memcpy(out + used, text + i, n);
		else
			out[used] = text[i] && strchr("\n\t\r", text[i]) ? ' ' : '?';
		used += takes;
		i += n;
	}
	out[used] = '\0';
}

static bool is_ascii(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f;
}

bool text_is_ascii(const char *text)
{
	while (is_ascii(*text))
		text++;
	return *text == '\0';
}

void text_to_ascii(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_ascii(text[i]))
			text[i] = '?';
}

void text_expand(
    const char *format, const char *letters, const char *const *values, char *out, size_t size)
{
	size_t used = 0;

	for (const char *p = format; *p && used + 1 < size; p++) {
		const char *letter = *p == '%' && p[1] ? strchr(letters, p[1]) : NULL;
		if (!letter) {
			out[used++] = *p;
			continue;
		}
		int n = snprintf(out + used, size - used, "%s", values[letter - letters]);
		used = (size_t)n < size - used ? used + (size_t)n : size - 1;
		p++;
	}
	out[used] = '\0';
}

size_t text_lines(const char *text)
{
	size_t n = 1;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}
