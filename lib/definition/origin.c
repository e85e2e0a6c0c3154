#include "lib/definition/origin.h"

#include <inttypes.h>
#include <string.h>

#include "lib/definition/field.h"
#include "lib/machine/vm_setting.h"

#define MIB (UINT64_C(1) << 20)

/* What holds where nobody says anything, as a file would say it; a new reference, or NULL. */
static json_t *builtin_of(const struct vm *vm, const struct vm_field *f)
{
	if (f->kind == VM_STRUCTURED || !f->member)
		return NULL;
	if (f->kind == VM_SIZE) {
		uint64_t bytes = *(const uint64_t *)((const char *)vm + f->member);
		return json_integer((json_int_t)(bytes / (f->unit ? f->unit : MIB)));
	}
	return vm_field_json(f, vm);
}

static bool from_profiles(const json_t *named, const struct vm_base *base, struct vm_origin *o)
{
	size_t count = json_is_array(named) ? json_array_size(named) : named ? 1 : 0;

	while (count-- > 0 && base->profile) {
		const json_t *name = json_is_array(named) ? json_array_get(named, count) : named;
		struct err ignored = ERR_INIT;
		const json_t *fields = base->profile(base->ctx, json_string_value(name), &ignored);
		o->value = json_object_get(fields, o->field);
		o->profile = json_string_value(name);
		if (o->value)
			return true;
	}
	o->profile = NULL;
	return false;
}

/* False: nothing is said of it. *made is what has to be given back. */
static bool find_origin(const struct vm *vm, const json_t *own, const struct vm_base *base,
    const struct vm_field *f, struct vm_origin *o, json_t **made)
{
	bool shared = !(f->flags & VM_FIELD_OWN);

	*o = (struct vm_origin){.field = f->name, .source = VM_SOURCE_FILE};
	o->value = json_object_get(own, f->name);
	if (!json_absent(o->value))
		return true;
	o->source = VM_SOURCE_PROFILE;
	if (shared && from_profiles(json_object_get(vm->more, "profile"), base, o))
		return true;
	o->source = VM_SOURCE_DEFAULTS;
	o->value = shared ? json_object_get(base->defaults, f->name) : NULL;
	if (!json_absent(o->value))
		return true;
	o->source = VM_SOURCE_BUILTIN;
	o->value = *made = builtin_of(vm, f);
	return o->value != NULL;
}

void vm_origins(const struct vm *vm, const json_t *own, const struct vm_base *base,
    void (*each)(void *ctx, const struct vm_origin *origin), void *ctx)
{
	for (size_t i = 0; i < vm_field_count; i++) {
		struct vm_origin origin;
		json_t *made = NULL;
		if (find_origin(vm, own, base, &vm_fields[i], &origin, &made))
			each(ctx, &origin);
		json_decref(made);
	}
}

/* ---- what holds ---------------------------------------------------------------------------- */

/* As a file may say it, to the byte: "2G". */
static json_t *size_json(uint64_t bytes)
{
	static const char *const units[] = {"", "K", "M", "G", "T"};
	size_t unit = 0;

	while (bytes && bytes % 1024 == 0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	return json_sprintf("%" PRIu64 "%s", bytes, units[unit]);
}

static json_t *value_of(const struct vm *vm, const struct vm_field *f)
{
	if (f->kind == VM_STRUCTURED || !f->member)
		return json_incref(json_object_get(vm->more, f->name));
	if (f->kind != VM_SIZE)
		return vm_field_json(f, vm);
	return size_json(*(const uint64_t *)((const char *)vm + f->member));
}

json_t *vm_values(const struct vm *vm)
{
	json_t *values = json_object();

	for (size_t i = 0; values && i < vm_field_count; i++) {
		json_t *value = value_of(vm, &vm_fields[i]);
		if (value)
			json_object_set_new(values, vm_fields[i].name, value);
	}
	return values;
}

enum vm_reach vm_field_reach(const char *field)
{
	const struct vm_field *f = vm_field_find(field);

	if (f && f->flags & VM_FIELD_INSTALLED)
		return VM_REACHES_DISK;
	for (size_t i = 0; f && i < vm_setting_count; i++)
		if (vm_settings[i].field && strcmp(vm_settings[i].field, field) == 0)
			return VM_REACHES_MACHINE;
	return VM_REACHES_NOTHING;
}
