/* show_cmd.c - `vmlab show`: a definition as it is in force, and where each value comes from.
 * Needs no running lab.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/definition/origin.h"
#include "lib/json/text.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/problems.h"
#include "lib/base/human.h"

#define VALUE_COLUMNS 44
#define VALUE_COLUMNS_MAX 100 /* what is longer has its place in a line of its own */

struct show {
	const struct lab *lab;
	const struct vm_snapshot *snap;
	const struct vm *vm;
	json_t *definition, *from; /* field to value, and to its place */
};

/* The text of a file of vms/ that can be looked up in; caller frees. */
static char *read_text(const struct show *s, const char *file, size_t *len, json_t **root)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct err ignored = ERR_INIT;
	size_t bad;

	if (asprintf(&path, "%s/%s", s->lab->vms_dir, file) < 0)
		return path = NULL, NULL;
	if (file_read(path, VM_FILE_MAX_BYTES, &text, len, &ignored) < 0)
		return NULL;
	*root = json_text_parse(text, *len, VM_NESTING_MAX, &bad, &ignored);
	return *root ? steal_ptr(text) : NULL;
}

/* A file that has changed since, or is broken, has no lines of what is in force. */
static struct vm_where place_of(const struct show *s, const char *file, const struct vm_origin *o)
{
	struct vm_where nowhere = {0, 0};
	_cleanup_json_ json_t *root = NULL;
	size_t len;
	_cleanup_free_ char *text = read_text(s, file, &len, &root);

	if (!text || !json_object_get(root, o->field))
		return nowhere;
	return problem_where(text, len, o->field);
}

static void take(void *ctx, const struct vm_origin *o)
{
	static const char *const sources[] = {"built-in", "defaults", "profile", "file"};
	struct show *s = ctx;
	_cleanup_free_ char *profile = NULL;
	const char *file = NULL;

	if (o->source == VM_SOURCE_FILE)
		file = vm_snapshot_file(s->snap, s->vm);
	else if (o->source == VM_SOURCE_DEFAULTS)
		file = "_defaults.json";
	else if (o->source == VM_SOURCE_PROFILE &&
		 asprintf(&profile, "_profiles/%s.json", o->profile) > 0)
		file = profile;
	json_object_set(s->definition, o->field, (json_t *)o->value);
	json_t *from = json_pack("{s:s}", "source", sources[o->source]);
	if (file) {
		struct vm_where where = place_of(s, file, o);
		json_object_set_new(from, "file", json_string(file));
		if (where.line > 0) {
			json_object_set_new(from, "line", json_integer(where.line));
			json_object_set_new(from, "column", json_integer(where.column));
		}
	}
	json_object_set_new(s->from, o->field, from);
}

static const json_t *find_profile(void *ctx, const char *name, struct err *e)
{
	const struct show *s = ctx;
	const json_t *fields = json_object_get(vm_snapshot_profiles(s->snap), name);

	if (!fields)
		err_set(e, ENOENT, "is no profile");
	return fields;
}

static void print_place(const json_t *from)
{
	const char *file = json_string_value(json_object_get(from, "file"));
	json_int_t line = json_integer_value(json_object_get(from, "line"));

	if (!file) {
		puts("built in");
		return;
	}
	human_print_clean(stdout, file);
	if (line > 0)
		printf(":%lld", (long long)line);
	putchar('\n');
}

static char *line_of(const char *field, const json_t *value, bool last)
{
	_cleanup_free_ char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	char *line;

	return asprintf(&line, "  \"%s\": %s%s", field, text ? text : "", last ? "" : ",") < 0
		   ? NULL
		   : line;
}

/* Of the longest line whose place stands beside it. */
static int columns_of(const struct show *s)
{
	int columns = VALUE_COLUMNS;
	const char *field;
	json_t *value;

	json_object_foreach(s->definition, field, value) {
		_cleanup_free_ char *line = line_of(field, value, false);
		int len = line ? (int)strlen(line) + 2 : 0;
		if (len > columns && len <= VALUE_COLUMNS_MAX)
			columns = len;
	}
	return columns;
}

/* JSON, but for what follows each line. */
static void print_text(const struct show *s)
{
	size_t left = json_object_size(s->definition);
	int columns = columns_of(s);
	const char *field;
	json_t *value;

	puts("{");
	json_object_foreach(s->definition, field, value) {
		_cleanup_free_ char *line = line_of(field, value, --left == 0);
		int len = line ? printf("%s", line) : 0;
		if (len + 2 > columns) {
			putchar('\n');
			len = 0;
		}
		printf("%*s", columns - len, "");
		print_place(json_object_get(s->from, field));
	}
	puts("}");
}

static int show(struct show *s, bool json, struct err *e)
{
	const char *defaults = vm_snapshot_defaults(s->snap), *file;
	_cleanup_json_ json_t *shared = defaults ? json_loads(defaults, 0, NULL) : NULL,
			      *own = NULL;
	const struct vm_base base = {shared, find_profile, s};
	size_t len;

	file = vm_snapshot_file(s->snap, s->vm);
	_cleanup_free_ char *text = read_text(s, file, &len, &own);
	if (!text)
		return err_set(e, EINVAL, "%s/%s cannot be read any more", s->lab->vms_dir, file);
	vm_origins(s->vm, own, &base, take, s);
	if (!json) {
		print_text(s);
		return 0;
	}
	_cleanup_json_ json_t *doc = json_pack("{s:s, s:s, s:O, s:O}", "name", s->vm->name, "file",
	    file, "definition", s->definition, "from", s->from);
	int r = doc ? json_dumpf(doc, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	return r < 0 ? err_set(e, EIO, "cannot print the definition") : 0;
}

static int show_named(struct lab *lab, const char *name, bool json, struct err *e)
{
	struct vm_store *store = NULL;
	int r = definitions_open(lab, &store, e);

	if (r < 0)
		return r;
	_cleanup_json_ json_t *definition = json_object(), *from = json_object();
	struct show s = {
	    .lab = lab, .snap = vm_store_snapshot(store), .definition = definition, .from = from};
	s.vm = vm_snapshot_by_name(s.snap, name);
	if (s.vm)
		r = show(&s, json, e);
	else if (problems_hide(stderr, lab, s.snap, name, e))
		r = -e->code;
	else
		r = err_set(e, ENOENT, "no definition in %s is called %s: `vmlab new %s` makes one",
		    lab->vms_dir, name, name);
	vm_snapshot_unref(s.snap);
	vm_store_close(store);
	return r;
}

static int show_run(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	struct container_list none = CONTAINER_LIST_INIT;
	struct err e = ERR_INIT;
	bool json = false;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		json |= o == 'j';
		if (o == '?')
			return command_wrong_option(&show_command, argv);
	}
	if (argc - optind != 1)
		return command_usage(&show_command, "one NAME, please");
	if (!vm_name_valid(argv[optind]))
		return command_usage(&show_command, "\"%s\" is no VM name", argv[optind]);
	int r = lab_adopt(lab, &none, &e);
	if (r == 0)
		r = lab_need_vms(lab, &e);
	if (r == 0)
		r = show_named(lab, argv[optind], json, &e);
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command show_command = {
    .name = "show",
    .args = "NAME [--json]",
    .summary = "print the whole definition, and where each value comes from",
    .help =
	"What holds for a machine: its own file, the profiles that it names, _defaults.json, and what is\n"
	"built in. The nearest that has a field gives all of it. Needs no running lab.\n"
	"\n"
	"  --json    {\"name\",\"file\",\"definition\":{...},\"from\":{FIELD:{\"source\",\"file\",\n"
	"            \"line\",\"column\"}}}; source: file, profile, defaults or built-in\n"
	"\n"
	"Example:\n"
	"  vmlab show web1\n",
    .run = show_run,
    .operands = OPERANDS_VM,
};
