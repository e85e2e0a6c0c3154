/* boot_args.h - the words that a boot image has its kernel or program started with: which may stand
 * there, and what becomes of "{name}" in them. Pure.
 */
#ifndef LIB_IMAGE_BOOT_ARGS_H
#define LIB_IMAGE_BOOT_ARGS_H

#include <stddef.h>

#include "lib/base/err.h"

#define BOOT_ARGS_MAX 1024

/* Each stands for something of the machine that boots, "{unattended_url}" as an example. */
enum boot_arg {
	BOOT_ARG_SERVER,         /* "http://192.168.100.1" */
	BOOT_ARG_SERVER_HOST,    /* "192.168.100.1" */
	BOOT_ARG_IMAGE_URL,      /* of the image's folder, without a slash at its end */
	BOOT_ARG_UNATTENDED_URL, /* of its file for an installation without questions */
	BOOT_ARG_STAGE4_URL,     /* of the script for the new system */
	BOOT_ARG_DONE_URL,       /* asked for when it is installed */
	BOOT_ARG_MAC,            /* 52:54:00:00:00:11 */
	BOOT_ARG_NAME,
	BOOT_ARG_HOSTNAME,
	BOOT_ARG_ARCH, /* Debian's word */
	BOOT_ARG_COUNT,
};

/* For lib/base/words.h: their names without braces. */
const char *boot_arg_name(size_t i);

/* The text goes into an iPXE script and onto a kernel's command line: what either would expand,
 * quote or end a command with is refused. 0, or -EINVAL with a sentence that can follow the text's
 * name. */
must_check int boot_args_check(const char *text, struct err *e);

/* Splits off what stands before the next placeholder: its length. *which is BOOT_ARG_COUNT, and
 * *rest the text's end, where there is none. */
size_t boot_args_next(const char *text, const char **rest, enum boot_arg *which);

#endif
