#include "boot_handler/sources/datagram.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/addr.h"

#define TICK_MS 200
#define PAUSE_US 100000

struct datagram_receiver {
	int fd;
	pthread_t thread;
	atomic_bool stop;
	struct datagram_handler handler;
	int64_t ticked_ms;
};

static struct in6_addr address_of(const struct sockaddr_storage *from)
{
	if (from->ss_family == AF_INET)
		return ip4_mapped(((const struct sockaddr_in *)from)->sin_addr);
	if (from->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)from)->sin6_addr;
	return (struct in6_addr)IN6ADDR_ANY_INIT;
}

static void receive_one(struct datagram_receiver *r)
{
	_Alignas(8) char bytes[DATAGRAM_MAX];
	struct sockaddr_storage from = {0};
	socklen_t size = sizeof(from);

	ssize_t n = recvfrom(r->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);
	if (atomic_load(&r->stop))
		return;
	if (n < 0 && errno != EINTR && errno != EAGAIN) {
		log_warn("cannot receive %s: %s", r->handler.what, strerror(errno));
		usleep(PAUSE_US);
	}
	if (n <= 0)
		return;
	struct datagram d = {.bytes = bytes, .len = (size_t)n, .from = address_of(&from)};
	r->handler.take(r->handler.ctx, &d);
}

static void *receive(void *arg)
{
	struct datagram_receiver *r = arg;

	while (!atomic_load(&r->stop)) {
		receive_one(r);
		int64_t now = wall_ms();
		if (r->handler.tick && (now - r->ticked_ms >= TICK_MS || now < r->ticked_ms)) {
			r->ticked_ms = now;
			r->handler.tick(r->handler.ctx);
		}
	}
	return NULL;
}

int datagram_receiver_start(
    int fd, const struct datagram_handler *handler, struct datagram_receiver **out, struct err *e)
{
	struct timeval tick = {.tv_usec = TICK_MS * 1000};
	_cleanup_close_ int owned = fd;
	_cleanup_free_ struct datagram_receiver *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	r->handler = *handler;
	r->fd = fd;
	/* So that it looks at `stop` even when nothing comes. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
	int code = pthread_create(&r->thread, NULL, receive, r);
	if (code != 0)
		return err_set(
		    e, code, "cannot start to receive %s: %s", handler->what, strerror(code));
	(void)steal_fd(&owned);
	*out = steal_ptr(r);
	return 0;
}

void datagram_receiver_stop(struct datagram_receiver *r)
{
	if (!r)
		return;
	atomic_store(&r->stop, true);
	shutdown(r->fd, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->fd);
	free(r);
}
