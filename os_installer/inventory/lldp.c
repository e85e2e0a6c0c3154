#include "os_installer/inventory/lldp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "os_installer/inventory/below.h"

enum { END, CHASSIS, PORT, LIFE, PORT_TEXT, SYSTEM_NAME };

/* One part: seven bits of type, nine of length, the value. */
struct part {
	unsigned type;
	const uint8_t *value;
	size_t len;
};

static bool part_next(const uint8_t *data, size_t len, size_t *at, struct part *out)
{
	if (len - *at < 2)
		return false;
	unsigned head = (unsigned)data[*at] << 8 | data[*at + 1];
	*out = (struct part){head >> 9, data + *at + 2, head & 0x1ff};
	if (out->type == END || out->len > len - *at - 2)
		return false;
	*at += 2 + out->len;
	return true;
}

static void text_take(const uint8_t *value, size_t len, char *out)
{
	len = len < LLDP_TEXT_SIZE ? len : LLDP_TEXT_SIZE - 1;
	memcpy(out, value, len);
	out[len] = '\0';
	below_clean(out);
}

/* A kind in one byte, then text, a MAC or a network address. */
static void id_take(const struct part *p, unsigned mac_kind, unsigned address_kind, char *out)
{
	const uint8_t *v = p->value + 1;

	if (p->len < 2)
		return;
	if (p->value[0] == mac_kind && p->len == 1 + 6)
		snprintf(out, LLDP_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2],
		    v[3], v[4], v[5]);
	else if (p->value[0] == address_kind && p->len == 2 + 4 && v[0] == 1)
		inet_ntop(AF_INET, v + 1, out, LLDP_TEXT_SIZE);
	else if (p->value[0] == address_kind && p->len == 2 + 16 && v[0] == 2)
		inet_ntop(AF_INET6, v + 1, out, LLDP_TEXT_SIZE);
	else
		text_take(v, p->len - 1, out);
}

bool lldp_parse(const uint8_t *data, size_t len, struct lldp *out)
{
	unsigned count = 0;
	struct part p;

	memset(out, 0, sizeof(*out));
	for (size_t at = 0; part_next(data, len, &at, &p); count++) {
		if (count < 3 && p.type != CHASSIS + count)
			return false;
		if (count == 0)
			id_take(&p, 4, 5, out->chassis);
		else if (count == 1)
			id_take(&p, 3, 4, out->port);
		else if (count == 2 && (p.len < 2 || (!p.value[0] && !p.value[1])))
			return false;
		else if (p.type == SYSTEM_NAME)
			text_take(p.value, p.len, out->system);
	}
	return count >= 3;
}
