/* parse.c - runs the field table over a definition, and judges what no single field can tell. */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/definition/field.h"
#include "lib/definition/mode.h"
#include "lib/definition/network.h"

#define DEFAULT_DISK_BYTES (UINT64_C(10) << 30)

static const struct err no_memory = {.code = EINVAL, .msg = "out of memory"};

static void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(cleanup_json)

/* ---- who hears what is wrong ------------------------------------------------------------------*/

static struct vm_where locate(const struct vm_reader *vr, const struct json_path *path, bool key)
{
	struct vm_where where = {0, 0};
	size_t offset;

	/* What a profile says wrong for this file is to be seen where it is named. */
	const struct json_path named = {.step[0].key = "profile", .depth = 1};
	const struct json_path *at = vr->layer ? &named : path;
	if ((!vr->layer || vr->layer->profile) &&
	    json_text_find(vr->text, vr->len, at, key, &offset))
		json_text_position(vr->text, offset, &where.line, &where.column);
	return where;
}

static void tell(struct vm_reader *vr, struct vm_where where, const struct err *why)
{
	if (!vr->refused) {
		vr->refused = true;
		vr->first = *why;
		vr->first_where = where;
	} else if (vr->listener.error) {
		vr->listener.error(vr->listener.ctx, where, why->msg);
	}
}

static void on_refusal(void *ctx, const struct json_path *bad, const struct err *why)
{
	struct vm_reader *vr = ctx;
	const struct vm_layer *l = vr->layer;
	struct err e = *why;
	char path[120];

	err_wrap(&e, "\"%s\"%s%s%s", json_path_format(bad, path, sizeof(path)),
	    !l           ? ""
	    : l->profile ? " (from profile "
			 : " (from _defaults.json",
	    l && l->profile ? l->profile : "", l ? ")" : "");
	tell(vr, locate(vr, bad, false), &e);
}

static const json_t *said(const struct vm_reader *vr, const char *name)
{
	const json_t *value = vr->given[vm_field_find(name) - vm_fields];

	for (unsigned i = vr->layer_count; !value && i-- > 0;)
		value = json_object_get(vr->layers[i].fields, name);
	return value;
}

/* What cloud-init makes of these is nothing to a machine that another system's installer installs:
 * that has none, or takes them itself; what it cannot do is told by lib/unattended/. */
static bool is_for_cloud_init_only(const struct vm_reader *vr, const struct json_path *odd)
{
	static const char *const fields[] = {"user_data", "network_config", "packages"};
	const char *mode = json_string_value(said(vr, "mode"));

	if (!mode || strcmp(mode, boot_mode_boot.name) != 0 || odd->depth == 0 ||
	    json_absent(said(vr, "unattended")) || json_is_false(said(vr, "unattended")))
		return false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (odd->step[0].key && strcmp(odd->step[0].key, fields[i]) == 0)
			return true;
	return false;
}

static void on_warning(void *ctx, const struct json_path *odd, const char *sentence)
{
	struct vm_reader *vr = ctx;
	char text[600], path[120];

	if (!vr->listener.warn || vr->layer || is_for_cloud_init_only(vr, odd))
		return;
	snprintf(
	    text, sizeof(text), "\"%s\" %s", json_path_format(odd, path, sizeof(path)), sentence);
	vr->listener.warn(vr->listener.ctx, locate(vr, odd, false), text);
}

static void on_unknown(void *ctx, const struct json_path *key, const char *nearest)
{
	struct vm_reader *vr = ctx;
	struct err e;
	char path[120];

	if (vr->layer)
		return; /* told when that was read */
	err_set(&e, EINVAL, "\"%s\" is not a known field%s%s%s%s",
	    json_path_format(key, path, sizeof(path)), vr->strict ? "" : " and is ignored",
	    nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	struct vm_where where = locate(vr, key, true);
	if (vr->strict)
		tell(vr, where, &e);
	else if (vr->listener.warn)
		vr->listener.warn(vr->listener.ctx, where, e.msg);
}

/* Of the whole file, or at an offset in it. */
static void refuse_file(struct vm_reader *vr, const size_t *offset, const struct err *why)
{
	struct vm_where where = {0, 0};

	if (offset)
		json_text_position(vr->text, *offset, &where.line, &where.column);
	tell(vr, where, why);
}

static void start(struct vm_reader *vr, const char *text, size_t len,
    const struct vm_listener *listener, bool strict)
{
	*vr = (struct vm_reader){.text = text, .len = len, .listener = *listener, .strict = strict};
	vr->json = (struct json_reader){
	    .refuse = on_refusal, .warn = on_warning, .unknown = on_unknown, .ctx = vr};
}

/* 0, or -EINVAL with the first refusal. */
static int outcome(const struct vm_reader *vr, struct vm_where *where, struct err *e)
{
	*where = vr->first_where;
	if (!vr->refused)
		return 0;
	if (e)
		*e = vr->first;
	return -EINVAL;
}

/* ---- the fields -------------------------------------------------------------------------------*/

static json_t *read_text(struct vm_reader *vr)
{
	struct err e = ERR_INIT;
	size_t bad;

	if (vr->len > VM_FILE_MAX_BYTES) {
		err_set(&e, EINVAL, "the file has %zu bytes: a definition may have at most %d",
		    vr->len, VM_FILE_MAX_BYTES);
		refuse_file(vr, NULL, &e);
		return NULL;
	}
	json_t *root = json_text_parse(vr->text, vr->len, VM_NESTING_MAX, &bad, &e);
	if (!root)
		refuse_file(vr, &bad, &e);
	return root;
}

static bool is_of_profiles(const struct vm_reader *vr, const char *key)
{
	for (size_t i = 0; i < vm_profile_field_count && vr->profile; i++)
		if (strcmp(vm_profile_fields[i].name, key) == 0)
			return true;
	return false;
}

/* What is left says something, and is known; with `strict`, unknown members were refused. */
static void drop_unknown_and_empty(struct vm_reader *vr, json_t *root)
{
	const char *known[VM_FIELDS_MAX + VM_PROFILE_FIELDS_MAX + 1] = {"$schema"};
	size_t count = 1;
	const char *key;
	json_t *value;
	void *next;

	for (size_t i = 0; i < vm_field_count; i++)
		known[count++] = vm_fields[i].name;
	for (size_t i = 0; i < vm_profile_field_count && vr->profile; i++)
		known[count++] = vm_profile_fields[i].name;
	json_known(&vr->json, root, known, count);
	json_object_foreach_safe(root, next, key, value) {
		bool of_profiles = is_of_profiles(vr, key);
		const struct vm_field *f = of_profiles ? NULL : vm_field_find(key);
		if ((!f && !of_profiles) || json_absent(value))
			json_object_del(root, key);
		else if (f)
			vr->given[f - vm_fields] = value;
	}
}

/* The text as an object of known fields that say something; NULL: it was refused. */
static json_t *start_reading(struct vm_reader *vr)
{
	json_t *root = read_text(vr);

	if (!root)
		return NULL;
	for (size_t i = 0; i < vm_field_count; i++)
		vm_field_set_builtin(&vr->draft, &vm_fields[i]);
	vr->draft.disk_count = 1;
	for (size_t i = 0; i < VM_DISKS_MAX; i++)
		vr->draft.disk_bytes[i] = DEFAULT_DISK_BYTES;
	drop_unknown_and_empty(vr, root);
	return root;
}

/* What the layers say; vr->layer is the one that says it. */
static json_t *find_in_layers(struct vm_reader *vr, const struct vm_field *f)
{
	for (unsigned i = vr->layer_count; i-- > 0;) {
		json_t *value = json_object_get(vr->layers[i].fields, f->name);
		if (value) {
			vr->layer = &vr->layers[i];
			return value;
		}
	}
	return NULL;
}

static void read_field(struct vm_reader *vr, json_t *root, const struct vm_field *f)
{
	json_t **value = &vr->given[f - vm_fields];

	if (!*value && !(f->flags & VM_FIELD_OWN)) {
		*value = find_in_layers(vr, f);
		if (*value && json_object_set(root, f->name, *value) < 0)
			refuse_file(vr, NULL, &no_memory);
	}
	if (*value) {
		json_enter(&vr->json, f->name);
		(void)vm_field_read(&vr->json, f, *value, &vr->draft);
		json_leave(&vr->json);
	}
	vr->layer = NULL;
}

/* Profiles first: they are where the others come from. */
static void read_fields(struct vm_reader *vr, json_t *root)
{
	for (int naming = 1; naming >= 0; naming--)
		for (size_t i = 0; i < vm_field_count; i++)
			if (!!(vm_fields[i].flags & VM_FIELD_NAMES_PROFILES) == naming)
				read_field(vr, root, &vm_fields[i]);
}

static void add_layer(struct vm_reader *vr, const json_t *fields, const char *profile)
{
	vr->layers[vr->layer_count++] = (struct vm_layer){fields, profile};
}

static int read_profile_name(struct json_reader *r, json_t *value)
{
	struct vm_reader *vr = vm_reader_of(r);
	struct err e = ERR_INIT;
	const char *name;

	if (json_want_line(r, value, &name) < 0)
		return -EINVAL;
	if (!vm_name_valid(name))
		return json_refuse(r,
		    "\"%.70s\" is no profile's name: write that of a file in _profiles/, without its .json",
		    name);
	if (!vr->base || !vr->base->profile)
		return 0;
	for (unsigned i = 0; i < vr->layer_count; i++)
		if (vr->layers[i].profile && strcmp(vr->layers[i].profile, name) == 0)
			return json_refuse(r, "\"%s\" is named twice: once is enough", name);
	if (vr->layer_count == VM_PROFILES_MAX + 1)
		return json_refuse(
		    r, "is one profile too many: at most %d are possible", VM_PROFILES_MAX);
	const json_t *fields = vr->base->profile(vr->base->ctx, name, &e);
	if (!fields)
		return json_refuse(r, "\"%s\" %s", name, e.msg);
	add_layer(vr, fields, name);
	return 0;
}

int vm_read_profile(struct json_reader *r, json_t *value)
{
	return json_is_array(value) ? json_each(r, value, read_profile_name)
				    : read_profile_name(r, value);
}

static void check_identity(struct vm_reader *vr)
{
	struct err e;

	for (size_t i = 0; i < vm_field_count; i++)
		if (vm_fields[i].flags & VM_FIELD_IDENTIFIES && vr->given[i])
			return;
	err_set(&e, EINVAL,
	    "\"mac\" is missing: add it, such as \"mac\": %s, or \"serial\" or \"uuid\" in its place, by which the machine's is learned when it first shows itself",
	    vm_field_find("mac")->example);
	refuse_file(vr, NULL, &e);
}

static void check_required(struct vm_reader *vr)
{
	for (size_t i = 0; i < vm_field_count; i++) {
		const struct vm_field *f = &vm_fields[i];
		struct err e;
		if (!(f->flags & VM_FIELD_REQUIRED) || vr->given[i])
			continue;
		err_set(&e, EINVAL, "\"%s\" is missing: add it, such as \"%s\": %s", f->name,
		    f->name, f->example);
		refuse_file(vr, NULL, &e);
	}
}

/* ---- what no single field can tell ------------------------------------------------------------*/

bool vm_text_is_provisioner(const char *text, size_t len)
{
	size_t bad;
	_cleanup_json_ json_t *root =
	    len > VM_FILE_MAX_BYTES ? NULL : json_text_parse(text, len, VM_NESTING_MAX, &bad, NULL);
	const char *role = json_string_value(json_object_get(root, "role"));

	return role && strcmp(role, "provisioner") == 0;
}

bool vm_text_ip(const char *text, size_t len, struct in_addr *ip)
{
	size_t bad;
	_cleanup_json_ json_t *root =
	    len > VM_FILE_MAX_BYTES ? NULL : json_text_parse(text, len, VM_NESTING_MAX, &bad, NULL);
	const char *value = json_string_value(json_object_get(root, "ip"));
	struct cidr4 c;

	if (!value || !*value || cidr4_parse(value, false, &c, NULL) < 0)
		return false;
	*ip = c.addr;
	return true;
}

/* What no single field can tell. A field that was refused is as good as absent. */
static void check_together(struct vm_reader *vr)
{
	struct json_reader *r = &vr->json;
	struct vm *vm = &vr->draft;

	if (vm->ip.s_addr && vr->subnet.prefix) {
		if (!cidr4_contains(&vr->subnet, vm->ip))
			json_refuse_member(r, "ip", "lies outside \"subnet\": correct one of them");
		else if (vm->ip_prefix && vm->ip_prefix != vr->subnet.prefix)
			json_refuse_member(
			    r, "ip", "has another prefix length than \"subnet\": drop one");
		else
			vm->ip_prefix = vr->subnet.prefix;
	}
	if (vm->ip.s_addr && vm->ip_prefix > 0 && cidr4_is_edge(vm->ip, vm->ip_prefix))
		json_refuse_member(
		    r, "ip", "is the network's own or its broadcast address: take another");
	if (vm->has_ip6 && vr->subnet6.prefix) {
		if (!cidr6_contains(&vr->subnet6, &vm->ip6))
			json_refuse_member(
			    r, "ipv6", "lies outside \"subnetv6\": correct one of them");
		else if (vm->ip6_prefix && vm->ip6_prefix != vr->subnet6.prefix)
			json_refuse_member(
			    r, "ipv6", "has another prefix length than \"subnetv6\": drop one");
		else
			vm->ip6_prefix = vr->subnet6.prefix;
	}
	if (vm->firmware == VM_FIRMWARE_BIOS && !arch_of(vm->arch)->bios)
		json_refuse_member(r, "firmware", "\"bios\" exists only with \"arch\": \"amd64\"");
	vm_check_secure_boot(r, vm);
	if (!vr->strict && vm->pxeboot && boot_mode_at(vm->mode) == &boot_mode_boot && !vm->image)
		json_refuse_member(r, "mode",
		    "\"boot\" needs the name of a boot image: add \"image\", such as \"debian-installer-13\"");
}

/* ---- all of it --------------------------------------------------------------------------------*/

/* *out is a new reference, or NULL: there is nothing of that. 0 or -ENOMEM. */
static int find_more(const struct vm_reader *vr, json_t **out)
{
	*out = NULL;
	for (size_t i = 0; i < vm_field_count; i++) {
		json_t *value = vr->given[i];

		if (!value || vm_fields[i].kind != VM_STRUCTURED)
			continue;
		if (!*out && !(*out = json_object()))
			return -ENOMEM;
		if (json_object_set(*out, vm_fields[i].name, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int pack_definition(struct vm_reader *vr, json_t *root, struct vm **out)
{
	struct vm *vm = &vr->draft;

	for (size_t i = vm->disk_count; i < VM_DISKS_MAX; i++)
		vm->disk_bytes[i] = 0;
	if (!vm->hostname)
		vm->hostname = vm->label;
	vm->mac_made = !json_object_get(root, "mac");
	if (vm->mac_made)
		vm->mac = vm_mac_make(vm->serial, vm->uuid);
	_cleanup_json_ json_t *more = NULL;
	_cleanup_free_ struct in6_addr *statics = NULL;
	int found = vm_network_addresses(
	    json_object_get(root, "network_config"), &statics, &vm->static_count);
	if (found == 0)
		found = find_more(vr, &more);
	vm->statics = statics;
	vm->more = more;
	*out = found == 0 ? vm_pack(vm) : NULL;
	return *out ? 0 : -ENOMEM;
}

int vm_parse_all(const char *text, size_t len, const struct vm_base *base, struct vm **out,
    struct vm_where *where, const struct vm_listener *listener, struct err *e)
{
	struct vm_reader vr;

	start(&vr, text, len, listener, false);
	vr.base = base;
	if (base && base->defaults)
		add_layer(&vr, base->defaults, NULL);
	_cleanup_json_ json_t *root = start_reading(&vr);
	bool of_pvmlab = json_object_get(root, "role") != NULL;
	if (root) {
		check_required(&vr);
		check_identity(&vr);
		read_fields(&vr, root);
		check_together(&vr);
		vm_check_user_data(&vr.json, root);
	}
	if (outcome(&vr, where, e) < 0)
		return -EINVAL;
	if (of_pvmlab && !json_object_get(root, "pxeboot"))
		vr.draft.pxeboot = false;
	if (pack_definition(&vr, root, out) < 0)
		refuse_file(&vr, NULL, &no_memory);
	return outcome(&vr, where, e);
}

int vm_parse(const char *text, size_t len, const json_t *defaults, struct vm **out,
    struct vm_where *where, void (*warn)(void *ctx, struct vm_where where, const char *text),
    void *ctx, struct err *e)
{
	struct vm_listener listener = {.warn = warn, .ctx = ctx};

	return vm_parse_all(
	    text, len, &(struct vm_base){.defaults = defaults}, out, where, &listener, e);
}

int vm_defaults_parse(
    const char *text, size_t len, json_t **out, struct vm_where *where, struct err *e)
{
	return vm_defaults_parse_all(text, len, out, where, &(struct vm_listener){0}, e);
}

/* Of a profile. */
static void warn_useless_name(struct vm_reader *vr, bool has_match)
{
	if (!json_object_get(vr->kept, "name") || has_match)
		return;
	json_enter(&vr->json, "name");
	json_warn(&vr->json,
	    "has no effect without \"match\", as it names the machines that fit that: add it, such as \"match\": %s, or drop \"name\"",
	    vm_profile_fields[0].example);
	json_leave(&vr->json);
}

/* What several machines share says nothing that is one machine's; `profile`: nor names others, and
 * has the fields of vm_profile_fields. */
static void read_shared(struct vm_reader *vr, json_t *root, bool profile)
{
	bool has_match = json_object_get(root, "match") != NULL; /* also one that is refused */

	for (size_t i = 0; i < vm_profile_field_count && profile; i++) {
		const struct vm_field *f = &vm_profile_fields[i];
		json_t *value = json_object_get(root, f->name);
		json_enter(&vr->json, f->name);
		if (value && vm_field_read(&vr->json, f, value, &vr->draft) == 0)
			(void)json_object_set(vr->kept, f->name, value);
		json_leave(&vr->json);
		json_object_del(root, f->name);
	}
	warn_useless_name(vr, has_match);
	for (size_t i = 0; i < vm_field_count; i++) {
		const struct vm_field *f = &vm_fields[i];
		const char *why =
		    f->flags & VM_FIELD_OWN
			? "belongs to one machine: move it into that machine's own file"
		    : profile && f->flags & VM_FIELD_NAMES_PROFILES
			? "is not for a profile: name both in the definition, as a list"
			: NULL;
		if (!why || !vr->given[i])
			continue;
		(void)json_refuse_member(&vr->json, f->name, "%s", why);
		json_object_del(root, f->name);
		vr->given[i] = NULL;
	}
	read_fields(vr, root);
	check_together(vr);
}

static int parse_shared(const char *text, size_t len, bool profile, json_t **out,
    struct vm_where *where, const struct vm_listener *listener, struct err *e)
{
	_cleanup_json_ json_t *kept = json_object();
	struct vm_reader vr;

	start(&vr, text, len, listener, true);
	vr.profile = profile;
	vr.kept = kept;
	_cleanup_json_ json_t *root = start_reading(&vr);
	if (root)
		read_shared(&vr, root, profile);
	if (root && json_object_update(root, kept) < 0)
		refuse_file(&vr, NULL, &no_memory);
	if (outcome(&vr, where, e) < 0)
		return -EINVAL;
	*out = steal_ptr(root);
	return 0;
}

int vm_defaults_parse_all(const char *text, size_t len, json_t **out, struct vm_where *where,
    const struct vm_listener *listener, struct err *e)
{
	return parse_shared(text, len, false, out, where, listener, e);
}

int vm_profile_parse_all(const char *text, size_t len, json_t **out, struct vm_where *where,
    const struct vm_listener *listener, struct err *e)
{
	return parse_shared(text, len, true, out, where, listener, e);
}
