#include "boot_handler/http/guest_caller.h"

#include <errno.h>
#include <stdio.h>

#include "boot_handler/documents/owner.h"
#include "boot_handler/http/neighbour.h"

/* The card that the address is, or was leased to. */
static bool calling_card(const struct call *c, struct mac *out)
{
	struct source source;

	if (!source_parse(c->request->source, &source))
		return false;
	struct lease at = {.six = source.six, .ip = source.ip, .ip6 = source.ip6};
	return neighbour_mac(&source, out) ||
	       lease_memory_holder(&c->services->undeclared, &at, out);
}

static int need_its_card(const struct call *c, const struct mac *mac, struct err *e)
{
	char named[MAC_TEXT_SIZE], calls[MAC_TEXT_SIZE] = "an unknown card";
	struct mac card;

	if (c->services->any_source)
		return 0;
	if (calling_card(c, &card)) {
		if (mac_equal(&card, mac))
			return 0;
		mac_format(&card, calls);
	}
	return err_set(e, EPERM,
	    "a machine speaks for itself only: this request is about %s and came from %s, which is %s (where machines get their addresses from another DHCP server, start the stack with GUEST_ACCESS=any)",
	    mac_format(mac, named), c->request->source[0] ? c->request->source : "nowhere", calls);
}

int guest_caller_find(
    const struct call *c, const struct mac *mac, struct guest_caller *out, struct err *e)
{
	*out = (struct guest_caller){.mac = *mac};
	out->vm = services_vm_by_mac(c->services, c->snapshot, mac);
	out->cards.mac[out->cards.count++] = *mac;
	if (!out->vm) {
		mac_format(mac, out->name);
		return need_its_card(c, mac, e);
	}
	snprintf(out->name, sizeof(out->name), "%s", out->vm->name);
	out->cards.mac[out->cards.count++] = out->vm->mac;
	return call_need_itself(c, out->vm, e);
}
