/* test_vm_from.h - for tests: a definition from its text, which has to be good. */
#ifndef LIB_DEFINITION_TEST_VM_FROM_H
#define LIB_DEFINITION_TEST_VM_FROM_H

#include <string.h>

#include "lib/definition/vm.h"

/* Both for vm_free(). */
static inline struct vm *vm_from_with(const char *text, const json_t *defaults)
{
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm = NULL;

	if (vm_parse(text, strlen(text), defaults, &vm, &where, NULL, NULL, &e) < 0)
		fail_msg("%s\n%d:%d: %s", text, where.line, where.column, e.msg);
	return vm;
}

static inline struct vm *vm_from(const char *text)
{
	return vm_from_with(text, NULL);
}

#endif
