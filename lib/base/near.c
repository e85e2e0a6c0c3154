#include "lib/base/near.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 64
#define DISTANCE_MAX 2

/* Letters to insert, remove or change to come from a to b; only small numbers matter. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX];
	size_t la = strlen(a), lb = strlen(b);

	if (la >= WORD_MAX || lb >= WORD_MAX)
		return WORD_MAX;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned changed = diagonal + (tolower((unsigned char)a[i - 1]) !=
							  tolower((unsigned char)b[j - 1]));
			unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			diagonal = row[j];
			row[j] = changed < other ? changed : other;
		}
	}
	return row[lb];
}

const char *near_word(const char *text, const char *const *words, size_t count)
{
	const char *nearest = NULL;
	unsigned best = DISTANCE_MAX + 1;

	for (size_t i = 0; i < count; i++) {
		unsigned d = words[i] ? edit_distance(text, words[i]) : best;
		if (d < best && d < strlen(words[i])) {
			best = d;
			nearest = words[i];
		}
	}
	for (size_t i = 0; !nearest && strlen(text) > DISTANCE_MAX && i < count; i++)
		if (words[i] && strncasecmp(text, words[i], strlen(text)) == 0)
			nearest = words[i];
	for (size_t i = 0; !nearest && strlen(text) > DISTANCE_MAX && i < count; i++)
		if (words[i] && strlen(words[i]) > strlen(text) &&
		    strcasecmp(words[i] + strlen(words[i]) - strlen(text), text) == 0)
			nearest = words[i];
	return nearest;
}
