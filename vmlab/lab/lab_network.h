/* lab_network.h - what a lab's network, domain, reach and strangers may be. The stack has the same
 * rules for its own variables (docker/stack/settings.py): what it would refuse is refused here,
 * before anything is started. Pure. */
#ifndef VMLAB_LAB_LAB_NETWORK_H
#define VMLAB_LAB_LAB_NETWORK_H

#include "lib/net/addr.h"
#include "lib/base/err.h"

/* The stack's address with a prefix, as in 192.168.100.1/24. */
must_check int lab_network_parse(const char *text, struct cidr4 *cidr, struct err *e);

/* Lower case, as the lab's names are. */
must_check int lab_domain_check(const char *domain, struct err *e);

/* "" (the stack's default), internet, all, none, or networks and internet joined by commas. */
must_check int lab_reach_check(const char *reach, struct err *e);
/* Likewise of what strangers get. */
must_check int lab_strangers_check(const char *strangers, struct err *e);

#endif
