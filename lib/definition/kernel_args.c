#include "lib/definition/kernel_args.h"

#include <errno.h>
#include <string.h>

#define ARGS_MAX 1024

/* The last one counts: another of these would lead the installer elsewhere, or the kernel to a file
 * that is not there. */
static int ours(const char *args, struct err *e)
{
	static const char *const words[] = {"BOOTIF=", "config_url=", "initrd.mode=", "initrd="};

	for (const char *word = args; *word;) {
		word += strspn(word, " ");
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (strncmp(word, words[i], strlen(words[i])) == 0)
				return err_set(e, EINVAL,
				    "must not set %.*s, which the lab sets itself: remove it",
				    (int)strlen(words[i]) - 1, words[i]);
		word += strcspn(word, " ");
	}
	return 0;
}

int kernel_args_check(const char *args, struct err *e)
{
	if (strlen(args) > ARGS_MAX)
		return err_set(e, EINVAL, "is longer than %d bytes: shorten it", ARGS_MAX);
	for (const char *p = args; *p; p++) {
		if ((unsigned char)*p >= 0x7f)
			return err_set(
			    e, EINVAL, "must be plain ASCII: boot loaders know nothing else");
		if ((unsigned char)*p < 0x20)
			return err_set(e, EINVAL, "must be one line without control characters");
		if (strchr("\"'\\$;&|<>{}#`", *p))
			return err_set(e, EINVAL,
			    "must not hold the character %c, which a boot loader takes as its own: remove it",
			    *p);
	}
	return ours(args, e);
}
