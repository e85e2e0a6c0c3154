/* ipxe_answer.h - what our own script for iPXE tells a machine to do (lib/boot/loader_ipxe.c), read
 * as far as a machine that has no iPXE has to know. Pure.
 */
#ifndef VMLAB_SIMULATE_IPXE_ANSWER_H
#define VMLAB_SIMULATE_IPXE_ANSWER_H

#include <stddef.h>

#include "lib/base/err.h"

enum ipxe_verb {
	IPXE_KERNEL, /* starts a kernel */
	IPXE_DISK,   /* starts the disk */
	IPXE_WAIT,   /* asks again later */
	IPXE_OTHER,  /* a menu, a program, another script, the next boot device */
};

#define IPXE_FILES_MAX 10
#define IPXE_TEXT_SIZE 2048

/* Texts are in `room`. */
struct ipxe_answer {
	enum ipxe_verb verb;
	const char *file[IPXE_FILES_MAX]; /* the kernel's URL and those of its initrds */
	unsigned files;
	const char *config_url; /* of the kernel's words; NULL: none */
	const char *says;       /* what is shown of it, the first line; "" without any */
	char room[IPXE_TEXT_SIZE];
};

/* -EPROTO with a sentence for what is no script, or names a kernel and more than there is room for.
 */
must_check int ipxe_answer_read(
    const char *text, size_t len, struct ipxe_answer *out, struct err *e);

#endif
