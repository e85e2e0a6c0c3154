#include "boot_handler/sources/port.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot_handler/sources/datagram.h"
#include "lib/base/cleanup.h"

struct port_receiver {
	struct datagram_receiver *datagrams;
	void (*moved)(void *ctx, const struct mac *mac, bool there);
	void *ctx;
};

/* Entered by hand, and at a port: not learned, and not the bridge's own. */
static bool is_entered(const struct ndmsg *body)
{
	return body->ndm_family == AF_BRIDGE && (body->ndm_state & NUD_NOARP);
}

static void parse_one(const struct nlmsghdr *message,
    void (*moved)(void *ctx, const struct mac *mac, bool there), void *ctx)
{
	const struct ndmsg *body = NLMSG_DATA(message);
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*body));
	bool has_mac = false, of_bridge = false;
	struct mac mac;

	if ((message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH) ||
	    left < 0 || !is_entered(body))
		return;
	for (const struct rtattr *a =
		 (const void *)((const char *)body + NLMSG_ALIGN(sizeof(*body)));
	    RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == sizeof(mac.octet)) {
			memcpy(mac.octet, RTA_DATA(a), sizeof(mac.octet));
			has_mac = true;
		}
		of_bridge |= a->rta_type == NDA_MASTER;
	}
	if (has_mac && of_bridge)
		moved(ctx, &mac, message->nlmsg_type == RTM_NEWNEIGH);
}

void port_parse(const char *bytes, size_t len,
    void (*moved)(void *ctx, const struct mac *mac, bool there), void *ctx)
{
	struct nlmsghdr header;

	while (len >= sizeof(header)) {
		memcpy(&header, bytes, sizeof(header));
		if (header.nlmsg_len < NLMSG_LENGTH(sizeof(struct ndmsg)) || header.nlmsg_len > len)
			return;
		parse_one((const void *)bytes, moved, ctx);
		size_t step = NLMSG_ALIGN(header.nlmsg_len);
		if (step >= len)
			return;
		bytes += step;
		len -= step;
	}
}

static void take(void *ctx, const struct datagram *d)
{
	struct port_receiver *r = ctx;

	port_parse(d->bytes, d->len, r->moved, r->ctx);
}

int port_receiver_start(void (*moved)(void *ctx, const struct mac *mac, bool there), void *ctx,
    struct port_receiver **out, struct err *e)
{
	_cleanup_free_ struct port_receiver *r = calloc(1, sizeof(*r));
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_NEIGH};
	struct datagram_handler handler = {.what = "the bridge's ports", .take = take, .ctx = r};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	r->moved = moved;
	r->ctx = ctx;
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(e, "cannot hear of the bridge's ports");
	int code = datagram_receiver_start(steal_fd(&fd), &handler, &r->datagrams, e);
	if (code == 0)
		*out = steal_ptr(r);
	return code;
}

void port_receiver_stop(struct port_receiver *r)
{
	if (!r)
		return;
	datagram_receiver_stop(r->datagrams);
	free(r);
}
