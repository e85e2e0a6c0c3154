#include "vmlab/simulate/stamp.h"

#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "vmlab/simulate/loop.h"

#define PEEK_BYTES (256 << 10)

union room {
	struct cmsghdr head;
	char bytes[64];
};

void stamp_ask(int fd)
{
	int yes = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes));
}

/* Stamps are of CLOCK_REALTIME, which may be set meanwhile: nothing comes after now. */
static int64_t on_our_clock(const struct timespec *stamp)
{
	struct timespec real;
	int64_t now = loop_now_us();

	clock_gettime(CLOCK_REALTIME, &real);
	int64_t ago_us = (int64_t)(real.tv_sec - stamp->tv_sec) * 1000000 +
			 (real.tv_nsec - stamp->tv_nsec) / 1000;
	return ago_us > 0 ? now - ago_us : now;
}

static int64_t stamp_of(struct msghdr *m)
{
	struct timespec stamp;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		return on_our_clock(&stamp);
	}
	return loop_now_us();
}

ssize_t stamp_receive(
    int fd, void *data, size_t len, void *from, socklen_t from_size, int flags, int64_t *at_us)
{
	struct iovec part = {data, len};
	union room room;
	struct msghdr m = {.msg_name = from,
	    .msg_namelen = from ? from_size : 0,
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &room,
	    .msg_controllen = sizeof(room)};
	ssize_t n = recvmsg(fd, &m, flags);

	if (n < 0)
		m.msg_controllen = 0;
	*at_us = stamp_of(&m);
	return n;
}

/* With MSG_TRUNC, TCP looks at what is there and copies nothing (tcp(7)). */
int64_t stamp_peek(int fd)
{
	static char nothing[PEEK_BYTES];
	int64_t at_us;

	(void)stamp_receive(
	    fd, nothing, sizeof(nothing), NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT, &at_us);
	return at_us;
}
