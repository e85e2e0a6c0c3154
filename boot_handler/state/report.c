#include "boot_handler/state/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/json/text.h"
#include "lib/base/text.h"

#define REPORT_DEPTH_MAX 8

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

/* The end of the log, from the start of a line, cleaned. */
static char *copy_log(const char *text)
{
	size_t len = strlen(text);

	if (len > REPORT_LOG_MAX_BYTES) {
		text += len - REPORT_LOG_MAX_BYTES;
		const char *line = strchr(text, '\n');
		if (line)
			text = line + 1;
		while (((unsigned char)*text & 0xc0) == 0x80)
			text++;
	}
	char *copy = strdup(text);
	if (copy)
		text_clean_string(copy, "\n\t");
	return copy;
}

static int get_count(const json_t *body, const char *key, uint64_t *out, struct err *e)
{
	const json_t *value = json_object_get(body, key);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return err_set(e, EINVAL, "\"%s\" has to be a whole number, 0 or more", key);
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

/* -1, like nothing, means that it is not known. */
static int get_eta(const json_t *body, int64_t *out, struct err *e)
{
	const json_t *value = json_object_get(body, "eta_s");

	*out = -1;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < -1)
		return err_set(e, EINVAL, "\"eta_s\" has to be a whole number of seconds");
	*out = json_integer_value(value);
	return 0;
}

static int get_text(
    const json_t *body, const char *key, bool required, const char **out, struct err *e)
{
	const json_t *value = json_object_get(body, key);

	*out = "";
	if (!value || json_is_null(value))
		return required ? err_set(e, EINVAL, "\"%s\" is missing in the report", key) : 0;
	if (!json_is_string(value))
		return err_set(e, EINVAL, "\"%s\" has to be a string", key);
	*out = json_string_value(value);
	return 0;
}

static int get_words(const json_t *body, struct report *out, struct err *e)
{
	static const char *const statuses[] = {
	    [REPORT_RUNNING] = "running",
	    [REPORT_DONE] = "done",
	    [REPORT_FAILED] = "failed",
	};
	const char *text;

	if (get_text(body, "phase", true, &text, e) < 0)
		return -EINVAL;
	if (machine_phase_parse(text, &out->phase) < 0)
		return err_set(e, EINVAL, "\"phase\" names no phase of the installer");
	if (get_text(body, "status", true, &text, e) < 0)
		return -EINVAL;
	for (int i = 0; i < 3; i++) {
		if (strcmp(text, statuses[i]) == 0) {
			out->status = (enum report_status)i;
			return 0;
		}
	}
	return err_set(e, EINVAL, "\"status\" has to be running, done or failed");
}

int report_parse(const char *body, size_t len, struct report *out, struct err *e)
{
	_cleanup_(cleanup_json) json_t *json = NULL;
	const char *text;
	size_t bad;

	memset(out, 0, sizeof(*out));
	json = json_text_parse(body, len, REPORT_DEPTH_MAX, &bad, e);
	if (!json) {
		int line;
		int column;
		json_text_position(body, bad, &line, &column);
		return err_wrap(e, "the report is malformed at line %d, column %d", line, column);
	}
	if (get_words(json, out, e) < 0 || get_count(json, "bytes", &out->bytes, e) < 0 ||
	    get_count(json, "total_bytes", &out->total_bytes, e) < 0 ||
	    get_count(json, "rate_bytes_per_s", &out->rate_bytes_per_s, e) < 0 ||
	    get_count(json, "disk_bytes", &out->disk_bytes, e) < 0 ||
	    get_eta(json, &out->eta_s, e) < 0)
		return -EINVAL;
	uint64_t attempt = 0;
	if (get_count(json, "attempt", &attempt, e) < 0)
		return -EINVAL;
	out->attempt = attempt < MACHINE_ATTEMPT_MAX ? (unsigned)attempt : 0;
	out->already = json_is_true(json_object_get(json, "already_installed"));
	if (get_text(json, "message", false, &text, e) < 0)
		return -EINVAL;
	text_copy_clean(text, out->message, sizeof(out->message));
	if (get_text(json, "hint", false, &text, e) < 0)
		return -EINVAL;
	text_copy_clean(text, out->hint, sizeof(out->hint));
	if (get_text(json, "log", false, &text, e) < 0)
		return -EINVAL;
	if (text[0] && !(out->log = copy_log(text)))
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

void report_clear(struct report *r)
{
	free(r->log);
	r->log = NULL;
}
