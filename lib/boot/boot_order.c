#include "lib/boot/boot_order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

#define NETWORK 0x2U
#define DIGITS 8
#define SETTING "BOOT_ORDER="
#define NUMBER_SIZE 32

static const char *const words[16] = {
    [0x0] = "SD card once there is one",
    [0x1] = "SD card",
    [0x2] = "network",
    [0x3] = "RPIBOOT",
    [0x4] = "USB",
    [0x5] = "USB of the SoC",
    [0x6] = "NVMe",
    [0x7] = "HTTP",
    [0xe] = "stop",
    [0xf] = "from the start",
};

/* ---- the number ---------------------------------------------------------------------------- */

static bool ends_it(unsigned digit)
{
	return digit == 0xe || digit == 0xf;
}

uint32_t boot_order_move(uint32_t order, bool first)
{
	unsigned digit[DIGITS + 1], count = 0;
	bool placed = first;
	uint32_t moved = 0;

	if (first)
		digit[count++] = NETWORK;
	for (; order != 0; order >>= 4) {
		unsigned now = order & 0xf;
		if (now == NETWORK)
			continue;
		if (!placed && ends_it(now)) {
			digit[count++] = NETWORK;
			placed = true;
		}
		if (count <= DIGITS)
			digit[count++] = now;
	}
	if (!placed && count <= DIGITS)
		digit[count++] = NETWORK;
	if (count > DIGITS)
		return 0;
	while (count > 0)
		moved = moved << 4 | digit[--count];
	return moved;
}

const char *boot_order_words(uint32_t order, char buf[BOOT_ORDER_WORDS_SIZE])
{
	size_t at = 0;

	buf[0] = '\0';
	for (; order != 0 && at < BOOT_ORDER_WORDS_SIZE; order >>= 4) {
		const char *word = words[order & 0xf];
		at += (size_t)snprintf(buf + at, BOOT_ORDER_WORDS_SIZE - at, "%s%s", at ? ", " : "",
		    word ? word : "what is not known here");
	}
	return buf;
}

/* ---- its lines ----------------------------------------------------------------------------- */

struct line {
	const char *text; /* behind what it is indented by */
	size_t len;       /* without its line end */
	const char *next; /* NULL: it is the last */
	size_t number;
	bool all, none; /* for which boards it is */
};

static bool begins(const struct line *l, const char *word)
{
	return l->len >= strlen(word) && memcmp(l->text, word, strlen(word)) == 0;
}

static bool line_next(const char *end, struct line *l)
{
	const char *at = l->next;

	if (!at || at == end)
		return false;
	const char *stop = memchr(at, '\n', (size_t)(end - at));
	l->next = stop ? stop + 1 : NULL;
	stop = stop ? stop : end;
	while (at < stop && (*at == ' ' || *at == '\t'))
		at++;
	l->text = at;
	l->len = (size_t)(stop - at);
	l->number++;
	if (begins(l, "[")) {
		l->all = begins(l, "[all]");
		l->none = begins(l, "[none]");
	}
	return true;
}

static struct line line_begin(const char *config)
{
	return (struct line){.next = config, .all = true};
}

static bool sets_it(const struct line *l)
{
	return begins(l, SETTING) && !l->none;
}

/* Of a line that sets it: its number, and where the text of that ends. False: it is none. */
static bool number_read(const struct line *l, uint32_t *out, size_t *end)
{
	size_t begin = strlen(SETTING), len = l->len - begin;
	char text[NUMBER_SIZE], *stop;

	if (len >= sizeof(text))
		return false;
	memcpy(text, l->text + begin, len);
	text[len] = '\0';
	errno = 0;
	unsigned long n = strtoul(text, &stop, 0);
	*out = (uint32_t)n;
	*end = begin + (size_t)(stop - text);
	return stop > text && *text != '-' && stop + strspn(stop, " \t\r") == text + len &&
	       errno == 0 && n > 0 && n <= UINT32_MAX;
}

bool boot_order_find(const char *config, size_t len, uint32_t *order)
{
	struct line l = line_begin(config);
	bool found = false;
	size_t end;

	while (line_next(config + len, &l)) {
		if (!sets_it(&l))
			continue;
		if (!l.all || !number_read(&l, order, &end))
			return false;
		found = true;
	}
	return found;
}

/* ---- edited -------------------------------------------------------------------------------- */

static int no_room(size_t number, uint32_t order, struct err *e)
{
	return err_set(e, EINVAL,
	    "line %zu: " SETTING
	    "0x%x has all of its 8 digits and none for the network: make it shorter",
	    number, order);
}

/* Writes what lies between *from and the end of its number, with that moved. */
static int put_moved(FILE *f, const struct line *l, bool first, const char **from, struct err *e)
{
	uint32_t order, moved;
	size_t end;

	if (!number_read(l, &order, &end))
		return err_set(e, EINVAL,
		    "line %zu: what follows " SETTING " is no number: write one as in " SETTING
		    "0xf41",
		    l->number);
	moved = boot_order_move(order, first);
	if (moved == 0)
		return no_room(l->number, order, e);
	fwrite(*from, 1, (size_t)(l->text - *from), f);
	fprintf(f, SETTING "0x%x", moved);
	*from = l->text + end;
	return 0;
}

static bool says_for_all(const char *config, size_t len)
{
	struct line l = line_begin(config);

	while (line_next(config + len, &l))
		if (sets_it(&l) && l.all)
			return true;
	return false;
}

static const char *line_end_of(const char *config, size_t len)
{
	const char *end = memchr(config, '\n', len);

	return end && end > config && end[-1] == '\r' ? "\r\n" : "\n";
}

static int write_edited(
    FILE *f, const char *config, size_t len, bool first, uint32_t usual, struct err *e)
{
	struct line l = line_begin(config);
	const char *from = config;
	int r = 0;

	if (!says_for_all(config, len))
		fprintf(
		    f, SETTING "0x%x%s", boot_order_move(usual, first), line_end_of(config, len));
	while (r == 0 && line_next(config + len, &l))
		if (sets_it(&l))
			r = put_moved(f, &l, first, &from, e);
	fwrite(from, 1, (size_t)(config + len - from), f);
	return r;
}

int boot_order_edit(const char *config, size_t len, bool first, uint32_t usual, char **out,
    size_t *out_len, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	FILE *f = open_memstream(&text, out_len);

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	int r = write_edited(f, config, len, first, usual, e);
	if (fclose(f) != 0 && r == 0)
		r = err_set(e, ENOMEM, "out of memory");
	if (r == 0)
		*out = steal_ptr(text);
	return r;
}
