/* transfer.h - HTTP of one machine: its connections, which end with it, and one request at a time.
 *
 * By libcurl without blocking. A machine sends from its own address; its connections are kept as
 * its firmware, installer and system keep them. One thread.
 */
#ifndef VMLAB_SIMULATE_TRANSFER_H
#define VMLAB_SIMULATE_TRANSFER_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "vmlab/simulate/loop.h"

/* Of one machine; it stays where it is while it is open. */
#define TRANSFER_SOCKETS_MAX 12

struct transfers;

struct transfer_socket {
	struct loop_source source;
	struct transfers *of; /* NULL: not in use */
	curl_socket_t fd;
};

struct transfers {
	struct loop *loop;
	CURLM *multi; /* NULL: closed */
	struct loop_timer timer;
	struct transfer_socket socket[TRANSFER_SOCKETS_MAX];
	uint64_t received; /* bytes of bodies, of all transfers so far */
	int64_t read_us;   /* when what is being read came (stamp.h); 0: nothing is */
};

struct transfer {
	/* Set before it begins. */
	const char *url, *body; /* borrowed while it lasts; a body makes it a POST of JSON */
	struct in_addr source;
	bool closes;     /* the connection is not used again */
	uint64_t rate;   /* at most so many bytes a second; 0: no limit */
	uint64_t from;   /* the first byte that is wanted (RFC 9110, 14.2) */
	long patience_s; /* without any byte */
	size_t text_max; /* of an answer that is kept in `text` */
	bool (*take)(
	    struct transfer *t, const char *data, size_t len); /* NULL: kept; false ends it */
	/* The end: `problem` NULL and `status` the answer's, or what became of it. It may begin
	 * another one. */
	void (*ended)(struct transfer *t, const char *problem);

	/* Its own. */
	CURL *easy; /* NULL: none is under way */
	int64_t begun_us;
	int64_t asked_us;    /* when it was sent; 0: never. As begun, if the network lost of it */
	int64_t answered_us; /* when the last of the answer came to the kernel */
	struct transfers *of;
	long status;
	char *text; /* NUL-terminated, its own; NULL: nothing */
	size_t len;
	uint64_t received;
};

must_check int transfers_open(struct transfers *ts, struct loop *l, struct err *e);
/* Its connections break off; so do transfers, which were stopped before. */
void transfers_close(struct transfers *ts);

must_check int transfer_begin(struct transfers *ts, struct transfer *t, struct err *e);
/* Without `ended`. */
void transfer_stop(struct transfer *t);
/* Frees what it has kept. */
void transfer_clear(struct transfer *t);

#endif
