/* simulate_cmd.c - `vmlab simulate`: how many machines does a stack carry? */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "vmlab/lab/command.h"
#include "vmlab/simulate/box.h"
#include "vmlab/simulate/result.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"

#define PROFILE_MAX_BYTES ((size_t)1 << 20)
#define NESTING_MAX 6

/* ---- the profile --------------------------------------------------------------------------- */

#define PROBLEMS_MAX 100 /* more are told in the order in which they are found */

struct problem {
	size_t offset;
	char text[500];
};

struct judged {
	const char *path, *text;
	size_t len, count;
	struct problem problem[PROBLEMS_MAX];
};

static void print_problem(const struct judged *j, const struct problem *p)
{
	int line, column;

	json_text_position(j->text, p->offset, &line, &column);
	fprintf(stderr, "%s:%d:%d: ", j->path, line, column);
	human_print_clean(stderr, p->text);
	fputc('\n', stderr);
}

static void tell(struct judged *j, size_t offset, const char *where, const char *why)
{
	struct problem p = {.offset = offset};

	snprintf(p.text, sizeof(p.text), "%s%s%s", where, *where ? " " : "", why);
	if (j->count < PROBLEMS_MAX)
		j->problem[j->count] = p;
	else
		print_problem(j, &p);
	j->count++;
}

static int compare(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* As they stand in the file. */
static void print_problems(struct judged *j)
{
	size_t count = j->count < PROBLEMS_MAX ? j->count : PROBLEMS_MAX;

	qsort(j->problem, count, sizeof(*j->problem), compare);
	for (size_t i = 0; i < count; i++)
		print_problem(j, &j->problem[i]);
}

static void refused(void *ctx, const struct json_path *bad, const struct err *why)
{
	struct judged *j = ctx;
	size_t offset = 0;
	char where[200];

	(void)json_text_find(j->text, j->len, bad, false, &offset);
	tell(j, offset, json_path_format(bad, where, sizeof(where)), why->msg);
}

static void unknown(void *ctx, const struct json_path *key, const char *nearest)
{
	struct judged *j = ctx;
	size_t offset = 0;
	char where[200], why[200];

	(void)json_text_find(j->text, j->len, key, true, &offset);
	snprintf(why, sizeof(why), "is not known%s%s%s", nearest ? "; did you mean " : "",
	    nearest ? nearest : "", nearest ? "?" : "");
	tell(j, offset, json_path_format(key, where, sizeof(where)), why);
}

/* False after all that is wrong was told. */
static bool read_profile(const char *path, unsigned machines, struct simulate_profile *out)
{
	_cleanup_free_ struct judged *j = calloc(1, sizeof(*j));
	struct json_reader r = {.refuse = refused, .unknown = unknown, .ctx = j};
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *doc = NULL;
	struct err e = ERR_INIT;
	size_t bad = 0;

	if (!j || (path && file_read(path, PROFILE_MAX_BYTES, &text, &j->len, &e) < 0)) {
		if (!j)
			(void)err_set(&e, ENOMEM, "out of memory");
		command_fail(&e);
		return false;
	}
	j->path = path;
	j->text = text;
	if (path && !(doc = json_text_parse(text, j->len, NESTING_MAX, &bad, &e)))
		tell(j, bad, "", e.msg);
	bool well = (!path || doc) && simulate_profile_read(&r, doc, machines, out) == 0;
	print_problems(j);
	return well && j->count == 0;
}

/* ---- the command --------------------------------------------------------------------------- */

struct wanted {
	const char *profile, *image;
	unsigned machines;
	bool json;
};

static const struct option options[] = {{"profile", required_argument, NULL, 'p'},
    {"image", required_argument, NULL, 'i'}, {"json", no_argument, NULL, 'j'}, {0}};

static int parse(int argc, char **argv, struct wanted *w)
{
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		w->json |= o == 'j';
		if (o == 'p')
			w->profile = optarg;
		if (o == 'i')
			w->image = optarg;
		if (o == '?')
			return command_wrong_option(&simulate_command, argv);
	}
	const char *word = argc - optind == 1 ? argv[optind] : "";
	if (!*word || strspn(word, "0123456789") != strlen(word) || strlen(word) > 6 ||
	    atoi(word) < 1 || atoi(word) > SIMULATE_MACHINES_MAX)
		return command_usage(&simulate_command,
		    "it takes the number of machines, from 1 to %d", SIMULATE_MACHINES_MAX);
	w->machines = (unsigned)atoi(word);
	if (w->image && !vm_label_valid(w->image))
		return command_usage(&simulate_command, "\"%s\" is no image's name", w->image);
	return STATUS_OK;
}

/* The server has the last word. */
static int run_it(struct stage *s, struct simulate_profile *profile, json_t **result, struct err *e)
{
	unsigned ready = 0;

	int r = box_run(s, profile->doc, result, e);
	if (r == 0 && s->folder)
		r = stage_ready(s, &ready, e);
	if (r == 0 && s->folder)
		json_object_set_new(*result, "server_ready", json_integer(ready));
	return r;
}

static int print(const json_t *result, bool json)
{
	if (json) {
		json_dumpf(result, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		result_print(result, stdout);
	}
	return result_is_well(result) ? STATUS_OK : STATUS_FAILED;
}

static int run(struct lab *lab, int argc, char **argv)
{
	_cleanup_(simulate_profile_clear) struct simulate_profile profile = {0};
	_cleanup_json_ json_t *result = NULL;
	struct wanted w = {.machines = 0};
	struct err e = ERR_INIT;

	int status = parse(argc, argv, &w);
	if (status != STATUS_OK)
		return status;
	if (lab->name_given && w.image)
		return command_usage(&simulate_command,
		    "--image is for a lab of the simulation's own: what --lab's machines get says that lab");
	if (!read_profile(w.profile, w.machines, &profile))
		return STATUS_FAILED;
	setvbuf(stdout, NULL, _IOLBF, 0);
	interrupt_install();
	struct stage s = {.session = SESSION_INIT,
	    .lab = lab,
	    .profile = &profile,
	    .machines = w.machines,
	    .image = w.image,
	    .out = stderr};
	int r = lab->name_given ? stage_open_users(&s, &e) : stage_open_own(&s, &e);
	if (r == 0)
		r = run_it(&s, &profile, &result, &e);
	stage_close(&s);
	if (r == 0)
		return print(result, w.json);
	if (interrupt_pending()) {
		fputs("vmlab: interrupted: nothing of the simulation is left\n", stderr);
		return STATUS_INTERRUPTED;
	}
	return command_fail(&e);
}

const struct command simulate_command = {
    .name = "simulate",
    .args = "N [--profile FILE] [--image NAME] [--json]",
    .summary = "how many machines does a stack carry? Boots N that are none",
    .help =
	"N clients without a VM are switched on and speak real DHCP, TFTP and HTTP with a real stack, as\n"
	"firmware, iPXE, the installer and cloud-init do: from the first DISCOVER over the image, of which each\n"
	"slice is verified and none is written, to ready. The stack is one of their own, with a definition for\n"
	"each, which is removed afterwards; with --lab NAME (or VMLAB_LAB) it is that lab's, where they are\n"
	"machines that nobody has declared. Told are percentiles of each step, failures by reason, and what the\n"
	"stack took of processor, memory and bytes. Needs the stack's image, no KVM, and 25 KB of memory each.\n"
	"\n"
	"  --profile FILE   JSON: how they are switched on, how quick they are, and which have faults\n"
	"  --image NAME     installs an image of images/, not one that is made up (16 MiB)\n"
	"  --json           the result as JSON on stdout\n"
	"\n"
	"A profile, with what holds where it says nothing; times are of real machines, and go `speed` times\n"
	"faster; a fault is of a share of the machines, as in 0.05, or of those listed, as in [3, 17]:\n"
	"  {\"over_s\": 1, \"speed\": 10, \"patience_s\": 120, \"seed\": 1, \"rootfs\": \"16M\", \"kernel\": \"8M\",\n"
	"   \"modules\": \"4M\", \"firmware_s\": 10, \"kernel_s\": 5, \"disk_s\": 10, \"reboot_s\": 5,\n"
	"   \"first_boot_s\": 20, \"slow_rate\": \"1M\", \"faults\": {\"silence\": 0, \"slow\": 0, \"repeat\": 0,\n"
	"   \"reboot\": 0, \"wrong_mac\": 0}}\n"
	"With \"disk_rate\", bytes a second as in \"100M\", no machine writes its image faster than that.\n"
	"\n"
	"Examples:\n"
	"  vmlab simulate 1000\n"
	"  vmlab simulate 200 --profile storm.json --image debian-13\n"
	"  vmlab simulate 50 --lab office        as strangers in a lab that runs\n"
	"\n"
	"Exit status: 0 all went as the profile says, 1 a machine failed, or the server counts others as ready.\n",
    .run = run,
};
