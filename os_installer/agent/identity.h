/* identity.h - as which machine the agent speaks. */
#ifndef OS_INSTALLER_AGENT_IDENTITY_H
#define OS_INSTALLER_AGENT_IDENTITY_H

#include <netinet/in.h>

#include "lib/base/err.h"
#include "lib/net/addr.h"

struct identity {
	char mac[MAC_TEXT_SIZE];
	char ip[INET_ADDRSTRLEN];
};

/* The card that the machine booted from, by BOOTIF among the words of the kernel's command line,
 * and its address; where that card has none, or no card is named, the first with an IPv4 address.
 * The MAC is BOOTIF's all the same: the server knows the machine by it. Returns 0 or -errno. */
must_check int identity_find(const char *cmdline, struct identity *out, struct err *e);

#endif
