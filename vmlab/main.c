/* main.c - the table of subcommands, the global options, the overview. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "vmlab/lab/command.h"
#include "vmlab/cmd/complete.h"
#include "vmlab/image/adopt.h"
#include "vmlab/cmd/man.h"
#include "vmlab/simulate/inside.h"
#include "vmlab/ui/help_text.h"

#define ROW(name) &name##_command,
static const struct command *const commands[] = {COMMANDS(ROW)};
#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static const char overview_text[] =
    "A first VM:\n"
    "  vmlab doctor                  what this machine lacks\n"
    "  vmlab image build debian-13   something to install\n"
    "  vmlab new web1                writes vms/web1.json\n"
    "  vmlab up web1                 installs it, showing each stage\n"
    "  vmlab ssh web1                logs in\n"
    "\n"
    "Global options, all but -C also after the command (unless that is ssh or image), and their\n"
    "environment variables:\n"
    "  -C DIR         work in that folder\n"
    "  --vms DIR      VM definitions (VMLAB_VMS; default ./vms)\n"
    "  --images DIR   images (VMLAB_IMAGES; default images/ beside vms/)\n"
    "  --lab NAME     which lab (VMLAB_LAB; default: the one of this folder's vms/, named after\n"
    "                 the folder); several can run at once\n"
    "  --port PORT    the lab's API over TCP too, on 127.0.0.1, with a token; auto: on a free\n"
    "                 port (VMLAB_PORT; default: only a socket in the lab's own folder)\n"
    "  --version, --help\n"
    "Environment only: VMLAB_HOME (SSH key, and labs/NAME/ with the API's socket; default\n"
    "~/.local/share/vmlab), VMLAB_CIDR (default 192.168.100.1/24), VMLAB_DOMAIN\n"
    "(pvmlab.local), VMLAB_REACH (what machines reach outside the lab: internet, all, none,\n"
    "or networks, as in internet,10.1.2.0/24; default internet: no private addresses),\n"
    "VMLAB_STRANGERS (what machines without a definition get: wait, menu, local, off, agent; default wait),\n"
    "VMLAB_ENGINE (client to use). A lab keeps the CIDR, domain, reach, strangers and images it\n"
    "was given, also over `vmlab down`, until others are given or `vmlab down --volumes`.\n"
    "\n"
    "Exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage, 130 Ctrl-C.\n"
    "`vmlab COMMAND --help` shows a command's options with examples.\n";

static void overview(FILE *f)
{
	fputs("usage: vmlab [GLOBAL OPTION...] COMMAND [ARGUMENT...]\n"
	      "\n"
	      "From small JSON files in vms/ to installed virtual machines, over real PXE.\n"
	      "\n",
	    f);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(f, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(f, "\n%s", overview_text);
}

static const struct option options[] = {
    {"vms", required_argument, NULL, 'v'},
    {"images", required_argument, NULL, 'i'},
    {"lab", required_argument, NULL, 'l'},
    {"port", required_argument, NULL, 'p'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static const char **option_slot(struct lab_options *lo, int o)
{
	switch (o) {
	case 'v':
		return &lo->vms_dir;
	case 'i':
		return &lo->images_dir;
	case 'l':
		return &lo->name;
	default:
		return &lo->port;
	}
}

static int usage_error(const char *what, const char *word)
{
	fprintf(stderr, "vmlab: %s%s%s; `vmlab --help` lists what there is\n", what,
	    word ? " " : "", word ? word : "");
	return STATUS_USAGE;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (command_is_called(commands[i], name))
			return commands[i];
	return NULL;
}

/* Global options before the command. Returns -1 to go on, else the exit status. */
static int parse_before(int argc, char **argv, struct lab_options *lo)
{
	int o;

	while ((o = getopt_long(argc, argv, "+:C:hV", options, NULL)) != -1) {
		if (o == 'h') {
			overview(stdout);
			return STATUS_OK;
		}
		if (o == 'V') {
			puts("vmlab " VMLAB_VERSION);
			return STATUS_OK;
		}
		if (o == '?')
			return usage_error("there is no option", argv[optind - 1]);
		if (o == ':')
			return usage_error("a value is missing after", argv[optind - 1]);
		if (o != 'C') {
			*option_slot(lo, o) = optarg;
		} else if (chdir(optarg) < 0) {
			perror(optarg);
			return STATUS_FAILED;
		}
	}
	return -1;
}

/* Of the same name, by the command's page. */
static bool is_own(const struct command *c, const char *name)
{
	struct help_option option;
	struct help_line line;

	for (const char *page = c->help; help_line_next(&page, &line);)
		if (help_option_parse(&line, &option) && strcmp(option.name + 2, name) == 0)
			return true;
	return false;
}

/* The global one that the word is, with or without "=VALUE" behind its *len letters; NULL: none. */
static const struct option *global_option(const struct command *c, const char *word, size_t *len)
{
	for (const struct option *o = options; o->name; o++) {
		*len = strlen(o->name);
		if (o->has_arg && strncmp(word, "--", 2) == 0 &&
		    strncmp(word + 2, o->name, *len) == 0 &&
		    (word[2 + *len] == '=' || !word[2 + *len]))
			return is_own(c, o->name) ? NULL : o;
	}
	return NULL;
}

/* Takes global options out of a command's own words, up to "--". Returns the new argc, or -1 for
 * --help (already printed), or -2 for an option without its value. */
static int strip_after(int argc, char **argv, struct lab_options *lo, const struct command *c)
{
	int kept = 1, i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		size_t len = 0;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			command_help(c);
			return -1;
		}
		const struct option *o = global_option(c, argv[i], &len);
		if (!o) {
			argv[kept++] = argv[i];
			continue;
		}
		if (argv[i][2 + len] == '=')
			*option_slot(lo, o->val) = argv[i] + 3 + len;
		else if (i + 1 < argc)
			*option_slot(lo, o->val) = argv[++i];
		else
			return -2;
	}
	while (i < argc)
		argv[kept++] = argv[i++];
	argv[kept] = NULL;
	return kept;
}

/* ---- help, manual pages, completion ---------------------------------------------------------- */

static int help_run(struct lab *lab, int argc, char **argv)
{
	const struct command *c = argc > 1 ? find(argv[1]) : NULL;

	(void)lab;
	if (argc > 1 && !c)
		return usage_error("unknown command", argv[1]);
	if (c)
		command_help(c);
	else
		overview(stdout);
	return STATUS_OK;
}

const struct command help_command = {
    .name = "help",
    .args = "[COMMAND]",
    .summary = "this overview, or a command's page",
    .help = "Prints the overview, or what `vmlab COMMAND --help` prints.\n"
	    "\n"
	    "Example:\n"
	    "  vmlab help up\n",
    .run = help_run,
    .operands = OPERANDS_COMMAND,
};

/* "__man" names the pages there are, "__man vmlab" and "__man vmlab-up" print one. */
static int print_man(int argc, char **argv)
{
	static const char prefix[] = "vmlab-";

	if (argc == 1) {
		puts("vmlab");
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			printf("%s%s\n", prefix, commands[i]->name);
		return STATUS_OK;
	}
	if (strcmp(argv[1], "vmlab") == 0) {
		man_overview(overview_text, commands, COMMAND_COUNT, stdout);
		return STATUS_OK;
	}
	const struct command *c =
	    strncmp(argv[1], prefix, strlen(prefix)) == 0 ? find(argv[1] + strlen(prefix)) : NULL;
	if (!c)
		return usage_error("there is no manual page", argv[1]);
	man_command(c, stdout);
	return STATUS_OK;
}

/* Where the words say that the lab is. */
static int complete_find_lab(const struct complete_source *source, size_t count,
    const char *const *words, struct lab_options *lo, struct lab *lab, struct err *e)
{
	struct container_list none = CONTAINER_LIST_INIT;
	const char *typed = NULL;

	complete_options(source, count, words, lo, &typed);
	_cleanup_free_ char *folder = complete_path(typed);
	_cleanup_free_ char *vms = complete_path(lo->vms_dir),
			    *images = complete_path(lo->images_dir);
	if (folder && chdir(folder) < 0)
		return err_errno(e, "%s", folder);
	lo->vms_dir = vms;
	lo->images_dir = images;
	int r = lab_init(lab, lo, e);
	return r < 0 ? r : lab_adopt(lab, &none, e);
}

/* Exit status 1: what fits are files. */
static int print_completion(struct lab_options *lo, int argc, char **argv)
{
	struct lab lab = LAB_INIT;
	struct err e = ERR_INIT;
	const char **words = (const char **)argv + 1;
	struct complete_source source = {commands, COMMAND_COUNT, overview_text, NULL, NULL};
	size_t count = complete_join((size_t)argc - 1, words);

	/* Without a lab there are no names to offer, but everything else. */
	if (complete_find_lab(&source, count, words, lo, &lab, &e) < 0)
		lab_clear(&lab);
	source.vms_dir = lab.vms_dir;
	source.images_dir = lab.images_dir;
	bool found = complete(&source, count, words, stdout);
	lab_clear(&lab);
	return found ? STATUS_OK : STATUS_FAILED;
}

static int run(int argc, char **argv)
{
	struct lab_options lo = {0};
	struct lab lab = LAB_INIT;
	struct err e = ERR_INIT;

	log_init("vmlab", LOG_LEVEL_WARN);
	opterr = 0;
	int status = parse_before(argc, argv, &lo);
	if (status >= 0)
		return status;
	if (optind == argc) {
		overview(stderr);
		return STATUS_USAGE;
	}
	argc -= optind;
	argv += optind;
	if (strcmp(argv[0], "__man") == 0)
		return print_man(argc, argv);
	if (strcmp(argv[0], "__adopt") == 0)
		return image_adopt_main(argc, argv);
	if (strcmp(argv[0], "__simulate") == 0)
		return simulate_inside_main(argc, argv);
	if (strcmp(argv[0], "__complete") == 0)
		return print_completion(&lo, argc, argv);
	const struct command *c = find(argv[0]);
	if (!c)
		return usage_error("unknown command", argv[0]);
	if (!c->own_options) {
		argc = strip_after(argc, argv, &lo, c);
		if (argc == -1)
			return STATUS_OK;
		if (argc == -2)
			return command_usage(c, "an option lacks its value");
	}
	/* These need no lab, nor a HOME to keep one in. */
	if (c == &help_command || c == &schema_command || c == &reference_command) {
		optind = 0;
		return c->run(&lab, argc, argv);
	}
	if (lab_init(&lab, &lo, &e) < 0) {
		lab_clear(&lab);
		command_fail(&e);
		return STATUS_USAGE;
	}
	optind = 0; /* glibc: start over, with a new argv */
	status = c->run(&lab, argc, argv);
	lab_clear(&lab);
	return status;
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	if ((fflush(stdout) != 0 || ferror(stdout)) && status != STATUS_USAGE) {
		fprintf(stderr, "vmlab: cannot write to standard output: is the disk full?\n");
		status = STATUS_FAILED;
	}
	return status;
}
