/* certificate.h - what the operator's listener over TCP shows who connects by TLS: a certificate
 * and its key, the user's, else one that is made once and kept. A made one is signed by itself:
 * whoever connects knows it by its fingerprint.
 */
#ifndef BOOT_HANDLER_HTTP_CERTIFICATE_H
#define BOOT_HANDLER_HTTP_CERTIFICATE_H

#include <stddef.h>

#include "lib/base/err.h"

#define CERTIFICATE_FINGERPRINT_SIZE 96 /* SHA-256 of its DER, "AB:CD:..." */

struct certificate {
	char *chain, *key; /* PEM, NUL-terminated */
	char fingerprint[CERTIFICATE_FINGERPRINT_SIZE];
};

/* The user's, from two files in PEM (RFC 7468): -EINVAL with a sentence where they are none, do not
 * belong together, or the certificate is not valid now. certificate_clear() in any case. */
must_check int certificate_read(
    const char *chain_file, const char *key_file, struct certificate *out, struct err *e);

/* The names by which a listener is reached. */
#define CERTIFICATE_NAMES_MAX 64
struct certificate_names {
	char *name[CERTIFICATE_NAMES_MAX];
	size_t count;
	size_t needed; /* so many of them a kept certificate has to have */
};

/* One for these names and addresses, kept in two files of mode 0600 and taken from there the next
 * time; made anew when it is not there, lacks a needed one, or ends within a month. 1 when it was
 * made. */
must_check int certificate_keep(const char *chain_file, const char *key_file,
    const struct certificate_names *names, struct certificate *out, struct err *e);

void certificate_clear(struct certificate *c);

/* Of one at "address:port": the address, loopback, and `hosts`, a comma-separated list or NULL. A
 * wildcard is reached by all addresses of this machine, which may be others the next time: these
 * are not needed. */
void certificate_names(const char *listen, const char *hosts, struct certificate_names *out);
void certificate_names_clear(struct certificate_names *names);

#endif
