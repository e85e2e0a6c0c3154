#include "lib/explain/sign.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"

static const struct {
	const char *name, *says;
} signs[] = {
#define SIGN_ROW(id, ...) [EXPLAIN_##id] = {__VA_ARGS__},
    EXPLAIN_SIGNS(SIGN_ROW)};

const char *explain_sign_name(enum explain_sign sign)
{
	return signs[sign].name;
}

const char *explain_sign_says(enum explain_sign sign)
{
	return signs[sign].says;
}

static void put(char *out, size_t size, const char *text)
{
	if (text)
		text_copy_clean(text, out, size);
}

struct explain_seen *explain_see(struct explain_facts *f, enum explain_sign sign, int64_t at_ms,
    const char *about, const char *from, const char *what)
{
	struct explain_seen *seen = &f->seen[sign];

	seen->count++;
	seen->turn = ++f->turns;
	if (at_ms > seen->at_ms)
		seen->at_ms = at_ms;
	put(seen->about, sizeof(seen->about), about);
	put(seen->from, sizeof(seen->from), from);
	put(seen->what, sizeof(seen->what), what);
	return seen;
}

bool explain_state_is(const struct explain_facts *f, enum machine_state state)
{
	return machine_state_is(f->seen[EXPLAIN_STATE].about, state);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void put_text(json_t *json, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(json, key, json_string(text));
}

static json_t *seen_json(const struct explain_seen *seen)
{
	json_t *json = json_pack(
	    "{s:I, s:I}", "count", (json_int_t)seen->count, "turn", (json_int_t)seen->turn);
	char at[TIME_TEXT_SIZE];

	if (seen->at_ms)
		json_object_set_new(json, "at", json_string(time_format(seen->at_ms, at)));
	put_text(json, "about", seen->about);
	put_text(json, "from", seen->from);
	put_text(json, "what", seen->what);
	put_text(json, "hint", seen->hint);
	return json;
}

json_t *explain_facts_json(const struct explain_facts *f)
{
	json_t *json = json_object();

	for (int i = 0; i < EXPLAIN_SIGN_COUNT; i++)
		if (f->seen[i].count)
			json_object_set_new(json, signs[i].name, seen_json(&f->seen[i]));
	return json;
}

static void take(struct explain_seen *seen, const json_t *json)
{
	int64_t at_ms = time_parse(json_string_value(json_object_get(json, "at")));

	seen->count = json_integer_value(json_object_get(json, "count"));
	seen->turn = json_integer_value(json_object_get(json, "turn"));
	if (at_ms > 0)
		seen->at_ms = at_ms;
	put(seen->about, sizeof(seen->about), json_string_value(json_object_get(json, "about")));
	put(seen->from, sizeof(seen->from), json_string_value(json_object_get(json, "from")));
	put(seen->what, sizeof(seen->what), json_string_value(json_object_get(json, "what")));
	put(seen->hint, sizeof(seen->hint), json_string_value(json_object_get(json, "hint")));
}

void explain_facts_take(struct explain_facts *f, const json_t *facts)
{
	for (int i = 0; i < EXPLAIN_SIGN_COUNT; i++) {
		const json_t *seen = json_object_get(facts, signs[i].name);
		if (json_is_object(seen))
			take(&f->seen[i], seen);
	}
}
