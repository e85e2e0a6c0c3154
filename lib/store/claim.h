/* claim.h - inside of claims.h: what one definition wants for itself alone. Pure.
 *
 * Its single fields, and the static addresses of network_config. Claims are numbered from 0.
 */
#ifndef LIB_STORE_CLAIM_H
#define LIB_STORE_CLAIM_H

#include "lib/store/folder.h"

enum vm_claim_kind {
	VM_CLAIM_NAME,
	VM_CLAIM_MAC,
	VM_CLAIM_IP,
	VM_CLAIM_IPV6,
	VM_CLAIM_UUID,
	VM_CLAIM_SERIAL,
	VM_CLAIM_COUNT
};

struct vm_claim {
	enum vm_claim_kind kind;
	const char *field; /* of the definition, that has it */
	const void *data;
	size_t len;
};

unsigned vm_claim_count(const struct vm *vm);

/* False when the definition does not claim such a thing. */
bool vm_claim_at(const struct vm *vm, unsigned index, struct vm_claim *claim);

/* Where a definition has the same; vm_claim_count() when nowhere. */
unsigned vm_claim_index(const struct vm *vm, const struct vm_claim *claim);

/* As vm_claim_at(), and false for what need not be the machine's alone: static addresses outside
 * the lab's network may be shared, as each machine has the same bridge inside. */
bool vm_claim_counts(
    const struct vm_folder *f, const struct vm *vm, unsigned index, struct vm_claim *claim);

#endif
