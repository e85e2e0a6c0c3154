#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "os_installer/agent/named_disk.h"
#include "os_installer/agent/order.h"
#include "os_installer/base/command.h"
#include "os_installer/base/offspring.h"
#include "os_installer/system/installed.h"
#include "os_installer/system/script.h"
#include "os_installer/system/tree.h"

#define DIRECTORY "/run/os-installer-target"
#define LAST_MS 10000

static int judge(struct order_run *o, int status, struct err *e)
{
	if (WIFSIGNALED(status))
		return err_set(e, EIO, "the script was ended by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	order_figure(o, "exit_code", json_integer(WEXITSTATUS(status)));
	if (WEXITSTATUS(status) == 0)
		return 0;
	order_hint(o, "what the script said last is in the order's output");
	return err_set(e, EIO, "the script ended with exit code %d", WEXITSTATUS(status));
}

static int run_script(
    struct order_run *o, int tree, const char *root, const char *script, struct err *e)
{
	char path[SCRIPT_PATH_SIZE], file[32];
	int64_t began_ms = monotonic_ms();

	snprintf(file, sizeof(file), "order-%lld", (long long)o->id);
	int r = script_put(tree, file, script, path, e);
	if (r < 0)
		return r;
	const struct script_words words = script_words(script, path);
	const struct process p = {.argv = words.argv,
	    .environment = command_environment,
	    .root = root,
	    .name = "the script",
	    .bond = PROCESS_GROUP,
	    .out = o->output,
	    .err = o->output};
	pid_t pid;
	order_progress(o, "script", 0, 0);
	if ((r = process_start(&p, &pid, e)) < 0)
		return r;
	int status = process_wait(pid);
	/* What it left running would hold its mounts. */
	(void)offspring_end(LAST_MS);
	order_figure(o, "seconds", json_real((double)(monotonic_ms() - began_ms) / 1000));
	if (tree_remove(tree, path, e) < 0)
		log_debug("%s stays", path);
	return judge(o, status, e);
}

static int run_in_ram(struct order_run *o, const char *script, struct err *e)
{
	_cleanup_close_ int tree = tree_open("/", e);

	return tree < 0 ? tree : run_script(o, tree, NULL, script, e);
}

/* However this ends, what is mounted goes with the mount namespace. */
static int run_on_disk(struct order_run *o, const char *script, struct err *e)
{
	struct installed system;
	int r = order_system(o, DIRECTORY, &system, e);

	if (r < 0)
		return r;
	installed_lend_names(&system);
	r = run_script(o, system.tree, DIRECTORY, script, e);
	struct err why = ERR_INIT;
	if (installed_unmount(&system, &why) < 0 && r == 0)
		r = err_set(e, why.code, "%s", why.msg);
	return r;
}

static int run(struct order_run *o, struct err *e)
{
	const char *script = json_string_value(json_object_get(o->args, "script"));
	const char *where = json_string_value(json_object_get(o->args, "where"));

	if (!script || !script[0])
		return err_set(e, EINVAL, "the order has no script");
	if (where && strcmp(where, "disk") == 0)
		return run_on_disk(o, script, e);
	return run_in_ram(o, script, e);
}

extern const struct order order_run;
const struct order order_run = {.run = run};
