#include "os_installer/system/hooks.h"

#include <stdio.h>

#include "lib/base/log.h"
#include "os_installer/base/command.h"
#include "os_installer/system/script.h"

#define TIMEOUT_S 1800

/* On the chroot's own /run, which is gone after the install. */
static int hook_run(int tree, const char *directory, const char *script, unsigned n, struct err *e)
{
	char path[SCRIPT_PATH_SIZE], name[32], file[32];

	snprintf(file, sizeof(file), "post-install-%u", n);
	snprintf(name, sizeof(name), "hooks.post_install[%u]", n);
	int r = script_put(tree, file, script, path, e);
	if (r < 0)
		return r;
	const struct script_words words = script_words(script, path);
	struct command c = {.argv = words.argv,
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
