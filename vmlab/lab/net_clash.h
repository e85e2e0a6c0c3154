/* net_clash.h - does the lab's network hide something that its machines need? A network that holds
 * the resolver or the gateway of this machine takes it away from them: the packets never leave the
 * lab. Pure but for net_clash_look().
 */
#ifndef VMLAB_LAB_NET_CLASH_H
#define VMLAB_LAB_NET_CLASH_H

#include <stdbool.h>

#include "lib/net/addr.h"

enum net_clash {
	NET_CLASH_NONE,
	NET_CLASH_LAN, /* this machine is in a network that overlaps: out of the guests' reach */
	NET_CLASH_GATEWAY,  /* its way out lies in the lab's network */
	NET_CLASH_RESOLVER, /* and so does what resolves names */
	NET_CLASH_ENGINE, /* the engine's own network, in which the lab stands: the stack would not
			     start */
};

/* Looks for a nameserver in a text of resolv.conf(5). `what` gets its address. */
enum net_clash net_clash_resolvers(
    const struct cidr4 *lab, const char *resolv_conf, char *what, size_t size);

/* Looks at a text of /proc/net/route. `what` gets "192.168.100.0/24 on eth0", or the gateway. */
enum net_clash net_clash_routes(
    const struct cidr4 *lab, const char *routes, char *what, size_t size);

/* Looks at the engine's networks, "172.17.0.0/16" separated by blanks. `what` gets the one. */
enum net_clash net_clash_engine(
    const struct cidr4 *lab, const char *networks, char *what, size_t size);

/* The worst of resolvers and routes, for this machine. */
enum net_clash net_clash_look(const struct cidr4 *lab, char *what, size_t size);

/* One sentence: what is wrong, and the setting that mends it. */
void net_clash_sentence(
    enum net_clash clash, const char *what, const char *lab, char *text, size_t size);

#endif
