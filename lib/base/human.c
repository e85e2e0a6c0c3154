#include "lib/base/human.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/text.h"

const char *human_duration(int64_t ms, char *buf)
{
	if (ms < 0)
		ms = 0;
	int64_t s = (ms + 500) / 1000;
	if (ms < 59950)
		snprintf(buf, HUMAN_TEXT_SIZE, "%.1f s", (double)ms / 1000);
	else if (s < 3600)
		snprintf(buf, HUMAN_TEXT_SIZE, "%d min %02d s", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(
		    buf, HUMAN_TEXT_SIZE, "%d h %02d min", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(buf, HUMAN_TEXT_SIZE, "%" PRId64 " days", s / 86400);
	return buf;
}

const char *human_age(int64_t ms, char *buf)
{
	int64_t s = ms < 0 ? 0 : ms / 1000;

	if (s < 60)
		snprintf(buf, HUMAN_TEXT_SIZE, "%" PRId64 " s", s);
	else if (s < 3600)
		snprintf(buf, HUMAN_TEXT_SIZE, "%" PRId64 " min", s / 60);
	else if (s < 2 * 86400)
		snprintf(buf, HUMAN_TEXT_SIZE, "%" PRId64 " h", s / 3600);
	else
		snprintf(buf, HUMAN_TEXT_SIZE, "%" PRId64 " days", s / 86400);
	return buf;
}

/* The end of the escape sequence at p (ECMA-48: CSI, OSC and the two-byte ones). */
static const char *skip_escape(const char *p, const char *end)
{
	if (++p == end)
		return p;
	if (*p == '[') {
		for (p++; p < end && !((unsigned char)*p >= 0x40 && (unsigned char)*p <= 0x7e);)
			p++;
		return p < end ? p + 1 : p;
	}
	if (*p == ']') {
		while (p < end && *p != '\a' && *p != '\n' && *p != 033)
			p++;
		if (p < end && *p == '\a')
			return p + 1;
		return p + 1 < end && *p == 033 && p[1] == '\\' ? p + 2 : p;
	}
	while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p <= 0x2f)
		p++;
	return p < end ? p + 1 : p;
}

static void print_clean_range(FILE *f, const char *p, const char *end)
{
	while (p < end) {
		unsigned char c = (unsigned char)*p;
		if (c == 033) {
			p = skip_escape(p, end);
			continue;
		}
		int plain;
		size_t n = text_character(p, (size_t)(end - p), &plain);
		if (plain || c == '\t')
			fwrite(p, 1, n, f);
		else if (c != '\r')
			putc('?', f);
		p += n;
	}
}

unsigned human_terminal_width(int fd)
{
	const char *said = getenv("COLUMNS");
	struct winsize size;

	if (!isatty(fd))
		return 0;
	if (said && atoi(said) > 0)
		return (unsigned)atoi(said);
	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void human_print_clean(FILE *f, const char *text)
{
	if (text)
		print_clean_range(f, text, text + strlen(text));
}

void human_print_lines(FILE *f, const char *text, const char *indent, size_t max_lines)
{
	if (!text || !*text)
		return;

	const char *end = text + strlen(text), *start = text;
	while (end > text && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	if (max_lines > 0) {
		size_t seen = 0;
		for (start = end; start > text; start--)
			if (start[-1] == '\n' && ++seen == max_lines)
				break;
	}
	while (start < end) {
		const char *stop = memchr(start, '\n', (size_t)(end - start));
		if (!stop)
			stop = end;
		fputs(indent, f);
		print_clean_range(f, start, stop);
		putc('\n', f);
		start = stop + (stop < end);
	}
}
