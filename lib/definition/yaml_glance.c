#include "lib/definition/yaml_glance.h"

#include <string.h>

struct scan {
	const char *at;
	const char *line_begin;
	int line;
	int plain_above; /* lines indented deeper than this go on with a plain text; -1: none does
			  */
	bool value_open; /* the last top-level key's value comes on the lines below: a list, perhaps
			  */
	struct yaml_glance *out;
};

static bool broken(struct scan *s, int line, const char *why)
{
	s->out->kind = YAML_BROKEN;
	s->out->line = line;
	s->out->why = why;
	return false;
}

static bool unsure(struct scan *s)
{
	s->out->kind = YAML_UNSURE;
	return false;
}

static bool ends_line(char c)
{
	return c == '\0' || c == '\n' || c == '\r';
}

static bool ends_word(char c)
{
	return ends_line(c) || c == ' ' || c == '\t';
}

static void skip_line(struct scan *s)
{
	s->at += strcspn(s->at, "\n");
	if (*s->at == '\n') {
		s->at++;
		s->line++;
	}
	s->line_begin = s->at;
}

static void skip_blanks(struct scan *s)
{
	s->at += strspn(s->at, " \t");
}

static int column(const struct scan *s)
{
	return (int)(s->at - s->line_begin);
}

static void next_char(struct scan *s)
{
	if (*s->at++ == '\n') {
		s->line++;
		s->line_begin = s->at;
	}
}

/* ---- values that may go over several lines
 * -----------------------------------------------------*/

/* At a quote; ends behind the one that closes it. */
static bool skip_quoted(struct scan *s)
{
	char quote = *s->at;
	int line = s->line;

	for (next_char(s); *s->at; next_char(s)) {
		if (quote == '"' && *s->at == '\\' && s->at[1]) {
			next_char(s);
		} else if (*s->at == quote) {
			if (quote == '"' || s->at[1] != quote) {
				next_char(s);
				return true;
			}
			next_char(s);
		}
	}
	return broken(s, line, "a quote that begins there is not closed");
}

/* Plain text inside of brackets. */
static void skip_flow_text(struct scan *s)
{
	while (*s->at && !strchr(",[]{}\n", *s->at)) {
		if ((*s->at == ':' && ends_word(s->at[1])) ||
		    ((*s->at == ' ' || *s->at == '\t') && s->at[1] == '#'))
			return;
		next_char(s);
	}
}

/* At a '[' or '{'; ends behind the bracket that closes it. */
static bool skip_flow(struct scan *s)
{
	char open[64];
	size_t depth = 0;
	int line = s->line;
	bool in_text = false; /* where a quote is a character as any other */

	do {
		char c = *s->at;
		bool quote = (c == '"' || c == '\'') && !in_text;
		in_text = in_text && !strchr(",:[]{}", c);
		if (c == '[' || c == '{') {
			if (depth == sizeof(open))
				return unsure(s);
			open[depth++] = c;
			next_char(s);
		} else if (c == ']' || c == '}') {
			if (open[--depth] != (c == ']' ? '[' : '{'))
				return broken(s, s->line, "a bracket closes one of another kind");
			next_char(s);
		} else if (quote) {
			if (!skip_quoted(s))
				return false;
		} else if (c == '#' && (s->at == s->line_begin || strchr(" \t", s->at[-1]))) {
			s->at += strcspn(s->at, "\n");
		} else if (c == '\0') {
			return broken(s, line, "a bracket that opens there is not closed");
		} else if (strchr(",: \t\r\n", c)) {
			next_char(s);
		} else {
			skip_flow_text(s);
			in_text = true;
		}
	} while (depth > 0);
	return true;
}

/* At a '|' or '>': all lines that are indented deeper than the parent, whatever is in them. */
static bool skip_block_text(struct scan *s, int parent)
{
	skip_line(s);
	while (*s->at) {
		size_t indent = strspn(s->at, " ");
		if (!ends_line(s->at[indent]) && (int)indent <= parent)
			break;
		skip_line(s);
	}
	return true;
}

/* ---- one line
 * ----------------------------------------------------------------------------------*/

/* The ':' behind a plain key on this line; NULL: there is no key. */
static const char *plain_key_end(const char *at)
{
	if (strchr("[]{},|>\"'&*!%@`#", *at))
		return NULL;
	for (; !ends_line(*at); at++) {
		if (*at == ':' && ends_word(at[1]))
			return at;
		if ((*at == ' ' || *at == '\t') && at[1] == '#')
			return NULL;
	}
	return NULL;
}

/* A tag or an anchor before the value. */
static void skip_properties(struct scan *s)
{
	while (*s->at == '&' || *s->at == '!') {
		while (!ends_word(*s->at))
			s->at++;
		skip_blanks(s);
	}
}

/* `parent` is the column of what has the value; behind a key, no other key may follow on the line.
 */
static bool skip_value(struct scan *s, int parent, bool behind_key)
{
	skip_blanks(s);
	skip_properties(s);
	switch (*s->at) {
	case '\0':
	case '\r':
	case '\n':
	case '#':
		break;
	case '|':
	case '>':
		return skip_block_text(s, parent);
	case '"':
	case '\'':
		if (!skip_quoted(s))
			return false;
		break;
	case '[':
	case '{':
		if (!skip_flow(s))
			return false;
		break;
	case '*':
		break;
	case '@':
	case '`':
	case '%':
		return broken(
		    s, s->line, "no value can begin with '@', '%' or a backquote without quotes");
	case ']':
	case '}':
	case ',':
		return broken(s, s->line, "a bracket or comma has nothing before it");
	default:
		if (behind_key && plain_key_end(s->at))
			return broken(s, s->line, "a value with \": \" in it needs quotes");
		s->plain_above = parent;
	}
	skip_line(s);
	return true;
}

static void add_key(struct scan *s, const char *name, size_t len)
{
	struct yaml_glance *out = s->out;

	if (out->key_count > 0) {
		struct yaml_key *last = &out->keys[out->key_count - 1];
		last->value_len = (size_t)(name - last->value);
	}
	if (out->key_count < YAML_KEYS_MAX)
		out->keys[out->key_count++] =
		    (struct yaml_key){.name = name, .name_len = len, .value = name + len};
}

/* Nothing on this line but a tag or an anchor. */
static bool is_value_below(const char *at)
{
	at += strspn(at, " \t");
	return ends_line(*at) || *at == '#' || *at == '&' || *at == '!';
}

/* At the first character of what a line says, or behind a "- ". `top`: a line of the outermost
 * level. */
static bool skip_entry(struct scan *s, int parent, bool top)
{
	const char *begin = s->at, *end = plain_key_end(begin);
	int own = column(s);

	if (*begin == '"' || *begin == '\'') {
		if (!skip_quoted(s))
			return false;
		end = *s->at == ':' && ends_word(s->at[1]) ? s->at : NULL;
		if (!end) {
			skip_line(s);
			return !top || s->out->kind != YAML_MAPPING ||
			       broken(s, s->line - 1, "a ':' is missing");
		}
	}
	if (end) {
		if (top && s->out->kind == YAML_LIST)
			return broken(s, s->line, "a key stands among the entries of a list");
		if (top) {
			s->out->kind = YAML_MAPPING;
			add_key(s, begin, (size_t)(end - begin));
			s->value_open = is_value_below(end + 1);
		}
		s->at = end + 1;
		return skip_value(s, own, true);
	}
	if (top && *begin && strchr("&!*|>", *begin))
		return unsure(s);
	if (top && s->out->kind == YAML_MAPPING)
		return broken(s, s->line, "a ':' behind a key is missing");
	if (top)
		s->out->kind = YAML_SCALAR;
	return skip_value(s, parent, false);
}

/* "- ", once or more. */
static bool skip_list_entry(struct scan *s, bool top)
{
	int parent = column(s);

	if (top && s->out->kind == YAML_EMPTY)
		s->out->kind = YAML_LIST;
	else if (top && s->out->kind == YAML_MAPPING && !s->value_open)
		return broken(s, s->line, "an entry of a list stands among keys");
	while (*s->at == '-' && ends_word(s->at[1])) {
		parent = column(s);
		s->at++;
		skip_blanks(s);
	}
	return skip_entry(s, parent, false);
}

static bool is_marker(const struct scan *s, const char *first, const char *marker)
{
	return first == s->line_begin && strncmp(first, marker, 3) == 0 && ends_word(first[3]);
}

/* False: this is the end, or out->kind tells why. */
static bool skip_one(struct scan *s, int *base)
{
	int indent = (int)strspn(s->at, " ");
	const char *first = s->at + indent;

	if (!*s->at)
		return false;
	if (ends_line(first[strspn(first, " \t")]) || first[strspn(first, " \t")] == '#' ||
	    (s->plain_above >= 0 && indent > s->plain_above)) {
		skip_line(s);
		return true;
	}
	s->plain_above = -1;
	if (*first == '\t')
		return broken(s, s->line, "it is indented by a tab, where only spaces may be");
	if (is_marker(s, first, "..."))
		return false;
	if (is_marker(s, first, "---")) {
		if (*base >= 0 || !ends_line(first[3 + strspn(first + 3, " \t")]))
			return unsure(s);
		skip_line(s);
		return true;
	}
	if (*base < 0) {
		*base = indent;
		if (*first == '[' || *first == '{') {
			s->at = first;
			enum yaml_kind kind = *first == '[' ? YAML_LIST : YAML_UNSURE;
			if (!skip_flow(s))
				return false;
			s->out->kind = kind;
			return false;
		}
	}
	if (indent < *base || *first == '%' || (*first == '?' && ends_word(first[1])))
		return unsure(s);
	s->at = first;
	if (*first == '-' && ends_word(first[1]))
		return skip_list_entry(s, indent == *base);
	return skip_entry(s, indent - 1, indent == *base) && s->out->kind != YAML_SCALAR;
}

void yaml_glance(const char *text, struct yaml_glance *out)
{
	struct scan s = {.at = text, .line_begin = text, .line = 1, .plain_above = -1, .out = out};
	int base = -1;

	*out = (struct yaml_glance){.kind = YAML_EMPTY};
	while (skip_one(&s, &base))
		;
	if (out->key_count > 0) {
		struct yaml_key *last = &out->keys[out->key_count - 1];
		last->value_len = strlen(last->value);
	}
}

const struct yaml_key *yaml_glance_key(const struct yaml_glance *glance, const char *name)
{
	for (size_t i = 0; i < glance->key_count; i++) {
		const struct yaml_key *key = &glance->keys[i];
		size_t quote = key->name[0] == '"' || key->name[0] == '\'';
		if (key->name_len == strlen(name) + 2 * quote &&
		    strncmp(key->name + quote, name, strlen(name)) == 0)
			return key;
	}
	return NULL;
}
