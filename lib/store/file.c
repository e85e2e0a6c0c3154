#include "lib/store/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/json/text.h"
#include "lib/store/claims.h"
#include "lib/store/profiles.h"

#define FURTHER_MAX 50
/* Time stamps of some file systems count whole seconds: what is younger is looked at again. */
#define YOUNG_NS (INT64_C(2) * 1000000000)

/* ---- one file's record ------------------------------------------------------------------------*/

static bool has_name(const void *item, const void *name)
{
	return strcmp(((const struct vm_file *)item)->name, name) == 0;
}

static uint64_t name_hash(const char *name)
{
	return hash_bytes(name, strlen(name), 0);
}

struct vm_file *vm_file_new(const char *name)
{
	size_t len = strlen(name) + 1;
	struct vm_file *file = calloc(1, sizeof(*file) + len);

	if (file)
		memcpy(file->name, name, len);
	return file;
}

struct vm_file *vm_file_in(const struct hash_table *t, const char *name)
{
	return hash_table_find(t, name_hash(name), has_name, name);
}

struct vm_file *vm_file_enter(struct hash_table *t, const char *name)
{
	struct vm_file *file = vm_file_new(name);

	if (file && hash_table_add(t, name_hash(name), file) < 0) {
		free(file);
		return NULL;
	}
	return file;
}

struct vm_file *vm_file_find(const struct vm_folder *f, const char *name)
{
	return vm_file_in(&f->files, name);
}

struct vm_file *vm_file_get(struct vm_folder *f, const char *name)
{
	struct vm_file *file = vm_file_find(f, name);

	if (file)
		return file;
	file = vm_file_enter(&f->files, name);
	if (file)
		file->at_start = file->from_before = f->first_scan;
	return file;
}

static bool same_problem(const struct vm_problem_node *a, const struct vm_problem_node *b)
{
	return a && b && strcmp(a->problem.text, b->problem.text) == 0 &&
	       a->problem.where.line == b->problem.where.line &&
	       a->problem.where.column == b->problem.where.column &&
	       a->problem.warning == b->problem.warning &&
	       a->problem.serving_last_good == b->problem.serving_last_good;
}

static bool has_problems(const struct vm_file *file)
{
	return file->problem || file->further;
}

void vm_file_set_problem(struct vm_folder *f, struct vm_file *file, struct vm_problem_node *p)
{
	if ((!p && !file->problem) || same_problem(p, file->problem)) {
		vm_problem_unref(p);
		return;
	}
	f->files_with_problems -= has_problems(file);
	vm_problem_unref(file->problem);
	file->problem = p;
	f->files_with_problems += has_problems(file);
	f->changed = true;
}

static void free_further(struct vm_problem_node *p)
{
	while (p) {
		struct vm_problem_node *next = p->next;
		vm_problem_unref(p);
		p = next;
	}
}

/* Takes the list over. */
static void set_further(struct vm_folder *f, struct vm_file *file, struct vm_problem_node *list)
{
	struct vm_problem_node *a = list, *b = file->further;

	while (a && same_problem(a, b)) {
		a = a->next;
		b = b->next;
	}
	if (!a && !b) {
		free_further(list);
		return;
	}
	f->files_with_problems -= has_problems(file);
	free_further(file->further);
	file->further = list;
	f->files_with_problems += has_problems(file);
	f->changed = true;
}

void vm_file_free(struct vm_file *file)
{
	if (!file)
		return;
	vm_node_unref(file->serving);
	vm_node_unref(file->pending);
	vm_problem_unref(file->problem);
	free_further(file->further);
	free(file);
}

static void set_pending(struct vm_file *file, struct vm_node *node)
{
	vm_node_unref(file->pending);
	file->pending = node;
}

/* Remembers what the next snapshot has and the last one had not. */
static bool note_added(struct vm_folder *f, struct vm_node *node)
{
	if (f->added_count == f->added_room) {
		size_t room = f->added_room ? f->added_room * 2 : 64;
		void *grown = realloc(f->added, room * sizeof(struct vm_node *));
		if (!grown)
			return false;
		f->added = grown;
		f->added_room = room;
	}
	f->added[f->added_count++] = vm_node_ref(node);
	node->listed = true;
	return true;
}

void vm_file_serve(struct vm_folder *f, struct vm_file *file, struct vm_node *node)
{
	if (file->serving) {
		vm_claims_remove(f, file);
		file->serving->listed = false;
		vm_node_unref(file->serving);
		file->serving = NULL;
		f->changed = true;
	}
	if (!node)
		return;
	if (!note_added(f, node)) {
		vm_node_unref(node);
		return;
	}
	file->serving = node;
	file->from_before = false;
	vm_claims_add(f, file);
	f->changed = true;
}

void vm_file_leave(struct vm_folder *f, struct hash_table *t, struct vm_file *file)
{
	vm_file_set_problem(f, file, NULL);
	set_further(f, file, NULL);
	hash_table_remove(t, name_hash(file->name), file);
	free(file);
}

void vm_file_drop(struct vm_folder *f, struct vm_file *file)
{
	vm_file_serve(f, file, NULL);
	set_pending(file, NULL);
	vm_file_leave(f, &f->files, file);
}

/* ---- reading a file ---------------------------------------------------------------------------*/

static bool has_last_good(const struct vm_folder *f, const struct vm_file *file)
{
	switch (file->kind) {
	case VM_FILE_DEFAULTS:
		return f->defaults != NULL;
	case VM_FILE_PROFILE:
		return vm_profiles_get(f, file) != NULL;
	case VM_FILE_DEFINITION:
		break;
	}
	return file->serving != NULL;
}

static void refuse_file(
    struct vm_folder *f, struct vm_file *file, struct vm_where where, const char *text)
{
	set_pending(file, NULL);
	vm_file_set_problem(
	    f, file, vm_problem_new(file->name, where, text, has_last_good(f, file), false));
}

/* What else is wrong with a file, in the order of its lines. */
struct further_list {
	const char *file;
	struct vm_problem_node *first;
	unsigned count;
	bool last_good;
};

static bool stands_before(struct vm_where a, struct vm_where b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

static void add_further(
    struct further_list *list, struct vm_where where, const char *text, bool warning)
{
	struct vm_problem_node **at = &list->first;

	if (list->count++ >= FURTHER_MAX)
		return;
	struct vm_problem_node *p =
	    vm_problem_new(list->file, where, text, !warning && list->last_good, warning);
	if (!p)
		return;
	while (*at && !stands_before(where, (*at)->problem.where))
		at = &(*at)->next;
	p->next = *at;
	*at = p;
}

static void add_warning(void *ctx, struct vm_where where, const char *text)
{
	add_further(ctx, where, text, true);
}

static void add_error(void *ctx, struct vm_where where, const char *text)
{
	add_further(ctx, where, text, false);
}

static bool is_told(
    struct vm_where where, struct vm_where first, const struct vm_problem_node *further)
{
	bool told = where.line == first.line && where.column == first.column;

	for (; further && !told; further = further->next)
		told = where.line == further->problem.where.line &&
		       where.column == further->problem.where.column;
	return told;
}

static bool address_free(const struct vm_folder *f, const struct in_addr *addr, struct err *e)
{
	char net[INET_ADDRSTRLEN], ip[INET_ADDRSTRLEN];

	if (!f->lab || !addr->s_addr)
		return true;
	inet_ntop(AF_INET, &f->lab->addr, net, sizeof(net));
	inet_ntop(AF_INET, addr, ip, sizeof(ip));
	if (!cidr4_contains(f->lab, *addr)) {
		err_set(e, EINVAL,
		    "\"ip\": %s lies outside the lab's network %s/%u: take an address in it", ip,
		    net, f->lab->prefix);
		return false;
	}
	if (addr->s_addr == f->lab->addr.s_addr) {
		err_set(e, EINVAL, "\"ip\": %s is the provisioner's own address: take another", ip);
		return false;
	}
	if (cidr4_is_edge(*addr, f->lab->prefix)) {
		err_set(e, EINVAL,
		    "\"ip\": %s is the network's own or its broadcast address: take another", ip);
		return false;
	}
	return true;
}

/* What network_config sets itself must not be the stack's. */
static bool statics_free(const struct vm_folder *f, const struct vm *vm, struct err *e)
{
	struct in6_addr own = f->lab ? ip4_mapped(f->lab->addr) : (struct in6_addr){0};
	char ip[INET6_ADDRSTRLEN];

	for (unsigned i = 0; i < vm->static_count; i++) {
		bool four = f->lab && ip6_equal(&vm->statics[i], &own);
		if (!four && !(f->lab6 && ip6_equal(&vm->statics[i], &f->lab6->addr)))
			continue;
		if (four)
			inet_ntop(AF_INET, &f->lab->addr, ip, sizeof(ip));
		else
			inet_ntop(AF_INET6, &f->lab6->addr, ip, sizeof(ip));
		err_set(e, EINVAL,
		    "\"network_config\": %s is the provisioner's own address: take another", ip);
		return false;
	}
	return true;
}

/* An address that the lab cannot give is none; the machine is served without it, as files made for
 * other labs have one of theirs. */
static const char *unusable6(const struct vm_folder *f, const struct vm *vm, char *buf, size_t size)
{
	char ip[INET6_ADDRSTRLEN], net[INET6_ADDRSTRLEN];

	if (!f->lab6 || !vm->has_ip6)
		return NULL;
	inet_ntop(AF_INET6, &f->lab6->addr, net, sizeof(net));
	inet_ntop(AF_INET6, &vm->ip6, ip, sizeof(ip));
	if (!cidr6_contains(f->lab6, &vm->ip6))
		snprintf(buf, size,
		    "\"ipv6\": %s lies outside the lab's network %s/%u and is not used: take an address in it",
		    ip, net, f->lab6->prefix);
	else if (memcmp(&vm->ip6, &f->lab6->addr, sizeof(vm->ip6)) == 0)
		snprintf(buf, size,
		    "\"ipv6\": %s is the provisioner's own address and is not used: take another",
		    ip);
	else
		return NULL;
	return buf;
}

static struct vm_where where_is(const char *text, size_t len, const char *field)
{
	struct json_path path = {.depth = 1};
	struct vm_where where = {0, 0};
	size_t offset;

	path.step[0].key = field;
	if (json_text_find(text, len, &path, false, &offset))
		json_text_position(text, offset, &where.line, &where.column);
	return where;
}

/* pvmlab keeps its own machine beside the others: that is us, and no machine to serve. */
static void skip_provisioner(struct vm_folder *f, struct vm_file *file, struct vm_where where)
{
	set_pending(file, NULL);
	vm_file_serve(f, file, NULL);
	vm_file_set_problem(f, file, NULL);
	set_further(f, file,
	    vm_problem_new(file->name, where,
		"\"role\": \"provisioner\" is pvmlab's own machine: this file is skipped, the stack takes its place",
		false, true));
}

static void parse_vm(struct vm_folder *f, struct vm_file *file, const char *text, size_t len)
{
	struct further_list further = {.file = file->name, .last_good = file->serving != NULL};
	struct vm_listener listener = {add_warning, add_error, &further};
	struct vm_where where;
	struct err e = ERR_INIT, why_ip = ERR_INIT;
	struct in_addr ip;
	struct vm *vm = NULL;
	char why6[300];
	struct vm_profile_user user = {f, file};
	const struct vm_base base = {f->defaults, vm_profiles_find, &user};

	file->profiles = 0;
	int r = vm_parse_all(text, len, &base, &vm, &where, &listener, &e);
	if (r < 0 ? vm_text_is_provisioner(text, len) : vm_is_provisioner(vm)) {
		vm_free(vm);
		free_further(further.first);
		skip_provisioner(f, file, where_is(text, len, "role"));
		return;
	}
	if (r == 0 && unusable6(f, vm, why6, sizeof(why6))) {
		add_warning(&further, where_is(text, len, "ipv6"), why6);
		vm->has_ip6 = false;
	}
	if (r < 0 && !is_told(where_is(text, len, "ip"), where, further.first) &&
	    vm_text_ip(text, len, &ip) && !address_free(f, &ip, &why_ip))
		add_error(&further, where_is(text, len, "ip"), why_ip.msg);
	set_further(f, file, further.first);
	if (r < 0) {
		refuse_file(f, file, where, e.msg);
		return;
	}
	if (!address_free(f, &vm->ip, &e)) {
		vm_free(vm);
		refuse_file(f, file, where_is(text, len, "ip"), e.msg);
		return;
	}
	if (!statics_free(f, vm, &e)) {
		vm_free(vm);
		refuse_file(f, file, where_is(text, len, "network_config"), e.msg);
		return;
	}
	set_pending(file, vm_node_new(vm, file->name));
	if (!file->pending)
		file->stamp = file->content = 0; /* out of memory: try again */
}

static void parse_defaults(struct vm_folder *f, const char *text, size_t len)
{
	struct vm_file *file = f->defaults_file;
	struct further_list further = {.file = file->name, .last_good = f->defaults != NULL};
	struct vm_listener listener = {NULL, add_error, &further};
	struct vm_where where;
	struct err e = ERR_INIT;
	json_t *defaults;

	int r = vm_defaults_parse_all(text, len, &defaults, &where, &listener, &e);
	set_further(f, file, further.first);
	if (r == 0) {
		json_decref(f->defaults);
		f->defaults = defaults;
		f->blocked = false;
		f->read_all_again = true;
		f->changed = true;
		vm_file_set_problem(f, file, NULL);
		return;
	}
	/* Without its defaults a machine could be installed wrongly: better not at all. */
	f->blocked = f->blocked || (f->first_scan && !f->defaults);
	if (f->blocked) {
		char more[1100];
		snprintf(more, sizeof(more), "%s; no definition is used before this is corrected",
		    e.msg);
		refuse_file(f, file, where, more);
	} else {
		refuse_file(f, file, where, e.msg);
	}
}

static void parse_profile(struct vm_folder *f, struct vm_file *file, const char *text, size_t len)
{
	struct further_list further = {.file = file->name, .last_good = has_last_good(f, file)};
	struct vm_listener listener = {add_warning, add_error, &further};
	struct vm_where where;
	struct err e = ERR_INIT;
	json_t *fields;

	int r = vm_profile_parse_all(text, len, &fields, &where, &listener, &e);
	set_further(f, file, further.first);
	if (r < 0) {
		refuse_file(f, file, where, e.msg);
		return;
	}
	vm_profiles_set(f, file, fields);
	vm_file_set_problem(f, file, NULL);
}

static int64_t nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static bool is_young(const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t changed = nanoseconds(&st->st_ctim), modified = nanoseconds(&st->st_mtim);
	int64_t age = nanoseconds(&now) - (changed > modified ? changed : modified);
	return age > -YOUNG_NS && age < YOUNG_NS;
}

static uint64_t stamp_of(const struct stat *st, int error)
{
	const int64_t facts[] = {(int64_t)st->st_dev, (int64_t)st->st_ino, (int64_t)st->st_size,
	    nanoseconds(&st->st_mtim), nanoseconds(&st->st_ctim), (int64_t)st->st_mode, error};

	return hash_bytes(facts, sizeof(facts), 0) | 1;
}

/* What it says depends on others that have changed. */
static bool must_judge_again(const struct vm_folder *f, const struct vm_file *file)
{
	return file->kind == VM_FILE_DEFINITION &&
	       (f->read_all_again || (file->profiles & f->profiles_changed));
}

static void read_content(struct vm_folder *f, struct vm_file *file, const struct stat *st)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (asprintf(&path, "%s/%s", f->path, file->name) < 0) {
		path = NULL;
		return;
	}
	if (file_read(path, VM_FILE_MAX_BYTES, &text, &len, &e) < 0) {
		char why[300];
		snprintf(why, sizeof(why), "the file cannot be read: %s%s", strerror(e.code),
		    e.code == EACCES ? "; chmod a+r makes it readable for the stack" : "");
		file->content = 0;
		set_further(f, file, NULL);
		refuse_file(f, file, (struct vm_where){0, 0}, why);
		return;
	}
	uint64_t content = hash_bytes(text, len, 0) | 1;
	if (content == file->content && !must_judge_again(f, file))
		return;
	if (file->content && content != file->content)
		file->at_start = false;
	if (content != file->content)
		file->ctime_ns = nanoseconds(&st->st_ctim);
	file->content = content;
	switch (file->kind) {
	case VM_FILE_DEFAULTS:
		parse_defaults(f, text, len);
		break;
	case VM_FILE_PROFILE:
		parse_profile(f, file, text, len);
		break;
	case VM_FILE_DEFINITION:
		parse_vm(f, file, text, len);
		break;
	}
	if (f->blocked && file->kind == VM_FILE_DEFINITION) {
		/* What is wrong with it is told; what is right with it waits. */
		set_pending(file, NULL);
		file->content = 0;
	}
}

static void refuse_without_reading(
    struct vm_folder *f, struct vm_file *file, const struct stat *st, int error)
{
	char text[200];

	if (error == ENOENT)
		snprintf(text, sizeof(text), "the file is a symbolic link to nothing");
	else if (error)
		snprintf(text, sizeof(text), "the file cannot be examined: %s", strerror(error));
	else if (!S_ISREG(st->st_mode))
		snprintf(
		    text, sizeof(text), "this is not a regular file: a definition has to be one");
	else
		snprintf(text, sizeof(text),
		    "the file has %jd bytes: a definition may have at most %d",
		    (intmax_t)st->st_size, VM_FILE_MAX_BYTES);
	file->content = 0;
	set_further(f, file, NULL);
	refuse_file(f, file, (struct vm_where){0, 0}, text);
}

void vm_file_examine(
    struct vm_folder *f, struct vm_file *file, const struct stat *st, int error, bool must)
{
	uint64_t stamp = stamp_of(st, error);

	if (stamp == file->stamp && !file->young && !must && !must_judge_again(f, file))
		return;
	file->stamp = stamp;
	file->young = !error && is_young(st);
	if (error || !S_ISREG(st->st_mode) || st->st_size > VM_FILE_MAX_BYTES)
		refuse_without_reading(f, file, st, error);
	else
		read_content(f, file, st);
}
