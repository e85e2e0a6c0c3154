#include "boot_handler/sources/file_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/net/addr.h"

static bool parse_address(const char *text, struct file_sent *out)
{
	struct in_addr ip;

	snprintf(out->source, sizeof(out->source), "%s", text);
	if (inet_pton(AF_INET, text, &ip) == 1) {
		out->to = ip4_mapped(ip);
		return true;
	}
	return inet_pton(AF_INET6, text, &out->to) == 1;
}

static bool parse_number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

/* "0.250": nginx tells three decimals. */
static bool parse_seconds(const char *text, int64_t *ms)
{
	unsigned long seconds;
	unsigned milliseconds;
	int end = 0;

	if (sscanf(text, "%10lu.%3u%n", &seconds, &milliseconds, &end) != 2 || text[end])
		return false;
	*ms = (int64_t)seconds * 1000 + milliseconds;
	return true;
}

bool file_log_parse(const char *line, struct file_sent *out)
{
	char copy[512], *rest = copy;
	uint64_t status;

	memset(out, 0, sizeof(*out));
	snprintf(copy, sizeof(copy), "%s", line);
	const char *address = strsep(&rest, " ");
	const char *code = strsep(&rest, " ");
	const char *bytes = strsep(&rest, " ");
	const char *seconds = strsep(&rest, " ");
	const char *target = strsep(&rest, " ?");
	if (!target || target[0] != '/' || !parse_address(address, out) ||
	    !parse_number(code, &status) || status > 999 || !parse_number(bytes, &out->bytes) ||
	    !parse_seconds(seconds, &out->ms))
		return false;
	out->status = (unsigned)status;
	text_copy_clean(target, out->path, sizeof(out->path));
	return true;
}
