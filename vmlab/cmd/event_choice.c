#include "vmlab/cmd/event_choice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/near.h"
#include "lib/machine/event.h"
#include "vmlab/lab/command.h"

#define KINDS_MAX 64
#define WORD_SIZE 32

bool event_choice_is_any(const struct event_choice *c)
{
	return !c->kinds && !c->severity && !c->since_ms && !c->until_ms;
}

static int refuse_kind(const char *word, struct err *e)
{
	const char *names[KINDS_MAX];
	size_t count = 0;

	for (; count < event_kinds() && count < KINDS_MAX; count++)
		names[count] = event_info((enum event_kind)count)->name;
	const char *near = near_word(word, names, count);
	return err_set(e, EINVAL,
	    "there is no kind of event \"%s\"%s%s%s: vmlab/README.md lists them", word,
	    near ? ", but " : "", near ? near : "", near ? " is one" : "");
}

int event_choice_set_kinds(struct event_choice *c, const char *text, struct err *e)
{
	for (const char *p = text;; p++) {
		size_t len = strcspn(p, ",");
		char word[WORD_SIZE];
		snprintf(word, sizeof(word), "%.*s", (int)(len < WORD_SIZE ? len : WORD_SIZE), p);
		if (!event_info_find(word))
			return refuse_kind(word, e);
		p += len;
		if (!*p)
			break;
	}
	c->kinds = text;
	return 0;
}

int event_choice_set_severity(struct event_choice *c, const char *text, struct err *e)
{
	enum event_severity severity;

	if (event_severity_parse(text, &severity) < 0)
		return err_set(
		    e, EINVAL, "--severity takes debug, info, warning or error, for this and more");
	c->severity = text;
	return 0;
}

/* Of this machine's time zone; what `format` leaves out is as `tm` has it. False: not so written.
 */
static bool parse_local(const char *text, const char *format, struct tm tm, int64_t *out)
{
	const char *end = strptime(text, format, &tm);

	if (!end || *end)
		return false;
	tm.tm_isdst = -1;
	time_t at = mktime(&tm);
	*out = (int64_t)at * 1000;
	return at > 0;
}

int event_choice_time(const char *text, int64_t now_ms, int64_t *out, struct err *e)
{
	static const char *const dates[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"},
				 *const times[] = {"%H:%M:%S", "%H:%M"};
	time_t now = (time_t)(now_ms / 1000);
	struct tm none = {.tm_mday = 1}, today;
	int64_t before_ms;

	localtime_r(&now, &today);
	today.tm_sec = 0;
	*out = time_parse(text);
	for (size_t i = 0; *out <= 0 && i < sizeof(dates) / sizeof(*dates); i++)
		(void)parse_local(text, dates[i], none, out);
	for (size_t i = 0; *out <= 0 && i < sizeof(times) / sizeof(*times); i++)
		(void)parse_local(text, times[i], today, out);
	if (*out <= 0 && command_duration(text, &before_ms) == 0)
		*out = now_ms - before_ms;
	if (*out > 0)
		return 0;
	return err_set(e, EINVAL,
	    "\"%s\" is no time: write \"2026-01-31 12:00\", 12:00, 15m (ago) or 2026-01-31T12:00:00Z",
	    text);
}

char *event_choice_query(const struct event_choice *c)
{
	char at[TIME_TEXT_SIZE];
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (c->kinds)
		fprintf(f, "&kind=%s", c->kinds);
	if (c->severity)
		fprintf(f, "&severity=%s", c->severity);
	if (c->since_ms)
		fprintf(f, "&since=%s", time_format(c->since_ms, at));
	if (c->until_ms)
		fprintf(f, "&until=%s", time_format(c->until_ms, at));
	fclose(f);
	return text;
}
