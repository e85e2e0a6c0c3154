#include "boot_handler/documents/agent_call.h"

#include <errno.h>
#include <string.h>

#include "boot_handler/documents/json_clean.h"
#include "lib/base/text.h"

void agent_take_shown(const json_t *uuid, const json_t *serial, struct shown *out)
{
	const char *text = json_string_value(uuid);
	char known[UUID_TEXT_SIZE];

	if (text && smbios_uuid_parse(text, known) && !smbios_uuid_unset(known))
		memcpy(out->uuid, known, sizeof(known));
	text = json_string_value(serial);
	if (text && smbios_serial_valid(text) && !smbios_serial_unset(text))
		memcpy(out->serial, text, strlen(text) + 1);
}

/* New reference, an object; NULL with the sentence. */
static json_t *load(const char *body, size_t len, struct err *e)
{
	json_error_t why;
	json_t *json = json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);

	if (!json)
		err_set(e, EINVAL, "the body is no JSON (line %d): %s", why.line, why.text);
	else if (!json_is_object(json))
		err_set(
		    e, EINVAL, "the body is no object: send {\"mac\": \"52:54:00:12:34:56\", ...}");
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

static int want_mac(const json_t *json, struct mac *out, struct err *e)
{
	const char *text = json_string_value(json_object_get(json, "mac"));

	if (!text)
		return err_set(e, EINVAL,
		    "\"mac\" is missing: send the machine's MAC address as text, as in 52:54:00:12:34:56");
	return mac_parse(text, strlen(text), out, e) < 0 ? -EINVAL : 0;
}

int agent_greeting_parse(const char *body, size_t len, struct agent_greeting *out, struct err *e)
{
	json_t *json = load(body, len, e);

	memset(out, 0, sizeof(*out));
	int r = json ? want_mac(json, &out->mac, e) : -EINVAL;
	if (r == 0)
		agent_take_shown(
		    json_object_get(json, "uuid"), json_object_get(json, "serial"), &out->shown);
	json_decref(json);
	return r;
}

static int want_id(const json_t *json, int64_t *out, struct err *e)
{
	const json_t *id = json_object_get(json, "id");

	if (!id || json_is_null(id))
		return err_set(e, EINVAL, "\"id\" is missing: send the order's number");
	if (!json_is_integer(id) || json_integer_value(id) <= 0)
		return err_set(e, EINVAL,
		    "\"id\" is no order's number: send it as the order has it, a whole number from 1 without quotes");
	*out = json_integer_value(id);
	return 0;
}

/* "" where it is absent. */
static int take_text(const json_t *json, const char *key, char *out, size_t size, struct err *e)
{
	const json_t *value = json_object_get(json, key);

	if (value && !json_is_null(value) && !json_is_string(value))
		return err_set(e, EINVAL, "\"%s\" is no text: send one in quotes, or none", key);
	text_copy_clean(json_is_string(value) ? json_string_value(value) : "", out, size);
	return 0;
}

static int take_bytes(const json_t *json, const char *key, int64_t *out, struct err *e)
{
	const json_t *value = json_object_get(json, key);

	if (value && !json_is_null(value) &&
	    (!json_is_integer(value) || json_integer_value(value) < 0))
		return err_set(e, EINVAL,
		    "\"%s\" is no number of bytes: send a whole number from 0, or none", key);
	*out = json_integer_value(value);
	return 0;
}

static int take_progress(const json_t *json, struct agent_progress *out, struct err *e)
{
	int r = take_text(json, "phase", out->phase, sizeof(out->phase), e);

	if (r == 0)
		r = take_text(json, "text", out->text, sizeof(out->text), e);
	if (r == 0)
		r = take_bytes(json, "done_bytes", &out->done_bytes, e);
	return r == 0 ? take_bytes(json, "total_bytes", &out->total_bytes, e) : r;
}

int agent_progress_parse(const char *body, size_t len, struct agent_progress *out, struct err *e)
{
	json_t *json = load(body, len, e);

	memset(out, 0, sizeof(*out));
	int r = json ? want_mac(json, &out->mac, e) : -EINVAL;
	if (r == 0)
		r = want_id(json, &out->id, e);
	if (r == 0)
		r = take_progress(json, out, e);
	json_decref(json);
	return r;
}

static int want_figures(const json_t *json, struct agent_ending *out, struct err *e)
{
	json_t *figures = json_object_get(json, "figures");

	if (!figures || json_is_null(figures))
		return 0;
	if (!json_is_object(figures))
		return err_set(e, EINVAL, "\"figures\" is no object");
	if (json_dumpb(figures, NULL, 0, JSON_COMPACT) > AGENT_FIGURES_MAX_BYTES)
		return err_set(
		    e, EINVAL, "\"figures\" is larger than %d bytes", AGENT_FIGURES_MAX_BYTES);
	if (json_clean(figures, e) < 0)
		return err_wrap(e, "\"figures\" is not taken");
	out->figures = json_incref(figures);
	return 0;
}

static int want_result(const json_t *json, struct agent_ending *out, struct err *e)
{
	const char *result = json_string_value(json_object_get(json, "result"));

	if (want_id(json, &out->id, e) < 0)
		return -EINVAL;
	if (!result || (strcmp(result, "ok") != 0 && strcmp(result, "failed") != 0))
		return err_set(e, EINVAL, "\"result\" is neither \"ok\" nor \"failed\"");
	out->ok = strcmp(result, "ok") == 0;
	if (take_text(json, "text", out->text, sizeof(out->text), e) < 0 ||
	    take_text(json, "phase", out->phase, sizeof(out->phase), e) < 0 ||
	    take_text(json, "hint", out->hint, sizeof(out->hint), e) < 0)
		return -EINVAL;
	return want_figures(json, out, e);
}

int agent_ending_parse(const char *body, size_t len, struct agent_ending *out, struct err *e)
{
	json_t *json = load(body, len, e);

	memset(out, 0, sizeof(*out));
	int r = json ? want_mac(json, &out->mac, e) : -EINVAL;
	if (r == 0)
		r = want_result(json, out, e);
	json_decref(json);
	return r;
}

void agent_ending_clear(struct agent_ending *ending)
{
	json_decref(ending->figures);
	ending->figures = NULL;
}
