#include "vmlab/engine/engine_error.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SENTENCES_MAX 8
#define SENTENCE_SIZE 600

struct sentences {
	char items[SENTENCES_MAX][SENTENCE_SIZE];
	size_t count;
};

static bool begins(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && memcmp(line, word, n) == 0;
}

static bool ends(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && memcmp(line + len - n, word, n) == 0;
}

static bool begins_any(const char *line, size_t len, const char *const *words)
{
	while (*words && !begins(line, len, *words))
		words++;
	return *words;
}

/* What is said besides the reason. */
static bool is_noise(const struct engine_ops *ops, const char *line, size_t len)
{
	for (const struct engine_noise *n = ops->noise; n->begins; n++)
		if (begins(line, len, n->begins) && ends(line, len, n->ends))
			return true;
	return len == 0;
}

/* Length of the words before the reason itself. */
static size_t prefix_length(const struct engine_ops *ops, const char *line, size_t len)
{
	size_t n = 0;

	for (const char *const *p = ops->prefixes; *p; p++)
		if (begins(line + n, len - n, *p))
			n += strlen(*p);
	return n;
}

static void add(struct sentences *s, const char *text, size_t len)
{
	if (len > 1 && text[len - 1] == '.' && text[len - 2] != '.')
		len--;
	if (len == 0 || s->count == SENTENCES_MAX)
		return;
	char *item = s->items[s->count];
	snprintf(item, SENTENCE_SIZE, "%.*s", (int)len, text);
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i], item) == 0)
			return;
	s->count++;
}

/* A reason may go on in further lines, as one from the runtime does. */
static void continue_last(struct sentences *s, const char *text, size_t len)
{
	char *item = s->items[s->count - 1];
	size_t used = strlen(item);

	snprintf(item + used, SENTENCE_SIZE - used, " %.*s", (int)len, text);
}

static void collect(const struct engine_ops *ops, const char *text, struct sentences *s)
{
	bool open = false;

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\r\n"), prefix = prefix_length(ops, line, len);
		bool summary = begins_any(line, len, ops->summaries);
		bool reason = prefix > 0 || begins_any(line, len, ops->reasons);
		bool noise = is_noise(ops, line, len);

		if (reason && !(summary && s->count > 0))
			add(s, line + prefix, len - prefix);
		else if (open && !summary && !noise)
			continue_last(s, line, len);
		open = s->count > 0 && !summary && !noise;
		line += len;
		line += strspn(line, "\r");
		line += *line == '\n';
	}
}

/* No line has the form of a reason: the last that says anything. */
static void take_last(const struct engine_ops *ops, const char *text, struct sentences *s)
{
	const char *last = NULL;
	size_t last_len = 0;

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\r\n");
		if (!is_noise(ops, line, len)) {
			last = line;
			last_len = len;
		}
		line += len;
		line += *line != '\0';
	}
	if (last)
		add(s, last, last_len);
}

void engine_error_sentence(const struct engine_ops *ops, const char *text, char *buf, size_t size)
{
	struct sentences s = {.count = 0};
	size_t used = 0;

	collect(ops, text, &s);
	if (s.count == 0)
		take_last(ops, text, &s);
	snprintf(buf, size, "%s", s.count > 0 ? "" : "it says nothing");
	for (size_t i = 0; i < s.count && used < size; i++) {
		int n = snprintf(buf + used, size - used, "%s%s", i ? "; " : "", s.items[i]);
		used += n > 0 ? (size_t)n : 0;
	}
}

const char *engine_error_advice(const struct engine_ops *ops, const char *sentence)
{
	const struct engine_advice *a = ops->advice;

	while (a->says && !strstr(sentence, a->says))
		a++;
	return a->advice;
}
