#include "os_installer/system/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "os_installer/base/command.h"
#include "os_installer/system/tree.h"

#define TIMEOUT_S 1800

/* On the chroot's own /run, which is gone after the install. */
static int hook_run(int tree, const char *directory, const char *script, unsigned n, struct err *e)
{
	bool own = strncmp(script, "#!", 2) == 0;
	char path[64], name[32];

	snprintf(path, sizeof(path), "/run/post-install-%u", n);
	snprintf(name, sizeof(name), "hooks.post_install[%u]", n);
	int r = tree_write(tree, path, script, strlen(script), 0700, e);
	if (r < 0)
		return r;
	const char *const words[] = {"/bin/sh", path, NULL};
	struct command c = {.argv = own ? words + 1 : words,
	    .root = directory,
	    .name = name,
	    .loud = true,
	    .timeout_s = TIMEOUT_S};
	log_info("running %s", name);
	return command_run(&c, e);
}

int hooks_run(int tree, const char *directory, const char *const *scripts, struct err *e)
{
	for (unsigned n = 0; scripts && scripts[n]; n++) {
		int r = hook_run(tree, directory, scripts[n], n, e);
		if (r < 0)
			return r;
	}
	return 0;
}
