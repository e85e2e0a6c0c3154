/* boot_queue.c - what dnsmasq loads before its libraries: a longer queue of requests of DHCP and
 * TFTP that wait for it. The kernel keeps some ninety of them, and a rack that is switched on sends
 * a thousand within a second: each that is dropped costs its machine four seconds (RFC 2131, 4.1)
 * until it asks again.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define DHCP_PORT 67
#define TFTP_PORT 69
#define QUEUE_BYTES (8 << 20) /* 4,000 and more, with what the kernel counts for each */

typedef int bind_fn(int fd, const struct sockaddr *address, socklen_t len);

static in_port_t port_of(const struct sockaddr *address, socklen_t len)
{
	if (address->sa_family != AF_INET || len < sizeof(struct sockaddr_in))
		return 0;
	return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

__attribute__((visibility("default"))) int bind(
    int fd, const struct sockaddr *address, socklen_t len)
{
	static bind_fn *next;
	const int bytes = QUEUE_BYTES, kept = errno;

	if (!next)
		next = (bind_fn *)dlsym(RTLD_NEXT, "bind");
	/* Beyond what the machine allows everyone with CAP_NET_ADMIN only, which the dnsmasq of
	 * DHCP has. */
	in_port_t port = port_of(address, len);
	if ((port == DHCP_PORT || port == TFTP_PORT) &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	errno = kept;
	return next(fd, address, len);
}
