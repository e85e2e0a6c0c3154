#include "boot_handler/state/firstboot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/route.h"
#include "lib/base/cleanup.h"
#include "lib/json/text.h"
#include "lib/base/text.h"
#include "lib/net/ssh_key.h"

#define DEPTH_MAX 4
#define TEXT_MAX_BYTES 400
#define TEXTS_MAX 8
#define USER_MAX 32
#define BOOT_ID_MAX 64

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

#define _cleanup_json_ _cleanup_(cleanup_json)

static json_t *parse_json(const char *body, size_t len, struct err *e)
{
	size_t bad;
	int line;
	int column;
	json_t *json = json_text_parse(body, len, DEPTH_MAX, &bad, e);

	if (json)
		return json;
	json_text_position(body, bad, &line, &column);
	(void)err_wrap(e, "the call is malformed at line %d, column %d", line, column);
	return NULL;
}

/* ---- the form ---------------------------------------------------------------------------- */

static const char *const key_fields[MACHINE_KEYS_MAX] = {
    "pub_key_ed25519",
    "pub_key_ecdsa",
    "pub_key_rsa",
};

static void take_field(const char *name, char *value, struct firstboot_ready *out)
{
	value[strcspn(value, "\r\n")] = '\0';
	for (int i = 0; i < MACHINE_KEYS_MAX; i++)
		if (strcmp(name, key_fields[i]) == 0 &&
		    !ssh_key_bare(value, out->host_key[i], sizeof(out->host_key[i])))
			out->host_key[i][0] = '\0';
}

static int parse_form(const char *body, size_t len, struct firstboot_ready *out, struct err *e)
{
	char name[64];
	char value[MACHINE_KEY_SIZE + 512];

	while (len > 0) {
		const char *end = memchr(body, '&', len);
		size_t field = end ? (size_t)(end - body) : len;
		const char *equals = memchr(body, '=', field);

		if (!equals)
			return err_set(e, EINVAL,
			    "the call-back's body is no form: send key=value pairs joined by &, or a JSON object");
		size_t name_len = (size_t)(equals - body);
		if (route_decode(body, name_len, true, name, sizeof(name)) >= 0 &&
		    route_decode(equals + 1, field - name_len - 1, true, value, sizeof(value)) >= 0)
			take_field(name, value, out);
		body += end ? field + 1 : field;
		len -= end ? field + 1 : field;
	}
	return 0;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *clean(const char *text)
{
	char copy[TEXT_MAX_BYTES + 1];

	text_copy_clean(text, copy, sizeof(copy));
	return json_string(copy);
}

/* A list of short texts, whatever was sent. */
static json_t *texts(const json_t *list)
{
	json_t *out = json_array();
	const json_t *text;
	size_t i;

	json_array_foreach(list, i, text) {
		if (i == TEXTS_MAX) {
			json_array_append_new(
			    out, json_sprintf("and %zu more", json_array_size(list) - TEXTS_MAX));
			break;
		}
		if (json_is_string(text))
			json_array_append_new(out, clean(json_string_value(text)));
	}
	return out;
}

static json_t *levels(const json_t *object)
{
	static const char *const known[] = {"CRITICAL", "ERROR", "WARNING", "DEPRECATED"};
	json_t *out = json_object();

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const json_t *list = json_object_get(object, known[i]);
		if (json_array_size(list) > 0)
			json_object_set_new(out, known[i], texts(list));
	}
	return out;
}

static json_t *word(const json_t *value, const char *allowed, size_t max)
{
	const char *text = json_string_value(value);
	size_t len = text ? strlen(text) : 0;

	if (len == 0 || len > max || *text == '-' || strspn(text, allowed) != len)
		return json_null();
	return json_string(text);
}

#define WORD_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static json_t *status(const json_t *value)
{
	static const char *const known[] = {"done", "degraded", "error"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (json_is_string(value) && strcmp(json_string_value(value), known[i]) == 0)
			return json_string(known[i]);
	return json_string("done");
}

/* By type, as the form has them: one of each. */
static void take_keys(const json_t *list, struct firstboot_ready *out)
{
	static const char *const types[MACHINE_KEYS_MAX] = {"ssh-ed25519 ", "ecdsa-", "ssh-rsa "};
	const json_t *key;
	size_t k;

	json_array_foreach(list, k, key) {
		const char *text = json_string_value(key);
		for (int i = 0; text && i < MACHINE_KEYS_MAX; i++)
			if (strncmp(text, types[i], strlen(types[i])) == 0 &&
			    !ssh_key_bare(text, out->host_key[i], sizeof(out->host_key[i])))
				out->host_key[i][0] = '\0';
	}
}

static int parse_result(const char *body, size_t len, struct firstboot_ready *out, struct err *e)
{
	_cleanup_json_ json_t *json = parse_json(body, len, e);

	if (!json)
		return -EINVAL;
	json_t *boot_id = word(json_object_get(json, "boot_id"), WORD_CHARACTERS, BOOT_ID_MAX);
	if (!json_is_string(boot_id)) {
		json_decref(boot_id);
		return err_set(e, EINVAL,
		    "\"boot_id\" is missing or no word: send what /proc/sys/kernel/random/boot_id says");
	}
	take_keys(json_object_get(json, "host_keys"), out);
	out->first = json_is_true(json_object_get(json, "first_boot"));
	out->result = json_pack("{s:o, s:o, s:o, s:o, s:o}", "status",
	    status(json_object_get(json, "status")), "errors",
	    texts(json_object_get(json, "errors")), "recoverable_errors",
	    levels(json_object_get(json, "recoverable_errors")), "boot_id", boot_id, "user",
	    word(json_object_get(json, "user"), WORD_CHARACTERS, USER_MAX));
	return out->result ? 0 : err_set(e, ENOMEM, "out of memory");
}

int firstboot_ready_parse(const char *body, size_t len, struct firstboot_ready *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (len > 0 && body[0] == '{')
		return parse_result(body, len, out, e);
	return parse_form(body, len, out, e);
}

void firstboot_ready_clear(struct firstboot_ready *r)
{
	json_decref(r->result);
	r->result = NULL;
}

/* ---- what is kept ------------------------------------------------------------------------ */

/* Lists lose their ends, the least telling first, until the text fits. */
static char *fitting(json_t *kept)
{
	static const char *const order[] = {"DEPRECATED", "WARNING", "ERROR", "CRITICAL"};
	json_t *recoverable = json_object_get(kept, "recoverable_errors");
	size_t next = 0;

	for (;;) {
		char *text = json_dumps(kept, JSON_COMPACT);
		if (!text || strlen(text) < MACHINE_CLOUD_INIT_SIZE)
			return text;
		free(text);
		while (next < 4 && json_array_size(json_object_get(recoverable, order[next])) <= 1)
			next++;
		json_t *list = next < 4 ? json_object_get(recoverable, order[next])
					: json_object_get(kept, "first_boot_errors");
		if (json_array_size(list) <= 1)
			list = json_object_get(kept, "errors");
		if (json_array_size(list) > 1)
			json_array_remove(list, json_array_size(list) - 1);
		else
			json_object_clear(recoverable);
	}
}

static json_t *load(const char *kept)
{
	return kept && kept[0] ? json_loads(kept, 0, NULL) : NULL;
}

char *firstboot_result(const struct firstboot_ready *r, const char *before)
{
	_cleanup_json_ json_t *old = load(before);
	_cleanup_json_ json_t *kept = json_deep_copy(r->result);

	if (!kept)
		return NULL;
	json_t *first =
	    json_object_get(r->first ? kept : old, r->first ? "errors" : "first_boot_errors");
	json_object_set_new(
	    kept, "first_boot_errors", first ? json_deep_copy(first) : json_array());
	return fitting(kept);
}

char *firstboot_booting(const char *before)
{
	_cleanup_json_ json_t *kept = load(before);

	if (!kept)
		return NULL;
	json_object_set_new(kept, "status", json_string("booting"));
	json_object_set_new(kept, "errors", json_array());
	json_object_set_new(kept, "recoverable_errors", json_object());
	return fitting(kept);
}

void firstboot_id(const char *kept, char *buf, size_t size)
{
	_cleanup_json_ json_t *json = load(kept);
	const char *text = json_string_value(json_object_get(json, "boot_id"));

	snprintf(buf, size, "%s", text ? text : "");
}

/* ---- events ------------------------------------------------------------------------------ */

/* "modules-final/config-runcmd" becomes "modules-final: runcmd". */
static void name_stage(const char *name, char *out, size_t size)
{
	char clean_name[MACHINE_STAGE_SIZE];

	text_copy_clean(name, clean_name, sizeof(clean_name));
	char *slash = strchr(clean_name, '/');
	if (!slash) {
		snprintf(out, size, "%s", clean_name);
		return;
	}
	*slash = '\0';
	const char *module = slash + 1;
	if (strncmp(module, "config-", 7) == 0)
		module += 7;
	snprintf(out, size, "%.20s: %.40s", clean_name, module);
}

int firstboot_event_parse(const char *body, size_t len, struct firstboot_event *out, struct err *e)
{
	_cleanup_json_ json_t *json = parse_json(body, len, e);

	memset(out, 0, sizeof(*out));
	if (!json)
		return -EINVAL;
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *type = json_string_value(json_object_get(json, "event_type"));
	const char *result = json_string_value(json_object_get(json, "result"));
	if (!name || !*name || !type)
		return err_set(e, EINVAL,
		    "the event has no \"name\" and \"event_type\": send what cloud-init's webhook sends");
	name_stage(name, out->text, sizeof(out->text));
	out->begins = strcmp(type, "start") == 0;
	out->failed = !out->begins && result && strcmp(result, "FAIL") == 0;
	return 0;
}
