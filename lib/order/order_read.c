#include "lib/order/order_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/near.h"
#include "lib/definition/disk_choice.h"
#include "lib/image/image_name.h"

#define URL_MAX 1024
#define NAMES_MAX 32

/* ---- one argument ------------------------------------------------------------------------- */

struct match_refusal {
	char key[40];
	struct err why;
	bool told;
};

static void keep(struct match_refusal *to, const struct json_path *bad, const char *why)
{
	if (to->told)
		return;
	to->told = true;
	snprintf(to->key, sizeof(to->key), "%s", bad->depth ? bad->step[0].key : "");
	err_set(&to->why, EINVAL, "%s", why);
}

static void match_refused(void *ctx, const struct json_path *bad, const struct err *why)
{
	keep(ctx, bad, why->msg);
}

static void match_unknown(void *ctx, const struct json_path *bad, const char *nearest)
{
	(void)nearest;
	keep(ctx, bad,
	    "is nothing that a disk matches by: path, serial, wwn, model, transport, min_size, max_size and pick are");
}

/* What is not understood of it may have said which disk is spared. */
static int read_match(struct json_reader *r, const json_t *value)
{
	struct match_refusal first = {.told = false};
	struct json_reader own = {.refuse = match_refused, .unknown = match_unknown, .ctx = &first};
	struct disk_match match;

	(void)disk_match_read(&own, value, &match);
	if (!first.told)
		return 0;
	return first.key[0] ? json_refuse(r, "\"%s\" %s", first.key, first.why.msg)
			    : json_refuse(r, "%s", first.why.msg);
}

static int read_disk(struct json_reader *r, const json_t *value)
{
	const char *text;

	if (json_is_object(value))
		return read_match(r, value);
	if (!json_is_string(value))
		return json_refuse(r,
		    "must be a disk's name such as \"vda\", its serial number, or an object that it has to match, such as {\"pick\": \"largest\"}");
	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	return strlen(text) < DISK_TEXT_SIZE
		   ? 0
		   : json_refuse(r, "is longer than %d characters", DISK_TEXT_SIZE - 1);
}

static int read_name(struct json_reader *r, const json_t *value)
{
	const char *text;

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	return image_name_valid(text)
		   ? 0
		   : json_refuse(r,
			 "\"%.64s\" is no name of an image: at most 64 of a-z 0-9 . + _ -, the first a letter or digit",
			 text);
}

static int read_url(struct json_reader *r, const json_t *value)
{
	const char *text;

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	if ((strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) ||
	    strchr(text, ' '))
		return json_refuse(r, "must begin with http:// or https:// and hold no space");
	return strlen(text) <= URL_MAX ? 0
				       : json_refuse(r, "is longer than %d characters", URL_MAX);
}

static int read_sha256(struct json_reader *r, const json_t *value)
{
	const char *text;

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64
		   ? 0
		   : json_refuse(r, "must be 64 hexadecimal digits, as sha256sum prints them");
}

static int read_script(struct json_reader *r, const json_t *value)
{
	if (!json_is_string(value))
		return json_refuse(r, "must be a text in quotes, the whole script");
	return json_string_length(value) <= ORDER_SCRIPT_MAX_BYTES
		   ? 0
		   : json_refuse(r, "is longer than %d bytes: have it fetch the rest",
			 ORDER_SCRIPT_MAX_BYTES);
}

static int read_word(struct json_reader *r, const struct order_arg *arg, const json_t *value)
{
	char list[200] = "";
	const char *text;

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	for (size_t i = 0, at = 0; arg->words[i]; i++) {
		if (strcmp(arg->words[i], text) == 0)
			return 0;
		if (at < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s\"%s\"",
			    i == 0              ? ""
			    : arg->words[i + 1] ? ", "
						: " or ",
			    arg->words[i]);
	}
	return json_refuse(r, "\"%.40s\" is not known: write %s", text, list);
}

static int judge_arg(struct json_reader *r, const struct order_arg *arg, const json_t *value)
{
	int64_t count;

	switch (arg->kind) {
	case ORDER_ARG_DISK:
		return read_disk(r, value);
	case ORDER_ARG_NAME:
	case ORDER_ARG_IMAGE:
	case ORDER_ARG_BOOT_IMAGE:
		return read_name(r, value);
	case ORDER_ARG_URL:
		return read_url(r, value);
	case ORDER_ARG_SHA256:
		return read_sha256(r, value);
	case ORDER_ARG_SCRIPT:
		return read_script(r, value);
	case ORDER_ARG_WORD:
		return read_word(r, arg, value);
	case ORDER_ARG_COUNT:
		break;
	}
	return json_want_integer(r, value, 1, arg->most, &count);
}

static json_t *taken(const struct order_arg *arg, const json_t *value)
{
	json_t *copy = json_deep_copy(value);

	if (arg->kind == ORDER_ARG_SHA256)
		for (char *c = (char *)json_string_value(copy); *c; c++)
			*c = (char)tolower((unsigned char)*c);
	return copy;
}

/* What is left out has its usual value, or none. */
static json_t *usual(const struct order_arg *arg)
{
	if (arg->kind == ORDER_ARG_WORD && !arg->required)
		return json_string(arg->words[0]);
	return arg->kind == ORDER_ARG_COUNT && arg->usual ? json_integer(arg->usual) : NULL;
}

/* ---- those of an order -------------------------------------------------------------------- */

static const char *arg_names(const struct order_row *row, bool either, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (const struct order_arg *a = row->args; a && a->name && at < size; a++)
		if (!either || a->either)
			at +=
			    (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "", a->name);
	return buf;
}

/* A word that is not understood may have said which disk is spared: nothing is done then. */
static void refuse_unknown(struct json_reader *r, const json_t *args, const struct order_row *row)
{
	const char *known[NAMES_MAX], *key;
	char names[200];
	size_t count = 0;
	json_t *ignored;

	for (const struct order_arg *a = row->args; a && a->name && count < NAMES_MAX; a++)
		known[count++] = a->name;
	json_object_foreach((json_t *)args, key, ignored) {
		if (order_arg_find(row, key))
			continue;
		const char *near = near_word(key, known, count);
		if (count == 0)
			(void)json_refuse_member(
			    r, key, "is not understood: %s takes no arguments", row->name);
		else
			(void)json_refuse_member(r, key,
			    "is no argument of %s, which takes %s%s%s%s", row->name,
			    arg_names(row, false, names, sizeof(names)),
			    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
}

static void read_arg(struct json_reader *r, const struct order_arg *arg,
    const struct order_row *row, const json_t *args, json_t *out)
{
	const json_t *value = json_object_get(args, arg->name);

	if (json_absent(value)) {
		if (arg->required)
			(void)json_refuse_member(
			    r, arg->name, "is missing: %s needs it (%s)", row->name, arg->summary);
		json_t *made = usual(arg);
		if (made)
			json_object_set_new(out, arg->name, made);
		return;
	}
	json_enter(r, arg->name);
	if (judge_arg(r, arg, value) == 0)
		json_object_set_new(out, arg->name, taken(arg, value));
	json_leave(r);
}

static void read_args(
    struct json_reader *r, const json_t *args, const struct order_row *row, struct order_wish *out)
{
	unsigned alternatives = 0, given = 0;
	char names[200];

	if (!json_absent(args) && !json_is_object(args)) {
		(void)json_refuse(r, "must be an object, such as {\"disk\": \"vda\"}");
		return;
	}
	refuse_unknown(r, args, row);
	json_t *taken_args = json_object();
	for (const struct order_arg *a = row->args; a && a->name; a++) {
		read_arg(r, a, row, args, taken_args);
		alternatives += a->either;
		given += a->either && !json_absent(json_object_get(args, a->name));
	}
	if (alternatives && given != 1)
		(void)json_refuse(r, "need exactly one of %s: %s takes no other number of them",
		    arg_names(row, true, names, sizeof(names)), row->name);
	if (json_object_size(taken_args) > 0)
		out->args = json_incref(taken_args);
	json_decref(taken_args);
}

/* ---- orders ------------------------------------------------------------------------------- */

static const struct order_row *read_action(
    struct json_reader *r, const json_t *value, enum order_action *out)
{
	const char *action = json_string_value(json_object_get(value, "action"));
	char words[ORDER_WORDS_SIZE];

	if (action && order_action_parse(action, out) == 0)
		return order_row(*out);
	if (action)
		(void)json_refuse_member(r, "action", "\"%.40s\" is no order: there are %s", action,
		    order_actions_words(words));
	else
		(void)json_refuse(r,
		    "must be an order, {\"action\": ..., \"args\": {...}}, with one of %s",
		    order_actions_words(words));
	return NULL;
}

static void read_one(struct json_reader *r, const json_t *value, struct order_wish *out)
{
	static const char *const known[] = {"action", "args", "deadline_s"};
	const struct order_row *row = read_action(r, value, &out->action);
	int64_t deadline_s;
	const char *key;
	json_t *member;

	if (!row)
		return;
	json_object_foreach((json_t *)value, key, member)
		if (strcmp(key, known[0]) != 0 && strcmp(key, known[1]) != 0 &&
		    strcmp(key, known[2]) != 0)
			(void)json_refuse_member(r, key,
			    order_arg_find(row, key)
				? "belongs into \"args\": {\"action\": ..., \"args\": {...}}"
				: "is not known: an order has \"action\", \"args\" and \"deadline_s\"");
	json_enter(r, "args");
	read_args(r, json_object_get(value, "args"), row, out);
	json_leave(r);
	out->timeout_s = row->timeout_s;
	const json_t *deadline = json_object_get(value, "deadline_s");
	if (json_absent(deadline))
		return;
	json_enter(r, "deadline_s");
	if (json_want_integer(r, deadline, 1, ORDER_DEADLINE_MAX_S, &deadline_s) == 0)
		out->timeout_s = (unsigned)deadline_s;
	json_leave(r);
}

static void read_all(struct json_reader *r, const json_t *list, struct order_list *out)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > ORDER_LIST_MAX) {
		(void)json_refuse(r, "must be a list of 1 to %d orders", ORDER_LIST_MAX);
		return;
	}
	json_array_foreach(list, i, one) {
		json_enter_at(r, i);
		read_one(r, one, &out->wish[out->count++]);
		json_leave(r);
	}
}

static void read_file(struct json_reader *r, const json_t *value, struct order_list *out)
{
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)value, key, member)
		if (strcmp(key, "orders") != 0 && strcmp(key, "summary") != 0 &&
		    strcmp(key, "$schema") != 0)
			(void)json_refuse_member(r, key,
			    "is not known: beside \"orders\" there can be \"summary\" and \"$schema\"");
	json_member(r, (json_t *)value, "summary", json_read_line);
	json_member(r, (json_t *)value, "$schema", json_read_line);
	json_enter(r, "orders");
	read_all(r, json_object_get(value, "orders"), out);
	json_leave(r);
}

int order_list_read(struct json_reader *r, const json_t *value, struct order_list *out)
{
	unsigned before = r->refusals;

	memset(out, 0, sizeof(*out));
	if (json_is_array(value))
		read_all(r, value, out);
	else if (json_object_get(value, "orders"))
		read_file(r, value, out);
	else
		read_one(r, value, &out->wish[out->count++]);
	return r->refusals > before ? -EINVAL : 0;
}

void order_list_clear(struct order_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		json_decref(list->wish[i].args);
	list->count = 0;
}

int order_list_parse(const json_t *value, struct order_list *out, struct err *e)
{
	struct json_path bad;
	struct err why = ERR_INIT;
	struct json_first_refusal first = {.bad = &bad, .e = &why};
	struct json_reader r = json_reader_first(&first);
	char where[200];

	if (order_list_read(&r, value, out) == 0)
		return 0;
	json_path_format(&bad, where, sizeof(where));
	return err_set(e, EINVAL, "%s %s", *where ? where : "this", why.msg);
}

json_t *order_arg_of_text(const struct order_arg *arg, const char *text)
{
	char *end;

	if (arg->kind == ORDER_ARG_COUNT && *text && strlen(text) < 16) {
		long long n = strtoll(text, &end, 10);
		if (*end == '\0')
			return json_integer(n);
	}
	if (arg->kind == ORDER_ARG_DISK && *text == '{') {
		json_t *match = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		if (match)
			return match;
	}
	return json_string(text);
}
