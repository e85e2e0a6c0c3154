#include "vmlab/define.h"

#include <stdio.h>
#include <stdlib.h>

uint32_t define_free_ip(const struct cidr4 *net, const uint32_t *used, size_t count)
{
	if (net->prefix > 28 || net->prefix < 8)
		return 0;
	uint32_t size = UINT32_C(1) << (32 - net->prefix);
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

char *define_render(const struct define_words *w)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(w->name));
	json_object_set_new(o, "mac", json_string(w->mac));
	if (w->ip)
		json_object_set_new(o, "ip", json_string(w->ip));
	if (w->arch)
		json_object_set_new(o, "arch", json_string(w->arch));
	if (w->distro)
		json_object_set_new(o, "distro", json_string(w->distro));
	if (w->cpus)
		json_object_set_new(o, "cpus", json_integer(atoi(w->cpus)));
	if (w->memory)
		json_object_set_new(o, "memory", json_string(w->memory));
	if (w->disk)
		json_object_set_new(o, "disks", json_pack("[{s:s}]", "size", w->disk));
	char *text = json_dumps(o, JSON_INDENT(2)), *with_newline = NULL;
	if (text && asprintf(&with_newline, "%s\n", text) < 0)
		with_newline = NULL;
	free(text);
	json_decref(o);
	return with_newline;
}
