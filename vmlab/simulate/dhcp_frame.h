/* dhcp_frame.h - a DHCP client's messages as Ethernet frames, and a server's answers read. Pure.
 *
 * RFC 2131 and 2132; 4578 for what a PXE client says. Answers are asked for by broadcast, as UEFI's
 * firmware does.
 */
#ifndef VMLAB_SIMULATE_DHCP_FRAME_H
#define VMLAB_SIMULATE_DHCP_FRAME_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net/addr.h"

/* Who asks: each says other things of itself. */
enum dhcp_speaker {
	DHCP_FIRMWARE,  /* UEFI PXE on x86-64 */
	DHCP_INSTALLER, /* busybox' udhcpc, of our initrd */
	DHCP_SYSTEM,    /* systemd-networkd: by a DUID */
};

enum dhcp_kind { DHCP_DISCOVER = 1, DHCP_OFFER, DHCP_REQUEST, DHCP_ACK = 5, DHCP_NAK };

struct dhcp_message {
	enum dhcp_kind kind;
	uint32_t xid;
	struct mac mac;
	struct in_addr yours, server; /* of an answer, and what a request asks for */
	struct in_addr next;          /* of an answer: where the file is; 0: not said */
	char file[128];               /* of an answer; "": none */
};

#define DHCP_FRAME_SIZE 640

/* A DISCOVER or REQUEST; `uuid` is SMBIOS' (firmware). Returns the frame's length. */
size_t dhcp_frame_make(const struct dhcp_message *m, enum dhcp_speaker speaker,
    const uint8_t uuid[16], uint8_t frame[DHCP_FRAME_SIZE]);

/* An answer of a server to a client. False for every other frame. */
bool dhcp_frame_read(const uint8_t *frame, size_t len, struct dhcp_message *out);

#endif
