/* text.h - text of others on its way to a terminal, a log or an operator: what would steer a
 * terminal or turn the order of its characters becomes '?'.
 *
 * That is: control characters (C0, DEL, C1), bidirectional and other invisible formatting
 * characters, line separators, and bytes that are no UTF-8 (0x9b alone starts a sequence on some
 * terminals). docker/stack/supervise.py does the same with what the daemons log.
 */
#ifndef LIB_BASE_TEXT_H
#define LIB_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Cleans text[0..len) in place and returns its new length, which is never greater; no NUL is
 * written. Characters of `keep` ("\n\t", "") stay as they are. */
size_t text_clean(char *text, size_t len, const char *keep);

/* The same for a string. */
void text_clean_string(char *text, const char *keep);

/* Copies as much as fits into out (NUL-terminated) as one line: cleaned, line ends and tabs become
 * spaces, no character is cut in two. */
void text_copy_clean(const char *text, char *out, size_t size);

/* Whether every character is printable ASCII; and one '?' for each byte that is not. */
bool text_is_ascii(const char *text);
void text_to_ascii(char *text, size_t len);

/* Writes `format` into out, cut to size: "%" and the n-th of `letters` becomes values[n]. */
void text_expand(
    const char *format, const char *letters, const char *const *values, char *out, size_t size);

/* Length of the one character at `text`, at most `len` bytes (not 0): 1 for what is none.
 * `*plain` says whether it may be shown. */
size_t text_character(const char *text, size_t len, int *plain);

/* Columns of a terminal that a clean text takes: 2 for a character of East Asian scripts, none for
 * an accent that joins the one before. */
size_t text_columns(const char *text);

/* How many lines, the last one with or without its end. */
size_t text_lines(const char *text);

#endif
