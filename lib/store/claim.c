#include "lib/store/claim.h"

#include <string.h>

#include "lib/machine/smbios_id.h"

static const char *const claim_fields[] = {"name", "mac", "ip", "ipv6", "uuid", "serial"};

/* The static addresses of network_config come behind the single fields. */
unsigned vm_claim_count(const struct vm *vm)
{
	return VM_CLAIM_COUNT + vm->static_count;
}

/* An address as "ip" or "ipv6" have it; one that they have, too, is claimed by these. */
static bool static_key(const struct vm *vm, unsigned index, struct vm_claim *key)
{
	const struct in6_addr *address = &vm->statics[index];
	bool four = IN6_IS_ADDR_V4MAPPED(address);

	key->kind = four ? VM_CLAIM_IP : VM_CLAIM_IPV6;
	key->field = "network_config";
	key->data = four ? address->s6_addr + 12 : address->s6_addr;
	key->len = four ? sizeof(vm->ip) : sizeof(*address);
	return four ? memcmp(key->data, &vm->ip, key->len) != 0
		    : !vm->has_ip6 || !ip6_equal(&vm->ip6, address);
}

bool vm_claim_at(const struct vm *vm, unsigned index, struct vm_claim *key)
{
	enum vm_claim_kind claim = (enum vm_claim_kind)index;

	if (index >= VM_CLAIM_COUNT)
		return static_key(vm, index - VM_CLAIM_COUNT, key);
	const void *data[] = {vm->label, &vm->mac, vm->ip.s_addr ? &vm->ip : NULL,
	    vm->has_ip6 ? &vm->ip6 : NULL, vm->uuid, vm->serial};
	const size_t fixed[] = {0, sizeof(vm->mac), sizeof(vm->ip), sizeof(vm->ip6), 0, 0};

	key->kind = claim;
	key->field = claim_fields[claim];
	key->data = data[claim];
	if (!key->data)
		return false;
	key->len = fixed[claim] ? fixed[claim] : strlen(key->data);
	return true;
}

static bool same(const struct vm_claim *a, const struct vm_claim *b)
{
	if (a->kind != b->kind || a->len != b->len)
		return false;
	return a->kind == VM_CLAIM_SERIAL ? smbios_serial_same(a->data, b->data)
					  : memcmp(a->data, b->data, a->len) == 0;
}

unsigned vm_claim_index(const struct vm *vm, const struct vm_claim *key)
{
	unsigned c = 0;
	struct vm_claim own;

	for (; c < vm_claim_count(vm); c++)
		if (vm_claim_at(vm, c, &own) && same(&own, key))
			break;
	return c;
}

bool vm_claim_counts(
    const struct vm_folder *f, const struct vm *vm, unsigned index, struct vm_claim *key)
{
	if (!vm_claim_at(vm, index, key))
		return false;
	if (index < VM_CLAIM_COUNT)
		return true;
	if (key->kind == VM_CLAIM_IP) {
		struct in_addr ip;
		memcpy(&ip, key->data, sizeof(ip));
		return f->lab && cidr4_contains(f->lab, ip);
	}
	return f->lab6 && cidr6_contains(f->lab6, key->data);
}
