#include "boot_handler/sources/lease.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "boot_handler/sources/datagram.h"
#include "boot_handler/sources/listen.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#define SEND_TRIES 50
#define SEND_PAUSE_US 100000
#define LEASE_TEXT_MAX 200

/* "-": not told. */
static bool parse_end(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strcmp(text, "-") == 0 ? 0 : strtoll(text, &end, 10);
	return strcmp(text, "-") == 0 || (*text && !*end && errno == 0 && *out >= 0);
}

int lease_parse(const char *text, size_t len, struct lease *out, struct err *e)
{
	char copy[LEASE_TEXT_MAX];
	char *rest = copy;

	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return err_set(e, EINVAL, "the lease event is too long or holds a NUL");
	memcpy(copy, text, len);
	copy[len] = '\0';
	const char *action = strsep(&rest, " ");
	const char *mac = strsep(&rest, " ");
	const char *ip = strsep(&rest, " ");
	const char *ends = strsep(&rest, " ");
	const char *name = strsep(&rest, " ");
	memset(out, 0, sizeof(*out));
	if (!ends || rest || !parse_end(ends, &out->ends))
		return err_set(
		    e, EINVAL, "the lease event has to be: add|old|del MAC|- IP END|- [NAME]");
	out->gone = strcmp(action, "del") == 0;
	out->added = strcmp(action, "add") == 0;
	if (!out->gone && !out->added && strcmp(action, "old") != 0)
		return err_set(e, EINVAL, "the lease event has to be add, old or del");
	out->has_mac = strcmp(mac, "-") != 0;
	if (out->has_mac && mac_parse(mac, strlen(mac), &out->mac, e) < 0)
		return -EINVAL;
	out->six = strchr(ip, ':');
	if (inet_pton(out->six ? AF_INET6 : AF_INET, ip,
		out->six ? (void *)&out->ip6 : (void *)&out->ip) != 1)
		return err_set(e, EINVAL, "the lease event has no IP address");
	if (name)
		snprintf(out->name, sizeof(out->name), "%.*s", (int)strcspn(name, "."), name);
	return 0;
}

/* ---- the sender -------------------------------------------------------------------------- */

static int send_event(const char *path, const char *text, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 1};

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, EINVAL, "the socket path %s is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return err_errno(e, "cannot pass the lease event on to %s", path);
	/* boot_handler may be starting. Nobody tells this again before the lease is renewed. */
	for (int tries = 0; tries < SEND_TRIES; tries++) {
		if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
			sizeof(address)) >= 0)
			return 0;
		if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN)
			break;
		usleep(SEND_PAUSE_US);
	}
	return err_errno(e, "cannot pass the lease event on to %s", path);
}

int lease_event_main(int argc, char **argv)
{
	const char *path = getenv("BOOT_HANDLER_LEASE_SOCKET");
	char text[LEASE_TEXT_MAX];
	struct err e = ERR_INIT;
	struct lease lease;

	if (argc < 1) {
		log_error(
		    "lease-event needs: add|old|del MAC IP [HOSTNAME], as dnsmasq gives them");
		return 2;
	}
	/* dnsmasq has more events (init, tftp, arp-add...), and leases of other kinds. */
	if (argc < 3)
		return 0;
	/* IPv6: the first argument is the DUID. */
	const char *mac = argv[1];
	if (strchr(argv[2], ':'))
		mac = getenv("DNSMASQ_MAC");
	const char *ends = getenv("DNSMASQ_LEASE_EXPIRES");
	int n = snprintf(text, sizeof(text), "%s %s %s %s%s%s", argv[0], mac && *mac ? mac : "-",
	    argv[2], ends && *ends ? ends : "-", argc > 3 ? " " : "", argc > 3 ? argv[3] : "");
	if (n < 0 || n >= (int)sizeof(text) || lease_parse(text, (size_t)n, &lease, &e) < 0) {
		log_debug("lease event left alone");
		return 0;
	}
	if (send_event(path && *path ? path : LEASE_SOCKET_DEFAULT, text, &e) < 0) {
		log_warn("%s", e.msg);
		return 1;
	}
	return 0;
}

/* ---- the receiver ------------------------------------------------------------------------ */

struct lease_receiver {
	struct datagram_receiver *datagrams;
	char *path;
	void (*leased)(void *ctx, const struct lease *lease);
	void *ctx;
};

static void take(void *ctx, const struct datagram *d)
{
	struct lease_receiver *r = ctx;
	struct err e = ERR_INIT;
	struct lease lease;

	if (lease_parse(d->bytes, d->len, &lease, &e) < 0)
		log_warn("%s", e.msg);
	else
		r->leased(r->ctx, &lease);
}

int lease_receiver_start(const char *path, void (*leased)(void *ctx, const struct lease *lease),
    void *ctx, struct lease_receiver **out, struct err *e)
{
	_cleanup_free_ struct lease_receiver *r = calloc(1, sizeof(*r));

	if (!r || !(r->path = strdup(path)))
		return err_set(e, ENOMEM, "out of memory");
	r->leased = leased;
	r->ctx = ctx;
	int fd = listen_datagram(path, e);
	struct datagram_handler handler = {.what = "lease events", .take = take, .ctx = r};
	int code = fd < 0 ? fd : datagram_receiver_start(fd, &handler, &r->datagrams, e);
	if (code < 0) {
		free(r->path);
		return code;
	}
	*out = steal_ptr(r);
	return 0;
}

void lease_receiver_stop(struct lease_receiver *r)
{
	if (!r)
		return;
	datagram_receiver_stop(r->datagrams);
	unlink(r->path);
	free(r->path);
	free(r);
}
