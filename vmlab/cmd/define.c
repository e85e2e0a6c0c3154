#include "vmlab/cmd/define.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t define_free_ip(const struct cidr4 *net, const uint32_t *used, size_t count)
{
	if (net->prefix > 28 || net->prefix < 8)
		return 0;
	uint32_t size = cidr4_host_bits(net->prefix) + 1;
	uint32_t own = ntohl(net->addr.s_addr);
	uint32_t base = own & ~(size - 1);
	uint32_t first = size >= 64 ? 10 : 2;

	for (uint32_t host = base + first; host < base + size / 2; host++) {
		bool taken = host == own;
		for (size_t i = 0; !taken && i < count; i++)
			taken = used[i] == host;
		if (!taken)
			return host;
	}
	return 0;
}

struct mac define_mac(uint32_t random)
{
	return (struct mac){
	    {0x52, 0x54, 0x00, (uint8_t)(random >> 16), (uint8_t)(random >> 8), (uint8_t)random}};
}

int define_claims_of(const struct define_words *w, struct define_claims *out, struct err *e)
{
	struct cidr4 ip;

	*out = (struct define_claims){.name = w->name};
	if (w->ip && cidr4_parse(w->ip, false, &ip, e) < 0)
		return err_wrap(e, "--ip");
	if (w->ip)
		out->ip = ip.addr;
	if (w->mac && mac_parse(w->mac, strlen(w->mac), &out->mac, e) < 0)
		return err_wrap(e, "--mac");
	return 0;
}

const char *define_taken(const struct define_claims *claims, const char *text, size_t len)
{
	json_t *o = json_loadb(text, len, 0, NULL);
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *mac_text = json_string_value(json_object_get(o, "mac"));
	const char *ip_text = json_string_value(json_object_get(o, "ip"));
	const char *field = NULL;
	struct err ignored;
	struct cidr4 ip;
	struct mac mac;

	if (ip_text && claims->ip.s_addr && cidr4_parse(ip_text, false, &ip, &ignored) == 0 &&
	    ip.addr.s_addr == claims->ip.s_addr)
		field = "ip";
	if (mac_text && mac_parse(mac_text, strlen(mac_text), &mac, &ignored) == 0 &&
	    memcmp(&mac, &claims->mac, sizeof(mac)) == 0)
		field = "mac";
	if (name && strcmp(name, claims->name) == 0)
		field = "name";
	json_decref(o);
	return field;
}

/* False: it cannot be in a definition. */
static bool put(json_t *o, const char *field, const char *text)
{
	return !text || json_object_set_new(o, field, json_string(text)) == 0;
}

char *define_render(const struct define_words *w)
{
	json_t *o = json_object();

	bool all = put(o, "name", w->name) && put(o, "mac", w->mac) && put(o, "ip", w->ip) &&
		   put(o, "arch", w->arch) && put(o, "distro", w->distro);
	if (w->cpus)
		json_object_set_new(o, "cpus", json_integer(atoi(w->cpus)));
	all = all && put(o, "memory", w->memory);
	if (w->disk)
		all &= json_object_set_new(o, "disks", json_pack("[{s:s}]", "size", w->disk)) == 0;
	if (w->more)
		json_object_update(o, w->more);
	char *text = all ? json_dumps(o, JSON_INDENT(2)) : NULL, *with_newline = NULL;
	if (text && asprintf(&with_newline, "%s\n", text) < 0)
		with_newline = NULL;
	free(text);
	json_decref(o);
	return with_newline;
}
