/* folder.h - inside of store.h: the files of the folder and what each of them says.
 *
 * Finds what changed; file.c reads and parses it, claims.c then decides which definitions
 * are in force.
 * Belongs to the store's thread.
 */
#ifndef LIB_STORE_FOLDER_H
#define LIB_STORE_FOLDER_H

#include <sys/types.h>

#include "lib/base/hash_table.h"
#include "lib/store/snapshot.h"

enum vm_file_kind { VM_FILE_DEFINITION, VM_FILE_DEFAULTS, VM_FILE_PROFILE };

struct vm_file {
	enum vm_file_kind kind;
	uint64_t stamp;                  /* of what stat() tells; another stamp: read it again */
	uint64_t content;                /* hash of the bytes last parsed; 0: none */
	int64_t ctime_ns;                /* of that content; orders newcomers */
	struct vm_node *serving;         /* in force */
	struct vm_node *pending;         /* newest valid definition, not in force (yet) */
	struct vm_problem_node *problem; /* why the newest content is not in force */
	struct vm_problem_node *further; /* a list: warnings, and what else is wrong with it */
	uint64_t profiles;               /* profiles.c's: which ones its definition names */
	unsigned seen;                   /* the last scan that saw it */
	bool young;       /* changed so shortly before it was read that the stamp proves nothing */
	bool at_start;    /* its content was there when the store opened */
	bool from_before; /* it was, and has had no definition in force since */
	/* claims.c's, while it decides: */
	bool in_set;    /* may still be accepted */
	bool tied;      /* collides with another one of the start */
	bool late;      /* of the start, but another one of it was first */
	uint32_t round; /* position in the round */
	char name[];
};

struct vm_folder {
	char *path;
	const struct cidr4 *lab;  /* NULL: any address is good */
	const struct cidr6 *lab6; /* likewise */
	struct cidr4 lab_storage;
	struct cidr6 lab6_storage;
	struct hash_table files;       /* struct vm_file by name */
	struct hash_table claims;      /* struct vm_file by each claim of its serving definition */
	struct hash_table held;        /* claims.c's: who held what before the store opened */
	json_t *defaults;              /* NULL: none */
	struct vm_file *defaults_file; /* NULL: there is none */
	bool blocked;     /* _defaults.json was bad from the start: no definition can be trusted */
	json_t *profiles; /* name to object, of those in force; replaced, never changed */
	struct hash_table profile_files; /* struct vm_file by name */
	uint64_t profiles_changed;       /* as vm_file.profiles: those whose users are read again */
	ino_t profiles_ino;              /* of _profiles/ as last read; 0: there is none */
	int64_t profiles_mtime_ns;
	bool read_all_again;
	bool first_scan;
	unsigned scan;
	bool silent_changes; /* as last seen: files may change here without inotify telling */
	dev_t dev;           /* of the folder last read */
	ino_t ino;
	int64_t mtime_ns;
	char **noreboot; /* names, ordered */
	size_t noreboot_count;

	/* What the next snapshot is made from. */
	struct vm_node **added; /* in force since the last snapshot, each with listed set */
	size_t added_count, added_room;
	size_t files_with_problems;
	bool changed;
};

/* `holders`: what vm_holders_text() wrote, or NULL. */
must_check int vm_folder_open(struct vm_folder *f, const char *path, const struct cidr4 *lab,
    const struct cidr6 *lab6, const char *holders, struct err *e);
void vm_folder_close(struct vm_folder *f);

/* Looks at every file. 1: this is another folder than the one read last (it was replaced, or
 * something was mounted on it); 0; or -errno: it cannot be read, and everything stays in force. */
must_check int vm_folder_scan(struct vm_folder *f, struct err *e);

/* Whether names came or went since the last scan, or the path leads to another folder now. Cheap.
 */
bool vm_folder_touched(const struct vm_folder *f);

/* Whether every change on this file system goes through this kernel, so that inotify sees it. Not
 * so with servers and hypervisors behind it, nor with an overlay's layers. */
bool vm_folder_is_local(int dir);

/* Looks at one name of the folder. False when only a scan can tell what this change means. */
bool vm_folder_look_at(struct vm_folder *f, const char *name);

#endif
