#include "lib/definition/vm.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/definition/field.h"
#include "lib/definition/network.h"

/* ---- words ------------------------------------------------------------------------------------*/

const char *vm_after_name(size_t after)
{
	static const char *const names[] = {"reboot", "kexec", "poweroff", "shell", NULL};

	return names[after];
}

/* ---- one VM, one allocation -------------------------------------------------------------------*/

#define STRINGS_MAX (VM_FIELDS_MAX + 2)

/* Where the strings are that a VM has: those of the table, and two that are made. */
static size_t find_strings(struct vm *vm, char **out[STRINGS_MAX])
{
	char **made[] = {&vm->label, &vm->uuid};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		if (*made[i])
			out[count++] = made[i];
	for (size_t i = 0; i < vm_field_count; i++) {
		char **string = (char **)((char *)vm + vm_fields[i].member);
		if (vm_fields[i].kind == VM_TEXT && vm_fields[i].member && *string)
			out[count++] = string;
	}
	return count;
}

struct vm *vm_pack(const struct vm *draft)
{
	size_t statics = draft->static_count * sizeof(*draft->statics);
	size_t size = sizeof(*draft) + statics;
	char **strings[STRINGS_MAX];
	struct vm copy = *draft;

	size_t count = find_strings(&copy, strings);
	for (size_t i = 0; i < count; i++)
		size += strlen(*strings[i]) + 1;
	struct vm *vm = malloc(size);
	if (!vm)
		return NULL;
	char *p = (char *)(vm + 1);
	if (draft->static_count > 0)
		copy.statics = memcpy(p, draft->statics, statics);
	p += statics;
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(*strings[i]) + 1;
		*strings[i] = memcpy(p, *strings[i], n);
		p += n;
	}
	*vm = copy;
	json_incref(vm->more);
	return vm;
}

void vm_free(struct vm *vm)
{
	if (vm)
		json_decref(vm->more);
	free(vm);
}

bool vm_has_address(const struct vm *vm, const struct in6_addr *address)
{
	struct in6_addr ip = ip4_mapped(vm->ip);

	if ((vm->ip.s_addr && ip6_equal(&ip, address)) ||
	    (vm->has_ip6 && ip6_equal(&vm->ip6, address)))
		return true;
	for (unsigned i = 0; i < vm->static_count; i++)
		if (ip6_equal(&vm->statics[i], address))
			return true;
	return false;
}

bool vm_is_provisioner(const struct vm *vm)
{
	return vm->role && strcmp(vm->role, "provisioner") == 0;
}
