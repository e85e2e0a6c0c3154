#include "vmlab/lab/lab_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/boot/stranger.h"
#include "lib/net/domain.h"

int lab_network_parse(const char *text, struct cidr4 *cidr, struct err *e)
{
	char first[INET_ADDRSTRLEN];
	int r = cidr4_parse(text, true, cidr, e);

	if (r < 0)
		return err_wrap(e, "VMLAB_CIDR");
	if (cidr->prefix < 8 || cidr->prefix > 29)
		return err_set(e, EINVAL,
		    "VMLAB_CIDR: %s: a lab's network has a prefix between /8 and /29", text);
	uint32_t bits = cidr4_host_bits(cidr->prefix);
	struct in_addr usual = {htonl((ntohl(cidr->addr.s_addr) & ~bits) + 1)};
	inet_ntop(AF_INET, &usual, first, sizeof(first));
	if (cidr4_is_edge(cidr->addr, cidr->prefix))
		return err_set(e, EINVAL,
		    "VMLAB_CIDR: %s is the network's own or its broadcast address: give the address that the stack is to have in it, such as %s/%u",
		    text, first, cidr->prefix);
	uint32_t top = ntohl(cidr->addr.s_addr) >> 24;
	if (top == 0 || top == 127 || top >= 224)
		return err_set(e, EINVAL,
		    "VMLAB_CIDR: %s is no network for machines: give a private one, such as 192.168.100.1/24",
		    text);
	return 0;
}

int lab_domain_check(const char *domain, struct err *e)
{
	if (domain_valid(domain))
		return 0;
	return err_set(e, EINVAL,
	    "VMLAB_DOMAIN: \"%s\" is not a domain name: use lower case letters, digits and '-' between dots, the last part not of digits alone, as in lab.example",
	    domain);
}

static bool is_network(const char *word)
{
	struct cidr4 v4;
	struct cidr6 v6;
	struct err ignored = ERR_INIT;

	return cidr4_parse(word, false, &v4, &ignored) == 0 ||
	       cidr6_parse(word, false, &v6, &ignored) == 0;
}

int lab_reach_check(const char *reach, struct err *e)
{
	const char *p = reach;
	char word[64] = "";
	bool good = true;

	if (!*reach || strcmp(reach, "all") == 0 || strcmp(reach, "none") == 0)
		return 0;
	for (bool more = true; good && more; p += more) {
		size_t len = strcspn(p, ",");
		good = len < sizeof(word);
		memcpy(word, p, good ? len : sizeof(word) - 1);
		word[good ? len : sizeof(word) - 1] = '\0';
		good = good && (strcmp(word, "internet") == 0 || is_network(word));
		p += len;
		more = *p == ',';
	}
	if (good)
		return 0;
	return err_set(e, EINVAL,
	    "VMLAB_REACH: \"%s\" is not understood at \"%s\": give internet, all or none, or networks joined by commas, as in internet,10.1.2.0/24",
	    reach, word);
}

int lab_strangers_check(const char *strangers, struct err *e)
{
	const struct boot_stranger *row;

	if (!*strangers || boot_stranger_find(strangers, &row, e) == 0)
		return 0;
	return err_wrap(e, "VMLAB_STRANGERS");
}
