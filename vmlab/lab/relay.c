#include "vmlab/lab/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "vmlab/lab/dial.h"

#define BACKLOG 64
#define BUFFER_BYTES ((size_t)16 * 1024)
#define LOOK_MS 1000

/* From one end to the other. */
struct flow {
	char bytes[BUFFER_BYTES];
	size_t begin, len;
	bool ended; /* nothing more comes, and the other end was told */
};

/* Of ends 0, the browser's, and 1, the lab's; flow[i] begins at end i. */
struct pair {
	int end[2];
	struct flow flow[2];
	int64_t moved_ms; /* when it handed on something last */
};

struct relay {
	struct pair *pairs[RELAY_CONNECTIONS_MAX];
	size_t count;
};

int relay_listen(int port, int *out, struct err *e)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return err_errno(e, "cannot listen on 127.0.0.1:%d", port);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return errno == EADDRINUSE
			   ? err_set(e, EADDRINUSE,
				 "port %d on 127.0.0.1 is taken by another program: choose another with --port",
				 port)
			   : err_errno(e, "cannot listen on 127.0.0.1:%d", port);
	*out = steal_fd(&fd);
	return 0;
}

/* ---- one connection ------------------------------------------------------------------------- */

static void pair_free(struct pair *p)
{
	close(p->end[0]);
	close(p->end[1]);
	free(p);
}

/* False: it is over. */
static bool read_from(struct pair *p, int i)
{
	struct flow *f = &p->flow[i];
	ssize_t n = recv(p->end[i], f->bytes, sizeof(f->bytes), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	p->moved_ms = monotonic_ms();
	f->begin = 0;
	f->len = (size_t)n;
	if (n == 0) {
		f->ended = true;
		shutdown(p->end[1 - i], SHUT_WR);
	}
	return true;
}

static bool write_to(struct pair *p, int i)
{
	struct flow *f = &p->flow[1 - i];
	ssize_t n = send(p->end[i], f->bytes + f->begin, f->len, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	p->moved_ms = monotonic_ms();
	f->begin += (size_t)n;
	f->len -= (size_t)n;
	return true;
}

/* An end from which nothing is wanted is not looked at: one that has gone, while the other end
 * takes what is left of it, would wake us again and again. */
static struct pollfd wanted(const struct pair *p, int i)
{
	const struct flow *from = &p->flow[i], *to = &p->flow[1 - i];
	int events = (!from->ended && from->len == 0 ? POLLIN : 0) | (to->len > 0 ? POLLOUT : 0);

	return (struct pollfd){.fd = events ? p->end[i] : -1, .events = (short)events};
}

/* False: it is over. */
static bool pair_go_on(struct pair *p, const struct pollfd polled[2])
{
	for (int i = 0; i < 2; i++) {
		if (polled[i].revents & POLLERR)
			return false;
		if ((polled[i].revents & POLLOUT) && !write_to(p, i))
			return false;
		if ((polled[i].events & POLLIN) && (polled[i].revents & (POLLIN | POLLHUP)) &&
		    !read_from(p, i))
			return false;
	}
	return !(p->flow[0].ended && p->flow[1].ended);
}

/* ---- all of them ---------------------------------------------------------------------------- */

/* The lab may be down for a while: a browser is told so, and asks again. */
static void refuse(int fd)
{
	static const char answer[] =
	    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
	    "Connection: close\r\nContent-Length: 55\r\n\r\n"
	    "The lab does not answer: is it up? `vmlab up` starts it";

	(void)!send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* They leave their place to the last. */
static void end_one(struct relay *r, size_t k)
{
	pair_free(r->pairs[k]);
	r->pairs[k] = r->pairs[--r->count];
}

static void make_place(struct relay *r)
{
	size_t quietest = 0;

	if (r->count < RELAY_CONNECTIONS_MAX)
		return;
	for (size_t k = 1; k < r->count; k++)
		if (r->pairs[k]->moved_ms < r->pairs[quietest]->moved_ms)
			quietest = k;
	end_one(r, quietest);
}

static void take(struct relay *r, int listener, const char *folder, const char *socket)
{
	_cleanup_close_ int browser = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (browser < 0)
		return;
	_cleanup_close_ int lab = dial(folder, socket);
	struct pair *p = lab < 0 ? NULL : calloc(1, sizeof(*p));
	if (!p) {
		refuse(browser);
		return;
	}
	p->end[0] = steal_fd(&browser);
	p->end[1] = steal_fd(&lab);
	p->moved_ms = monotonic_ms();
	make_place(r);
	r->pairs[r->count++] = p;
}

static size_t fill(const struct relay *r, int listener, struct pollfd *polled)
{
	size_t n = 0;

	polled[n++] = (struct pollfd){.fd = listener, .events = POLLIN};
	for (size_t k = 0; k < r->count; k++)
		for (int i = 0; i < 2; i++)
			polled[n++] = wanted(r->pairs[k], i);
	return n;
}

/* From the last on, as those that are over leave their place to it. */
static void go_on(struct relay *r, const struct pollfd *polled, int64_t quiet_ms)
{
	int64_t now = monotonic_ms();

	for (size_t k = r->count; k-- > 0;) {
		if (now - r->pairs[k]->moved_ms < quiet_ms &&
		    pair_go_on(r->pairs[k], &polled[1 + 2 * k]))
			continue;
		end_one(r, k);
	}
}

int relay_run(int fd, const char *folder, const char *socket, int64_t quiet_ms, bool (*ended)(void),
    struct err *e)
{
	static struct pollfd polled[1 + 2 * RELAY_CONNECTIONS_MAX];
	struct relay relay = {.count = 0};
	int r = 0;

	while (r == 0 && !ended()) {
		size_t n = fill(&relay, fd, polled);

		if (poll(polled, n, LOOK_MS) < 0) {
			if (errno != EINTR)
				r = err_errno(e, "cannot wait for browsers");
			continue;
		}
		bool comes = polled[0].revents & POLLIN;
		go_on(&relay, polled, quiet_ms);
		if (comes)
			take(&relay, fd, folder, socket);
	}
	while (relay.count > 0)
		pair_free(relay.pairs[--relay.count]);
	return r;
}
