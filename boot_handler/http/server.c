#include "boot_handler/http/server.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot_handler/http/certificate.h"
#include "boot_handler/http/server_inside.h"
#include "boot_handler/sources/listen.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#define TIMEOUT_S 30
#define CONNECTIONS_MAX 4096
/* Of one address, over TCP: who has opened these, and says nothing, keeps no other one out. */
#define CONNECTIONS_OF_ONE (CONNECTIONS_MAX / 2)
#define STOP_GRACE_US 50000
#define ACCEPT_PAUSE_US 10000

static void log_library(void *ctx, const char *format, va_list arguments)
{
	char text[400];

	(void)ctx;
	/* The format is the library's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(text, sizeof(text), format, arguments);
#pragma GCC diagnostic pop
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

static void accept_all(struct server *s)
{
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd =
		    accept4(s->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
				usleep(ACCEPT_PAUSE_US);
			return;
		}
		/* Closes the socket, too, when it cannot take it. */
		(void)MHD_add_connection(s->daemon, fd, (struct sockaddr *)&peer, len);
	}
}

/* Left to accept for themselves, the first of the library's threads to wake takes all waiting
 * connections and the others idle; handed in, they are spread evenly. */
static void *accept_loop(void *ctx)
{
	struct server *s = ctx;
	struct pollfd polled[3] = {{.fd = s->fd, .events = POLLIN},
	    {.fd = s->stop, .events = POLLIN}, {.fd = holds_fd(s->holds), .events = POLLIN}};

	while (!polled[1].revents) {
		if (poll(polled, 3, holds_round(s->holds)) < 0 && errno != EINTR)
			usleep(ACCEPT_PAUSE_US);
		else if (polled[0].revents && !polled[1].revents)
			accept_all(s);
	}
	return NULL;
}

static void server_free(struct server *s)
{
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	if (s->stop >= 0)
		close(s->stop);
	if (s->fd >= 0)
		close(s->fd);
	holds_free(s->holds);
	free(s);
}

static void cleanup_server(struct server **s)
{
	if (*s)
		server_free(*s);
}

#define OPTIONS_MAX 5
/* GnuTLS' words: TLS 1.2 and 1.3. */
#define TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* Those that not every listener has. */
static void list_options(const struct server_options *o, struct MHD_OptionItem out[OPTIONS_MAX])
{
	size_t n = 0;

	if (o->threads > 1)
		out[n++] = (struct MHD_OptionItem){
		    MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)o->threads, NULL};
	if (o->certificate) {
		out[n++] =
		    (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, o->certificate->chain};
		out[n++] =
		    (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, o->certificate->key};
		out[n++] =
		    (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES};
	}
	out[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

int server_start(const struct server_options *options, struct server **out, struct err *e)
{
	_cleanup_(cleanup_server) struct server *s = calloc(1, sizeof(*s));
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_USE_ERROR_LOG |
			 MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	flags |= options->certificate ? MHD_USE_TLS : 0;
	s->options = *options;
	s->fd = -1;
	s->stop = eventfd(0, EFD_CLOEXEC);
	if (s->stop < 0)
		return err_errno(e, "cannot start the HTTP server on %s", options->listen);
	int made = holds_new(&s->holds, e);
	if (made < 0)
		return made;
	s->fd = listen_open(options->listen, options->socket_mode, e);
	if (s->fd < 0)
		return s->fd;
	struct MHD_OptionItem more[OPTIONS_MAX];
	list_options(options, more);
	s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_go_on, s,
	    MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL, MHD_OPTION_URI_LOG_CALLBACK,
	    exchange_begin, s, MHD_OPTION_NOTIFY_COMPLETED, exchange_end, s,
	    MHD_OPTION_NOTIFY_CONNECTION, peer_note, NULL, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_OF_ONE,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_bytes, MHD_OPTION_ARRAY, more,
	    MHD_OPTION_END);
	int r = s->daemon ? pthread_create(&s->acceptor, NULL, accept_loop, s) : EIO;
	if (r != 0)
		return err_set(e, r, "cannot start the HTTP server on %s", options->listen);
	*out = steal_ptr(s);
	return 0;
}

void server_wake(struct server *s, uint64_t key)
{
	if (s)
		holds_wake(s->holds, key);
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	if (eventfd_write(s->stop, 1) < 0)
		log_error("cannot stop the HTTP server cleanly: %s", strerror(errno));
	else
		pthread_join(s->acceptor, NULL);
	listen_remove(s->options.listen);
	holds_stop(s->holds);
	usleep(STOP_GRACE_US);
	server_free(s);
}
