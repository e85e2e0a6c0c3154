/* words.h - a table's words, as a function has them: the word of an index, NULL after the last one.
 * Pure. */
#ifndef LIB_BASE_WORDS_H
#define LIB_BASE_WORDS_H

#include <stddef.h>

/* The index of `text` among the words; -1 when it is none of them. */
int word_index(const char *(*word)(size_t i), const char *text);

/* Writes "a, b or c", each word between `quote`s; cut when it does not fit. Returns out. */
const char *word_list(const char *(*word)(size_t i), const char *quote, char *out, size_t size);

#endif
