/* lease_file.h - what dnsmasq has leased, kept for it by its script (dnsmasq(8), --leasefile-ro):
 * by itself it writes all leases anew for each of them.
 *
 * Two files. The lease file has dnsmasq's own format, a line "expiry mac|iaid address name|*
 * client-id|*" each, before those of IPv6 "duid SERVER-DUID". The journal has what has happened
 * since: such lines, of which the last of an address counts, and "del ADDRESS". Whoever makes one
 * lease file of both empties the journal, which is locked meanwhile (flock(2)).
 */
#ifndef LIB_NET_LEASE_FILE_H
#define LIB_NET_LEASE_FILE_H

#include <stddef.h>

#include "lib/base/err.h"

#define LEASE_FILE_MAX_BYTES (64u << 20)

/* What dnsmasq tells its script of one lease. NULL: it does not tell. */
struct lease_told {
	const char *action; /* "add", "old" or "del" */
	const char *mac;    /* IPv4: with the hardware's type before it where that is no Ethernet */
	const char *ip;     /* of either family */
	const char *ends;   /* seconds since the epoch */
	const char *name;   /* with or without a domain */
	const char *client_id;   /* IPv6: the client's DUID */
	const char *iaid;        /* IPv6 */
	const char *server_duid; /* IPv6 */
};

/* Appends it to the journal, which is there already. What is no lease is left alone. 0 or -errno.
 */
must_check int lease_file_note(const char *journal, const struct lease_told *told, struct err *e);

/* The lease file's text and the journal's (each may be "") as one lease file. Pure; the caller
 * frees *out. 0 or -ENOMEM. */
must_check int lease_file_merge(
    const char *leases, const char *journal, char **out, size_t *len, struct err *e);

/* Likewise of the files, neither of which has to be there; they stay as they are. */
must_check int lease_file_read(
    const char *leases, const char *journal, char **out, size_t *len, struct err *e);

/* Makes one lease file of both, at mode 0644, and empties the journal. 1: the journal was empty,
 * and nothing is done. */
must_check int lease_file_fold(const char *leases, const char *journal, struct err *e);

#endif
