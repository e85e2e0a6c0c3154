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

/* What is said besides the reason. */
static bool is_noise(const char *line, size_t len)
{
	bool help = (begins(line, len, "See '") && ends(line, len, "--help'.")) ||
		    (begins(line, len, "Run '") && ends(line, len, "--help' for more information"));

	return len == 0 || help || begins(line, len, "Usage:") || begins(line, len, "WARNING: ") ||
	       begins(line, len, "time=\"") || begins(line, len, "Unable to find image ");
}

/* Only sums up the sentences before it. */
static bool is_summary(const char *line, size_t len)
{
	return begins(line, len, "Error: failed to start containers: ");
}

/* Length of the words before the reason itself. */
static size_t prefix_length(const char *line, size_t len)
{
	static const char *const prefixes[] = {
	    "docker: ", "Error response from daemon: ", "Error: "};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (begins(line + n, len - n, prefixes[i]))
			n += strlen(prefixes[i]);
	return n;
}

static bool is_reason(const char *line, size_t len)
{
	static const char *const openings[] = {"Cannot connect to ", "permission denied while ",
	    "error during connect: ", "unknown flag: ", "unknown shorthand flag: ",
	    "invalid argument ", "invalid reference format"};

	for (size_t i = 0; i < sizeof(openings) / sizeof(*openings); i++)
		if (begins(line, len, openings[i]))
			return true;
	return prefix_length(line, len) > 0;
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

static void collect(const char *text, struct sentences *s)
{
	bool open = false;

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\r\n"), prefix = prefix_length(line, len);
		bool summary = is_summary(line, len);

		if (is_reason(line, len) && !(summary && s->count > 0))
			add(s, line + prefix, len - prefix);
		else if (open && !summary && !is_noise(line, len))
			continue_last(s, line, len);
		open = s->count > 0 && len > 0 && !summary && !is_noise(line, len);
		line += len;
		line += strspn(line, "\r");
		line += *line == '\n';
	}
}

/* No line has the form of a reason: the last that says anything. */
static void take_last(const char *text, struct sentences *s)
{
	const char *last = NULL;
	size_t last_len = 0;

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\r\n");
		if (!is_noise(line, len)) {
			last = line;
			last_len = len;
		}
		line += len;
		line += *line != '\0';
	}
	if (last)
		add(s, last, last_len);
}

void engine_error_sentence(const char *text, char *buf, size_t size)
{
	struct sentences s = {.count = 0};
	size_t used = 0;

	collect(text, &s);
	if (s.count == 0)
		take_last(text, &s);
	snprintf(buf, size, "%s", s.count > 0 ? "" : "it says nothing");
	for (size_t i = 0; i < s.count && used < size; i++) {
		int n = snprintf(buf + used, size - used, "%s%s", i ? "; " : "", s.items[i]);
		used += n > 0 ? (size_t)n : 0;
	}
}

const char *engine_error_advice(const char *sentence)
{
	static const struct {
		const char *says, *advice;
	} table[] = {
	    {"no space left on device",
		"the engine's disk is full: `vmlab doctor` shows how much is free, `docker system df` what takes it"},
	    {"volume is in use",
		"a container that is not this lab's has it: `docker ps -a --filter volume=NAME` shows which"},
	    {"Cannot connect to the Docker daemon", "start it, e.g. `systemctl start docker`"},
	    {"ermission denied while trying to connect",
		"run vmlab as root (sudo), or join the group that owns the engine's socket"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strstr(sentence, table[i].says))
			return table[i].advice;
	return NULL;
}
