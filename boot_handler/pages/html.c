#include "boot_handler/pages/html.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/human.h"
#include "lib/base/text.h"

#define FIRST_BYTES ((size_t)8 * 1024)

static bool make_room(struct html *h, size_t len)
{
	size_t room = h->room ? h->room : FIRST_BYTES;

	if (h->failed || len > SIZE_MAX / 4)
		return !(h->failed = true);
	while (room - h->len <= len)
		room *= 2;
	if (room == h->room)
		return true;
	char *bigger = realloc(h->text, room);
	if (!bigger) {
		h->failed = true;
		return false;
	}
	h->text = bigger;
	h->room = room;
	return true;
}

static void write_bytes(struct html *h, const char *bytes, size_t len)
{
	if (!make_room(h, len))
		return;
	memcpy(h->text + h->len, bytes, len);
	h->len += len;
}

static void write_string(struct html *h, const char *text)
{
	write_bytes(h, text, strlen(text));
}

void html_literal(struct html *h, const char *markup, size_t len)
{
	write_bytes(h, markup, len);
}

/* What a character is written as where it means something; NULL: as it is. */
static const char *reference(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void write_part(struct html *h, const char *value, size_t len, const char *keep)
{
	size_t n;
	int plain;

	for (size_t i = 0; i < len; i += n) {
		n = text_character(value + i, len - i, &plain);
		const char *as = n == 1 ? reference(value[i]) : NULL;

		if (as)
			write_string(h, as);
		else if (plain || strchr(keep, value[i]))
			write_bytes(h, value + i, n);
		else
			write_bytes(h, "?", 1);
	}
}

static void write_value(struct html *h, const char *value, const char *keep)
{
	write_part(h, value, strlen(value), keep);
}

void html_text(struct html *h, const char *text)
{
	if (text)
		write_value(h, text, "\n\t");
}

void html_advice(struct html *h, const char *text)
{
	const char *open, *close;

	while (text && (open = strchr(text, '`')) && (close = strchr(open + 1, '`'))) {
		write_part(h, text, (size_t)(open - text), "\n\t");
		html_put(h, "<code>");
		write_part(h, open + 1, (size_t)(close - open - 1), "\n\t");
		html_put(h, "</code>");
		text = close + 1;
	}
	html_text(h, text);
}

void html_attr_begun(struct html *h, const char *begin, size_t len, const char *value)
{
	if (!value)
		return;
	write_bytes(h, begin, len);
	write_value(h, value, "");
	write_bytes(h, "\"", 1);
}

/* RFC 3986, 2.3. */
static bool is_unreserved(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void html_url_part(struct html *h, const char *value)
{
	char hex[4];

	for (const char *p = value ? value : ""; *p; p++) {
		if (is_unreserved(*p)) {
			write_bytes(h, p, 1);
		} else {
			snprintf(hex, sizeof(hex), "%%%02X", (unsigned)(unsigned char)*p);
			write_bytes(h, hex, 3);
		}
	}
}

void html_number(struct html *h, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	write_string(h, text);
}

/* "2025-01-31T12:00:00.250Z" to "2025-01-31 12:00:00". */
static void moment(int64_t at_ms, char text[TIME_TEXT_SIZE])
{
	time_format(at_ms, text);
	text[strcspn(text, ".Z")] = '\0';
	char *between = strchr(text, 'T');
	if (between)
		*between = ' ';
}

static void begin_time(struct html *h, int64_t at_ms)
{
	char when[TIME_TEXT_SIZE];

	html_put(h, "<time");
	html_attr(h, "datetime", time_format(at_ms, when));
}

void html_time(struct html *h, int64_t at_ms, int64_t now_ms)
{
	char when[TIME_TEXT_SIZE], age[HUMAN_TEXT_SIZE];

	if (at_ms <= 0)
		return;
	begin_time(h, at_ms);
	html_put(h, " data-age");
	moment(at_ms, when);
	html_put(h, " title=\"");
	write_value(h, when, "");
	html_put(h, " UTC\">");
	write_string(h, human_age(now_ms - at_ms, age));
	html_put(h, " ago</time>");
}

void html_moment(struct html *h, int64_t at_ms)
{
	char when[TIME_TEXT_SIZE];

	if (at_ms <= 0)
		return;
	begin_time(h, at_ms);
	html_put(h, ">");
	moment(at_ms, when);
	write_string(h, when);
	html_put(h, "</time>");
}

char *html_steal(struct html *h)
{
	char *text = NULL;

	if (make_room(h, 0)) {
		h->text[h->len] = '\0';
		text = h->text;
		h->text = NULL;
	}
	html_clear(h);
	return text;
}

void html_clear(struct html *h)
{
	free(h->text);
	*h = (struct html)HTML_INIT;
}
