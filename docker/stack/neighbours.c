/* neighbours.c - for the dnsmasq of DHCP (LD_PRELOAD): the kernel keeps a place for each machine's
 * address (ARP) as soon as that is given.
 *
 *	NEIGHBOURS_ON=INTERFACE
 *
 * It keeps 1,024 neighbours for all networks of the host together (gc_thresh3), and once they are
 * that many it sends nothing to any other machine. Those that somebody else has learned
 * (NTF_EXT_LEARNED) do not count; in all else they are as others, and the machine itself says which
 * MAC address it has. There are as many as DHCP has addresses.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT_PORT 68
#define BOOTREPLY 2
#define MAC_BYTES 6

/* RFC 2131, 2: what comes before its names. */
struct reply {
	unsigned char op, htype, hlen, hops;
	unsigned char xid[4], secs[2], flags[2];
	struct in_addr ciaddr, yiaddr, siaddr, giaddr;
	unsigned char chaddr[16];
};

struct neighbour {
	struct nlmsghdr head;
	struct ndmsg about;
	struct {
		struct rtattr head;
		struct in_addr value;
	} ip;
};

/* rtnetlink(7); the kernel is through with it when this returns. What it refuses is found out as
 * ever, by ARP. */
static void tell(const struct neighbour *n)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return;
	if (send(fd, n, n->head.nlmsg_len, 0) < 0)
		errno = 0;
	close(fd);
}

static void learn(const struct reply *r, const char *interface)
{
	struct neighbour n = {
	    .head = {.nlmsg_len = sizeof(n),
		.nlmsg_type = RTM_NEWNEIGH,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE},
	    /* Asked for at once, which changes nothing of one that is known. */
	    .about = {.ndm_family = AF_INET,
		.ndm_ifindex = (int)if_nametoindex(interface),
		.ndm_flags = NTF_USE | NTF_EXT_LEARNED},
	    .ip = {{sizeof(n.ip), NDA_DST}, r->yiaddr},
	};

	if (n.about.ndm_ifindex)
		tell(&n);
}

/* An address for a machine of this network itself, not for one behind a relay. */
static bool gives_address(const struct msghdr *m)
{
	const struct sockaddr_in *to = m->msg_name;

	if (m->msg_namelen < sizeof(*to) || to->sin_family != AF_INET ||
	    to->sin_port != htons(CLIENT_PORT) || m->msg_iovlen != 1 ||
	    m->msg_iov[0].iov_len < sizeof(struct reply))
		return false;
	const struct reply *r = m->msg_iov[0].iov_base;
	return r->op == BOOTREPLY && r->htype == ARPHRD_ETHER && r->hlen == MAC_BYTES &&
	       r->yiaddr.s_addr && !r->giaddr.s_addr;
}

typedef ssize_t sendmsg_fn(int fd, const struct msghdr *message, int flags);

__attribute__((visibility("default"))) ssize_t sendmsg(
    int fd, const struct msghdr *message, int flags)
{
	static sendmsg_fn *next;
	const char *interface = getenv("NEIGHBOURS_ON");

	if (!next)
		next = (sendmsg_fn *)dlsym(RTLD_NEXT, "sendmsg");
	if (interface && gives_address(message))
		learn(message->msg_iov[0].iov_base, interface);
	return next(fd, message, flags);
}
