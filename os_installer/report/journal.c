#include "os_installer/report/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

#define PLAIN_INTERVAL_MS 10000
#define CLEAR_LINE "\r\033[K"

/* In memory that processes forked from this one share: what the one that unpacks has to say belongs
 * into the report as well. It may be killed at any point, hence the robust mutex. */
struct journal {
	pthread_mutex_t mutex;
	char lines[JOURNAL_LINES][JOURNAL_LINE_SIZE];
	unsigned line_count; /* ever written */
	char progress[200];  /* drawn now; "" for none */
	int64_t last_plain_ms;
};

static struct journal before_start = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct journal *journal = &before_start;
static bool show_debug;
static bool terminal;

static void lock(void)
{
	if (pthread_mutex_lock(&journal->mutex) == EOWNERDEAD)
		pthread_mutex_consistent(&journal->mutex);
}

static void unlock(void)
{
	pthread_mutex_unlock(&journal->mutex);
}

static void console(const char *a, const char *b, const char *c)
{
	char buf[2300];
	int n = snprintf(buf, sizeof(buf), "%s%s%s", a, b, c);

	if (n > 0 &&
	    write(STDERR_FILENO, buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf)) < 0)
		return; /* a console that is gone is no reason to stop */
}

static void sink(enum log_level level, const char *line)
{
	lock();
	char *slot = journal->lines[journal->line_count++ % JOURNAL_LINES];
	snprintf(slot, JOURNAL_LINE_SIZE, "%s", line);
	text_to_ascii(slot, strlen(slot));
	if (level <= LOG_LEVEL_INFO || show_debug) {
		bool redraw = terminal && journal->progress[0];
		console(redraw ? CLEAR_LINE : "", line, "\n");
		if (redraw)
			console(journal->progress, "", "");
	}
	unlock();
}

void journal_start(bool verbose)
{
	struct journal *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	if (shared != MAP_FAILED) {
		pthread_mutexattr_init(&attr);
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
		pthread_mutex_init(&shared->mutex, &attr);
		pthread_mutexattr_destroy(&attr);
		journal = shared;
	}
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
	lock();
	unsigned count = journal->line_count;
	unsigned have = count < JOURNAL_LINES ? count : JOURNAL_LINES;
	size_t total = 0;
	unsigned first = count;
	while (have > 0) {
		size_t len =
		    strnlen(journal->lines[(first - 1) % JOURNAL_LINES], JOURNAL_LINE_SIZE - 1) + 1;
		if (total + len > JOURNAL_TEXT_MAX)
			break;
		total += len;
		first--;
		have--;
	}
	for (unsigned i = first; i < count; i++)
		used += (size_t)sprintf(text + used, "%s%.*s", i == first ? "" : "\n",
		    JOURNAL_LINE_SIZE - 1, journal->lines[i % JOURNAL_LINES]);
	unlock();
	text[used] = '\0';
	return text;
}

void journal_progress(const char *text)
{
	int64_t now = monotonic_ms();

	lock();
	if (!text) {
		if (terminal && journal->progress[0])
			console("\n", "", "");
		journal->progress[0] = '\0';
	} else {
		snprintf(journal->progress, sizeof(journal->progress), "%s", text);
		if (terminal) {
			console(CLEAR_LINE, journal->progress, "");
		} else if (now - journal->last_plain_ms >= PLAIN_INTERVAL_MS) {
			journal->last_plain_ms = now;
			console(journal->progress, "\n", "");
		}
	}
	unlock();
}
