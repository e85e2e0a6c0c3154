/* lease_sender.h - passes on to boot_handler what dnsmasq tells its dhcp-script. */
#ifndef BOOT_HANDLER_SOURCES_LEASE_SENDER_H
#define BOOT_HANDLER_SOURCES_LEASE_SENDER_H

/* The arguments of a dhcp-script (dnsmasq(8), --dhcp-script), without the program's name:
 * "add|old|del MAC|DUID IP [HOSTNAME]"; the MAC address of an IPv6 lease is in DNSMASQ_MAC, its end
 * in DNSMASQ_LEASE_EXPIRES, the client's option 60 in DNSMASQ_VENDOR_CLASS and 61 in
 * DNSMASQ_CLIENT_ID. Events that are no lease of an Ethernet machine are left alone. Returns the
 * exit status; waits for a daemon that is busy at most a second. */
int lease_event_main(int argc, char **argv);

#endif
