#include "lib/definition/match.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "lib/definition/field.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FACT(member_) offsetof(struct match_facts, member_)
#define PATTERN_MAX 256

/* ---- what can be asked ------------------------------------------------------------------------*/

static const struct text_fact {
	const char *key;
	size_t fact;
	bool tells_apart; /* no two machines show the same */
} texts[] = {
    {"serial", FACT(serial), true},
    {"uuid", FACT(uuid), true},
    {"mac", FACT(mac), true},
    {"product", FACT(product), false},
    {"manufacturer", FACT(manufacturer), false},
    {"arch", FACT(arch), false},
};

static const struct bound {
	const char *key;
	size_t fact;
	bool least;
} bounds[] = {
    {"min_memory", FACT(memory_bytes), true},
    {"max_memory", FACT(memory_bytes), false},
    {"min_disk", FACT(disk_bytes), true},
    {"max_disk", FACT(disk_bytes), false},
};

static const char *text_of(const struct match_facts *facts, size_t fact)
{
	const char *text = *(const char *const *)((const char *)facts + fact);

	return text && *text ? text : NULL;
}

/* ---- reading ----------------------------------------------------------------------------------*/

static int read_pattern(struct json_reader *r, json_t *value)
{
	const char *text;

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	if (!*text)
		return json_refuse(r, "is empty: write a pattern such as \"R6*\", or drop it");
	if (strlen(text) > PATTERN_MAX)
		return json_refuse(r, "is longer than %d bytes: shorten it", PATTERN_MAX);
	return 0;
}

static int read_arch(struct json_reader *r, json_t *value)
{
	enum vm_arch arch;

	if (read_pattern(r, value) < 0)
		return -EINVAL;
	if (vm_arch_parse(json_string_value(value), &arch) < 0)
		return json_refuse(r, "\"%.40s\" is no architecture: write \"%s\" or \"%s\"",
		    json_string_value(value), vm_arch_name(0), vm_arch_name(1));
	/* As machines show it. */
	return json_string_set(value, vm_arch_name(arch)) < 0 ? json_refuse(r, "out of memory") : 0;
}

static int read_patterns(struct json_reader *r, json_t *value)
{
	if (!json_is_array(value))
		return read_pattern(r, value);
	if (json_array_size(value) == 0)
		return json_refuse(r, "is an empty list, which no machine matches: drop it");
	return json_each(r, value, read_pattern);
}

static int read_arches(struct json_reader *r, json_t *value)
{
	return json_is_array(value) && json_array_size(value) ? json_each(r, value, read_arch)
	       : json_is_array(value)                         ? read_patterns(r, value)
							      : read_arch(r, value);
}

static uint64_t bytes_of(const json_t *value)
{
	uint64_t bytes = 0;

	return size_parse(json_string_value(value), &bytes) < 0 ? 0 : bytes;
}

static int read_bound(struct json_reader *r, json_t *value)
{
	uint64_t bytes;

	return vm_want_size(r, value, 0, 1, UINT64_MAX / 2, &bytes);
}

/* Bounds that leave nothing. */
static void check_bounds(struct json_reader *r, const json_t *match)
{
	for (size_t i = 0; i < COUNT(bounds); i += 2) {
		const json_t *least = json_object_get(match, bounds[i].key),
			     *most = json_object_get(match, bounds[i + 1].key);
		if (json_is_string(least) && json_is_string(most) &&
		    bytes_of(least) > bytes_of(most))
			(void)json_refuse_member(r, bounds[i + 1].key,
			    "is less than \"%s\", so that no machine matches: exchange them",
			    bounds[i].key);
	}
}

int match_read(struct json_reader *r, json_t *value)
{
	const char *known[COUNT(texts) + COUNT(bounds)];
	unsigned before = r->refusals;
	size_t count = 0, given = 0;

	for (size_t i = 0; i < COUNT(texts); i++)
		known[count++] = texts[i].key;
	for (size_t i = 0; i < COUNT(bounds); i++)
		known[count++] = bounds[i].key;
	if (json_want_object(r, value, "{\"product\": \"PowerEdge*\"}", known, count) < 0)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		given += !json_absent(json_object_get(value, known[i]));
	if (given == 0)
		return json_refuse(r,
		    "says nothing about the machine, and would match every one: add a key such as \"serial\" or \"product\", or leave \"match\" out");
	for (size_t i = 0; i < COUNT(texts); i++)
		json_member(r, value, texts[i].key,
		    strcmp(texts[i].key, "arch") == 0 ? read_arches : read_patterns);
	for (size_t i = 0; i < COUNT(bounds); i++)
		json_member(r, value, bounds[i].key, read_bound);
	check_bounds(r, value);
	return r->refusals > before ? -EINVAL : 0;
}

/* ---- matching ---------------------------------------------------------------------------------*/

static bool pattern_fits(const json_t *pattern, const char *text)
{
	return json_is_string(pattern) &&
	       fnmatch(json_string_value(pattern), text, FNM_CASEFOLD | FNM_NOESCAPE) == 0;
}

/* The pattern, or one of the list. */
static bool patterns_fit(const json_t *patterns, const char *text)
{
	const json_t *pattern;
	size_t i;

	json_array_foreach(patterns, i, pattern)
		if (pattern_fits(pattern, text))
			return true;
	return pattern_fits(patterns, text);
}

static bool bound_holds(const struct bound *b, const json_t *value, const struct match_facts *facts)
{
	uint64_t has = *(const uint64_t *)((const char *)facts + b->fact);

	return has && (b->least ? has >= bytes_of(value) : has <= bytes_of(value));
}

bool match_fits(const json_t *match, const struct match_facts *facts)
{
	if (!json_is_object(match))
		return false;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const json_t *patterns = json_object_get(match, texts[i].key);
		const char *text = text_of(facts, texts[i].fact);
		if (!json_absent(patterns) && (!text || !patterns_fit(patterns, text)))
			return false;
	}
	for (size_t i = 0; i < COUNT(bounds); i++) {
		const json_t *value = json_object_get(match, bounds[i].key);
		if (!json_absent(value) && !bound_holds(&bounds[i], value, facts))
			return false;
	}
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int several(const char **names, size_t count, struct err *e)
{
	char list[400] = "";
	size_t len = 0;

	qsort(names, count, sizeof(*names), by_text);
	for (size_t i = 0; i < count && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
		    i == 0           ? ""
		    : i + 1 == count ? " and "
				     : ", ",
		    names[i]);
	return err_set(e, ENOTUNIQ,
	    "it matches the profiles %s: let \"match\" of all but one of them leave it out, or name one",
	    list);
}

const char *match_choose(const json_t *profiles, const struct match_facts *facts, struct err *e)
{
	_cleanup_free_ const char **names = calloc(json_object_size(profiles) + 1, sizeof(*names));
	const json_t *profile;
	const char *name;
	size_t count = 0;

	if (!names) {
		err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	json_object_foreach((json_t *)profiles, name, profile)
		if (match_fits(json_object_get(profile, "match"), facts))
			names[count++] = name;
	if (count == 1)
		return names[0];
	if (count == 0)
		err_set(e, ENOENT, "it matches no profile");
	else
		(void)several(names, count, e);
	return NULL;
}

/* ---- names ------------------------------------------------------------------------------------*/

/* The fact that a "{word}" at `at` means; NULL: none. `len` is that of the whole. */
static const struct text_fact *placeholder(const char *at, size_t *len)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		size_t n = strlen(texts[i].key);
		if (strncmp(at + 1, texts[i].key, n) == 0 && at[n + 1] == '}') {
			*len = n + 2;
			return &texts[i];
		}
	}
	return NULL;
}

int match_name_check(const char *pattern, struct err *e)
{
	bool tells_apart = false;
	size_t len;

	for (const char *p = pattern; *p; p += len) {
		const struct text_fact *f = *p == '{' ? placeholder(p, &len) : NULL;
		tells_apart = tells_apart || (f && f->tells_apart);
		if (f)
			continue;
		if (*p == '{')
			return err_set(e, EINVAL,
			    "\"%.20s\" is no placeholder: write {serial}, {uuid}, {mac}, {product}, {manufacturer} or {arch}",
			    p);
		if (!strchr(VM_ALNUM "-_.", *p))
			return err_set(e, EINVAL,
			    "\"%.70s\" is no pattern of a name: write letters, digits, '-', '_', '.' and placeholders such as {serial}",
			    pattern);
		len = 1;
	}
	if (!tells_apart)
		return err_set(e, EINVAL,
		    "\"%.70s\" gives every machine the same name: add {serial}, {uuid} or {mac}",
		    pattern);
	return 0;
}

/* Appends what a name can have; runs of anything else are one hyphen. */
static void append(char name[VM_LABEL_SIZE], size_t *len, const char *text, size_t n)
{
	for (size_t i = 0; i < n && *len < VM_LABEL_SIZE - 1; i++) {
		char c = text[i];
		bool upper = c >= 'A' && c <= 'Z', good = upper || strchr(VM_LOWER VM_DIGIT, c);
		if (good)
			name[(*len)++] = upper ? (char)(c - 'A' + 'a') : c;
		else if (*len > 0 && name[*len - 1] != '-')
			name[(*len)++] = '-';
	}
	name[*len] = '\0';
}

int match_name(
    const char *pattern, const struct match_facts *facts, char name[VM_LABEL_SIZE], struct err *e)
{
	size_t len = 0, step;

	name[0] = '\0';
	for (const char *p = pattern; *p; p += step) {
		const struct text_fact *f = *p == '{' ? placeholder(p, &step) : NULL;
		const char *text = f ? text_of(facts, f->fact) : p;
		if (!text)
			return err_set(e, EINVAL,
			    "it is to be called \"%s\", and shows no %s: name it yourself", pattern,
			    f->key);
		if (!f)
			step = 1;
		/* Cut, two machines could get one name. */
		if (len + (f ? strlen(text) : 1) > VM_LABEL_SIZE - 1)
			return err_set(e, EINVAL,
			    "\"%s\" makes a name of more than %d characters of what it shows: name it yourself",
			    pattern, VM_LABEL_SIZE - 1);
		append(name, &len, text, f ? strlen(text) : 1);
	}
	while (len > 0 && name[len - 1] == '-')
		name[--len] = '\0';
	return vm_label_valid(name)
		   ? 0
		   : err_set(e, EINVAL, "\"%s\" makes no name of what it shows: name it yourself",
			 pattern);
}
