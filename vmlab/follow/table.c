#include "vmlab/follow/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/size.h"
#include "lib/base/text.h"
#include "lib/machine/order.h"
#include "lib/follow/cloud_init.h"
#include "vmlab/follow/order_line.h"
#include "lib/base/human.h"
#include "lib/follow/order_words.h"
#include "lib/follow/progress.h"

#define CELL_SIZE 128
#define SHORTEN_RANK 3 /* before a column of this rank is left out, states are shortened */
#define TAIL_INDENT "  "

struct table_column {
	const char *name;
	const char *title;
	void (*print)(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms);
	const char *key; /* the API's field, where print wants one */
	bool usual;      /* shown without being asked for */
	bool tail;       /* of any length: the last one */
	int rank;        /* left out in this order when there is no room, from 1 on; 0: never */
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void print_text(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms)
{
	(void)now_ms;
	human_print_clean(f, text_of(vm, c->key));
}

/* What its agent does, or is to do, where the state does not tell it already. */
static void print_order(FILE *f, const json_t *vm)
{
	const json_t *order = json_object_get(vm, "order");

	if (strcmp(text_of(vm, "state"), "agent") == 0)
		return;
	if (json_is_object(json_object_get(vm, "agent"))) {
		fputs(", ", f);
		order_agent_words(f, vm);
	} else if (json_is_object(order)) {
		fputs(", ", f);
		order_brief(f, order);
	}
}

static void print_state(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms)
{
	const char *state = text_of(vm, "state"), *power = text_of(vm, "power");

	(void)c;
	(void)now_ms;
	if (strcmp(power, "stopped") == 0)
		fprintf(f, "stopped%s%s%s", *state ? " (" : "", state, *state ? ")" : "");
	else if (strcmp(power, "starting") == 0)
		fputs("starting (firmware)", f);
	else if (!*state)
		fputs(*power ? "running" : "", f);
	else
		progress_state(f, vm);
	print_order(f, vm);
	if (json_is_false(json_object_get(vm, "defined")))
		fputs(*power ? ", no definition" : "no definition", f);
	if (json_is_false(json_object_get(vm, "netboot")))
		fputs(", netboot off", f);
}

/* Where it boots an image of its own, that one. */
static void print_image(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms)
{
	const char *image = text_of(vm, "image");

	(void)now_ms;
	human_print_clean(f, *image ? image : text_of(vm, c->key));
}

static void print_age(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms)
{
	int64_t at = time_parse(text_of(vm, c->key));
	char age[HUMAN_TEXT_SIZE];

	if (at >= 0)
		fputs(human_age(now_ms - at, age), f);
}

static void print_number(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms)
{
	const json_t *value = json_object_get(vm, c->key);

	(void)now_ms;
	if (json_is_integer(value))
		fprintf(f, "%lld", (long long)json_integer_value(value));
}

static void print_bytes(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms)
{
	const json_t *value = json_object_get(vm, c->key);
	char text[SIZE_TEXT_SIZE];

	(void)now_ms;
	if (json_is_integer(value))
		fputs(size_text_short((uint64_t)json_integer_value(value), text), f);
}

static void print_sizes(FILE *f, const json_t *list)
{
	char text[SIZE_TEXT_SIZE];
	const json_t *size;
	size_t i;

	json_array_foreach(list, i, size)
		fprintf(f, "%s%s", i ? "+" : "",
		    size_text_short((uint64_t)json_integer_value(size), text));
}

/* Those of the definition alone where no disk was seen yet. */
static void print_disks(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms)
{
	const json_t *wanted = json_object_get(vm, c->key);
	const json_t *seen = json_object_get(vm, "disks_seen_bytes");

	(void)now_ms;
	if (!json_is_array(seen)) {
		print_sizes(f, wanted);
		return;
	}
	print_sizes(f, seen);
	if (json_is_array(wanted) && !json_equal(seen, wanted)) {
		fputs(" (wanted: ", f);
		print_sizes(f, wanted);
		fputc(')', f);
	}
}

static void print_error(FILE *f, const struct table_column *c, const json_t *vm, int64_t now_ms)
{
	(void)c;
	(void)now_ms;
	const char *const reasons[] = {text_of(json_object_get(vm, "error"), "reason"),
	    text_of(json_object_get(vm, "outlook"), "reason"), cloud_init_error(vm)};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i] && *reasons[i]) {
			human_print_clean(f, reasons[i]);
			return;
		}
}

static const struct table_column columns[] = {
    {"name", "NAME", print_text, "name", .usual = true},
    {"state", "STATE", print_state, .usual = true},
    {"ip", "IP", print_text, "ip", .usual = true, .rank = 4},
    {"mac", "MAC", print_text, "mac", .rank = 1},
    {"arch", "ARCH", print_text, "arch", .usual = true, .rank = 2},
    {"cpus", "CPUS", print_number, "cpus", .rank = 1},
    {"memory", "MEMORY", print_bytes, "memory_bytes", .rank = 1},
    {"disks", "DISKS", print_disks, "disks_bytes", .rank = 1},
    {"distro", "DISTRO", print_image, "distro", .usual = true, .rank = 2},
    {"mode", "MODE", print_text, "mode", .rank = 1},
    {"hostname", "HOSTNAME", print_text, "hostname", .rank = 1},
    {"container", "CONTAINER", print_text, "container", .rank = 1},
    {"seen", "SEEN", print_age, "last_seen", .rank = 1},
    {"age", "AGE", print_age, "changed_at", .usual = true, .rank = 3},
    {"error", "ERROR", print_error, .usual = true, .tail = true},
};
#define COLUMN_COUNT (sizeof(columns) / sizeof(*columns))

static void print_kind(FILE *f, const struct table_column *c, const json_t *o, int64_t now_ms)
{
	(void)c;
	(void)now_ms;
	if (strcmp(text_of(o, "kind"), "declared") == 0)
		progress_state(f, o);
	else
		fputs(json_is_true(json_object_get(o, "ignored")) ? "ignored" : "stranger", f);
	print_order(f, o);
}

static void print_macs(FILE *f, const struct table_column *c, const json_t *o, int64_t now_ms)
{
	const json_t *macs = json_object_get(o, c->key);

	(void)now_ms;
	human_print_clean(f, json_string_value(json_array_get(macs, 0)));
	if (json_array_size(macs) > 1)
		fprintf(f, " +%zu", json_array_size(macs) - 1);
}

/* Of a stranger the one that fits it. */
static void print_profile(FILE *f, const struct table_column *c, const json_t *o, int64_t now_ms)
{
	const json_t *profile = json_object_get(o, "profile"), *one;
	size_t i;

	(void)c;
	(void)now_ms;
	human_print_clean(f, json_string_value(profile));
	json_array_foreach(profile, i, one) {
		fputs(i ? "," : "", f);
		human_print_clean(f, json_string_value(one));
	}
}

static const struct table_column of_machines[] = {
    {"name", "NAME", print_text, "name", .usual = true},
    {"state", "STATE", print_kind, .usual = true},
    {"mac", "MAC", print_macs, "macs", .usual = true},
    {"ip", "IP", print_text, "ip", .usual = true, .rank = 5},
    {"arch", "ARCH", print_text, "arch", .usual = true, .rank = 4},
    {"firmware", "FIRMWARE", print_text, "platform", .usual = true, .rank = 2},
    {"serial", "SERIAL", print_text, "serial", .usual = true, .rank = 6},
    {"manufacturer", "MANUFACTURER", print_text, "manufacturer", .usual = true, .rank = 2},
    {"product", "PRODUCT", print_text, "product", .usual = true, .rank = 3},
    {"profile", "PROFILE", print_profile, .usual = true, .rank = 2},
    {"asked", "ASKED", print_number, "asked", .usual = true, .rank = 1},
    {"seen", "SEEN", print_age, "last_seen", .usual = true, .rank = 7},
};

static void print_progress(FILE *f, const struct table_column *c, const json_t *o, int64_t now_ms)
{
	(void)c;
	(void)now_ms;
	order_progress_words(f, o);
}

/* How it went, and what to do about it. */
static void print_words(FILE *f, const struct table_column *c, const json_t *o, int64_t now_ms)
{
	(void)c;
	(void)now_ms;
	static const char *const keys[] = {"waits_for", "text", "hint"};
	const char *between = "";

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *text = text_of(o, keys[i]);
		fputs(*text ? between : "", f);
		human_print_clean(f, text);
		between = *text ? "; " : between;
	}
}

static const struct table_column of_orders[] = {
    {"id", "N", print_number, "id", .usual = true},
    {"list", "LIST", print_number, "list", .usual = true, .rank = 1},
    {"action", "ORDER", print_text, "action", .usual = true},
    {"state", "STATE", print_text, "state", .usual = true},
    {"progress", "PROGRESS", print_progress, .usual = true, .rank = 2},
    {"age", "AGE", print_age, "created", .usual = true, .rank = 3},
    {"words", "", print_words, .usual = true, .tail = true},
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void table_sort(const char **names, size_t count)
{
	if (count > 0)
		qsort(names, count, sizeof(*names), compare);
}

void table_usual(struct table *t, bool wide)
{
	t->count = 0;
	t->chosen = wide;
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		if (wide || columns[i].usual)
			t->columns[t->count++] = &columns[i];
}

void table_machines(struct table *t)
{
	t->count = 0;
	for (size_t i = 0; i < sizeof(of_machines) / sizeof(*of_machines); i++)
		t->columns[t->count++] = &of_machines[i];
}

void table_orders(struct table *t)
{
	t->count = 0;
	for (size_t i = 0; i < sizeof(of_orders) / sizeof(*of_orders); i++)
		t->columns[t->count++] = &of_orders[i];
}

bool table_has(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->columns[i]->name, name) == 0)
			return true;
	return false;
}

static const struct table_column *find(const char *name, size_t len)
{
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		if (strlen(columns[i].name) == len && memcmp(columns[i].name, name, len) == 0)
			return &columns[i];
	return NULL;
}

int table_choose(struct table *t, const char *names, struct err *e)
{
	char known[COLUMN_COUNT * 24] = "";
	size_t used = 0;

	t->count = 0;
	t->chosen = true;
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		used += (size_t)snprintf(
		    known + used, sizeof(known) - used, "%s%.20s", i ? ", " : "", columns[i].name);
	for (const char *p = names;; p++) {
		size_t len = strcspn(p, ",");
		const struct table_column *c = find(p, len);
		if (!c)
			return err_set(e, EINVAL, "there is no column \"%.*s\"; there are %s",
			    (int)len, p, known);
		if (t->count == TABLE_COLUMNS_MAX)
			return err_set(e, EINVAL, "more than %d columns", TABLE_COLUMNS_MAX);
		t->columns[t->count++] = c;
		p += len;
		if (!*p)
			return 0;
	}
}

/* ---- laying out -------------------------------------------------------------------------- */

typedef char table_cell[CELL_SIZE];

/* What the table looks like: row 0 has the titles. */
struct layout {
	const struct table *t;
	const struct table_column *columns[TABLE_COLUMNS_MAX];
	size_t count;
	const struct table_column *tail; /* beside the rows, or below them; NULL: none */
	bool below;
	table_cell *cells; /* (rows + 1) x count */
	size_t width[TABLE_COLUMNS_MAX];
	size_t rows;
};

static char *tail_text(const struct layout *l, const json_t *vm)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	l->tail->print(f, l->tail, vm, l->t->now_ms);
	fclose(f);
	return text;
}

/* Cells are cleaned, cut at CELL_SIZE, and "-" when empty. */
static void fill(struct layout *l, const json_t *vms)
{
	for (size_t row = 0; row <= l->rows; row++)
		for (size_t i = 0; i < l->count; i++) {
			const struct table_column *c = l->columns[i];
			char *cell = l->cells[row * l->count + i];
			FILE *f = fmemopen(cell, CELL_SIZE - 1, "w");
			if (f && row == 0)
				fputs(c->title, f);
			else if (f)
				c->print(f, c, json_array_get(vms, row - 1), l->t->now_ms);
			if (f)
				fclose(f);
			text_clean_string(cell, ""); /* it may end in half a character */
			if (!*cell)
				strcpy(cell, "-");
			if (text_columns(cell) > l->width[i])
				l->width[i] = text_columns(cell);
		}
}

static size_t total_width(const struct layout *l)
{
	size_t sum = 0;

	for (size_t i = 0; i < l->count; i++)
		sum += l->width[i] + (i ? 2 : 0);
	return sum;
}

static void drop(struct layout *l, size_t column)
{
	for (size_t row = 0; row <= l->rows; row++) {
		/* Rows move together, so each begins where the ones before have left room. */
		table_cell *from = l->cells + row * l->count, *to = l->cells + row * (l->count - 1);
		memmove(to, from, column * sizeof(*to));
		memmove(to + column, from + column + 1, (l->count - column - 1) * sizeof(*to));
	}
	memmove(l->columns + column, l->columns + column + 1,
	    (l->count - column - 1) * sizeof(*l->columns));
	memmove(
	    l->width + column, l->width + column + 1, (l->count - column - 1) * sizeof(*l->width));
	l->count--;
}

/* The column to leave out first, or l->count when only the indispensable are left. */
static size_t dispensable(const struct layout *l)
{
	size_t found = l->count;

	for (size_t i = 0; i < l->count; i++)
		if (l->columns[i]->rank > 0 &&
		    (found == l->count || l->columns[i]->rank <= l->columns[found]->rank))
			found = i;
	return found;
}

/* Of "installed: modules-config: check-cache" the last part gives way to the columns that matter
 * most. False: there is none to cut. */
static bool shorten(struct layout *l)
{
	size_t i = 0, width = 0;
	bool cut = false;

	while (i < l->count && strcmp(l->columns[i]->name, "state") != 0)
		i++;
	for (size_t row = 0; i < l->count && row <= l->rows; row++) {
		char *cell = l->cells[row * l->count + i];
		char *part = strstr(cell, ": ");
		char *last = part ? strstr(part + 2, ": ") : NULL;
		if (last && text_columns(cell) == l->width[i]) {
			*last = '\0';
			cut = true;
		}
		width = text_columns(cell) > width ? text_columns(cell) : width;
	}
	if (cut)
		l->width[i] = width;
	return cut;
}

static void make_room(struct layout *l, size_t room)
{
	for (size_t i; total_width(l) > room && (i = dispensable(l)) < l->count;)
		if (l->columns[i]->rank < SHORTEN_RANK || !shorten(l))
			drop(l, i);
}

static void fit(struct layout *l, const json_t *vms)
{
	size_t room = l->t->width, longest = 0, all = l->count;

	if (room == 0)
		return;
	if (!l->t->chosen)
		make_room(l, room);
	for (size_t i = 0; l->tail && i < l->rows; i++) {
		_cleanup_free_ char *text = tail_text(l, json_array_get(vms, i));
		size_t len = text ? text_columns(text) : 0;
		longest = len > longest ? len : longest;
	}
	/* Nothing below its title takes no room that others lack. */
	if (longest == 0 && l->count < all)
		l->tail = NULL;
	l->below = longest > 0 && total_width(l) + 2 + longest > room;
}

/* ---- printing ---------------------------------------------------------------------------- */

/* Text in lines that fit, broken between words where there are any. */
static void print_below(FILE *f, const char *text, size_t room)
{
	room = room > strlen(TAIL_INDENT) + 8 ? room - strlen(TAIL_INDENT) : 8;
	while (*text) {
		size_t len = strlen(text);
		if (len > room) {
			len = room;
			while (len > 0 && text[len] != ' ')
				len--;
			if (len == 0)
				len = room;
			while (len > 1 && (text[len] & 0xc0) == 0x80)
				len--;
		}
		fprintf(f, TAIL_INDENT "%.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

static void print_row(FILE *f, const struct layout *l, size_t row, const char *tail)
{
	bool beside = *tail && !l->below;

	for (size_t i = 0; i < l->count; i++) {
		const char *cell = l->cells[row * l->count + i];
		bool last = i + 1 == l->count && !beside;
		fprintf(f, "%s%s%*s", i ? "  " : "", cell,
		    last ? 0 : (int)(l->width[i] - text_columns(cell)), "");
	}
	if (beside)
		fprintf(f, "%s%s", l->count ? "  " : "", tail);
	fputc('\n', f);
	if (*tail && l->below && row > 0)
		print_below(f, tail, l->t->width);
}

void table_print(FILE *f, const struct table *t, const json_t *vms)
{
	struct layout l = {.t = t, .rows = json_array_size(vms)};

	for (size_t i = 0; i < t->count; i++) {
		if (t->columns[i]->tail)
			l.tail = t->columns[i];
		else
			l.columns[l.count++] = t->columns[i];
	}
	l.cells = calloc((l.rows + 1) * (l.count + 1), sizeof(*l.cells));
	if (!l.cells)
		return;
	fill(&l, vms);
	fit(&l, vms);
	for (size_t row = 0; row <= l.rows; row++) {
		_cleanup_free_ char *text =
		    l.tail && row > 0 ? tail_text(&l, json_array_get(vms, row - 1)) : NULL;
		print_row(f, &l, row, row == 0 && l.tail ? l.tail->title : text ? text : "");
	}
	free(l.cells);
}
