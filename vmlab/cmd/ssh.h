/* ssh.h - `vmlab ssh`: OpenSSH's client through the lab's network namespace. Pure part. */
#ifndef VMLAB_CMD_SSH_H
#define VMLAB_CMD_SSH_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/argv.h"
#include "vmlab/lab/lab.h"

/* `vmlab ssh [SSH OPTION...] NAME [COMMAND...]`, as parsed: indices into argv. */
struct ssh_words {
	int options_begin, options_end; /* handed to ssh as they are */
	int name;
	int command_begin;
	bool unverified; /* --unverified: do not insist on a known host key */
	bool has_user;   /* -l was among the options */
};

/* -EINVAL with a sentence when there is no name. */
must_check int ssh_words_parse(int argc, char **argv, struct ssh_words *w, struct err *e);

struct ssh_target {
	const char *client; /* the engine's */
	const char *name;   /* the VM's */
	const char *user;   /* NULL: not known */
	bool nobody;        /* can log in with a key */
	const char *ip;     /* dotted quad */
};

/* Arguments of `ssh`. -EINVAL when user or address could not be passed safely. */
must_check int ssh_args(const struct lab *lab, const struct ssh_target *target,
    const struct ssh_words *w, char **argv, int argc, struct argv *a, struct err *e);

#endif
