/* boot_queue.c - what dnsmasq loads before its libraries: how requests of DHCP and TFTP wait for
 * it.
 *
 * A longer queue: the kernel keeps some ninety of them, and a rack that is switched on sends a
 * thousand within a second: each that is dropped costs its machine four seconds (RFC 2131, 4.1)
 * until it asks again.
 *
 * Of TFTP none that has waited too long: whoever sent it has asked again or gone, and a transfer to
 * nobody keeps its place for minutes from those who are there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define DHCP_PORT 67
#define TFTP_PORT 69
#define QUEUE_BYTES (8 << 20) /* 4,000 and more, with what the kernel counts for each */
#define FRESH_MS 4000         /* the shortest that firmware waits before it repeats a request */
#define LISTENERS_MAX 16

static int tftp_listeners[LISTENERS_MAX];
static unsigned tftp_listener_count;

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
	if (port == TFTP_PORT && tftp_listener_count < LISTENERS_MAX)
		tftp_listeners[tftp_listener_count++] = fd;
	return next(fd, address, len);
}

static bool takes_requests(int fd)
{
	for (unsigned i = 0; i < tftp_listener_count; i++)
		if (tftp_listeners[i] == fd)
			return true;
	return false;
}

/* How long what was received last had waited; 0 as long as the kernel keeps no times. */
static int64_t waited_ms(int fd)
{
	struct timespec came, now;

	if (ioctl(fd, SIOCGSTAMPNS, &came) < 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
		return 0;
	return (int64_t)(now.tv_sec - came.tv_sec) * 1000 + (now.tv_nsec - came.tv_nsec) / 1000000;
}

typedef ssize_t recvmsg_fn(int fd, struct msghdr *message, int flags);

__attribute__((visibility("default"))) ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	static recvmsg_fn *next;
	const struct msghdr room = *message;

	if (!next)
		next = (recvmsg_fn *)dlsym(RTLD_NEXT, "recvmsg");
	ssize_t n = next(fd, message, flags);
	while (n >= 0 && takes_requests(fd) && waited_ms(fd) > FRESH_MS) {
		*message = room;
		n = next(fd, message, flags | MSG_DONTWAIT);
	}
	return n;
}
