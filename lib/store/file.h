/* file.h - inside of store.h: one file of the folder: reading it, and what it has in force.
 * Belongs to the store's thread.
 */
#ifndef LIB_STORE_FILE_H
#define LIB_STORE_FILE_H

#include <sys/stat.h>

#include "lib/store/folder.h"

/* A record outside the folder's table, such as that of _defaults.json; NULL: out of memory. */
struct vm_file *vm_file_new(const char *name);
void vm_file_free(struct vm_file *file);

/* Records of a table: found, made (NULL: out of memory), and ended. */
struct vm_file *vm_file_in(const struct hash_table *t, const char *name);
struct vm_file *vm_file_enter(struct hash_table *t, const char *name);
void vm_file_leave(struct vm_folder *f, struct hash_table *t, struct vm_file *file);

struct vm_file *vm_file_find(const struct vm_folder *f, const char *name);
/* Makes the record when there is none; NULL: out of memory. */
struct vm_file *vm_file_get(struct vm_folder *f, const char *name);
/* Ends the record of a file that is gone. */
void vm_file_drop(struct vm_folder *f, struct vm_file *file);

/* Reads and parses the file if it changed (`must`: in any case), and leaves the result pending.
 * `st` and `error` are what stat() said of it. */
void vm_file_examine(
    struct vm_folder *f, struct vm_file *file, const struct stat *st, int error, bool must);

/* Sets or clears (NULL) a file's problem; the folder counts as changed when that is news. */
void vm_file_set_problem(struct vm_folder *f, struct vm_file *file, struct vm_problem_node *p);

/* Puts a definition in force (NULL: none); takes the reference over. */
void vm_file_serve(struct vm_folder *f, struct vm_file *file, struct vm_node *node);

#endif
