/* snapshot.h - inside of store.h: how the store makes snapshots.
 *
 * Nodes and problems are counted references, shared by all snapshots they appear in; the store's
 * thread makes them, any thread may drop the last one.
 */
#ifndef LIB_STORE_SNAPSHOT_H
#define LIB_STORE_SNAPSHOT_H

#include <jansson.h>
#include <stdatomic.h>

#include "lib/store/store.h"

/* One definition in force, with the file it came from. */
struct vm_node {
	atomic_uint refs;
	bool listed; /* the store's: belongs into the next snapshot */
	struct vm *vm;
	char file[];
};

struct vm_problem_node {
	atomic_uint refs;
	struct vm_problem_node *next; /* what else is wrong with the file; not counted */
	struct vm_problem problem;    /* its strings lie in this allocation */
};

/* Takes the VM over, also when it fails (NULL: out of memory). */
struct vm_node *vm_node_new(struct vm *vm, const char *file);
struct vm_node *vm_node_ref(struct vm_node *n);
void vm_node_unref(struct vm_node *n);

struct vm_problem_node *vm_problem_new(const char *file, struct vm_where where, const char *text,
    bool serving_last_good, bool warning);
void vm_problem_unref(struct vm_problem_node *p);

/* What a snapshot holds. Arrays are taken over with one reference for each entry. */
struct vm_snapshot_content {
	struct vm_node **nodes; /* ordered by VM name */
	size_t node_count;
	struct vm_problem_node **problems;
	size_t problem_count;
	char *const *noreboot; /* borrowed: names, ordered */
	size_t noreboot_count;
	unsigned long generation;
	const json_t *defaults; /* borrowed: what is in force, or NULL */
	json_t *profiles;       /* borrowed, as in struct vm_folder */
	char *kept;             /* taken over: vm_claims_kept()'s, or NULL */
};

/* NULL: out of memory; the content stays the caller's then. */
struct vm_snapshot *vm_snapshot_new(const struct vm_snapshot_content *content);
/* Borrowed; NULL: nothing. */
const char *vm_snapshot_kept(const struct vm_snapshot *snap);
struct vm_snapshot *vm_snapshot_ref(struct vm_snapshot *snap);

#endif
