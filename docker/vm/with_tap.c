/* with_tap.c - makes tap interfaces that live no longer than who holds them, then becomes COMMAND.
 *
 *	with-tap NAME... -- COMMAND [ARGUMENT...]
 *
 * The first tap is descriptor 3 of COMMAND, the next 4, and so on; the kernel takes an interface
 *away when its last holder is gone, however that ended. One that another process holds is not
 *touched. Needs CAP_NET_ADMIN, which COMMAND may give up.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "docker/vm/machine.h"

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	const char *vm = getenv("VM_NAME");
	va_list ap;

	fprintf(stderr, "run-vm: cannot start %s: ", vm ? vm : "the machine");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void make_tap(const char *name, int as_fd)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0)
		die("/dev/net/tun cannot be opened (%s): run the container with --device /dev/net/tun",
		    strerror(errno));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		if (errno == EBUSY)
			die("a machine with the same MAC runs in this lab already and holds its network port %s: stop that one first, or give this one another MAC",
			    name);
		die("no tap interface can be made (%s): run the container with --cap-add NET_ADMIN",
		    strerror(errno));
	}
	/* One that was left by somebody who made it to stay. */
	if (ioctl(fd, TUNSETPERSIST, 0) < 0)
		die("the tap interface %s stays behind (%s)", name, strerror(errno));
	if (fd != as_fd && (dup2(fd, as_fd) < 0 || close(fd) < 0))
		die("the tap interface %s gets no descriptor (%s)", name, strerror(errno));
}

int main(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		make_tap(argv[i], FIRST_TAP_FD + i - 1);
	if (i + 1 >= argc) {
		fputs("usage: with-tap NAME... -- COMMAND [ARGUMENT...]\n", stderr);
		return 2;
	}
	execvp(argv[i + 1], argv + i + 1);
	die("%s cannot be started (%s)", argv[i + 1], strerror(errno));
}
