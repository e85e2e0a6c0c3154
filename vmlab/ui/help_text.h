/* help_text.h - what a command's help page says, taken apart: its options for the completion of
 * shells, its sections for the manual page. The page is the one description there is of a command.
 *
 * A page is paragraphs; options are lines "  -x, --long VALUE   what it does", whose explanation
 * may go on in lines that are indented further; "Examples:" begins lines of commands.
 */
#ifndef VMLAB_UI_HELP_TEXT_H
#define VMLAB_UI_HELP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* One line of a page; text and len without indentation and newline. */
struct help_line {
	const char *text;
	size_t len;
	size_t indent;
};

/* The line at *page, which is moved behind it; false at the end. */
bool help_line_next(const char **page, struct help_line *line);

#define HELP_WORD_SIZE 32

/* An option as a page describes it. Empty strings for what there is not. */
struct help_option {
	char brief[4];              /* "-x" */
	char name[HELP_WORD_SIZE];  /* "--long" */
	char value[HELP_WORD_SIZE]; /* "VALUE" */
	const char *summary;        /* into the page */
	size_t summary_len;
};

/* True when the line describes an option. */
bool help_option_parse(const struct help_line *line, struct help_option *out);

#endif
