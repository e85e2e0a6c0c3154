#include "lib/base/terminal_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"

#define STRING_MAX 4096 /* what a sequence that never ends may swallow */

struct lines {
	char *text;
	size_t line; /* where the current one begins */
	size_t at;   /* where the next character goes */
	size_t end;
};

static void end_line(struct lines *l)
{
	bool empty = l->end == l->line;
	bool before = l->end < 2 || (l->text[l->end - 1] == '\n' && l->text[l->end - 2] == '\n');

	if (!empty || !before)
		l->text[l->end++] = '\n';
	l->line = l->at = l->end;
}

static void put(struct lines *l, char c)
{
	l->text[l->at++] = c;
	if (l->at > l->end)
		l->end = l->at;
}

static void back(struct lines *l)
{
	do {
		if (l->at == l->line)
			return;
		l->at--;
	} while (((unsigned char)l->text[l->at] & 0xc0) == 0x80);
}

static void control(struct lines *l, char c)
{
	switch (c) {
	case '\n':
	case '\v':
	case '\f':
		end_line(l);
		break;
	case '\r':
		l->at = l->line;
		break;
	case '\b':
		back(l);
		break;
	case '\t':
		put(l, c);
		break;
	default:
		break;
	}
}

/* What a control sequence does, by its last character. */
static void sequence(struct lines *l, char final)
{
	if (final == 'K' || final == 'J')
		l->end = l->at;
	else if (final == 'C' || final == 'G')
		put(l, ' ');
	else if (strchr("HfdABEF", final) && l->end > l->line)
		end_line(l);
}

/* Bytes of `p` in that range. */
static size_t span(const char *p, size_t len, char first, char last)
{
	size_t n = 0;

	while (n < len && p[n] >= first && p[n] <= last)
		n++;
	return n;
}

/* To the end of a string: BEL, ESC \ or, where there is none, the line's. */
static size_t skip_string(const char *p, size_t len)
{
	for (size_t i = 0; i < len && i < STRING_MAX; i++) {
		if (p[i] == '\a')
			return i + 1;
		if (p[i] == '\033')
			return i + 1 < len && p[i + 1] == '\\' ? i + 2 : i;
		if (p[i] == '\n')
			return i;
	}
	return len < STRING_MAX ? len : STRING_MAX;
}

/* What follows an ESC; its length. */
static size_t escape(struct lines *l, const char *p, size_t len)
{
	size_t n = 1;

	if (len == 0)
		return 0;
	if (*p == '[') {
		n += span(p + n, len - n, '0', '?');
		n += span(p + n, len - n, ' ', '/');
		if (n < len && p[n] >= '@' && p[n] <= '~')
			sequence(l, p[n++]);
		return n;
	}
	if (*p && strchr("]PX^_", *p))
		return n + skip_string(p + n, len - n);
	n = span(p, len, ' ', '/');
	return n + (n < len && p[n] >= '0' && p[n] <= '~');
}

char *terminal_text(const char *bytes, size_t len)
{
	struct lines l = {.text = malloc(len + 1)};

	if (!l.text)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\033')
			i += escape(&l, bytes + i + 1, len - i - 1);
		else if ((unsigned char)bytes[i] < ' ' || bytes[i] == 0x7f)
			control(&l, bytes[i]);
		else
			put(&l, bytes[i]);
	}
	l.text[text_clean(l.text, l.end, "\n\t")] = '\0';
	return l.text;
}
