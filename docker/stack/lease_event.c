/* lease-event - dnsmasq's dhcp-script: tells boot_handler which machine has which address. dnsmasq
 * starts it for each answer, hundreds of times when a rack is switched on: a small static program,
 * and no shell before it. What else dnsmasq tells its script is left alone. */
#include <errno.h>
#include <unistd.h>

#include "boot_handler/sources/lease_sender.h"
#include "lib/base/log.h"

int main(int argc, char **argv)
{
	/* The next machine's address comes before the news of this one's. */
	if (nice(10) < 0)
		errno = 0;
	log_init("lease-event", LOG_LEVEL_INFO);
	return lease_event_main(argc - 1, argv + 1);
}
