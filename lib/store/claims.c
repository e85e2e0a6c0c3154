#include "lib/store/claims.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/json/text.h"
#include "lib/machine/smbios_id.h"
#include "lib/store/claim.h"
#include "lib/store/file.h"
#include "lib/store/profiles.h"

/* ---- who claims what --------------------------------------------------------------------------*/

static uint64_t key_hash(const struct vm_claim *key)
{
	uint64_t seed = (uint64_t)key->kind + 1;

	return key->kind == VM_CLAIM_SERIAL ? smbios_serial_hash(key->data, seed)
					    : hash_bytes(key->data, key->len, seed);
}

static bool claims_key(const struct vm_node *node, const struct vm_claim *key)
{
	return node && vm_claim_index(node->vm, key) < vm_claim_count(node->vm);
}

static bool serving_claims(const void *item, const void *key)
{
	return claims_key(((const struct vm_file *)item)->serving, key);
}

static bool pending_claims(const void *item, const void *key)
{
	return claims_key(((const struct vm_file *)item)->pending, key);
}

/* Enters all claims of a definition; the caller has made room. */
static void enter(
    const struct vm_folder *f, struct hash_table *t, const struct vm *vm, struct vm_file *file)
{
	struct vm_claim key;

	for (unsigned c = 0; c < vm_claim_count(vm); c++)
		if (vm_claim_counts(f, vm, c, &key) && hash_table_add(t, key_hash(&key), file) < 0)
			return; /* cannot be */
}

void vm_claims_add(struct vm_folder *f, struct vm_file *file)
{
	enter(f, &f->claims, file->serving->vm, file);
}

void vm_claims_remove(struct vm_folder *f, struct vm_file *file)
{
	struct vm_claim key;

	for (unsigned c = 0; c < vm_claim_count(file->serving->vm); c++)
		if (vm_claim_counts(f, file->serving->vm, c, &key))
			hash_table_remove(&f->claims, key_hash(&key), file);
}

/* ---- who held what before
 * ----------------------------------------------------------------------*/

#define HOLDING_LINE "%016" PRIx64 "\n"
#define DEFAULTS_LINE "defaults "
#define PROFILES_LINE "profiles "

/* The upper half of all numbers of a file. */
static uint32_t holdings_of(const char *file)
{
	return (uint32_t)hash_bytes(file, strlen(file), 0);
}

/* One number for "this file holds that". */
static uint64_t holding_of(const struct vm_claim *key, const char *file)
{
	return (uint64_t)holdings_of(file) << 32 |
	       (uint32_t)hash_bytes(file, strlen(file), key_hash(key));
}

/* As earlier versions kept it; it does not tell whose it is. */
static uint64_t old_holding_of(const struct vm_claim *key, const char *file)
{
	return hash_bytes(file, strlen(file), key_hash(key));
}

char *vm_holders_text(const struct vm_snapshot *snap)
{
	char *text = NULL;
	size_t len;
	struct vm_claim key;
	FILE *m = open_memstream(&text, &len);

	if (!m)
		return NULL;
	for (size_t i = 0; i < vm_snapshot_count(snap); i++) {
		const struct vm *vm = vm_snapshot_at(snap, i);
		const char *file = vm_snapshot_file(snap, vm);
		for (unsigned c = 0; file && c < vm_claim_count(vm); c++)
			if (vm_claim_at(vm, c, &key))
				fprintf(m, HOLDING_LINE, holding_of(&key, file));
	}
	if (vm_snapshot_kept(snap))
		fputs(vm_snapshot_kept(snap), m);
	if (vm_snapshot_defaults(snap))
		fprintf(m, DEFAULTS_LINE "%s\n", vm_snapshot_defaults(snap));
	if (json_object_size(vm_snapshot_profiles(snap)) > 0) {
		fputs(PROFILES_LINE, m);
		(void)json_dumpf(vm_snapshot_profiles(snap), m, JSON_COMPACT | JSON_SORT_KEYS);
		fputc('\n', m);
	}
	if (fclose(m) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void remember_defaults(struct vm_folder *f, const char *line)
{
	json_t *value = json_loadb(line, strcspn(line, "\n"), JSON_REJECT_DUPLICATES, NULL);

	json_decref(f->defaults);
	f->defaults = json_is_object(value) ? value : NULL;
	if (!f->defaults)
		json_decref(value);
}

static bool any(const void *item, const void *key)
{
	(void)item;
	(void)key;
	return true;
}

static bool is_held(const struct vm_folder *f, uint64_t holding)
{
	return hash_table_find(&f->held, holding, any, NULL) != NULL;
}

int vm_claims_remember(struct vm_folder *f, const char *holders)
{
	while (*holders) {
		char *end;
		uint64_t holding = strtoull(holders, &end, 16);
		if (end == holders + 16 && *end == '\n' && !is_held(f, holding) &&
		    hash_table_add(&f->held, holding, f) < 0)
			return -ENOMEM;
		if (strncmp(holders, DEFAULTS_LINE, strlen(DEFAULTS_LINE)) == 0)
			remember_defaults(f, holders + strlen(DEFAULTS_LINE));
		if (strncmp(holders, PROFILES_LINE, strlen(PROFILES_LINE)) == 0) {
			const char *line = holders + strlen(PROFILES_LINE);
			vm_profiles_remember(f, json_loadb(line, strcspn(line, "\n"), 0, NULL));
		}
		holders += strcspn(holders, "\n");
		holders += *holders == '\n';
	}
	return 0;
}

static bool held_before(const struct vm_folder *f, const struct vm_claim *key, const char *file)
{
	return is_held(f, holding_of(key, file)) || is_held(f, old_holding_of(key, file));
}

/* Files that were there before and are not in force since, by holdings_of(). */
static int past_holders(const struct vm_folder *f, struct hash_table *out)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->files.capacity; i++) {
		struct vm_file *file = f->files.slots[i].item;
		if (file && file->from_before)
			r = hash_table_add(out, holdings_of(file->name), file);
	}
	return r;
}

static int write_kept(const struct vm_folder *f, const struct hash_table *past, char **out)
{
	size_t len;
	FILE *m = open_memstream(out, &len);

	if (!m)
		return -ENOMEM;
	for (size_t i = 0; i < f->held.capacity; i++) {
		const struct hash_slot *slot = &f->held.slots[i];
		if (slot->item && hash_table_find(past, slot->hash >> 32, any, NULL))
			fprintf(m, HOLDING_LINE, slot->hash);
	}
	if (fclose(m) == 0)
		return 0;
	free(*out);
	*out = NULL;
	return -ENOMEM;
}

int vm_claims_kept(const struct vm_folder *f, char **out)
{
	struct hash_table past = {0};

	*out = NULL;
	int r = f->held.count > 0 ? past_holders(f, &past) : 0;
	if (r == 0 && past.count > 0)
		r = write_kept(f, &past, out);
	hash_table_clear(&past);
	return r;
}

/* ---- saying why not ---------------------------------------------------------------------------*/

/* Where the field stands in the file. The text is read again: collisions are rare, and keeping
 * positions of a hundred thousand files is not. */
static struct vm_where locate(
    const struct vm_folder *f, const struct vm_file *file, const char *field)
{
	struct json_path path = {.depth = 1};
	struct vm_where where = {0, 0};
	_cleanup_free_ char *name = NULL, *text = NULL;
	size_t len, offset;

	path.step[0].key = field;
	if (asprintf(&name, "%s/%s", f->path, file->name) < 0) {
		name = NULL;
		return where;
	}
	if (file_read(name, VM_FILE_MAX_BYTES, &text, &len, NULL) == 0 &&
	    json_text_find(text, len, &path, false, &offset))
		json_text_position(text, offset, &where.line, &where.column);
	return where;
}

static void key_text(const struct vm_claim *key, char *buf, size_t size)
{
	switch (key->kind) {
	case VM_CLAIM_MAC:
		mac_format(key->data, buf);
		break;
	case VM_CLAIM_IP:
		inet_ntop(AF_INET, key->data, buf, (socklen_t)size);
		break;
	case VM_CLAIM_IPV6:
		inet_ntop(AF_INET6, key->data, buf, (socklen_t)size);
		break;
	default:
		snprintf(buf, size, "%s", (const char *)key->data);
	}
}

/* Why a definition is not accepted. */
enum reason {
	REASON_NONE,
	REASON_HELD,     /* `other` holds the claim */
	REASON_RIVAL,    /* `other` came earlier and may be accepted; decided in the next round */
	REASON_DISPUTED, /* `other` and this file, or another one, collide from the start on */
};

struct verdict {
	enum reason reason;
	unsigned index; /* vm_claim_at()'s */
	struct vm_file *other;
};

static const char *name_of(const struct vm_file *file)
{
	const struct vm_node *node = file->serving ? file->serving : file->pending;

	return node ? node->vm->name : "";
}

/* A MAC address made of a serial number or UUID is nothing that anybody wrote: that number is. */
static unsigned written_claim(const struct vm_file *file, const struct verdict *v)
{
	const struct vm *vm = file->pending->vm;
	const struct vm_node *other = v->other->serving ? v->other->serving : v->other->pending;

	if (v->index != VM_CLAIM_MAC || !vm->mac_made || !other || !other->vm->mac_made)
		return v->index;
	return vm->serial ? VM_CLAIM_SERIAL : VM_CLAIM_UUID;
}

static void report(struct vm_folder *f, struct vm_file *file, const struct verdict *v)
{
	char value[80], text[900];
	struct vm_claim key;

	vm_claim_at(file->pending->vm, written_claim(file, v), &key);
	const char *field = key.field;
	key_text(&key, value, sizeof(value));
	if (v->index == VM_CLAIM_NAME && strcmp(file->pending->vm->name, name_of(v->other)) != 0)
		snprintf(text, sizeof(text),
		    "\"name\" %s becomes the host name %s, and so does %s of %s: %s",
		    file->pending->vm->name, value, name_of(v->other), v->other->name,
		    v->reason == REASON_DISPUTED ? "neither is used until one of them changes"
						 : "give one of them another name");
	else if (v->reason == REASON_DISPUTED)
		snprintf(text, sizeof(text),
		    "\"%s\" %s is claimed by both %s and %s: neither is used until one of them changes",
		    field, value, file->name, v->other->name);
	else
		snprintf(text, sizeof(text),
		    "\"%s\" %s belongs to %s already: give %s another, or remove one of the two",
		    field, value, v->other->name, file->name);
	if (file->problem && strcmp(file->problem->problem.text, text) == 0)
		return;
	struct vm_problem_node *problem =
	    vm_problem_new(file->name, locate(f, file, field), text, file->serving != NULL, false);
	if (problem)
		problem->problem.claimed = true;
	vm_file_set_problem(f, file, problem);
}

/* ---- deciding ---------------------------------------------------------------------------------*/

/* Definitions in question, and who of them claims what. */
struct round {
	struct vm_folder *folder;
	struct vm_file **files;
	struct verdict *verdicts; /* one a file */
	size_t count;
	size_t claim_count;
	struct hash_table wanted;
};

static int by_arrival(const void *a, const void *b)
{
	const struct vm_file *x = *(struct vm_file *const *)a, *y = *(struct vm_file *const *)b;

	if (x->at_start != y->at_start)
		return x->at_start ? -1 : 1;
	if (x->ctime_ns != y->ctime_ns)
		return x->ctime_ns < y->ctime_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* True for a file of the start that claims what another one of them held before. */
static bool comes_after_holder(const struct round *r, const struct vm_file *file)
{
	struct vm_claim key;

	for (unsigned c = 0; c < vm_claim_count(file->pending->vm); c++)
		if (vm_claim_counts(r->folder, file->pending->vm, c, &key) &&
		    !held_before(r->folder, &key, file->name) &&
		    hash_table_find(&r->wanted, key_hash(&key), pending_claims, &key))
			return true;
	return false;
}

/* Files of the start are newcomers all the same where others remember who was first. */
static void find_newcomers(struct round *r)
{
	const struct vm_folder *f = r->folder;
	struct vm_claim key;

	if (f->held.count == 0)
		return;
	for (size_t i = 0; i < r->count; i++)
		for (unsigned c = 0;
		    r->files[i]->at_start && c < vm_claim_count(r->files[i]->pending->vm); c++)
			if (vm_claim_counts(f, r->files[i]->pending->vm, c, &key) &&
			    held_before(f, &key, r->files[i]->name) &&
			    hash_table_add(&r->wanted, key_hash(&key), r->files[i]) < 0)
				return; /* cannot be: there is room for all */
	for (size_t i = 0; i < r->count; i++)
		if (r->files[i]->at_start && comes_after_holder(r, r->files[i]))
			r->files[i]->late = true;
	for (size_t i = 0; i < r->count; i++) {
		if (r->files[i]->late)
			r->files[i]->at_start = false;
		r->files[i]->late = false;
	}
	hash_table_wipe(&r->wanted);
}

/* Gathers what is pending, and makes room for all its claims: from there on nothing can fail. */
static bool round_begin(struct round *r)
{
	struct vm_folder *f = r->folder;
	struct vm_claim key;

	for (size_t i = 0; i < f->files.capacity; i++) {
		struct vm_file *file = f->files.slots[i].item;
		if (!file || !file->pending)
			continue;
		r->count++;
		for (unsigned c = 0; c < vm_claim_count(file->pending->vm); c++)
			r->claim_count += vm_claim_counts(f, file->pending->vm, c, &key);
	}
	if (r->count == 0)
		return false;
	r->files = malloc(r->count * sizeof(*r->files));
	r->verdicts = calloc(r->count, sizeof(*r->verdicts));
	if (!r->files || !r->verdicts || hash_table_reserve(&r->wanted, r->claim_count) < 0 ||
	    hash_table_reserve(&f->claims, f->claims.count + r->claim_count) < 0)
		return false;
	r->count = 0;
	for (size_t i = 0; i < f->files.capacity; i++) {
		struct vm_file *file = f->files.slots[i].item;
		if (file && file->pending)
			r->files[r->count++] = file;
	}
	find_newcomers(r);
	qsort(r->files, r->count, sizeof(*r->files), by_arrival);
	for (size_t i = 0; i < r->count; i++) {
		r->files[i]->in_set = true;
		r->files[i]->tied = false;
		r->files[i]->round = (uint32_t)i;
	}
	return true;
}

static void refuse(struct round *r, struct vm_file *file, enum reason reason, unsigned index,
    struct vm_file *other)
{
	file->in_set = false;
	r->verdicts[file->round] = (struct verdict){reason, index, other};
}

static struct vm_file *rival_of(const struct round *r, const struct vm_claim *key)
{
	return hash_table_find(&r->wanted, key_hash(key), pending_claims, key);
}

static void tie(struct round *r, struct vm_file *file, unsigned index, struct vm_file *other)
{
	if (!file->tied)
		refuse(r, file, REASON_DISPUTED, index, other);
	file->tied = true;
}

/* Files that collide from the start on. */
static void find_ties(struct round *r)
{
	struct vm_claim key;

	for (size_t i = 0; i < r->count && r->files[i]->at_start; i++) {
		struct vm_file *file = r->files[i];
		for (unsigned c = 0; c < vm_claim_count(file->pending->vm); c++) {
			if (!vm_claim_counts(r->folder, file->pending->vm, c, &key))
				continue;
			struct vm_file *other = rival_of(r, &key);
			if (other) {
				tie(r, file, c, other);
				tie(r, other, vm_claim_index(other->pending->vm, &key), file);
			}
		}
		enter(r->folder, &r->wanted, file->pending->vm, file);
	}
}

/* A file that held this before the store opened, and what it says now is not in force: as its last
 * good definition would, it keeps what it had. */
static struct vm_file *past_holder(
    const struct vm_folder *f, const struct vm_claim *key, const struct vm_file *file)
{
	if (f->held.count == 0 || held_before(f, key, file->name))
		return NULL;
	for (size_t i = 0; i < f->files.capacity; i++) {
		struct vm_file *other = f->files.slots[i].item;
		if (other && other != file && other->from_before && !other->in_set &&
		    held_before(f, key, other->name))
			return other;
	}
	return NULL;
}

/* True, and out of the set, when `file` cannot be accepted together with the others in it. */
static bool collides(struct round *r, struct vm_file *file)
{
	struct vm_claim key;

	for (unsigned c = 0; c < vm_claim_count(file->pending->vm); c++) {
		if (!vm_claim_counts(r->folder, file->pending->vm, c, &key))
			continue;
		struct vm_file *holder =
		    hash_table_find(&r->folder->claims, key_hash(&key), serving_claims, &key);
		if (holder == file)
			continue;
		if (!holder && (holder = past_holder(r->folder, &key, file))) {
			refuse(r, file, REASON_HELD, c, holder);
			return true;
		}
		/* A holder in the set gives up what its new definition does not claim any more. */
		if (holder && (!holder->in_set || claims_key(holder->pending, &key))) {
			refuse(r, file, REASON_HELD, c, holder);
			return true;
		}
		struct vm_file *rival = rival_of(r, &key);
		if (rival) {
			refuse(r, file, rival->tied ? REASON_DISPUTED : REASON_RIVAL, c, rival);
			return true;
		}
	}
	return false;
}

/* Takes out of the set what collides, until the rest can be accepted as a whole. What is tied is
 * wanted all the time: no newcomer gets what is in dispute. */
static void shrink(struct round *r)
{
	bool again = true;

	while (again) {
		again = false;
		hash_table_wipe(&r->wanted);
		for (size_t i = 0; i < r->count; i++)
			if (r->files[i]->tied)
				enter(r->folder, &r->wanted, r->files[i]->pending->vm, r->files[i]);
		for (size_t i = 0; i < r->count; i++) {
			struct vm_file *file = r->files[i];
			if (!file->in_set)
				continue;
			if (collides(r, file))
				again = true;
			else
				enter(r->folder, &r->wanted, file->pending->vm, file);
		}
	}
}

/* All at once: two files may trade their claims. */
static void accept_set(struct round *r)
{
	struct vm_folder *f = r->folder;

	for (size_t i = 0; i < r->count; i++)
		if (r->files[i]->in_set)
			vm_file_serve(f, r->files[i], NULL);
	for (size_t i = 0; i < r->count; i++) {
		struct vm_file *file = r->files[i];
		if (!file->in_set)
			continue;
		struct vm_node *node = file->pending;
		file->in_set = false;
		file->pending = NULL;
		r->verdicts[i].reason = REASON_NONE;
		vm_file_set_problem(f, file, NULL);
		vm_file_serve(f, file, node);
	}
}

/* What lost against a rival gets another try: the rival may have been refused as well. Each round
 * decides at least the earliest of them. */
static bool next_round(struct round *r)
{
	bool any = false;

	for (size_t i = 0; i < r->count; i++) {
		struct vm_file *file = r->files[i];
		file->in_set = file->pending && r->verdicts[i].reason == REASON_RIVAL;
		any = any || file->in_set;
	}
	return any;
}

void vm_claims_settle(struct vm_folder *f)
{
	struct round r = {.folder = f};

	if (round_begin(&r)) {
		find_ties(&r);
		do {
			shrink(&r);
			accept_set(&r);
		} while (next_round(&r));
		for (size_t i = 0; i < r.count; i++)
			if (r.files[i]->pending)
				report(f, r.files[i], &r.verdicts[i]);
	}
	free(r.files);
	free(r.verdicts);
	hash_table_clear(&r.wanted);
}
