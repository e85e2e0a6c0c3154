/* Arbitrary bytes as a definition, and as defaults: whatever is accepted keeps vm.h's promises.
 * Behind a 'P' and a line with what a machine shows, as a profile: it keeps match.h's, too. */
#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "lib/definition/match.h"
#include "lib/definition/origin.h"
#include "lib/definition/vm.h"

static bool one_line(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* What is kept of it, to tell later what a machine has otherwise: the same when it is read again.
 */
static void check_values(const struct vm *vm)
{
	json_t *values = vm_values(vm), *value;
	const char *field;

	PROMISE(values);
	json_object_foreach(values, field, value) {
		enum vm_reach reach = vm_field_reach(field);
		PROMISE(reach == VM_REACHES_NOTHING || reach == VM_REACHES_DISK ||
			reach == VM_REACHES_MACHINE);
		PROMISE(!json_is_null(value));
	}
	_cleanup_free_ char *text = json_dumps(values, JSON_COMPACT);
	json_t *again = text ? json_loads(text, 0, NULL) : NULL;
	PROMISE(json_equal(values, again));
	json_decref(again);
	json_decref(values);
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

	check_values(vm);
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

static void check_match(json_t *profile, const char *shown)
{
	const char *pattern = json_string_value(json_object_get(profile, "name"));
	struct match_facts facts = {.serial = shown, .product = shown, .arch = "amd64"};
	json_t *profiles = json_pack("{sO}", "it", profile);
	char name[VM_LABEL_SIZE];
	struct err e = ERR_INIT;

	bool fits = match_fits(json_object_get(profile, "match"), &facts);
	const char *chosen = match_choose(profiles, &facts, &e);
	PROMISE(fits ? chosen && strcmp(chosen, "it") == 0 : !chosen && e.msg[0]);
	json_decref(profiles);
	if (!pattern)
		return;
	if (match_name(pattern, &facts, name, &e) == 0)
		PROMISE(vm_label_valid(name));
	else
		PROMISE(e.msg[0]);
}

static const json_t *find_profile(void *ctx, const char *name, struct err *e)
{
	(void)name;
	(void)e;
	return ctx;
}

/* A machine that names it, by all that is right of it alone. */
static void check_named(json_t *profile)
{
	static const char text[] =
	    "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:11\",\"profile\":\"it\"}";
	struct vm_base base = {.profile = find_profile, .ctx = profile};
	struct vm_listener listener = {.error = note_anywhere};
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm = NULL;

	PROMISE(vm_parse_all(text, strlen(text), &base, &vm, &where, &listener, &e) == 0);
	check_vm(vm);
	vm_free(vm);
}

static void try_profile(const uint8_t *data, size_t size)
{
	struct vm_listener listener = {.warn = note, .error = note};
	_cleanup_free_ char *shown = promise_string(data, size);
	char *text = strchr(shown, '\n');
	json_t *profile = NULL;
	struct vm_where where;
	struct err e = ERR_INIT;

	if (!text)
		return;
	*text++ = '\0';
	size_t len = size - (size_t)(text - shown);
	if (vm_profile_parse_all(text, len, &profile, &where, &listener, &e) == 0) {
		check_match(profile, shown);
		check_named(profile);
	} else {
		PROMISE(e.msg[0] && where.line >= 0 && where.column >= 0);
	}
	json_decref(profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm = NULL;
	json_t *defaults = NULL;

	if (size > 0 && data[0] == 'P') {
		try_profile(data + 1, size - 1);
		return 0;
	}
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
