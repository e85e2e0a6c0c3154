#include "journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define PLAIN_INTERVAL_S 10
#define CLEAR_LINE "\r\033[K"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char lines[JOURNAL_LINES][JOURNAL_LINE_SIZE];
static unsigned line_count; /* ever written */
static bool show_debug;
static bool terminal;
static char progress[200]; /* drawn now; "" for none */
static time_t last_plain;

static void console(const char *a, const char *b, const char *c)
{
	char buf[2300];
	int n = snprintf(buf, sizeof(buf), "%s%s%s", a, b, c);

	if (n > 0 && write(STDERR_FILENO, buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf)) < 0)
		return; /* a console that is gone is no reason to stop */
}

static void sink(enum log_level level, const char *line)
{
	pthread_mutex_lock(&mutex);
	char *slot = lines[line_count++ % JOURNAL_LINES];
	snprintf(slot, JOURNAL_LINE_SIZE, "%s", line);
	for (char *p = slot; *p; p++)
		if ((unsigned char)*p >= 0x7f)
			*p = '?';
	if (level <= LOG_LEVEL_INFO || show_debug) {
		bool redraw = terminal && progress[0];
		console(redraw ? CLEAR_LINE : "", line, "\n");
		if (redraw)
			console(progress, "", "");
	}
	pthread_mutex_unlock(&mutex);
}

void journal_start(bool verbose)
{
	show_debug = verbose;
	terminal = isatty(STDERR_FILENO);
	log_init("os-installer", LOG_LEVEL_DEBUG);
	log_set_sink(sink);
}

char *journal_text(void)
{
	char *text = malloc(JOURNAL_TEXT_MAX + 1);
	size_t used = 0;

	if (!text)
		return NULL;
	pthread_mutex_lock(&mutex);
	unsigned have = line_count < JOURNAL_LINES ? line_count : JOURNAL_LINES;
	size_t total = 0;
	unsigned first = line_count;
	while (have > 0) {
		size_t len = strlen(lines[(first - 1) % JOURNAL_LINES]) + 1;
		if (total + len > JOURNAL_TEXT_MAX)
			break;
		total += len;
		first--;
		have--;
	}
	for (unsigned i = first; i < line_count; i++)
		used += (size_t)sprintf(text + used, "%s%s", i == first ? "" : "\n",
		    lines[i % JOURNAL_LINES]);
	pthread_mutex_unlock(&mutex);
	text[used] = '\0';
	return text;
}

void journal_progress(const char *text)
{
	struct timespec now;

	pthread_mutex_lock(&mutex);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!text) {
		if (terminal && progress[0])
			console("\n", "", "");
		progress[0] = '\0';
	} else {
		snprintf(progress, sizeof(progress), "%s", text);
		if (terminal) {
			console(CLEAR_LINE, progress, "");
		} else if (now.tv_sec - last_plain >= PLAIN_INTERVAL_S) {
			last_plain = now.tv_sec;
			console(progress, "\n", "");
		}
	}
	pthread_mutex_unlock(&mutex);
}
