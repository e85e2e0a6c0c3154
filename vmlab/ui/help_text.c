#include "vmlab/ui/help_text.h"

#include <string.h>

bool help_line_next(const char **page, struct help_line *line)
{
	const char *begin = *page;

	if (!*begin)
		return false;
	size_t all = strcspn(begin, "\n");
	*page = begin + all + (begin[all] == '\n');
	line->indent = strspn(begin, " ");
	if (line->indent > all)
		line->indent = all;
	line->text = begin + line->indent;
	line->len = all - line->indent;
	return true;
}

/* Copies the word at `text` (of at most `max` bytes) that ends at a blank or a comma; its length.
 */
static size_t take_word(const char *text, size_t max, char *out, size_t size)
{
	size_t len = 0;

	while (len < max && !strchr(" ,", text[len]))
		len++;
	if (len == 0 || len >= size)
		return 0;
	memcpy(out, text, len);
	out[len] = '\0';
	return len;
}

bool help_option_parse(const struct help_line *line, struct help_option *out)
{
	const char *p = line->text, *end = line->text + line->len;

	*out = (struct help_option){.summary = end};
	if (line->indent != 2 || line->len < 2 || *p != '-')
		return false;
	while (p < end && *p == '-') {
		bool is_long = p[1] == '-';
		size_t len = is_long
				 ? take_word(p, (size_t)(end - p), out->name, sizeof(out->name))
				 : take_word(p, (size_t)(end - p), out->brief, sizeof(out->brief));
		if (len < 2)
			return false;
		p += len;
		if (p < end && *p == ',')
			p++;
		p += strspn(p, " ") == 1;
	}
	/* One blank lies before a value, two or more before the explanation. */
	if (p < end && *p != ' ')
		p += take_word(p, (size_t)(end - p), out->value, sizeof(out->value));
	p += strspn(p, " ");
	if (p < end) {
		out->summary = p;
		out->summary_len = (size_t)(end - p);
	}
	return true;
}
