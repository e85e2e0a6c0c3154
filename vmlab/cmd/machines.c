/* machines.c - `vmlab machines` and `vmlab ignore`: whoever boots from the network, declared or
 * not.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "vmlab/lab/machine_id.h"
#include "vmlab/cmd/machine_show.h"
#include "vmlab/follow/table.h"
#include "vmlab/lab/command.h"
#include "lib/base/human.h"

static int open_lab(struct session *s, struct lab *lab, struct err *e)
{
	int r = session_open(s, lab, e);

	return r < 0 ? r : session_need_stack(s, e);
}

/* The declared first, by name; then whoever was seen last. */
static int compare(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	const char *name_x = json_string_value(json_object_get(x, "name")),
		   *name_y = json_string_value(json_object_get(y, "name"));

	if (name_x && name_y)
		return strcmp(name_x, name_y);
	if (name_x || name_y)
		return name_x ? -1 : 1;
	int64_t seen_x = time_parse(json_string_value(json_object_get(x, "last_seen"))),
		seen_y = time_parse(json_string_value(json_object_get(y, "last_seen")));
	return (seen_x < seen_y) - (seen_x > seen_y);
}

/* New reference: sorted, the ignored ones only with `all`. */
static json_t *chosen(const json_t *answer, bool all, size_t *hidden)
{
	const json_t *list = json_object_get(answer, "machines");
	size_t count = 0, i;
	_cleanup_free_ json_t **rows = calloc(json_array_size(list) + 1, sizeof(*rows));
	json_t *out = json_array(), *one;

	*hidden = 0;
	json_array_foreach(list, i, one) {
		if (!all && json_is_true(json_object_get(one, "ignored")))
			(*hidden)++;
		else if (rows)
			rows[count++] = one;
	}
	if (count > 0)
		qsort(rows, count, sizeof(*rows), compare);
	for (i = 0; i < count; i++)
		json_array_append(out, rows[i]);
	return out;
}

#define PROBLEMS_MAX 20

/* Why profiles that might declare them do not. */
static void print_problems(FILE *f, const json_t *machines)
{
	const json_t *one;
	size_t i, count = 0;

	json_array_foreach(machines, i, one) {
		const char *problem = json_string_value(json_object_get(one, "problem"));
		if (!problem || count++ >= PROBLEMS_MAX)
			continue;
		human_print_clean(
		    f, json_string_value(json_array_get(json_object_get(one, "macs"), 0)));
		fputs(": ", f);
		human_print_clean(f, problem);
		fputc('\n', f);
	}
	if (count > PROBLEMS_MAX)
		fprintf(f, "and %zu more (--json)\n", count - PROBLEMS_MAX);
}

static void print_list(json_t *machines, size_t hidden)
{
	struct table table = {.width = human_terminal_width(STDOUT_FILENO), .now_ms = wall_ms()};

	table_machines(&table);
	if (json_array_size(machines) > 0)
		table_print(stdout, &table, machines);
	else if (hidden == 0)
		puts(
		    "no machine is defined and none has asked yet: switch one on in the lab's network, or `vmlab new web1` defines one");
	fflush(stdout);
	print_problems(stderr, machines);
	if (hidden > 0)
		fprintf(stderr, "%zu ignored: `vmlab machines --all` shows them\n", hidden);
}

static const struct option machines_options[] = {
    {"json", no_argument, NULL, 'j'}, {"all", no_argument, NULL, 'a'}, {0}};

static int machines_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	_cleanup_json_ json_t *answer = NULL, *machines = NULL;
	bool json = false, all = false;
	struct err e = ERR_INIT;
	size_t hidden;
	int o;

	while ((o = getopt_long(argc, argv, "a", machines_options, NULL)) != -1) {
		json |= o == 'j';
		all |= o == 'a';
		if (o == '?')
			return command_wrong_option(&machines_command, argv);
	}
	bool show = optind < argc && strcmp(argv[optind], "show") == 0;
	if (show && argc - optind != 2)
		return command_usage(&machines_command,
		    "show takes one machine: a name, MAC address, serial number or UUID");
	if (optind < argc && !show)
		return command_usage(&machines_command,
		    "it takes no names: `vmlab ls NAME` shows how far one is, `vmlab machines show NAME` what it is made of");
	int r = open_lab(&s, lab, &e);
	if (r == 0 && show)
		return machine_show(&s, argv[optind + 1], json);
	if (r == 0)
		r = api_get(s.api, &answer, &e, "/machines");
	if (r < 0)
		return command_fail(&e);
	machines = chosen(answer, all || json, &hidden);
	if (json) {
		_cleanup_json_ json_t *doc =
		    json_pack("{s:s, s:O}", "lab", lab->name, "machines", machines);
		json_dumpf(doc, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_list(machines, hidden);
	}
	return STATUS_OK;
}

const struct command machines_command = {
    .name = "machines",
    .args = "[--json] [--all] | show NAME|MAC|SERIAL|UUID [--json]",
    .summary = "every machine that asked, declared or not",
    .help =
	"Lists what vms/ declares and, below, the strangers: machines that asked for an address or for what\n"
	"to boot and that no definition has, with what they showed. The lab remembers 10000 of them; the one\n"
	"unseen for longest goes first. What they get meanwhile says VMLAB_STRANGERS. PROFILE is the one whose\n"
	"\"match\" fits; with a \"name\" it declares the machine, or a line below says why it does not.\n"
	"\n"
	"`show` prints what one is made of, as its agent told: system, firmware, CPU, memory, disks, NICs. The\n"
	"agent runs with \"mode\": \"agent\" in a definition, or VMLAB_STRANGERS=agent.\n"
	"\n"
	"  -a, --all   also those that are ignored\n"
	"  --json      {\"lab\",\"machines\":[...]}: all that is known of each, ignored ones too; of `show`:\n"
	"              {\"name\",\"macs\",\"inventories\":[...]}, the newest first, those before it that differ\n"
	"\n"
	"Examples:\n"
	"  vmlab machines\n"
	"  vmlab machines show web1\n"
	"  vmlab adopt 52:54:00:12:34:56 web1\n"
	"  vmlab machines --json | jq -r '.machines[] | select(.kind == \"stranger\") | .serial'\n",
    .run = machines_run,
};

/* ---- ignore ------------------------------------------------------------------------------ */

static const struct option ignore_options[] = {{"undo", no_argument, NULL, 'u'}, {0}};

static int ignore_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	char id[MACHINE_ID_SIZE];
	struct err e = ERR_INIT;
	bool undo = false;
	int o;

	while ((o = getopt_long(argc, argv, "", ignore_options, NULL)) != -1) {
		undo |= o == 'u';
		if (o == '?')
			return command_wrong_option(&ignore_command, argv);
	}
	if (argc - optind != 1)
		return command_usage(
		    &ignore_command, "one MAC address, serial number or UUID, please");
	int r = machine_id_encode(argv[optind], id, &e);
	if (r == 0)
		r = open_lab(&s, lab, &e);
	if (r == 0)
		r = api_post(s.api, NULL, &e, "/machines/%s/%signore", id, undo ? "un" : "");
	if (r < 0)
		return command_fail(&e);
	printf("%s is %s\n", argv[optind], undo ? "listed again" : "ignored");
	return STATUS_OK;
}

const struct command ignore_command = {
    .name = "ignore",
    .args = "MAC|SERIAL|UUID [--undo]",
    .summary = "leave a stranger out of `vmlab machines`",
    .help =
	"The machine is named by a MAC address, serial number or UUID that it showed. It gets what it got\n"
	"before, and is never forgotten for others.\n"
	"\n"
	"  --undo   list it again\n"
	"\n"
	"Examples:\n"
	"  vmlab ignore 52:54:00:12:34:56\n"
	"  vmlab ignore CZ12345678 --undo\n",
    .run = ignore_run,
};
