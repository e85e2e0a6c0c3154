#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/text.h"

static const char *program_name = "";
static enum log_level threshold = LOG_LEVEL_INFO;
static void (*current_sink)(enum log_level level, const char *line);

void log_init(const char *program, enum log_level max_level)
{
	program_name = program;
	threshold = max_level;
}

void log_set_sink(void (*sink)(enum log_level level, const char *line))
{
	current_sink = sink;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	char line[2048];
	int saved = errno;

	if (level > threshold)
		return;

	int n = snprintf(line, sizeof(line), "%s: %s: ", program_name, names[level]);
	size_t used = n < 0 ? 0 : (size_t)n;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line + used, sizeof(line) - used - 1, fmt, ap);
	va_end(ap);
	text_clean_string(line, "");

	if (current_sink) {
		current_sink(level, line);
	} else {
		size_t len = strlen(line);
		line[len++] = '\n';
		/* One write per line keeps lines of several threads whole. */
		if (write(STDERR_FILENO, line, len) < 0)
			errno = saved;
	}
	errno = saved;
}
