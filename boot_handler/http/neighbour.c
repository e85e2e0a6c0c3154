#include "boot_handler/http/neighbour.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

#define KNOWN (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

static int ask(unsigned char family)
{
	struct {
		struct nlmsghdr header;
		struct ndmsg body;
	} request = {
	    .header = {.nlmsg_len = sizeof(request),
		.nlmsg_type = RTM_GETNEIGH,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .body = {.ndm_family = family},
	};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || send(fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return -1;
	return steal_fd(&fd);
}

/* The MAC address of one entry, if it is the address's. */
static bool is_its(
    const struct nlmsghdr *message, const void *address, size_t size, struct mac *out)
{
	const struct ndmsg *body = NLMSG_DATA(message);
	int left = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*body));
	bool matches = false, has_mac = false;

	if (message->nlmsg_type != RTM_NEWNEIGH || left < 0 || !(body->ndm_state & KNOWN))
		return false;
	for (const struct rtattr *a =
		 (const void *)((const char *)body + NLMSG_ALIGN(sizeof(*body)));
	    RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == NDA_DST && RTA_PAYLOAD(a) == size)
			matches = memcmp(RTA_DATA(a), address, size) == 0;
		if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == sizeof(out->octet)) {
			memcpy(out->octet, RTA_DATA(a), sizeof(out->octet));
			has_mac = true;
		}
	}
	return matches && has_mac;
}

bool neighbour_mac(const struct source *source, struct mac *out)
{
	const void *address = source->six ? (const void *)&source->ip6 : &source->ip;
	size_t size = source->six ? sizeof(source->ip6) : sizeof(source->ip);
	_cleanup_close_ int fd = ask(source->six ? AF_INET6 : AF_INET);
	_Alignas(struct nlmsghdr) char buf[32768];
	ssize_t n;

	while (fd >= 0 && (n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		size_t left = (size_t)n;
		for (const struct nlmsghdr *m = (const void *)buf; NLMSG_OK(m, left);
		    m = NLMSG_NEXT(m, left)) {
			if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
				return false;
			if (is_its(m, address, size, out))
				return true;
		}
	}
	return false;
}
