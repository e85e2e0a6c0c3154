/* command.h - what a subcommand is, and what all of them share. */
#ifndef VMLAB_LAB_COMMAND_H
#define VMLAB_LAB_COMMAND_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "vmlab/lab/api.h"
#include "vmlab/engine/engine.h"
#include "vmlab/lab/lab.h"

/* Exit status of every command. */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1, /* it was tried and did not work; the reason is on stderr */
	STATUS_USAGE = 2,  /* the command line makes no sense */
	STATUS_INTERRUPTED = 130,
};

/* What the words after a command are, for the completion of shells. */
enum operands { OPERANDS_NONE, OPERANDS_VM, OPERANDS_VMS, OPERANDS_COMMAND };

struct command {
	const char *name;
	const char *aliases[2]; /* other names for it, or NULL */
	const char *args;       /* "[NAME...]" */
	const char *summary;    /* one line for the overview */
	const char *help;       /* options and examples; ends with a newline */
	/* argv[0] is the command's name. Returns the exit status. */
	int (*run)(struct lab *lab, int argc, char **argv);
	enum operands operands;
	bool own_options; /* words after the name are handed on untouched (ssh, image) */
};

/* All there are, in the order in which they are listed: `struct command name_command` is in a file
 * of vmlab/cmd/. */
/* clang-format off */
#define COMMANDS(row) \
	row(doctor) \
	row(new) \
	row(validate) \
	row(show) \
	row(plan) \
	row(unattended) \
	row(image) \
	row(up) \
	row(start) \
	row(restart) \
	row(ls) \
	row(machines) \
	row(order) \
	row(orders) \
	row(workflow) \
	row(adopt) \
	row(ignore) \
	row(events) \
	row(webhook) \
	row(dashboard) \
	row(explain) \
	row(wait) \
	row(ssh) \
	row(console) \
	row(logs) \
	row(reinstall) \
	row(netboot) \
	row(down) \
	row(resume) \
	row(simulate) \
	row(rm) \
	row(schema) \
	row(reference) \
	row(help)
/* clang-format on */

#define COMMAND_DECLARED(name) extern const struct command name##_command;
COMMANDS(COMMAND_DECLARED)

/* By its name or one of its aliases. */
bool command_is_called(const struct command *c, const char *name);

/* Prints "vmlab: <message>" to stderr; returns STATUS_FAILED. */
int command_fail(const struct err *e);

/* After getopt's '?': what is wrong with the option, and which one was meant. Returns STATUS_USAGE.
 */
int command_wrong_option(const struct command *c, char **argv);

/* Prints "vmlab <name>: <sentence>" and where to find help; returns STATUS_USAGE. */
int command_usage(const struct command *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the help page of one command. */
void command_help(const struct command *c);

/* Parses "90", "90s", "5m" or "2h" into milliseconds. Returns 0 or -EINVAL. */
must_check int command_duration(const char *text, int64_t *ms);

/* Asks a yes/no question on the terminal. Returns true for yes; without a terminal prints that -y
 * is needed and returns false. `yes` (the -y option) answers by itself. */
bool command_confirm(bool yes, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Engine, the lab's containers, and the settings they carry: what nearly every command starts
 * with. Clear with session_clear(). */
struct session {
	struct lab *lab;
	struct engine engine;
	struct container_list containers;
	struct api *api;
	int lock; /* -1, or held by session_lock() */
};

#define SESSION_INIT {NULL, ENGINE_INIT, CONTAINER_LIST_INIT, NULL, -1}
#define _cleanup_session_ __attribute__((cleanup(session_clear)))

must_check int session_open(struct session *s, struct lab *lab, struct err *e);
/* Looks at the containers again. */
must_check int session_refresh(struct session *s, struct err *e);
void session_clear(struct session *s);

/* Keeps other commands from changing the lab, until session_unlock() or session_clear(), after
 * waiting for one that does. What changes a lab calls this before it looks at anything; `create`
 * is for commands that may begin a lab. */
must_check int session_lock(struct session *s, bool create, struct err *e);
void session_unlock(struct session *s);

/* Reads vms/ once, and judges files that claim the same as the running stack does. */
must_check int session_open_store(struct session *s, struct vm_store **store, struct err *e);

/* Keeps what the running stack knows of who holds what in the lab's own folder, for commands that
 * find no stack to ask; `forget`: the lab's memory ends. */
void session_keep_holders(struct session *s, bool forget);

/* As session_open_store() without a session, for commands that need no engine and no lab: where one
 * is there and serves this folder, it is asked. lab_adopt() has been called. */
must_check int definitions_open(struct lab *lab, struct vm_store **store, struct err *e);

/* -ENOTCONN with a sentence while the lab is down, for commands that ask its API for all they tell.
 */
must_check int session_need_stack(struct session *s, struct err *e);

/* Refuses a name that is neither defined nor has a container, with the names there are. */
must_check int session_check_name(struct session *s, const char *name, struct err *e);

#endif
