/* order_cmd.c - `vmlab order` and `vmlab orders`: what machines' agents are to do. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/order/order_read.h"
#include "vmlab/lab/machine_id.h"
#include "vmlab/cmd/order_run.h"
#include "vmlab/follow/order_line.h"
#include "vmlab/follow/table.h"
#include "vmlab/lab/command.h"
#include "lib/base/human.h"

static int open_lab(struct session *s, struct lab *lab, struct err *e)
{
	int r = session_open(s, lab, e);

	return r < 0 ? r : session_need_stack(s, e);
}

/* ---- an order in words --------------------------------------------------------------------- */

/* The value of script=@FILE is what is in the file. */
static int value_of(const struct order_arg *arg, const char *text, json_t **out, struct err *e)
{
	_cleanup_free_ char *script = NULL;
	size_t len;

	if (arg->kind != ORDER_ARG_SCRIPT || *text != '@') {
		*out = order_arg_of_text(arg, text);
	} else {
		if (file_read(text + 1, ORDER_SCRIPT_MAX_BYTES, &script, &len, e) < 0)
			return -EINVAL;
		*out = json_stringn(script, len);
	}
	return *out ? 0 : err_set(e, EINVAL, "the value of %s is no text in UTF-8", arg->name);
}

static int add_arg(const struct order_row *row, const char *word, json_t *args, struct err *e)
{
	char name[32];
	const char *sign = strchr(word, '=');
	json_t *value;

	if (!sign || sign == word || (size_t)(sign - word) >= sizeof(name))
		return err_set(e, EINVAL, "\"%.60s\" is no argument: write NAME=VALUE", word);
	snprintf(name, sizeof(name), "%.*s", (int)(sign - word), word);
	const struct order_arg *arg = order_arg_find(row, name);
	if (json_object_get(args, name))
		return err_set(e, EINVAL, "%s is given twice", name);
	/* One that it has not is refused with the others, by who knows them. */
	int r = arg ? value_of(arg, sign + 1, &value, e) : 0;
	if (r == 0)
		json_object_set_new(args, name, arg ? value : json_string(sign + 1));
	return r;
}

/* words: the action, then NAME=VALUE. A new list of one order, judged. */
static int orders_of_words(
    char **words, int count, int64_t deadline_ms, json_t **out, struct err *e)
{
	_cleanup_json_ json_t *args = json_object(), *orders = NULL;
	enum order_action action;
	struct order_list list;

	int r = 0;
	if (order_action_parse(words[0], &action) == 0)
		for (int i = 1; r == 0 && i < count; i++)
			r = add_arg(order_row(action), words[i], args, e);
	if (r < 0)
		return r;
	orders = json_pack("[{s:s, s:O}]", "action", words[0], "args", args);
	if (!orders)
		return err_set(e, EINVAL, "the order is no text in UTF-8");
	if (deadline_ms > 0)
		json_object_set_new(
		    json_array_get(orders, 0), "deadline_s", json_integer(deadline_ms / 1000));
	r = order_list_parse(json_array_get(orders, 0), &list, e);
	order_list_clear(&list);
	if (r == 0)
		*out = steal_ptr(orders);
	return r;
}

/* ---- order --------------------------------------------------------------------------------- */

static const struct option order_options[] = {{"no-wait", no_argument, NULL, 'n'},
    {"deadline", required_argument, NULL, 'd'}, {"parallel", required_argument, NULL, 'p'}, {0}};

struct said {
	bool no_wait;
	int64_t deadline_ms;
	unsigned parallel;
};

/* What the API takes, in the words of this command. */
static int read_deadline(const char *text, int64_t *ms, struct err *e)
{
	const int most_h = ORDER_DEADLINE_MAX_S / 3600;

	if (command_duration(text, ms) < 0)
		return err_set(e, EINVAL,
		    "--deadline \"%s\" is no duration: write 90s, 5m or 2h, %dh at most", text,
		    most_h);
	if (*ms < 1000 || *ms > (int64_t)ORDER_DEADLINE_MAX_S * 1000)
		return err_set(
		    e, EINVAL, "--deadline %s is out of range: write 1s to %dh", text, most_h);
	return 0;
}

static int read_options(int argc, char **argv, struct said *said)
{
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", order_options, NULL)) != -1) {
		said->no_wait |= o == 'n';
		if (o == 'd' && read_deadline(optarg, &said->deadline_ms, &e) < 0)
			return command_usage(&order_command, "%s", e.msg);
		if (o == 'p' && (said->parallel = (unsigned)atoi(optarg)) == 0)
			return command_usage(&order_command, "--parallel takes a number from 1 on");
		if (o == '?')
			return command_wrong_option(&order_command, argv);
	}
	return STATUS_OK;
}

static int give(
    struct lab *lab, char **names, int count, const json_t *orders, const struct said *said)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	struct err e = ERR_INIT;

	if (open_lab(&s, lab, &e) < 0)
		return command_fail(&e);
	return order_run(&s, &(struct order_run){.orders = orders,
				 .id = (const char *const *)names,
				 .count = (size_t)count,
				 .parallel = said->parallel,
				 .no_wait = said->no_wait});
}

/* "cancel NAME N", "resume NAME N", "output NAME N". */
static int read_one(char **argv, char encoded[MACHINE_ID_SIZE], json_int_t *n, struct err *e)
{
	char *last;

	*n = strtoll(argv[2], &last, 10);
	if (*n <= 0 || *last)
		return err_set(e, EINVAL, "\"%.40s\" is no order: `vmlab orders %s` lists them",
		    argv[2], argv[1]);
	return machine_id_encode(argv[1], encoded, e);
}

static int print_output(struct session *s, const char *encoded, json_int_t n, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	int r = api_get_bytes(
	    s->api, &text, &len, e, "/machines/%s/orders/%lld/output", encoded, (long long)n);
	if (r < 0)
		return r;
	if (len == 0)
		fprintf(stderr, "order %lld has written nothing\n", (long long)n);
	/* It is kept as it came; only a terminal would do what it says. */
	if (isatty(STDOUT_FILENO))
		len = text_clean(text, len, "\n\t");
	fwrite(text, 1, len, stdout);
	if (len > 0 && text[len - 1] != '\n' && isatty(STDOUT_FILENO))
		putchar('\n');
	return 0;
}

static int change(struct lab *lab, char **argv, bool no_wait)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	_cleanup_json_ json_t *order = NULL;
	char encoded[MACHINE_ID_SIZE];
	struct err e = ERR_INIT;
	json_int_t n;

	int r = read_one(argv, encoded, &n, &e);
	if (r == 0)
		r = open_lab(&s, lab, &e);
	if (r < 0)
		return command_fail(&e);
	if (strcmp(argv[0], "output") == 0) {
		r = print_output(&s, encoded, n, &e);
	} else if (strcmp(argv[0], "cancel") == 0) {
		r = api_delete(
		    s.api, &order, &e, "/machines/%s/orders/%lld", encoded, (long long)n);
		if (r == 0)
			printf("order %lld of %s and what follows it in its list are taken back\n",
			    (long long)n, argv[1]);
	} else {
		r = api_post(
		    s.api, &order, &e, "/machines/%s/orders/%lld/resume", encoded, (long long)n);
		if (r == 0 && !no_wait)
			return order_run_follow(&s, argv[1], n);
	}
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

static bool is_change(const char *word)
{
	return strcmp(word, "cancel") == 0 || strcmp(word, "resume") == 0 ||
	       strcmp(word, "output") == 0;
}

static void print_arg(const struct order_arg *a)
{
	printf("    %s=", a->name);
	if (a->words)
		for (size_t i = 0; a->words[i]; i++)
			printf("%s%s", i ? "|" : "", a->words[i]);
	else if (a->kind == ORDER_ARG_COUNT)
		printf("1..%lld", (long long)a->most);
	else
		fputs(a->kind == ORDER_ARG_SCRIPT ? "TEXT|@FILE" : "...", stdout);
	printf("  %s%s\n", a->summary,
	    a->required ? ""
	    : a->either ? " (one of these)"
			: " (may be left out)");
}

/* As the table has them. */
static int print_actions(void)
{
	const struct order_row *row;

	for (size_t i = 0; (row = order_row(i)); i++) {
		printf("%-12s %s%s\n", row->name, row->summary,
		    row->destructive ? "; what is on the disk is gone then" : "");
		for (const struct order_arg *a = row->args; a && a->name; a++)
			print_arg(a);
	}
	return STATUS_OK;
}

static int order_run_command(struct lab *lab, int argc, char **argv)
{
	_cleanup_json_ json_t *orders = NULL;
	struct said said = {.no_wait = false};
	struct err e = ERR_INIT;
	int line = 1;

	while (line < argc && strcmp(argv[line], "--") != 0)
		line++;
	int status = read_options(line, argv, &said);
	if (status != STATUS_OK)
		return status;
	char **words = argv + optind;
	int count = line - optind;
	if (line == argc && count == 3 && is_change(words[0]))
		return change(lab, words, said.no_wait);
	if (line == argc && count > 0 && is_change(words[0]))
		return command_usage(&order_command,
		    "%s takes a machine and the number of its order: vmlab order %s web1 7",
		    words[0], words[0]);
	if (line + 1 < argc && strcmp(argv[line + 1], "help") == 0)
		return print_actions();
	if (count < 1 || line + 1 >= argc)
		return command_usage(&order_command,
		    "it takes names, --, and an order: vmlab order web1 -- inventory");
	if (orders_of_words(argv + line + 1, argc - line - 1, said.deadline_ms, &orders, &e) < 0)
		return command_usage(&order_command, "%s", e.msg);
	return give(lab, words, count, orders, &said);
}

const struct command order_command = {
    .name = "order",
    .args = "NAME... [--no-wait] -- ORDER [ARGUMENT=VALUE...] | cancel|resume|output NAME N",
    .summary = "have machines' agents do something",
    .help =
	"The agent is a system in the machine's memory. It runs with \"mode\": \"agent\" in a definition; of any\n"
	"other machine the order waits for its next network boot, which starts the agent then (for a VM:\n"
	"`vmlab restart NAME`). Machines are named by their names, MAC addresses or serial numbers. The command\n"
	"waits for the end and shows how far it is. Two orders for one machine are done one after the other.\n"
	"Which orders there are, and what they take, `vmlab order -- help` says.\n"
	"\n"
	"A disk is named by its name (vda), its serial number or an object it has to match\n"
	"('{\"pick\":\"largest\"}'), among those of the machine's last inventory. The agent does nothing unless the\n"
	"disk there has that serial number and size then. script=@FILE takes a file's text.\n"
	"\n"
	"`cancel` takes an order back, also one that runs, and what follows it in its list. `resume` begins one\n"
	"again that did not end well, and what follows it. `output` prints what it wrote: the first 256 KiB and\n"
	"the last 768 KiB.\n"
	"\n"
	"  --no-wait          do not wait\n"
	"  --deadline TIME    it has failed when it has not ended so long after it was begun (90s, 5m, 168h at\n"
	"                     most); the agent has 20 s more to tell its end\n"
	"  --parallel N       of several machines so many at once (default: all)\n"
	"\n"
	"Examples:\n"
	"  vmlab order web1 -- inventory\n"
	"  vmlab order web1 web2 --no-wait -- reboot\n"
	"  vmlab order web1 -- local netboot=off\n"
	"  vmlab order cancel web1 7\n",
    .run = order_run_command,
    .operands = OPERANDS_VMS,
};

/* ---- orders -------------------------------------------------------------------------------- */

static const struct option orders_options[] = {{"json", no_argument, NULL, 'j'}, {0}};

static void print_orders(json_t *list)
{
	struct table table = {.width = human_terminal_width(STDOUT_FILENO), .now_ms = wall_ms()};

	table_orders(&table);
	table_print(stdout, &table, list);
}

static int orders_run(struct lab *lab, int argc, char **argv)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	_cleanup_json_ json_t *answer = NULL;
	char encoded[MACHINE_ID_SIZE];
	struct err e = ERR_INIT;
	bool json = false;
	int o;

	while ((o = getopt_long(argc, argv, "", orders_options, NULL)) != -1) {
		json |= o == 'j';
		if (o == '?')
			return command_wrong_option(&orders_command, argv);
	}
	if (argc - optind != 1)
		return command_usage(&orders_command, "it takes one machine's name");
	int r = machine_id_encode(argv[optind], encoded, &e);
	if (r == 0)
		r = open_lab(&s, lab, &e);
	if (r == 0)
		r = api_get(s.api, &answer, &e, "/machines/%s/orders", encoded);
	if (r < 0)
		return command_fail(&e);
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (json_array_size(json_object_get(answer, "orders")) == 0) {
		printf("%s was ordered nothing yet\n", argv[optind]);
	} else {
		print_orders(json_object_get(answer, "orders"));
	}
	return STATUS_OK;
}

const struct command orders_command = {
    .name = "orders",
    .args = "NAME [--json]",
    .summary = "what a machine was ordered to do, and how it went",
    .help =
	"The newest first: those that wait, the one that its agent does, and those that have ended. Orders that\n"
	"were given together have the same LIST, the number of the first of them: what does not end well stops\n"
	"those after it until `vmlab order resume`.\n"
	"\n"
	"  --json   {\"orders\":[...]}: all that is known, with arguments, figures and hints\n"
	"\n"
	"Examples:\n"
	"  vmlab orders web1\n"
	"  vmlab orders web1 --json | jq '.orders[0].figures'\n",
    .run = orders_run,
    .operands = OPERANDS_VM,
};
