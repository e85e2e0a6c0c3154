/* define.h - a new VM definition from a few words. Pure part of `vmlab new`. */
#ifndef VMLAB_CMD_DEFINE_H
#define VMLAB_CMD_DEFINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net/addr.h"
#include "lib/base/err.h"

/* NULL or 0: not said. Borrowed. */
struct define_words {
	const char *name, *distro, *arch, *memory, *disk, *cpus;
	const char *ip, *mac;
	json_t *more; /* fields and their values; may replace the words above */
};

/* First free host address of `net` from the tenth on, below its upper half (DHCP gives those out).
 * `used` are host-order addresses. 0 when none is left. Host order. */
uint32_t define_free_ip(const struct cidr4 *net, const uint32_t *used, size_t count);

/* 52:54:00 and the low 24 bits of `random`: the prefix QEMU's machines have. */
struct mac define_mac(uint32_t random);

/* The file's text (caller frees), NULL without memory. */
char *define_render(const struct define_words *words);

/* What a definition would claim. */
struct define_claims {
	const char *name;
	struct in_addr ip; /* 0: none */
	struct mac mac;
};

/* 0, or -EINVAL with a sentence when a word is no address. */
must_check int define_claims_of(
    const struct define_words *w, struct define_claims *out, struct err *e);

/* The field ("name", "mac", "ip") by which another file's text claims the same; NULL: none. */
const char *define_taken(const struct define_claims *claims, const char *text, size_t len);

#endif
