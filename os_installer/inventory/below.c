#include "os_installer/inventory/below.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/text.h"

/* ---- files -------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 3, 0))) static ssize_t bytes_read(
    void *buf, size_t size, const char *fmt, va_list args)
{
	char path[PATH_MAX];
	size_t len = 0;

	if (vsnprintf(path, sizeof(path), fmt, args) >= (int)sizeof(path))
		return -1;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	while (len < size) {
		ssize_t n = read(fd, (char *)buf + len, size - len);
		if (n < 0 && len == 0)
			return -1;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

ssize_t below_bytes(void *buf, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	ssize_t n = bytes_read(buf, size, fmt, args);
	va_end(args);
	return n;
}

void below_clean(char *text)
{
	size_t len = strlen(text);
	char *begin = text;

	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	while (isspace((unsigned char)*begin))
		begin++;
	memmove(text, begin, len - (size_t)(begin - text) + 1);
	for (char *p = text; *p; p++)
		if (isspace((unsigned char)*p))
			*p = ' ';
	text_clean_string(text, "");
}

__attribute__((format(printf, 3, 0))) static void text_read(
    char *buf, size_t size, const char *fmt, va_list args)
{
	ssize_t n = bytes_read(buf, size - 1, fmt, args);

	buf[n < 0 ? 0 : n] = '\0';
	below_clean(buf);
}

const char *below_text(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text_read(buf, size, fmt, args);
	va_end(args);
	return buf;
}

const char *below_link(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	ssize_t n = len < (int)sizeof(path) ? readlink(path, target, sizeof(target) - 1) : -1;
	target[n < 0 ? 0 : n] = '\0';
	const char *slash = strrchr(target, '/');
	snprintf(buf, size, "%s", slash ? slash + 1 : target);
	below_clean(buf);
	return buf;
}

bool below_number(long long *out, int base, const char *fmt, ...)
{
	char text[32], *end;
	va_list args;

	va_start(args, fmt);
	text_read(text, sizeof(text), fmt, args);
	va_end(args);
	*out = strtoll(text, &end, base);
	return end != text && !*end;
}

static int is_entry(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void below_each(const char *folder, size_t max,
    bool (*take)(void *ctx, const char *folder, const char *name), void *ctx)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_entry, versionsort);

	for (int i = 0; i < count; i++) {
		if (max > 0 && take(ctx, folder, entries[i]->d_name))
			max--;
		free(entries[i]);
	}
	free(entries);
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

json_t *below_json(const char *text)
{
	return *text ? json_string(text) : json_null();
}

json_t *below_json_text(const char *fmt, ...)
{
	char text[BELOW_TEXT_SIZE];
	va_list args;

	va_start(args, fmt);
	text_read(text, sizeof(text), fmt, args);
	va_end(args);
	return below_json(text);
}
