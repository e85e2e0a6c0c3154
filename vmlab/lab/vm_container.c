#include "vmlab/lab/vm_container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "vmlab/lab/lab_volume.h"

bool vm_container_mac(const struct container *c, struct mac *mac)
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
	    !vm_container_mac(c, &mac))
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

const struct vm *vm_container_named(
    const struct container_list *containers, const struct vm_snapshot *snap, const char *name)
{
	const struct vm *vm = vm_snapshot_by_name(snap, name);
	const struct container *c = vm ? NULL : container_list_vm(containers, name);

	return c ? vm_container_adopter(containers, snap, c) : vm;
}

char *vm_container_machine(struct session *s, const char *name)
{
	struct err ignored = ERR_INIT;
	struct vm_store *store = NULL;

	if (session_open_store(s, &store, &ignored) < 0)
		return strdup(name);
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_container_named(&s->containers, snap, name);
	char *found = strdup(vm ? vm->name : name);
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return found;
}

/* A disk of the lab that was made with the MAC address, for a VM which no definition is called as.
 */
static int kept_disk(const struct session *s, const struct vm_snapshot *snap, const struct vm *vm,
    char name[VM_LABEL_SIZE], struct err *e)
{
	_cleanup_free_ char *volumes = NULL;
	char mac[MAC_TEXT_SIZE], *volume;

	int r = engine_volumes(&s->engine, LAB_VOLUME_MAC, mac_format(&vm->mac, mac), &volumes, e);
	char *rest = volumes;
	while (r == 0 && (volume = strsep(&rest, "\n"))) {
		_cleanup_free_ char *lab = NULL, *was = NULL;
		if (!*volume)
			continue;
		if (engine_volume_label(&s->engine, volume, "vmlab.lab", &lab, e) == 0 &&
		    engine_volume_label(&s->engine, volume, LAB_VOLUME_VM, &was, e) == 0 && lab &&
		    was && strcmp(lab, s->lab->name) == 0 && strlen(was) < VM_LABEL_SIZE &&
		    !vm_snapshot_by_name(snap, was)) {
			strcpy(name, was);
			return 0;
		}
	}
	return r;
}

int vm_container_kept(const struct session *s, const struct vm_snapshot *snap, const struct vm *vm,
    char name[VM_LABEL_SIZE], struct err *e)
{
	_cleanup_free_ char *volume = NULL;

	snprintf(name, VM_LABEL_SIZE, "%s", vm->name);
	if (container_list_vm(&s->containers, vm->name))
		return 0;
	const struct container *c = find_adopted(&s->containers, snap, vm->name);
	if (c) {
		snprintf(name, VM_LABEL_SIZE, "%s", c->vm);
		return 0;
	}
	int r = lab_volume_name(s->lab, &s->engine, "disk", vm->name, &volume, e);
	if (r == 0)
		r = engine_volume_find(&s->engine, volume, e);
	return r == ENGINE_ABSENT ? kept_disk(s, snap, vm, name, e) : r;
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
