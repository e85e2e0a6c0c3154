/* dhcp_log.h - what dnsmasq logs of DHCP that it tells its script nothing of: that a machine asks,
 * what it is offered, and why it gets nothing. Pure.
 */
#ifndef BOOT_HANDLER_SOURCES_DHCP_LOG_H
#define BOOT_HANDLER_SOURCES_DHCP_LOG_H

#include <netinet/in.h>
#include <stdbool.h>

#include "lib/machine/event.h"
#include "lib/net/addr.h"

struct dhcp_said {
	enum event_kind kind;
	struct mac mac;
	char ip[INET_ADDRSTRLEN];  /* that it is about; "": none */
	char why[EVENT_TEXT_SIZE]; /* it gets nothing; "": nothing is said. Cleaned */
};

/* One line without what stands before: "DHCPDISCOVER(lab0) 52:54:00:aa:bb:cc no address available".
 * False: it tells nothing of these. */
bool dhcp_log_parse(const char *line, struct dhcp_said *out);

#endif
