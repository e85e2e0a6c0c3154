#include "vmlab/lab/vm_container.h"

#include <string.h>

/* As container_vm_spec() begins. */
static bool mac_of(const struct container *c, struct mac *mac)
{
	static const char key[] = "mac=";
	size_t len = sizeof(key) - 1;

	return strncmp(c->spec, key, len) == 0 &&
	       mac_parse(c->spec + len, strcspn(c->spec + len, ";"), mac, NULL) == 0;
}

const struct vm *vm_container_adopter(const struct container_list *containers,
    const struct vm_snapshot *snap, const struct container *c)
{
	struct mac mac;

	if (!snap || !c->vm || strcmp(c->role, "vm") != 0 || vm_snapshot_by_name(snap, c->vm) ||
	    !mac_of(c, &mac))
		return NULL;
	const struct vm *vm = vm_snapshot_by_mac(snap, &mac);
	return vm && !container_list_vm(containers, vm->name) ? vm : NULL;
}

/* One that runs before one that was left. */
static const struct container *find_adopted(
    const struct container_list *containers, const struct vm_snapshot *snap, const char *name)
{
	const struct container *found = NULL;

	for (size_t i = 0; i < containers->count; i++) {
		const struct container *c = &containers->items[i];
		const struct vm *vm = vm_container_adopter(containers, snap, c);
		if (vm && strcmp(vm->name, name) == 0 && (!found || c->running))
			found = c;
	}
	return found;
}

const struct container *vm_container_find(struct session *s, const char *name)
{
	const struct container *c = container_list_vm(&s->containers, name);
	struct err ignored = ERR_INIT;
	struct vm_store *store = NULL;

	if (c || session_open_store(s, &store, &ignored) < 0)
		return c;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	c = find_adopted(&s->containers, snap, name);
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return c;
}
