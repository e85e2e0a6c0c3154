/* The part of server.h that is about who asks: its address, and whether it is still there. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "boot_handler/http/server_inside.h"

/* The address of who connected, as text; NULL: it has none, or memory is short. */
static char *peer_text(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *peer = info ? info->client_addr : NULL;
	const void *address = NULL;
	char buf[INET6_ADDRSTRLEN];

	if (peer && peer->sa_family == AF_INET)
		address = &((const struct sockaddr_in *)peer)->sin_addr;
	else if (peer && peer->sa_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)peer)->sin6_addr;
	return address && inet_ntop(peer->sa_family, address, buf, sizeof(buf)) ? strdup(buf)
										: NULL;
}

const char *peer_header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

void peer_note(void *ctx, struct MHD_Connection *connection, void **peer,
    enum MHD_ConnectionNotificationCode what)
{
	(void)ctx;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*peer = peer_text(connection);
	} else {
		free(*peer);
		*peer = NULL;
	}
}

const char *peer_source(const struct server *s, struct MHD_Connection *connection)
{
	const char *source;

	if (s->options.proxied) {
		source = peer_header(connection, "X-Real-IP");
	} else {
		const union MHD_ConnectionInfo *info =
		    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
		source = info ? info->socket_context : NULL;
	}
	return source ? source : "";
}

bool peer_is_gone(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;

	return info && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}
