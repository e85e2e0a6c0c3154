/* tftp.h - one file read by TFTP, from a machine's own address, as firmware does. RFC 1350, 2347 to
 * 2349. What arrives is counted, and kept only where that is asked for. One thread.
 */
#ifndef VMLAB_SIMULATE_TFTP_H
#define VMLAB_SIMULATE_TFTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "vmlab/simulate/loop.h"

/* A zeroed one is at rest. It stays where it is while it is under way. */
struct tftp {
	/* Set before it begins. */
	const char *file; /* borrowed */
	struct in_addr source, server;
	unsigned block_bytes;
	unsigned timeout_ms; /* after this without an answer it asks again, six times at most */
	bool size_only;      /* as firmware that asks for the size first, and gives up then */
	uint64_t rate;       /* at most so many bytes a second; 0: no limit */
	/* The end: NULL, or what became of it. It may begin another one. */
	void (*ended)(struct tftp *t, const char *problem);
	/* Something had to be sent once more. */
	void (*repeated)(struct tftp *t);

	/* Its own. */
	struct loop *loop;
	struct loop_source of_socket;
	struct loop_timer timer;
	int fd;
	bool open, answered, held; /* held: an acknowledgement waits for its time */
	uint16_t block;
	unsigned tries;
	int64_t begun_us;
	uint64_t size, received; /* size: 0 as long as it is not known */
	char problem[128];
};

must_check int tftp_begin(struct tftp *t, struct loop *l, struct err *e);
/* Without `ended`. */
void tftp_stop(struct tftp *t);

#endif
