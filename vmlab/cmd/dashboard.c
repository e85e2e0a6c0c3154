/* dashboard.c - `vmlab dashboard`: the lab's pages in a browser of this machine. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/process.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/lab_dir.h"
#include "vmlab/lab/relay.h"
#include "vmlab/ui/interrupt.h"

#define SOCKET "dashboard.sock"
#define LINK_FILE "dashboard.html"

static const struct option options[] = {{"read", no_argument, NULL, 'r'},
    {"port", required_argument, NULL, 'p'}, {"no-open", no_argument, NULL, 'n'},
    {"end", no_argument, NULL, 'e'}, {0}};

struct wish {
	const char *role;
	int port; /* 0: the one before, or a free one */
	bool open, end;
};

/* Of the port that the lab publishes, or one of ours, which *listener is then; else -1. */
static int choose_port(struct lab *lab, const struct wish *wish, int *listener, struct err *e)
{
	*listener = -1;
	if (!wish->port && lab->port != LAB_PORT_NONE && lab->port != LAB_PORT_AUTO)
		return lab->port;
	struct lab chosen = *lab;
	int port = wish->port;
	int r = port ? 0 : lab_dir_choose_port(&chosen, e);
	if (r < 0)
		return r;
	port = port ? port : chosen.port;
	r = relay_listen(port, listener, e);
	return r < 0 ? r : port;
}

static int ask_link(struct session *s, const struct wish *wish, int port, char **out, struct err *e)
{
	_cleanup_json_ json_t *wanted = json_pack("{s:s}", "role", wish->role);
	_cleanup_json_ json_t *answer = NULL;

	int r = api_post_json(s->api, wanted, &answer, e, "/logins");
	if (r < 0)
		return r;
	const char *path = json_string_value(json_object_get(answer, "path"));
	if (!path || asprintf(out, "http://127.0.0.1:%d%s", port, path) < 0) {
		*out = NULL;
		return err_set(e, EPROTO, "the lab's API gives no link");
	}
	return 0;
}

/* Root's browser is nobody's, and a terminal without a screen has none. */
static bool has_browser(void)
{
	return geteuid() != 0 && isatty(STDOUT_FILENO) &&
	       (getenv("DISPLAY") || getenv("WAYLAND_DISPLAY"));
}

/* By a file that only its owner reads: what is on a command line, every user of this machine sees.
 * It holds characters of a link of ours alone. */
static void open_browser(const struct lab *lab, const char *link)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct err e = ERR_INIT;
	pid_t pid;

	if (asprintf(&path, "%s/" LINK_FILE, lab->dir) < 0 ||
	    asprintf(&text,
		"<!doctype html><title>vmlab</title><meta http-equiv=\"refresh\" content=\"0;url=%s\">\n",
		link) < 0)
		return;
	const char *argv[] = {"xdg-open", path, NULL};
	struct process p = {.argv = argv, .bond = PROCESS_FREE};
	if (atomic_file_replace(path, text, strlen(text), 0600, &e) < 0 ||
	    process_start(&p, &pid, &e) < 0)
		fprintf(stderr, "vmlab: no browser is opened: %s\n", e.msg);
}

static int serve(struct lab *lab, const struct wish *wish, struct session *s, struct err *e)
{
	_cleanup_close_ int listener = -1;
	_cleanup_free_ char *link = NULL;

	int port = choose_port(lab, wish, &listener, e);
	if (port < 0)
		return port;
	int r = ask_link(s, wish, port, &link, e);
	if (r < 0)
		return r;
	printf("%s\n", link);
	if (fflush(stdout) != 0)
		return err_errno(e, "cannot tell the link");
	fprintf(stderr, "vmlab: the link works once, within a minute%s\n",
	    listener < 0 ? "" : "; the pages are served until Ctrl-C");
	if (wish->open && has_browser())
		open_browser(lab, link);
	return listener < 0
		   ? 0
		   : relay_run(listener, lab->dir, SOCKET, RELAY_QUIET_MS, interrupt_pending, e);
}

static int go(struct lab *lab, const struct wish *wish, struct err *e)
{
	_cleanup_session_ struct session s = SESSION_INIT;

	int r = session_open(&s, lab, e);
	if (r == 0)
		r = session_need_stack(&s, e);
	if (r < 0)
		return r;
	if (!wish->end)
		return serve(lab, wish, &s, e);
	r = api_delete(s.api, NULL, e, "/sessions");
	if (r == 0)
		puts("All sessions of browsers have ended.");
	return r;
}

static int run(struct lab *lab, int argc, char **argv)
{
	struct wish wish = {.role = "admin", .open = true};
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'r')
			wish.role = "read";
		wish.open &= o != 'n';
		wish.end |= o == 'e';
		if (o == 'p')
			wish.port = atoi(optarg);
		if (o == 'p' && (strspn(optarg, "0123456789") != strlen(optarg) || wish.port < 1 ||
				    wish.port > 65535))
			return command_usage(
			    &dashboard_command, "--port takes a number from 1 to 65535");
		if (o == '?')
			return command_wrong_option(&dashboard_command, argv);
	}
	if (optind < argc)
		return command_usage(&dashboard_command, "it takes no name");
	interrupt_install();
	return go(lab, &wish, &e) < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command dashboard_command = {
    .name = "dashboard",
    .args = "[--read] [--port N] [--no-open] [--end]",
    .summary = "the lab's pages in the browser",
    .help =
	"Prints a link that opens the lab's pages, and opens it where there is a desktop. The link works\n"
	"once and within a minute; the browser is signed in for 12 hours then.\n"
	"\n"
	"The pages are served on this machine's loopback address for as long as the command runs, until\n"
	"Ctrl-C; a lab that was started with --port serves them there all the time. From elsewhere, go\n"
	"through ssh: ssh -L 8080:127.0.0.1:8080 HOST, and `vmlab dashboard --port 8080` there.\n"
	"\n"
	"  --read         a session that may look and not order\n"
	"  --port N       serve on this port (default: the same as the last time, if it is free)\n"
	"  --no-open      open no browser\n"
	"  --end          end all sessions and links instead, of all browsers\n"
	"\n"
	"Examples:\n"
	"  vmlab dashboard\n"
	"  vmlab dashboard --read --port 8080\n",
    .run = run,
    .operands = OPERANDS_NONE,
};
