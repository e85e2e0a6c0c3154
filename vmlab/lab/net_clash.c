#include "vmlab/lab/net_clash.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

#define TEXT_MAX_BYTES 65536

enum net_clash net_clash_resolvers(
    const struct cidr4 *lab, const char *resolv_conf, char *what, size_t size)
{
	char word[INET_ADDRSTRLEN];
	struct in_addr ip;

	for (const char *p = resolv_conf; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (sscanf(p, " nameserver %15[0-9.]", word) != 1 ||
		    inet_pton(AF_INET, word, &ip) != 1)
			continue;
		if (!cidr4_contains(lab, ip))
			continue;
		snprintf(what, size, "%s", word);
		return NET_CLASH_RESOLVER;
	}
	return NET_CLASH_NONE;
}

static unsigned prefix_of(uint32_t mask_be)
{
	return (unsigned)__builtin_popcount(mask_be);
}

static enum net_clash judge_route(const struct cidr4 *lab, const char *interface, uint32_t to,
    uint32_t gateway, uint32_t mask, char *what, size_t size)
{
	struct cidr4 net = {.addr.s_addr = to, .prefix = (uint8_t)prefix_of(mask)};
	struct in_addr via = {gateway};
	char text[INET_ADDRSTRLEN];

	if (net.prefix == 0 && gateway && cidr4_contains(lab, via)) {
		inet_ntop(AF_INET, &via, text, sizeof(text));
		snprintf(what, size, "%s", text);
		return NET_CLASH_GATEWAY;
	}
	if (net.prefix > 0 && !gateway &&
	    (cidr4_contains(&net, lab->addr) || cidr4_contains(lab, net.addr))) {
		inet_ntop(AF_INET, &net.addr, text, sizeof(text));
		snprintf(what, size, "%s/%u on %s", text, net.prefix, interface);
		return NET_CLASH_LAN;
	}
	return NET_CLASH_NONE;
}

enum net_clash net_clash_routes(
    const struct cidr4 *lab, const char *routes, char *what, size_t size)
{
	enum net_clash worst = NET_CLASH_NONE;
	unsigned to, gateway, mask;
	char interface[32], found[64];

	for (const char *p = routes; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (sscanf(p, " %31s %x %x %*x %*d %*d %*d %x", interface, &to, &gateway, &mask) !=
		    4)
			continue;
		enum net_clash clash =
		    judge_route(lab, interface, to, gateway, mask, found, sizeof(found));
		if (clash <= worst)
			continue;
		worst = clash;
		snprintf(what, size, "%s", found);
	}
	return worst;
}

enum net_clash net_clash_engine(
    const struct cidr4 *lab, const char *networks, char *what, size_t size)
{
	struct cidr4 net;
	struct err ignored = ERR_INIT;
	char word[INET_ADDRSTRLEN + 4];
	int used;

	for (const char *p = networks; sscanf(p, "%19s%n", word, &used) == 1; p += used) {
		if (cidr4_parse(word, true, &net, &ignored) < 0 || net.prefix == 0 ||
		    (!cidr4_contains(&net, lab->addr) && !cidr4_contains(lab, net.addr)))
			continue;
		snprintf(what, size, "%s", word);
		return NET_CLASH_ENGINE;
	}
	return NET_CLASH_NONE;
}

/* "" when it cannot be read. */
static void read_text(const char *path, char *text)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	size_t len = f ? fread(text, 1, TEXT_MAX_BYTES - 1, f) : 0;

	text[len] = '\0';
}

enum net_clash net_clash_look(const struct cidr4 *lab, char *what, size_t size)
{
	/* Where systemd-resolved serves 127.0.0.53, the engine takes the second. */
	static const char *const files[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
	_cleanup_free_ char *text = malloc(TEXT_MAX_BYTES);
	enum net_clash clash = NET_CLASH_NONE;

	if (!text)
		return NET_CLASH_NONE;
	for (size_t i = 0; clash == NET_CLASH_NONE && i < sizeof(files) / sizeof(*files); i++) {
		read_text(files[i], text);
		clash = net_clash_resolvers(lab, text, what, size);
	}
	if (clash != NET_CLASH_NONE)
		return clash;
	read_text("/proc/net/route", text);
	return net_clash_routes(lab, text, what, size);
}

void net_clash_sentence(
    enum net_clash clash, const char *what, const char *lab, char *text, size_t size)
{
	static const char *const hidden[][2] = {
	    [NET_CLASH_LAN] = {"overlaps", ", which its machines then cannot reach"},
	    [NET_CLASH_GATEWAY] = {"holds",
		", the gateway of this machine: guests would not get out"},
	    [NET_CLASH_RESOLVER] = {"holds",
		", the resolver of this machine: guests would resolve no names"},
	    [NET_CLASH_ENGINE] = {"overlaps",
		", the container engine's own, in which the lab itself stands"},
	};
	const char *other =
	    strncmp(lab, "192.168.200.", 12) == 0 ? "192.168.150.1/24" : "192.168.200.1/24";

	if (clash == NET_CLASH_NONE) {
		*text = '\0';
		return;
	}
	snprintf(text, size,
	    "the lab's network %s %s %s%s: give it another with VMLAB_CIDR, such as VMLAB_CIDR=%s, and the definitions addresses in that one",
	    lab, hidden[clash][0], what, hidden[clash][1], other);
}
