#include "vm_watcher/bus.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vm_watcher/bus_message.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define ANSWER_WAIT_S 2

enum greeting { GREETING_AUTH, GREETING_DONE };

struct bus {
	char *path;
	int listener, stop;
	pthread_t thread;
	void (*news)(void *ctx);
	void *ctx;

	/* Of the connection; the bus's thread only. */
	enum greeting greeting;
	uint8_t buf[BUS_MESSAGE_MAX];
	size_t len;

	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t answered;
	int fd;           /* -1: not connected */
	bool member;      /* dnsmasq has said hello */
	uint32_t serial;  /* of our last message */
	uint32_t awaited; /* serial of the call that is to be answered; 0: none */
	const char
	    *key; /* what its answer is to be searched for; "": its first value; NULL: nothing */
	int outcome;
	uint32_t value;
};

/* ---- the connection; with the lock held ----------------------------------------------------- */

static void hang_up(struct bus *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	b->member = false;
	b->len = 0;
	b->greeting = GREETING_AUTH;
	if (b->awaited) {
		b->awaited = 0;
		b->outcome = BUS_NOT_CONNECTED;
		pthread_cond_broadcast(&b->answered);
	}
}

/* What we send is small and seldom: a peer that does not take it is given up. */
static bool send_all(struct bus *b, const void *data, size_t len)
{
	if (send(b->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len)
		return true;
	log_warn("dnsmasq does not take what its control connection says: %s", strerror(errno));
	hang_up(b);
	return false;
}

static void take_answer(struct bus *b, const struct bus_message *m)
{
	if (!b->awaited || m->reply_serial != b->awaited)
		return;
	bool good =
	    m->type == BUS_RETURN && (!b->key || (*b->key ? bus_message_number(m, b->key, &b->value)
							  : bus_message_first(m, &b->value)));
	b->outcome = good ? 0 : -EPROTO;
	b->awaited = 0;
	pthread_cond_broadcast(&b->answered);
}

/* What dnsmasq asks of a bus: to be let in, and to have its name. */
static void take_call(struct bus *b, const struct bus_message *m)
{
	uint8_t buf[256];
	bool hello = strcmp(m->member, "Hello") == 0;

	if (hello)
		b->member = true;
	if (m->no_reply)
		return;
	size_t len = bus_message_answer(buf, ++b->serial, m->serial, hello ? ":1.1" : NULL, 1);
	send_all(b, buf, len);
}

/* SASL, "EXTERNAL": who may open the socket at all is whom we expect. */
static bool greet(struct bus *b)
{
	static const char ok[] = "OK 766d6c61622d766d5f77617463686572\r\n", no[] = "ERROR\r\n";
	uint8_t *end;

	while (b->greeting == GREETING_AUTH && (end = memchr(b->buf, '\n', b->len))) {
		const uint8_t *line = b->buf;
		size_t used = (size_t)(end - b->buf) + 1, len = used;
		if (len > 0 && *line == '\0') { /* the byte that carries credentials */
			line++;
			len--;
		}
		bool auth = len >= 4 && memcmp(line, "AUTH", 4) == 0;
		bool begins = len >= 5 && memcmp(line, "BEGIN", 5) == 0;
		memmove(b->buf, b->buf + used, b->len - used);
		b->len -= used;
		if (begins)
			b->greeting = GREETING_DONE;
		else if (!send_all(b, auth ? ok : no, strlen(auth ? ok : no)))
			return false;
	}
	return true;
}

/* Takes all whole messages out of the buffer; false when the connection is to end. Sets *news. */
static bool take_messages(struct bus *b, bool *news)
{
	struct bus_message m;
	int len = 0;

	while (b->fd >= 0 && (len = bus_message_length(b->buf, b->len)) > 0) {
		if (bus_message_parse(b->buf, (size_t)len, &m) < 0)
			return false;
		if (m.type == BUS_CALL)
			take_call(b, &m);
		else if (m.type == BUS_SIGNAL)
			*news = true;
		else
			take_answer(b, &m);
		if (b->fd < 0)
			return true;
		memmove(b->buf, b->buf + len, b->len - (size_t)len);
		b->len -= (size_t)len;
	}
	return b->fd < 0 || len == 0;
}

static void receive(struct bus *b, bool *news)
{
	ssize_t n = recv(b->fd, b->buf + b->len, sizeof(b->buf) - b->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(b);
		return;
	}
	b->len += (size_t)n;
	if (!greet(b) || b->fd < 0)
		return;
	if ((b->greeting == GREETING_DONE && !take_messages(b, news)) ||
	    (b->fd >= 0 && b->len == sizeof(b->buf))) {
		log_warn("dnsmasq's control connection is not understood");
		hang_up(b);
	}
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void *run(void *arg)
{
	struct bus *b = arg;

	for (;;) {
		struct pollfd polled[] = {{.fd = b->stop, .events = POLLIN},
		    {.fd = b->listener, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
		bool news = false;

		pthread_mutex_lock(&b->lock);
		polled[2].fd = b->fd;
		pthread_mutex_unlock(&b->lock);
		if (poll(polled, 3, -1) < 0)
			continue;
		if (polled[0].revents)
			return NULL;
		pthread_mutex_lock(&b->lock);
		if (polled[2].revents && b->fd >= 0)
			receive(b, &news);
		if (polled[1].revents) { /* a new dnsmasq takes the place of the old one */
			int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0) {
				hang_up(b);
				b->fd = fd;
			}
		}
		pthread_mutex_unlock(&b->lock);
		if (news)
			b->news(b->ctx);
	}
}

/* ---- calls ---------------------------------------------------------------------------------- */

static int call(struct bus *b, const char *member, const char *argument, const char *key,
    uint32_t *value, struct err *e)
{
	struct timespec until = monotonic_after(ANSWER_WAIT_S * 1000);
	uint8_t buf[256];

	pthread_mutex_lock(&b->lock);
	int r = b->member ? 0 : BUS_NOT_CONNECTED;
	if (r == 0) {
		size_t len = bus_message_call(buf, ++b->serial, member, argument);
		b->awaited = b->serial;
		b->key = key;
		b->outcome = BUS_NOT_CONNECTED;
		if (send_all(b, buf, len))
			while (b->awaited)
				if (pthread_cond_timedwait(&b->answered, &b->lock, &until))
					break;
		r = b->awaited ? err_set(e, ETIMEDOUT, "dnsmasq does not answer %s", member)
			       : b->outcome;
		if (r == -EPROTO)
			err_set(e, EPROTO, "dnsmasq refuses %s", member);
		b->awaited = 0;
		*value = b->value;
	}
	pthread_mutex_unlock(&b->lock);
	return r;
}

int bus_drop_lease(struct bus *b, const char *address, struct err *e)
{
	uint32_t dropped = 0;

	int r = call(b, "DeleteDhcpLease", address, "", &dropped, e);
	return r == 0 && !dropped ? BUS_NO_LEASE : r;
}

int bus_reload(struct bus *b, struct err *e)
{
	uint32_t none = 0;

	return call(b, "ClearCache", NULL, NULL, &none, e);
}

int bus_declines(struct bus *b, uint32_t *count, struct err *e)
{
	return call(b, "GetMetrics", NULL, "dhcp_decline", count, e);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int listen_at(const char *path, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, EINVAL, "the socket path %s is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(path);
	mode_t mask = umask(0177); /* nobody but dnsmasq, which is root when it connects */
	int r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (r < 0 || listen(fd, 4) < 0)
		return err_errno(e, "cannot listen at %s", path);
	return steal_fd(&fd);
}

static void bus_free(struct bus *b)
{
	hang_up(b);
	if (b->listener >= 0)
		close(b->listener);
	if (b->stop >= 0)
		close(b->stop);
	pthread_cond_destroy(&b->answered);
	pthread_mutex_destroy(&b->lock);
	free(b->path);
	free(b);
}

int bus_open(const char *path, void (*news)(void *ctx), void *ctx, struct bus **out, struct err *e)
{
	struct bus *b = calloc(1, sizeof(*b));
	pthread_condattr_t attr;

	if (!b)
		return err_set(e, ENOMEM, "out of memory");
	b->fd = -1;
	b->news = news;
	b->ctx = ctx;
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->answered, &attr);
	pthread_condattr_destroy(&attr);
	b->path = strdup(path);
	b->stop = eventfd(0, EFD_CLOEXEC);
	b->listener = listen_at(path, e);
	int r = b->listener;
	if (r >= 0)
		r = b->path && b->stop >= 0 ? -pthread_create(&b->thread, NULL, run, b) : -ENOMEM;
	if (r < 0) {
		bus_free(b);
		return r == -ENOMEM ? err_set(e, ENOMEM, "out of memory") : r;
	}
	*out = b;
	return 0;
}

void bus_close(struct bus *b)
{
	if (!b)
		return;
	if (eventfd_write(b->stop, 1) == 0)
		pthread_join(b->thread, NULL);
	unlink(b->path);
	bus_free(b);
}
