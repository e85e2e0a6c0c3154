/* journal.h - where this program's log lines go: info and above to the console, the last 100 of all
 * levels into memory for the report of a failure. Also draws the one progress line, so that log
 * lines and it do not run into each other. Safe in every thread, and in processes forked after
 * journal_start(): their lines join the others.
 */
#ifndef OS_INSTALLER_REPORT_JOURNAL_H
#define OS_INSTALLER_REPORT_JOURNAL_H

#include <stdbool.h>

#define JOURNAL_LINES 100
#define JOURNAL_LINE_SIZE 300
#define JOURNAL_TEXT_MAX (32 * 1024)

/* Takes over log.h's sink. `verbose`: debug lines go to the console as well. */
void journal_start(bool verbose);

/* The last lines, oldest first, newline separated, printable ASCII, at most JOURNAL_TEXT_MAX bytes
 * (then the oldest are left out). The caller frees it; NULL: out of memory. */
char *journal_text(void);

/* Draws `text` as the console's last line, in place of the one drawn before; where the console is
 * no terminal, at most every ten seconds and as lines of their own. NULL ends the line. */
void journal_progress(const char *text);

#endif
