#include "lib/explain/fill.h"

#include <inttypes.h>
#include <string.h>

static bool is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

static void fill_ago(FILE *out, int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 120)
		fprintf(out, "%" PRId64 " s", s);
	else if (s < 7200)
		fprintf(out, "%" PRId64 " min", s / 60);
	else
		fprintf(out, "%" PRId64 " h", s / 3600);
}

static void fill_member(FILE *out, const char *word, size_t len, const struct explain_facts *f,
    const struct explain_seen *seen)
{
	const struct {
		const char *word, *text;
	} texts[] = {{"name", f->name}, {"about", seen->about}, {"what", seen->what},
	    {"hint", seen->hint}, {"from", seen->from}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (is_word(word, len, texts[i].word))
			fputs(texts[i].text, out);
	if (is_word(word, len, "count"))
		fprintf(out, "%" PRId64, seen->count);
	else if (is_word(word, len, "ago"))
		fill_ago(out, f->now_ms - seen->at_ms);
}

static void fill_word(
    FILE *out, const char *word, size_t len, const struct explain_facts *f, enum explain_sign sign)
{
	const char *dot = memchr(word, '.', len);

	for (int i = 0; dot && i < EXPLAIN_SIGN_COUNT; i++)
		if (is_word(word, (size_t)(dot - word), explain_sign_name((enum explain_sign)i)))
			sign = (enum explain_sign)i;
	if (dot) {
		len -= (size_t)(dot + 1 - word);
		word = dot + 1;
	}
	fill_member(out, word, len, f, &f->seen[sign]);
}

void explain_fill(
    FILE *out, const char *text, const struct explain_facts *f, enum explain_sign sign)
{
	while (*text) {
		size_t len = strcspn(text, "{");

		fprintf(out, "%.*s", (int)len, text);
		text += len;
		if (!*text)
			break;
		len = strcspn(text, "}");
		fill_word(out, text + 1, len - 1, f, sign);
		text += len + (text[len] == '}');
	}
}
