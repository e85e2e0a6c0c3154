/* power.c - `vmlab start` and `vmlab restart`: what `up` and `down` do, by the names people look
 * for. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "vmlab/lab/command.h"
#include "vmlab/lab/start.h"
#include "vmlab/lab/vm_container.h"

/* Runs `c` with the words of argv after the first, and `last` behind them unless NULL. */
static int run_as(const struct command *c, struct lab *lab, int argc, char **argv, const char *last)
{
	char **words = calloc((size_t)argc + 2, sizeof(*words));

	if (!words)
		return STATUS_FAILED;
	memcpy(words, argv, (size_t)argc * sizeof(*words));
	words[0] = (char *)c->name;
	if (last)
		words[argc++] = (char *)last;
	optind = 0;
	int status = c->run(lab, argc, words);
	free(words);
	return status;
}

/* Whether every word is a name, and there is one. */
static bool only_names(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (*argv[i] == '-')
			return false;
	return argc > 1;
}

static int start_run(struct lab *lab, int argc, char **argv)
{
	if (!only_names(argc, argv))
		return command_usage(&start_command, "it takes names of VMs and no options");
	return run_as(&up_command, lab, argc, argv, "--no-wait");
}

const struct command start_command = {
    .name = "start",
    .args = "NAME...",
    .summary = "start VMs without watching them",
    .help =
	"Starts what is stopped, and the lab with it: `vmlab up --no-wait` for these VMs. One that was\n"
	"never installed is installed.\n"
	"\n"
	"Example:\n"
	"  vmlab start web1 db1\n",
    .run = start_run,
    .operands = OPERANDS_VMS,
};

/* What `up` would refuse afterwards is not to be stopped. */
static int check_names(struct lab *lab, int argc, char **argv, struct err *e)
{
	_cleanup_session_ struct session s = SESSION_INIT;
	struct start st = {.s = &s};
	struct vm_store *store = NULL;

	int r = session_open(&s, lab, e);
	if (r < 0 || session_open_store(&s, &store, e) < 0)
		return r;
	const struct vm_snapshot *snap = st.snap = vm_store_snapshot(store);
	for (int i = 1; r == 0 && i < argc; i++) {
		const struct vm *vm = vm_container_named(&s.containers, snap, argv[i]);
		if (vm)
			r = start_vm_check(&st, vm, e);
		else if (container_list_vm(&s.containers, argv[i]))
			r = err_set(e, ENOENT,
			    "%s has no definition in %s that it could be started from again, and is left as it is: put its file back, or write one with its MAC (`vmlab machines` lists it, `vmlab adopt` does)",
			    argv[i], lab->vms_dir);
	}
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return r;
}

static int restart_run(struct lab *lab, int argc, char **argv)
{
	bool no_wait = argc > 1 && strcmp(argv[argc - 1], "--no-wait") == 0;

	if (!only_names(no_wait ? argc - 1 : argc, argv))
		return command_usage(
		    &restart_command, "it takes names of VMs, and --no-wait as the last word");
	struct err e = ERR_INIT;
	if (check_names(lab, no_wait ? argc - 1 : argc, argv, &e) < 0)
		return command_fail(&e);
	int status = run_as(&down_command, lab, no_wait ? argc - 1 : argc, argv, NULL);
	return status != STATUS_OK ? status : run_as(&up_command, lab, argc, argv, NULL);
}

const struct command restart_command = {
    .name = "restart",
    .args = "NAME... [--no-wait]",
    .summary = "shut VMs down and start them again",
    .help =
	"Presses the power button, waits for the end, starts the VMs again and follows them until they are\n"
	"ready. What has changed in their definitions (memory, CPUs, disk size) holds from then on.\n"
	"\n"
	"  --no-wait   do not follow them\n"
	"\n"
	"Example:\n"
	"  vmlab restart web1\n",
    .run = restart_run,
    .operands = OPERANDS_VMS,
};
