/* log.h - four levels to stderr, one line per event, with a "key=value" tail:
 *
 *	log_info("install finished mac=%s seconds=%d", mac, seconds);
 *
 * The sink is stderr until the program sets another with log_set_sink(). errno is preserved,
 * the text is cleaned by text.h, so no input can forge a line or steer a terminal.
 * Safe in every thread. Never pass secrets.
 */
#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Program name printed in front of each line; borrowed, must outlive all logging. */
void log_init(const char *program, enum log_level max_level);

/* Called with each finished line (no newline) instead of writing to stderr; NULL restores it. */
void log_set_sink(void (*sink)(enum log_level level, const char *line));

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
