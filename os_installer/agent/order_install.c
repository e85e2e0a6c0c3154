#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "lib/base/process.h"
#include "os_installer/agent/order.h"
#include "os_installer/base/command.h"

/* This very program in its other role, which tells the server of its phases itself, as after a boot
 * of mode "install". What the definition has to follow is left to the next order. */
static int run(struct order_run *o, struct err *e)
{
	char url[SERVER_URL_SIZE + 64];
	const char *const argv[] = {
	    "/proc/self/exe", "--config-url", url, "--reinstall", "--no-reboot", NULL};
	const struct process p = {.argv = argv,
	    .environment = command_environment,
	    .name = "the installer",
	    .bond = PROCESS_GROUP,
	    .out = o->output,
	    .err = o->output};
	pid_t pid;

	snprintf(url, sizeof(url), "%s/config/%s", o->server->url, o->server->as.mac);
	order_progress(o, "install", 0, 0);
	/* What it has mounted when it is ended goes with these. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(e, "no mounts of its own can be had");
	int r = process_start(&p, &pid, e);
	if (r < 0)
		return r;
	int status = process_wait(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	order_hint(o,
	    "the installer's phase and hint are in the machine's report, what it said in the order's output");
	if (WIFSIGNALED(status))
		return err_set(e, EIO, "the installer was ended by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	return err_set(e, EIO, "the installer failed, and has reported why");
}

extern const struct order order_install;
const struct order order_install = {.run = run};
