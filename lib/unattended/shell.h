/* shell.h - values as words of a POSIX shell, and of what splits words as it does (Python's shlex,
 * which reads kickstart). Pure. */
#ifndef LIB_UNATTENDED_SHELL_H
#define LIB_UNATTENDED_SHELL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* True for text that means itself in a shell, quoted or not. */
bool shell_is_plain(const char *text);

/* Writes one word that means the text and nothing else: as it is, or in single quotes. */
void shell_word(FILE *f, const char *text);

/* Writes " <before><word>"; `text` NULL: nothing. */
void shell_option(FILE *f, const char *before, const char *text);
/* Writes " <before><word>,<word>" of an array of texts; of an empty one nothing. */
void shell_option_list(FILE *f, const char *before, const json_t *texts);

#endif
