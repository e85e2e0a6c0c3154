/* Arbitrary bytes as a definition, and as defaults: whatever is accepted keeps vm.h's promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/definition/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static bool one_line(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static void check_vm(const struct vm *vm)
{
	const char *const texts[] = {vm->name, vm->hostname, vm->distro, vm->role, vm->uuid,
	    vm->serial, vm->kernel, vm->initrd, vm->kernel_args};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		PROMISE(one_line(texts[i]));
	PROMISE(vm_name_valid(vm->name) && vm_label_valid(vm->label));
	PROMISE(vm->hostname && vm->distro && !strchr(vm->distro, '/') && vm->distro[0] != '.');
	PROMISE(!vm->kernel_args || !strpbrk(vm->kernel_args, "\"'\\$;&|<>{}#`"));
	PROMISE(!vm->kernel || !strchr(vm->kernel, '/'));
	PROMISE(vm->cpus >= 1 && vm->memory_bytes >= 64 << 20 && vm->disk_count <= VM_DISKS_MAX);

	/* What is handed on means the same when it is read again. */
	json_t *root = vm->more ? json_copy(vm->more) : json_object();
	char mac[MAC_TEXT_SIZE];
	json_object_set_new(root, "name", json_string(vm->name));
	json_object_set_new(root, "mac", json_string(mac_format(&vm->mac, mac)));
	char *text = json_dumps(root, JSON_COMPACT);
	struct vm_where where;
	struct vm *again = NULL;
	PROMISE(vm_parse(text, strlen(text), NULL, &again, &where, NULL, NULL, NULL) == 0 ||
		strlen(text) > VM_FILE_MAX_BYTES);
	if (again)
		PROMISE(again->disk_count == vm->disk_count && !again->more == !vm->more &&
			(!vm->more || json_equal(again->more, vm->more)));
	vm_free(again);
	free(text);
	json_decref(root);
}

static void note(void *ctx, struct vm_where where, const char *text)
{
	(void)ctx;
	PROMISE(where.line >= 1 && where.column >= 1 && text[0]);
}

/* What two defaults together are has no place in the definition's own text. */
static void note_anywhere(void *ctx, struct vm_where where, const char *text)
{
	(void)ctx;
	PROMISE(where.line >= 0 && where.column >= 0 && text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm = NULL;
	json_t *defaults = NULL;

	if (vm_parse((const char *)data, size, NULL, &vm, &where, note, NULL, &e) == 0)
		check_vm(vm);
	else
		PROMISE(e.msg[0] && where.line >= 0 && where.column >= 0);
	vm_free(vm);

	if (vm_defaults_parse((const char *)data, size, &defaults, &where, &e) == 0) {
		static const char text[] = "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:11\"}";
		PROMISE(vm_parse(text, strlen(text), defaults, &vm, &where, note_anywhere, NULL,
			    &e) == 0);
		check_vm(vm);
		vm_free(vm);
	}
	json_decref(defaults);
	return 0;
}
