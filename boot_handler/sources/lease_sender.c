#include "boot_handler/sources/lease_sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "boot_handler/sources/lease.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#define SEND_TRIES 50
#define SEND_PAUSE_US 100000

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

	if (argc < 1) {
		log_error(
		    "lease-event needs: add|old|del MAC IP [HOSTNAME], as dnsmasq gives them");
		return 2;
	}
	/* dnsmasq has more events (init, arp-add...), and leases of other kinds. */
	if (argc < 3)
		return 0;
	struct lease_event event = {
	    .action = argv[0],
	    /* IPv6: the first argument is the DUID. */
	    .mac = strchr(argv[2], ':') ? getenv("DNSMASQ_MAC") : argv[1],
	    .ip = argv[2],
	    .ends = getenv("DNSMASQ_LEASE_EXPIRES"),
	    .name = argc > 3 ? argv[3] : NULL,
	    .vendor_class = getenv("DNSMASQ_VENDOR_CLASS"),
	    .client_id = getenv("DNSMASQ_CLIENT_ID"),
	    .tags = getenv("DNSMASQ_TAGS"),
	};
	if (lease_event_text(&event, text, &e) < 0) {
		log_debug("lease event left alone");
		return 0;
	}
	if (send_event(path && *path ? path : LEASE_SOCKET_DEFAULT, text, &e) < 0) {
		log_warn("%s", e.msg);
		return 1;
	}
	return 0;
}
