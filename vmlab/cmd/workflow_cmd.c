/* workflow_cmd.c - `vmlab workflow`: files with orders, run on one machine or many. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/order/order_read.h"
#include "vmlab/cmd/machine_choice.h"
#include "vmlab/cmd/order_run.h"
#include "vmlab/lab/command.h"
#include "lib/base/human.h"

#define FILE_MAX_BYTES ((size_t)512 * 1024)
#define NESTING_MAX 16
#define FOLDER "_workflows"

/* ---- a file -------------------------------------------------------------------------------- */

/* A name is that of a file of the lab's own folder. */
static char *path_of(const struct lab *lab, const char *word)
{
	char *path = NULL;
	size_t len = strlen(word);

	if (strchr(word, '/') || (len > 5 && strcmp(word + len - 5, ".json") == 0))
		return strdup(word);
	return asprintf(&path, "%s/" FOLDER "/%s.json", lab->vms_dir ? lab->vms_dir : "vms", word) <
		       0
		   ? NULL
		   : path;
}

struct judged {
	const char *path, *text;
	size_t len;
	unsigned problems;
};

static void tell(struct judged *j, size_t offset, const char *where, const char *why)
{
	int line, column;

	json_text_position(j->text, offset, &line, &column);
	fprintf(stderr, "%s:%d:%d: ", j->path, line, column);
	human_print_clean(stderr, where);
	fprintf(stderr, "%s", *where ? " " : "");
	human_print_clean(stderr, why);
	fputc('\n', stderr);
	j->problems++;
}

static void refused(void *ctx, const struct json_path *bad, const struct err *why)
{
	struct json_path near = *bad;
	struct judged *j = ctx;
	size_t offset = 0;
	char where[200];

	/* What is missing is told where it belongs. */
	while (!json_text_find(j->text, j->len, &near, false, &offset) && near.depth > 0)
		near.depth--;
	tell(j, offset, json_path_format(bad, where, sizeof(where)), why->msg);
}

#define EXAMPLE "{\"orders\": [{\"action\": \"inventory\"}]}"
#define SHAPE "this must be an object with the list of orders: write " EXAMPLE

/* What was refused at `bad` is no object from its first character on, or nothing at all. */
static bool begins_otherwise(const char *text, size_t bad)
{
	size_t begin = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	begin += strspn(text + begin, " \t\r\n");
	return text[begin] != '{' && bad <= begin;
}

/* The orders of the file: a new list; NULL with all that is wrong told. */
static json_t *judge(const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct judged j = {.path = path};
	struct json_reader r = {.refuse = refused, .ctx = &j};
	struct err e = ERR_INIT;
	struct order_list list;
	size_t bad = 0;

	if (file_read(path, FILE_MAX_BYTES, &text, &j.len, &e) < 0) {
		command_fail(&e);
		return NULL;
	}
	j.text = text;
	_cleanup_json_ json_t *file = json_text_parse(text, j.len, NESTING_MAX, &bad, &e);
	if (!file) {
		tell(&j, bad, "", begins_otherwise(text, bad) ? SHAPE : e.msg);
		return NULL;
	}
	if (!json_object_get(file, "orders")) {
		tell(&j, 0, "orders", "is missing: write " EXAMPLE);
	} else {
		(void)order_list_read(&r, file, &list);
		order_list_clear(&list);
	}
	return j.problems ? NULL : json_incref(json_object_get(file, "orders"));
}

static int validate(const struct lab *lab, char **words, int count)
{
	int status = STATUS_OK;

	for (int i = 0; i < count; i++) {
		_cleanup_free_ char *path = path_of(lab, words[i]);
		_cleanup_json_ json_t *orders = path ? judge(path) : NULL;
		if (orders)
			printf("%s: %zu order%s, all well\n", path, json_array_size(orders),
			    json_array_size(orders) == 1 ? "" : "s");
		else
			status = STATUS_FAILED;
	}
	return status;
}

/* ---- run ----------------------------------------------------------------------------------- */

static const struct option options[] = {{"on", required_argument, NULL, 'o'},
    {"parallel", required_argument, NULL, 'p'}, {"no-wait", no_argument, NULL, 'n'}, {0}};

struct wanted {
	const char *on;
	unsigned parallel;
	bool no_wait;
};

static int read_options(int argc, char **argv, struct wanted *wanted)
{
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		wanted->no_wait |= o == 'n';
		if (o == 'o')
			wanted->on = optarg;
		if (o == 'p' && (atoi(optarg) <= 0 || atoi(optarg) > 10000))
			return command_usage(
			    &workflow_command, "--parallel takes a number from 1 to 10000");
		if (o == 'p')
			wanted->parallel = (unsigned)atoi(optarg);
		if (o == '?')
			return command_wrong_option(&workflow_command, argv);
	}
	return STATUS_OK;
}

static int run_on(struct lab *lab, const json_t *orders, const struct wanted *wanted)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	_cleanup_json_ json_t *answer = NULL, *names = NULL;
	struct err e = ERR_INIT;
	const json_t *name;
	size_t i;

	int r = session_open(&s, lab, &e);
	if (r == 0)
		r = session_need_stack(&s, &e);
	if (r == 0)
		r = api_get(s.api, &answer, &e, "/machines");
	if (r == 0) {
		names = machine_choice(json_object_get(answer, "machines"), wanted->on, &e);
		r = names ? 0 : -ENOENT;
	}
	if (r < 0)
		return command_fail(&e);
	_cleanup_free_ const char **ids = calloc(json_array_size(names) + 1, sizeof(*ids));
	json_array_foreach(names, i, name)
		if (ids)
			ids[i] = json_string_value(name);
	return ids ? order_run(&s, &(struct order_run){.orders = orders,
				       .id = ids,
				       .count = json_array_size(names),
				       .parallel = wanted->parallel,
				       .no_wait = wanted->no_wait})
		   : STATUS_FAILED;
}

static int workflow_run(struct lab *lab, int argc, char **argv)
{
	struct wanted wanted = {.on = NULL};
	int status = read_options(argc, argv, &wanted);

	if (status != STATUS_OK)
		return status;
	char **words = argv + optind;
	int count = argc - optind;
	struct err e = ERR_INIT;
	if (lab_adopt(lab, &(struct container_list)CONTAINER_LIST_INIT, &e) < 0)
		return command_fail(&e);
	if (count >= 2 && strcmp(words[0], "validate") == 0 && !wanted.on)
		return validate(lab, words + 1, count - 1);
	if (count != 2 || strcmp(words[0], "run") != 0)
		return command_usage(
		    &workflow_command, "it takes run FILE --on MACHINES, or validate FILE...");
	if (!wanted.on)
		return command_usage(&workflow_command,
		    "on which machines? --on all, --on 'web*' or --on profile=rack1");
	_cleanup_free_ char *path = path_of(lab, words[1]);
	_cleanup_json_ json_t *orders = path ? judge(path) : NULL;
	return orders ? run_on(lab, orders, &wanted) : STATUS_FAILED;
}

const struct command workflow_command = {
    .name = "workflow",
    .args = "run FILE --on MACHINES [--parallel N] [--no-wait] | validate FILE...",
    .summary = "give machines' agents a list of orders",
    .help =
	"FILE is a name of vms/_workflows/ or a path: {\"orders\": [{\"action\": ..., \"args\": {...}}, ...]}. Each\n"
	"machine does them one after the other; the first that does not end well stops those after it, and\n"
	"`vmlab order resume NAME N` goes on there. `vmlab schema workflow` prints the file's JSON Schema.\n"
	"\n"
	"  --on MACHINES   of the declared ones: all, a name's pattern (web*), profile=NAME, arch=ARCH, state=STATE;\n"
	"                  several joined by commas, and those after a ! are left out\n"
	"  --parallel N    so many machines at once (default: all)\n"
	"  --no-wait       give the orders and do not follow them\n"
	"\n"
	"Examples:\n"
	"  vmlab workflow validate commission\n"
	"  vmlab workflow run commission --on 'profile=rack1,!rack1-spare*' --parallel 20\n"
	"  vmlab workflow run ./wipe.json --on old7\n",
    .run = workflow_run,
};
