/* origin.h - where each value of a definition comes from. Pure. */
#ifndef LIB_DEFINITION_ORIGIN_H
#define LIB_DEFINITION_ORIGIN_H

#include "lib/definition/vm.h"

enum vm_source { VM_SOURCE_BUILTIN, VM_SOURCE_DEFAULTS, VM_SOURCE_PROFILE, VM_SOURCE_FILE };

struct vm_origin {
	const char *field;
	const json_t *value; /* as it was written there */
	enum vm_source source;
	const char *profile; /* VM_SOURCE_PROFILE: its name */
};

/* Tells of each field that has a value, in the order of the table. `vm` is what vm_parse_all() made
 * of the object `own` and `base`. */
void vm_origins(const struct vm *vm, const json_t *own, const struct vm_base *base,
    void (*each)(void *ctx, const struct vm_origin *origin), void *ctx);

/* What holds of each field that has a value, {field: value}, sizes as text: to compare with what
 * held at another time. A new reference; NULL without memory. */
json_t *vm_values(const struct vm *vm);

/* When a field's value reaches a machine: only then is it other than its definition says. */
enum vm_reach {
	VM_REACHES_NOTHING, /* a machine that runs or has been installed, as it is */
	VM_REACHES_DISK,    /* by an installation */
	VM_REACHES_MACHINE, /* when a VM is started */
};
enum vm_reach vm_field_reach(const char *field);

#endif
