/* human.h - durations and ages as people write them, and text of others made safe to print.
 * Pure, apart from the look at the terminal.
 */
#ifndef LIB_BASE_HUMAN_H
#define LIB_BASE_HUMAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HUMAN_TEXT_SIZE 32

/* "4.2 s" below a minute, "2 min 05 s" below an hour, "3 h 20 min" below a day, then "5 days". */
const char *human_duration(int64_t ms, char *buf);

/* "4 s", "3 min", "2 h", "5 days": one unit, for a column of ages. */
const char *human_age(int64_t ms, char *buf);

/* Columns of the terminal that fd is, or what COLUMNS says of it; 0 when it is none. */
unsigned human_terminal_width(int fd);

/* Writes `text` (NULL: nothing) to f on one line and without what could drive a terminal: escape
 * sequences and carriage returns vanish, control characters other than tab become '?'. */
void human_print_clean(FILE *f, const char *text);

/* The same line by line, with `indent` before each and a newline after it; only the last max_lines
 * (0: all), without empty lines at the end. */
void human_print_lines(FILE *f, const char *text, const char *indent, size_t max_lines);

#endif
