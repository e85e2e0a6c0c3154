#include "os_installer/agent/ear.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "os_installer/inventory/below.h"

#define FRAMES_AT_ONCE 1000 /* whoever floods the line does not hold us up */

/* Switches send to these, which no bridge forwards. */
static const uint8_t groups[][6] = {
    {0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e},
    {0x01, 0x80, 0xc2, 0x00, 0x00, 0x03},
    {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00},
};

void ear_open(struct ear *e)
{
	struct if_nameindex *cards = if_nameindex();

	memset(e, 0, sizeof(*e));
	e->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(LLDP_ETHERTYPE));
	if (e->fd < 0)
		log_debug("nobody can be heard on the network cards");
	for (const struct if_nameindex *c = cards; e->fd >= 0 && c && c->if_index; c++)
		for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
			struct packet_mreq m = {.mr_ifindex = (int)c->if_index,
			    .mr_type = PACKET_MR_MULTICAST,
			    .mr_alen = sizeof(groups[i])};
			memcpy(m.mr_address, groups[i], sizeof(groups[i]));
			/* A card that takes no groups may hear all the same. */
			(void)setsockopt(e->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m));
		}
	if_freenameindex(cards);
}

static struct lldp *heard_on(struct ear *e, int index)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->card[i].index == index)
			return &e->card[i].heard;
	if (e->count == EAR_CARDS_MAX)
		return NULL;
	e->card[e->count].index = index;
	return &e->card[e->count++].heard;
}

static bool take(struct ear *e, const uint8_t *frame, size_t len, const struct sockaddr_ll *from)
{
	struct lldp *before, now;

	/* What this machine sends is seen here, too. */
	if (from->sll_pkttype == PACKET_OUTGOING || !lldp_parse(frame, len, &now) ||
	    !(before = heard_on(e, from->sll_ifindex)))
		return false;
	bool changed = memcmp(before, &now, sizeof(now)) != 0;
	*before = now;
	return changed;
}

bool ear_listen(struct ear *e)
{
	uint8_t frame[LLDP_FRAME_MAX];
	struct sockaddr_ll from;
	bool changed = false;

	for (unsigned n = 0; e->fd >= 0 && n < FRAMES_AT_ONCE; n++) {
		socklen_t size = sizeof(from);
		ssize_t len = recvfrom(
		    e->fd, frame, sizeof(frame), 0, (struct sockaddr *)(void *)&from, &size);
		if (len < 0)
			break;
		if (take(e, frame, (size_t)len, &from))
			changed = true;
	}
	return changed;
}

void ear_tell(const struct ear *e, json_t *inventory)
{
	json_t *nic;
	size_t n;

	json_array_foreach(json_object_get(inventory, "nics"), n, nic) {
		const char *name = json_string_value(json_object_get(nic, "name"));
		int index = name ? (int)if_nametoindex(name) : 0;
		for (size_t i = 0; i < e->count; i++)
			if (index && e->card[i].index == index)
				json_object_set_new(nic, "neighbour",
				    json_pack("{s:o, s:o, s:o}", "chassis",
					below_json(e->card[i].heard.chassis), "port",
					below_json(e->card[i].heard.port), "system",
					below_json(e->card[i].heard.system)));
	}
}
