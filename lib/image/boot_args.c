#include "lib/image/boot_args.h"

#include <errno.h>
#include <string.h>

static const char *const names[BOOT_ARG_COUNT] = {
    [BOOT_ARG_SERVER] = "server",
    [BOOT_ARG_SERVER_HOST] = "server_host",
    [BOOT_ARG_IMAGE_URL] = "image_url",
    [BOOT_ARG_UNATTENDED_URL] = "unattended_url",
    [BOOT_ARG_STAGE4_URL] = "stage4_url",
    [BOOT_ARG_DONE_URL] = "done_url",
    [BOOT_ARG_MAC] = "mac",
    [BOOT_ARG_NAME] = "name",
    [BOOT_ARG_HOSTNAME] = "hostname",
    [BOOT_ARG_ARCH] = "arch",
};

const char *boot_arg_name(size_t i)
{
	return i < BOOT_ARG_COUNT ? names[i] : NULL;
}

/* The placeholder that begins at `text`, or BOOT_ARG_COUNT. */
static enum boot_arg placeholder(const char *text)
{
	for (int i = 0; i < BOOT_ARG_COUNT; i++) {
		size_t len = strlen(names[i]);
		if (strncmp(text + 1, names[i], len) == 0 && text[1 + len] == '}')
			return (enum boot_arg)i;
	}
	return BOOT_ARG_COUNT;
}

size_t boot_args_next(const char *text, const char **rest, enum boot_arg *which)
{
	for (const char *p = text; *p; p++)
		if (*p == '{' && (*which = placeholder(p)) != BOOT_ARG_COUNT) {
			*rest = p + strlen(names[*which]) + 2;
			return (size_t)(p - text);
		}
	*which = BOOT_ARG_COUNT;
	*rest = text + strlen(text);
	return (size_t)(*rest - text);
}

static int check_bytes(const char *text, size_t len, struct err *e)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x7f)
			return err_set(
			    e, EINVAL, "must be plain ASCII: boot loaders know nothing else");
		if (c < 0x20)
			return err_set(e, EINVAL, "must be one line without control characters");
		if (c == '{')
			return err_set(e, EINVAL,
			    "has \"%.*s\", which is no placeholder: there are {server}, {server_host}, {image_url}, {unattended_url}, {stage4_url}, {done_url}, {mac}, {name}, {hostname} and {arch}",
			    (int)strcspn(text + i, " }") +
				(text[i + strcspn(text + i, " }")] == '}'),
			    text + i);
		if (strchr("\"'\\$<>}`", c))
			return err_set(e, EINVAL,
			    "must not hold the character %c, which a boot loader takes as its own: remove it",
			    c);
	}
	return 0;
}

/* iPXE ends a command at these where they are words of their own, and drops words from a hash on;
 * the lab sets the others itself. */
static int check_words(const char *text, struct err *e)
{
	static const char *const alone[] = {"||", "&&", ";"};
	static const char *const ours[] = {"BOOTIF=", "initrd="};

	for (const char *word = text; *word;) {
		word += strspn(word, " ");
		size_t len = strcspn(word, " ");
		for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++)
			if (len == strlen(alone[i]) && memcmp(word, alone[i], len) == 0)
				return err_set(e, EINVAL,
				    "must not hold the word %s, at which a boot loader ends a command: remove it",
				    alone[i]);
		if (len && *word == '#')
			return err_set(e, EINVAL,
			    "must not hold a word that begins with #, from where on a boot loader takes nothing: remove it");
		for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
			if (strncmp(word, ours[i], strlen(ours[i])) == 0)
				return err_set(e, EINVAL,
				    "must not set %.*s, which the lab sets itself: remove it",
				    (int)strlen(ours[i]) - 1, ours[i]);
		word += len;
	}
	return 0;
}

int boot_args_check(const char *text, struct err *e)
{
	enum boot_arg which;
	const char *rest;

	if (strlen(text) > BOOT_ARGS_MAX)
		return err_set(e, EINVAL, "is longer than %d bytes: shorten it", BOOT_ARGS_MAX);
	for (const char *part = text; *part; part = rest) {
		size_t len = boot_args_next(part, &rest, &which);
		if (check_bytes(part, len, e) < 0)
			return -EINVAL;
	}
	return check_words(text, e);
}
