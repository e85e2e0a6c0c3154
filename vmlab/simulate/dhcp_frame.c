#include "vmlab/simulate/dhcp_frame.h"

#include <arpa/inet.h>
#include <string.h>

#define ETHERNET 14
#define IP 20
#define UDP 8
#define BOOTP 236
#define OPTIONS (ETHERNET + IP + UDP + BOOTP + 4)
#define PAYLOAD_MIN 300 /* RFC 951 */

enum {
	OPTION_HOST_FILE = 67,
	OPTION_REQUESTED = 50,
	OPTION_KIND = 53,
	OPTION_SERVER = 54,
	OPTION_PARAMETERS = 55,
	OPTION_MAX_SIZE = 57,
	OPTION_VENDOR_CLASS = 60,
	OPTION_CLIENT_ID = 61,
	OPTION_ARCH = 93,
	OPTION_UNDI = 94,
	OPTION_UUID = 97,
	OPTION_END = 255,
};

static const uint8_t cookie[4] = {99, 130, 83, 99};

/* ---- made ---------------------------------------------------------------------------------- */

struct writer {
	uint8_t *frame;
	size_t len;
};

static void put(struct writer *w, uint8_t option, const void *value, size_t len)
{
	w->frame[w->len++] = option;
	w->frame[w->len++] = (uint8_t)len;
	memcpy(w->frame + w->len, value, len);
	w->len += len;
}

static void put_text(struct writer *w, uint8_t option, const char *text)
{
	put(w, option, text, strlen(text));
}

static void put16(struct writer *w, uint8_t option, unsigned value)
{
	const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	put(w, option, bytes, sizeof(bytes));
}

static void say_firmware(struct writer *w, const struct mac *mac, const uint8_t uuid[16])
{
	static const uint8_t wanted[] = {1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41,
	    42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135};
	uint8_t id[17] = {0};

	(void)mac;
	memcpy(id + 1, uuid, 16);
	put16(w, OPTION_MAX_SIZE, 1472);
	put(w, OPTION_PARAMETERS, wanted, sizeof(wanted));
	put(w, OPTION_UUID, id, sizeof(id));
	put(w, OPTION_UNDI, (const uint8_t[]){1, 3, 16}, 3);
	put16(w, OPTION_ARCH, 7);
	put_text(w, OPTION_VENDOR_CLASS, "PXEClient:Arch:00007:UNDI:003016");
}

static void say_installer(struct writer *w, const struct mac *mac, const uint8_t uuid[16])
{
	static const uint8_t wanted[] = {1, 3, 6, 12, 15, 26, 28, 42};
	uint8_t id[7] = {1};

	(void)uuid;
	memcpy(id + 1, mac->octet, 6);
	put(w, OPTION_CLIENT_ID, id, sizeof(id));
	put16(w, OPTION_MAX_SIZE, 576);
	put(w, OPTION_PARAMETERS, wanted, sizeof(wanted));
	put_text(w, OPTION_VENDOR_CLASS, "udhcp 1.37.0");
}

/* RFC 4361: 255, an IAID, a DUID by systemd's enterprise number. */
static void say_system(struct writer *w, const struct mac *mac, const uint8_t uuid[16])
{
	static const uint8_t wanted[] = {1, 3, 6, 12, 15, 26, 33, 42, 119, 120, 121};
	uint8_t id[19] = {255, [5] = 0, 2, 0, 0, 0xab, 0x11};

	memcpy(id + 1, mac->octet + 2, 4);
	memcpy(id + 11, uuid, 8);
	put(w, OPTION_CLIENT_ID, id, sizeof(id));
	put16(w, OPTION_MAX_SIZE, 1472);
	put(w, OPTION_PARAMETERS, wanted, sizeof(wanted));
}

static void (*const says[])(struct writer *, const struct mac *, const uint8_t *) = {
    [DHCP_FIRMWARE] = say_firmware,
    [DHCP_INSTALLER] = say_installer,
    [DHCP_SYSTEM] = say_system,
};

static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* From 0.0.0.0:68 to everybody at port 67; UDP without a checksum. */
static void put_headers(uint8_t *frame, size_t len, const struct mac *mac)
{
	uint8_t *ip = frame + ETHERNET, *udp = ip + IP;

	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac->octet, 6);
	put_be16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put_be16(ip + 2, len - ETHERNET);
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memset(ip + 16, 0xff, 4);
	put_be16(ip + 10, checksum(ip, IP));
	put_be16(udp, 68);
	put_be16(udp + 2, 67);
	put_be16(udp + 4, len - ETHERNET - IP);
}

size_t dhcp_frame_make(const struct dhcp_message *m, enum dhcp_speaker speaker,
    const uint8_t uuid[16], uint8_t frame[DHCP_FRAME_SIZE])
{
	struct writer w = {frame, OPTIONS};
	uint8_t *bootp = frame + ETHERNET + IP + UDP, kind = (uint8_t)m->kind;
	uint32_t xid = htonl(m->xid);

	memset(frame, 0, DHCP_FRAME_SIZE);
	memcpy(bootp, (const uint8_t[]){1, 1, 6, 0}, 4);
	memcpy(bootp + 4, &xid, 4);
	bootp[10] = 0x80;
	memcpy(bootp + 28, m->mac.octet, 6);
	memcpy(bootp + BOOTP, cookie, 4);
	put(&w, OPTION_KIND, &kind, 1);
	if (m->kind == DHCP_REQUEST) {
		put(&w, OPTION_REQUESTED, &m->yours, 4);
		put(&w, OPTION_SERVER, &m->server, 4);
	}
	says[speaker](&w, &m->mac, uuid);
	frame[w.len++] = OPTION_END;
	if (w.len < ETHERNET + IP + UDP + PAYLOAD_MIN)
		w.len = ETHERNET + IP + UDP + PAYLOAD_MIN;
	put_headers(frame, w.len, &m->mac);
	return w.len;
}

/* ---- read ---------------------------------------------------------------------------------- */

static void take(uint8_t option, const uint8_t *value, size_t len, struct dhcp_message *out)
{
	if (option == OPTION_KIND && len == 1)
		out->kind = (enum dhcp_kind)value[0];
	if (option == OPTION_SERVER && len == 4)
		memcpy(&out->server, value, 4);
	if (option == OPTION_HOST_FILE && !out->file[0] && len < sizeof(out->file))
		memcpy(out->file, value, len);
}

/* What follows the fixed part, in [p, end). */
static void read_options(const uint8_t *p, const uint8_t *end, struct dhcp_message *out)
{
	while (p < end && *p != OPTION_END) {
		if (*p == 0) {
			p++;
			continue;
		}
		if (end - p < 2 || end - p - 2 < p[1])
			return;
		take(p[0], p + 2, p[1], out);
		p += 2 + p[1];
	}
}

bool dhcp_frame_read(const uint8_t *frame, size_t len, struct dhcp_message *out)
{
	const uint8_t *ip = frame + ETHERNET;
	size_t head = len > ETHERNET ? (size_t)(ip[0] & 15) * 4 : 0;

	memset(out, 0, sizeof(*out));
	if (len < ETHERNET + IP || frame[12] != 8 || frame[13] != 0 || ip[0] >> 4 != 4 ||
	    ip[9] != IPPROTO_UDP || head < IP || len < ETHERNET + head + UDP + BOOTP + 4)
		return false;
	const uint8_t *udp = ip + head, *bootp = udp + UDP;
	if (udp[0] != 0 || udp[1] != 67 || udp[2] != 0 || udp[3] != 68 || bootp[0] != 2 ||
	    memcmp(bootp + BOOTP, cookie, 4) != 0)
		return false;
	memcpy(&out->xid, bootp + 4, 4);
	out->xid = ntohl(out->xid);
	memcpy(&out->yours, bootp + 16, 4);
	memcpy(&out->next, bootp + 20, 4);
	memcpy(out->mac.octet, bootp + 28, 6);
	memcpy(out->file, bootp + 108, sizeof(out->file) - 1);
	read_options(bootp + BOOTP + 4, frame + len, out);
	return out->kind != 0;
}
