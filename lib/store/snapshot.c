#include "lib/store/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/hash_table.h"
#include "lib/base/text.h"
#include "lib/machine/smbios_id.h"

struct vm_snapshot {
	atomic_uint refs;
	unsigned long generation;
	struct vm_node **nodes;
	size_t node_count;
	struct vm_problem_node **problems;
	size_t problem_count;
	struct hash_table by_mac, by_uuid, by_serial; /* of struct vm */
	struct hash_table by_label;                   /* those whose name is another */
	struct hash_table by_address;                 /* declared and static ones */
	unsigned char *noreboot;                      /* one byte a node; NULL: none */
	char *defaults;                               /* compact JSON, or NULL */
	json_t *profiles;
	char *kept; /* vm_claims_kept()'s, or NULL */
};

/* ---- nodes and problems -----------------------------------------------------------------------*/

struct vm_node *vm_node_new(struct vm *vm, const char *file)
{
	size_t len = strlen(file) + 1;
	struct vm_node *n = malloc(sizeof(*n) + len);

	if (!n) {
		vm_free(vm);
		return NULL;
	}
	atomic_init(&n->refs, 1);
	n->listed = false;
	n->vm = vm;
	memcpy(n->file, file, len);
	return n;
}

struct vm_node *vm_node_ref(struct vm_node *n)
{
	atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
	return n;
}

/* True when that was the last reference. */
static bool drop(atomic_uint *refs)
{
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

void vm_node_unref(struct vm_node *n)
{
	if (!n || !drop(&n->refs))
		return;
	vm_free(n->vm);
	free(n);
}

struct vm_problem_node *vm_problem_new(
    const char *file, struct vm_where where, const char *text, bool serving_last_good, bool warning)
{
	size_t file_size = strlen(file) + 1, text_size = strlen(text) + 1;
	struct vm_problem_node *p = malloc(sizeof(*p) + file_size + text_size);

	if (!p)
		return NULL;
	char *strings = (char *)(p + 1);
	atomic_init(&p->refs, 1);
	p->next = NULL;
	p->problem = (struct vm_problem){.file = memcpy(strings, file, file_size),
	    .where = where,
	    .text = memcpy(strings + file_size, text, text_size),
	    .serving_last_good = serving_last_good,
	    .warning = warning};
	text_clean_string(p->problem.text, ""); /* it may quote the file */
	return p;
}

void vm_problem_unref(struct vm_problem_node *p)
{
	if (p && drop(&p->refs))
		free(p);
}

/* ---- making a snapshot ------------------------------------------------------------------------*/

static uint64_t text_hash(const char *text)
{
	return hash_bytes(text, strlen(text), 0);
}

static uint64_t mac_hash(const struct mac *mac)
{
	return hash_bytes(mac->octet, sizeof(mac->octet), 0);
}

static uint64_t address_hash(const struct in6_addr *address)
{
	return hash_bytes(address, sizeof(*address), 0);
}

struct address_key {
	const struct in6_addr *address;
	const struct vm * not; /* this one is not looked for */
	bool declared;         /* only as "ip" or "ipv6" */
};

static bool has_address(const void *item, const void *wanted)
{
	const struct address_key *key = wanted;
	const struct vm *vm = item;
	struct in6_addr ip = ip4_mapped(vm->ip);

	if (vm == key->not)
		return false;
	if (!key->declared)
		return vm_has_address(vm, key->address);
	return (vm->ip.s_addr && ip6_equal(&ip, key->address)) ||
	       (vm->has_ip6 && ip6_equal(&vm->ip6, key->address));
}

static struct vm *find_address(const struct vm_snapshot *s, const struct address_key *key)
{
	return hash_table_find(&s->by_address, address_hash(key->address), has_address, key);
}

static bool index_address(struct vm_snapshot *s, const struct in6_addr *address, struct vm *vm)
{
	return hash_table_add(&s->by_address, address_hash(address), vm) == 0;
}

/* Thousands of definitions may set the same static address, on a bridge within each machine: two of
 * them tell that it is another one's, too. */
static bool index_static(struct vm_snapshot *s, const struct in6_addr *address, struct vm *vm)
{
	const struct vm *one = find_address(s, &(struct address_key){.address = address});

	if (one == vm || (one && find_address(s, &(struct address_key){address, one, false})))
		return true;
	return index_address(s, address, vm);
}

static bool index_addresses(struct vm_snapshot *s, struct vm *vm)
{
	struct in6_addr ip = ip4_mapped(vm->ip);

	if ((vm->ip.s_addr && !index_address(s, &ip, vm)) ||
	    (vm->has_ip6 && !index_address(s, &vm->ip6, vm)))
		return false;
	for (unsigned i = 0; i < vm->static_count; i++)
		if (!index_static(s, &vm->statics[i], vm))
			return false;
	return true;
}

static bool make_indexes(struct vm_snapshot *s)
{
	/* At most half full: a look-up seldom passes another one's slot. */
	if (hash_table_reserve(&s->by_mac, s->node_count * 3 / 2) < 0)
		return false;
	for (size_t i = 0; i < s->node_count; i++) {
		struct vm *vm = s->nodes[i]->vm;
		if (hash_table_add(&s->by_mac, mac_hash(&vm->mac), vm) < 0 ||
		    (vm->uuid && hash_table_add(&s->by_uuid, text_hash(vm->uuid), vm) < 0) ||
		    (vm->serial &&
			hash_table_add(&s->by_serial, smbios_serial_hash(vm->serial, 0), vm) < 0) ||
		    (strcmp(vm->label, vm->name) != 0 &&
			hash_table_add(&s->by_label, text_hash(vm->label), vm) < 0) ||
		    !index_addresses(s, vm))
			return false;
	}
	return true;
}

/* Position of the first node whose name is not below `name`. */
static size_t lower_bound(const struct vm_snapshot *s, const char *name)
{
	size_t low = 0, high = s->node_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(s->nodes[middle]->vm->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Position of the node with this name, or node_count. */
static size_t position_of(const struct vm_snapshot *s, const char *name)
{
	size_t i = lower_bound(s, name);

	return i < s->node_count && strcmp(s->nodes[i]->vm->name, name) == 0 ? i : s->node_count;
}

static bool mark_noreboot(struct vm_snapshot *s, char *const *names, size_t count)
{
	if (count == 0)
		return true;
	s->noreboot = calloc(s->node_count + 1, 1);
	if (!s->noreboot)
		return false;
	for (size_t i = 0; i < count; i++)
		s->noreboot[position_of(s, names[i])] = 1;
	return true;
}

struct vm_snapshot *vm_snapshot_new(const struct vm_snapshot_content *c)
{
	struct vm_snapshot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	s->generation = c->generation;
	s->nodes = c->nodes;
	s->node_count = c->node_count;
	s->defaults = c->defaults ? json_dumps(c->defaults, JSON_COMPACT) : NULL;
	if ((c->defaults && !s->defaults) || !make_indexes(s) ||
	    !mark_noreboot(s, c->noreboot, c->noreboot_count)) {
		s->node_count = 0;
		s->nodes = NULL;
		vm_snapshot_unref(s);
		return NULL;
	}
	s->problems = c->problems;
	s->problem_count = c->problem_count;
	s->profiles = json_incref(c->profiles);
	s->kept = c->kept;
	return s;
}

const char *vm_snapshot_kept(const struct vm_snapshot *snap)
{
	return snap->kept;
}

const json_t *vm_snapshot_profiles(const struct vm_snapshot *snap)
{
	return snap->profiles;
}

const char *vm_snapshot_defaults(const struct vm_snapshot *snap)
{
	return snap->defaults;
}

struct vm_snapshot *vm_snapshot_ref(struct vm_snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void vm_snapshot_unref(const struct vm_snapshot *snap)
{
	/* Counting is not a change that anyone can observe. */
	struct vm_snapshot *s = (struct vm_snapshot *)snap;

	if (!s || !drop(&s->refs))
		return;
	for (size_t i = 0; i < s->node_count; i++)
		vm_node_unref(s->nodes[i]);
	for (size_t i = 0; i < s->problem_count; i++)
		vm_problem_unref(s->problems[i]);
	free(s->nodes);
	free(s->problems);
	free(s->defaults);
	free(s->kept);
	json_decref(s->profiles);
	hash_table_clear(&s->by_mac);
	hash_table_clear(&s->by_uuid);
	hash_table_clear(&s->by_serial);
	hash_table_clear(&s->by_label);
	hash_table_clear(&s->by_address);
	free(s->noreboot);
	free(s);
}

/* ---- looking up -------------------------------------------------------------------------------*/

static bool has_mac(const void *vm, const void *mac)
{
	return mac_equal(&((const struct vm *)vm)->mac, mac);
}

static bool has_uuid(const void *vm, const void *uuid)
{
	return strcmp(((const struct vm *)vm)->uuid, uuid) == 0;
}

static bool has_serial(const void *vm, const void *serial)
{
	return smbios_serial_same(((const struct vm *)vm)->serial, serial);
}

static bool has_label(const void *vm, const void *label)
{
	return strcmp(((const struct vm *)vm)->label, label) == 0;
}

const struct vm *vm_snapshot_by_mac(const struct vm_snapshot *s, const struct mac *mac)
{
	return hash_table_find(&s->by_mac, mac_hash(mac), has_mac, mac);
}

const struct vm *vm_snapshot_by_name(const struct vm_snapshot *s, const char *name)
{
	size_t i = position_of(s, name);

	return i < s->node_count ? s->nodes[i]->vm : NULL;
}

const struct vm *vm_snapshot_by_label(const struct vm_snapshot *s, const char *label)
{
	const struct vm *vm = vm_snapshot_by_name(s, label);

	return vm ? vm : hash_table_find(&s->by_label, text_hash(label), has_label, label);
}

const struct vm *vm_snapshot_declaring(const struct vm_snapshot *s, const struct in6_addr *address)
{
	return find_address(s, &(struct address_key){.address = address, .declared = true});
}

bool vm_snapshot_is_anothers(
    const struct vm_snapshot *s, const struct vm *vm, const struct in6_addr *address)
{
	return find_address(s, &(struct address_key){.address = address, .not= vm});
}

const struct vm *vm_snapshot_by_uuid(const struct vm_snapshot *s, const char *uuid)
{
	char lower[37];
	size_t len = strlen(uuid);

	if (len != sizeof(lower) - 1)
		return NULL;
	for (size_t i = 0; i <= len; i++)
		lower[i] =
		    (char)(uuid[i] >= 'A' && uuid[i] <= 'F' ? uuid[i] + ('a' - 'A') : uuid[i]);
	return hash_table_find(&s->by_uuid, hash_bytes(lower, len, 0), has_uuid, lower);
}

const struct vm *vm_snapshot_by_serial(const struct vm_snapshot *s, const char *serial)
{
	return hash_table_find(&s->by_serial, smbios_serial_hash(serial, 0), has_serial, serial);
}

size_t vm_snapshot_count(const struct vm_snapshot *s)
{
	return s->node_count;
}

const struct vm *vm_snapshot_at(const struct vm_snapshot *s, size_t i)
{
	return s->nodes[i]->vm;
}

bool vm_snapshot_noreboot(const struct vm_snapshot *s, const struct vm *vm)
{
	size_t i = position_of(s, vm->name);

	return s->noreboot && i < s->node_count && s->noreboot[i];
}

const char *vm_snapshot_file(const struct vm_snapshot *s, const struct vm *vm)
{
	size_t i = position_of(s, vm->name);

	return i < s->node_count ? s->nodes[i]->file : NULL;
}

size_t vm_snapshot_problem_count(const struct vm_snapshot *s)
{
	return s->problem_count;
}

const struct vm_problem *vm_snapshot_problem_at(const struct vm_snapshot *s, size_t i)
{
	return &s->problems[i]->problem;
}

unsigned long vm_snapshot_generation(const struct vm_snapshot *s)
{
	return s->generation;
}
