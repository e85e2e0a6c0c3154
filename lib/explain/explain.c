#include "lib/explain/explain.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/explain/fill.h"

const struct explain_rule *explain_broken(const struct explain_facts *f)
{
	const struct explain_rule *rule;

	for (size_t i = 0; (rule = explain_rule_at(i)); i++)
		if (explain_rule_applies(rule, f))
			return rule;
	return NULL;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static json_t *filled(const char *text, const struct explain_facts *f, enum explain_sign sign)
{
	_cleanup_free_ char *buf = NULL;
	size_t size;
	FILE *m = open_memstream(&buf, &size);

	if (!m)
		return json_null();
	explain_fill(m, text, f, sign);
	return fclose(m) == 0 ? json_string(buf) : json_null();
}

static json_t *at_json(int64_t at_ms)
{
	char text[TIME_TEXT_SIZE];

	return at_ms > 0 ? json_string(time_format(at_ms, text)) : json_null();
}

static void add_evidence(json_t *list, const struct explain_facts *f, enum explain_sign sign)
{
	const struct explain_seen *seen = &f->seen[sign];

	if (!explain_is_seen(f, sign))
		return;
	json_array_append_new(
	    list, json_pack("{s:s, s:I, s:o, s:o, s:o}", "sign", explain_sign_name(sign), "count",
		      (json_int_t)seen->count, "at", at_json(seen->at_ms), "from",
		      *seen->from ? json_string(seen->from) : json_null(), "text",
		      filled(explain_sign_says(sign), f, sign)));
}

static json_t *rule_json(const struct explain_rule *rule, const struct explain_facts *f)
{
	json_t *evidence = json_array();

	add_evidence(evidence, f, rule->sign);
	if (rule->also != rule->sign)
		add_evidence(evidence, f, rule->also);
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "rule", rule->id, "link",
	    explain_link_name(rule->link), "sentence", filled(rule->sentence, f, rule->sign),
	    "hint", filled(rule->hint, f, rule->sign), "evidence", evidence);
}

/* One that fails is closer told by the first of its link's rules. */
static json_t *also_json(const struct explain_facts *f, const struct explain_rule *first)
{
	const struct explain_rule *rule;
	enum explain_link last = first ? first->link : EXPLAIN_LINK_COUNT;
	json_t *list = json_array();

	for (size_t i = 0; first && (rule = explain_rule_at(i)); i++) {
		if (rule->link <= last || !explain_rule_applies(rule, f))
			continue;
		json_array_append_new(list, rule_json(rule, f));
		last = rule->link;
	}
	return list;
}

static bool is_broken(const struct explain_facts *f, enum explain_link link)
{
	const struct explain_rule *rule;

	for (size_t i = 0; (rule = explain_rule_at(i)); i++)
		if (rule->link == link && explain_rule_applies(rule, f))
			return true;
	return false;
}

/* Whoever got further on has passed it. What was before the broken link's trouble began is of
 * another time. */
static bool is_passed(
    const struct explain_facts *f, enum explain_link link, const struct explain_rule *broken)
{
	int64_t since = broken && link > broken->link ? f->seen[broken->sign].at_ms : 0;

	for (int i = link; i < EXPLAIN_LINK_ORDER; i++) {
		enum explain_sign sign = explain_link_sign((enum explain_link)i);
		if (explain_is_seen(f, sign) && f->seen[sign].at_ms >= since)
			return true;
	}
	return false;
}

static json_t *links_json(const struct explain_facts *f, const struct explain_rule *broken)
{
	json_t *list = json_array();

	for (int i = 0; i < EXPLAIN_LINK_ORDER; i++) {
		enum explain_link link = (enum explain_link)i;
		enum explain_sign sign = explain_link_sign(link);
		const char *state = is_broken(f, link)           ? "broken"
				    : is_passed(f, link, broken) ? "ok"
								 : "open";
		bool told = strcmp(state, "ok") == 0 && explain_is_seen(f, sign);
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:o, s:o}", "link", explain_link_name(link), "state",
			state, "at", told ? at_json(f->seen[sign].at_ms) : json_null(), "text",
			told ? filled(explain_sign_says(sign), f, sign) : json_null()));
	}
	return list;
}

/* By its state, where it is when nothing is broken; the first that fits. */
static const struct {
	enum machine_state state;
	enum explain_sign sign; /* that is to be seen; EXPLAIN_STATE always is */
	const char *sentence;
	enum explain_sign after; /* that `sign` is to be seen later than; 0: whenever */
} places[] = {
    {MACHINE_READY, EXPLAIN_STATE, "it is ready", 0},
    {MACHINE_FAILED, EXPLAIN_STATE, "its install failed", 0},
    {MACHINE_INSTALLED, EXPLAIN_CLOUD_INIT,
	"it is installed and started: cloud-init is at {cloud-init.about}", 0},
    {MACHINE_INSTALLED, EXPLAIN_AGENT, "it is installed, and its agent has called since",
	EXPLAIN_INSTALLED},
    {MACHINE_INSTALLED, EXPLAIN_ADDRESS,
	"it is installed, was sent to its disk {came-back.ago} ago, and got {address.about} since",
	EXPLAIN_CAME_BACK},
    {MACHINE_INSTALLED, EXPLAIN_DISCOVER,
	"it is installed, was sent to its disk {came-back.ago} ago, and asks for an address since",
	EXPLAIN_CAME_BACK},
    {MACHINE_INSTALLED, EXPLAIN_CAME_BACK,
	"it is installed, and was sent to its disk {ago} ago; nothing was heard of it since",
	EXPLAIN_INSTALLED},
    {MACHINE_INSTALLED, EXPLAIN_STATE, "it is installed", 0},
    {MACHINE_INSTALLING, EXPLAIN_STATE, "it is being installed: {phase.about}", 0},
    {MACHINE_BOOTING, EXPLAIN_FETCH, "it boots: it has fetched {fetch.about}", 0},
    {MACHINE_BOOTING, EXPLAIN_STATE, "it boots: it was told {asked.about}", 0},
    {MACHINE_DECLARED, EXPLAIN_MODE_OFF, "it gets an address and no loader, as its definition says",
	0},
    {MACHINE_DECLARED, EXPLAIN_AGENT, "its agent waits for orders", 0},
    {MACHINE_DECLARED, EXPLAIN_ASKED, "it asked what to boot and was told: {asked.about}", 0},
    {MACHINE_DECLARED, EXPLAIN_TFTP, "its loader starts: it has fetched {tftp.about}", 0},
    {MACHINE_DECLARED, EXPLAIN_ADDRESS, "it has the address {address.about}", 0},
    {MACHINE_DECLARED, EXPLAIN_DISCOVER, "it asks for an address", 0},
    {MACHINE_DECLARED, EXPLAIN_POWER, "it was switched on", 0},
};

static bool is_there(const struct explain_facts *f, size_t place)
{
	enum explain_sign sign = places[place].sign, after = places[place].after;

	return after ? explain_is_seen(f, after) && explain_is_later(f, sign, after)
		     : explain_is_seen(f, sign);
}

static json_t *where_json(const struct explain_facts *f)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (explain_state_is(f, places[i].state) && is_there(f, i))
			return filled(places[i].sentence, f, places[i].sign);
	return json_string(explain_is_seen(f, EXPLAIN_STRANGER) ? "it waits for a definition"
								: "nothing was heard of it");
}

json_t *explain_json(const struct explain_facts *f)
{
	const struct explain_rule *broken = explain_broken(f);

	return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "name", f->name, "ok", !broken,
	    "where", where_json(f), "broken", broken ? rule_json(broken, f) : json_null(), "also",
	    also_json(f, broken), "links", links_json(f, broken), "facts", explain_facts_json(f));
}

/* ---- for people ---------------------------------------------------------------------------- */

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* "02:31:05", with the day where it is another. */
static void print_time(FILE *out, const json_t *json)
{
	int64_t at_ms = time_parse(text_of(json, "at"));
	time_t at = (time_t)(at_ms / 1000), now = time(NULL);
	struct tm then, today;
	char text[32];

	if (at_ms <= 0)
		return;
	localtime_r(&at, &then);
	localtime_r(&now, &today);
	bool same = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
	strftime(text, sizeof(text), same ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then);
	fprintf(out, "%s ", text);
}

static void print_evidence(FILE *out, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *from = text_of(one, "from");
		fputs("  seen     ", out);
		print_time(out, one);
		fprintf(out, "%s%s%s%s\n", text_of(one, "text"), *from ? " (" : "", from,
		    *from ? ")" : "");
	}
}

static void print_broken(FILE *out, const json_t *broken)
{
	print_evidence(out, json_object_get(broken, "evidence"));
	fprintf(out, "  do       %s\n", text_of(broken, "hint"));
}

static void print_links(FILE *out, const json_t *links)
{
	const json_t *link;
	size_t i;

	fputc('\n', out);
	json_array_foreach(links, i, link) {
		const char *state = text_of(link, "state");
		const char *shown = strcmp(state, "open") == 0 ? "-" : state;
		bool told = *text_of(link, "text");
		fprintf(out, "  %-11s %-*s", text_of(link, "link"), told ? 8 : 0, shown);
		print_time(out, link);
		fprintf(out, "%s\n", text_of(link, "text"));
	}
}

void explain_print(FILE *out, const json_t *explained, bool chain)
{
	const json_t *broken = json_object_get(explained, "broken"), *other;
	size_t i;

	if (json_is_object(broken)) {
		fprintf(out, "%s: %s: %s\n", text_of(explained, "name"), text_of(broken, "link"),
		    text_of(broken, "sentence"));
		print_broken(out, broken);
	} else {
		fprintf(out, "%s: nothing is broken: %s\n", text_of(explained, "name"),
		    text_of(explained, "where"));
	}
	json_array_foreach(json_object_get(explained, "also"), i, other) {
		fprintf(out, "also: %s: %s\n", text_of(other, "link"), text_of(other, "sentence"));
		print_broken(out, other);
	}
	if (chain)
		print_links(out, json_object_get(explained, "links"));
}
