#include "lib/store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/store/claims.h"
#include "lib/store/file.h"
#include "lib/store/profiles.h"

#define DEFAULTS_NAME "_defaults.json"
#define NOREBOOT_SUFFIX ".noreboot"

/* ---- names ------------------------------------------------------------------------------------*/

enum kind { KIND_NONE, KIND_VM, KIND_DEFAULTS, KIND_NOREBOOT };

static bool ends_with(const char *s, const char *suffix)
{
	size_t a = strlen(s), b = strlen(suffix);

	return a > b && strcmp(s + a - b, suffix) == 0;
}

static enum kind kind_of(const char *name)
{
	if (strcmp(name, DEFAULTS_NAME) == 0)
		return KIND_DEFAULTS;
	if (name[0] == '.' || name[0] == '_')
		return KIND_NONE;
	if (ends_with(name, NOREBOOT_SUFFIX))
		return KIND_NOREBOOT;
	return ends_with(name, ".json") && !ends_with(name, ".schema.json") ? KIND_VM : KIND_NONE;
}

bool vm_file_is_definition(const char *name)
{
	return kind_of(name) == KIND_VM;
}

/* ---- *.noreboot -------------------------------------------------------------------------------*/

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct name_list {
	char **names;
	size_t count, room;
};

static void list_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static void list_add(struct name_list *l, const char *name, size_t len)
{
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		void *grown = realloc(l->names, room * sizeof(char *));
		if (!grown)
			return;
		l->names = grown;
		l->room = room;
	}
	l->names[l->count] = strndup(name, len);
	if (l->names[l->count])
		l->count++;
}

/* Takes the list over. */
static void set_noreboot(struct vm_folder *f, struct name_list *l)
{
	if (l->count > 1)
		qsort(l->names, l->count, sizeof(char *), by_text);
	bool same = l->count == f->noreboot_count;
	for (size_t i = 0; same && i < l->count; i++)
		same = strcmp(l->names[i], f->noreboot[i]) == 0;
	f->changed = f->changed || !same;
	list_free(f->noreboot, f->noreboot_count);
	f->noreboot = l->names;
	f->noreboot_count = l->count;
}

/* ---- looking at the folder --------------------------------------------------------------------*/

/* False when there is no such name in the folder. */
static bool stat_name(int dir, const char *name, struct stat *st, int *error)
{
	*error = 0;
	if (fstatat(dir, name, st, 0) == 0)
		return true;
	*error = errno;
	memset(st, 0, sizeof(*st));
	struct stat link;
	return *error != ENOENT || fstatat(dir, name, &link, AT_SYMLINK_NOFOLLOW) == 0;
}

static void look_at_vm(struct vm_folder *f, int dir, const char *name, bool must)
{
	struct stat st;
	int error;

	if (!stat_name(dir, name, &st, &error))
		return;
	struct vm_file *file = vm_file_get(f, name);
	if (!file)
		return;
	file->seen = f->scan;
	if (st.st_nlink > 1)
		f->silent_changes = true; /* through its other name */
	vm_file_examine(f, file, &st, error, must);
}

/* Before all others: what it says goes into each of them. */
static void look_at_defaults(struct vm_folder *f, int dir)
{
	struct stat st;
	int error;

	if (!stat_name(dir, DEFAULTS_NAME, &st, &error)) {
		if (!f->defaults_file) {
			json_decref(f->defaults); /* remembered, and given up since */
			f->defaults = NULL;
			return;
		}
		vm_file_set_problem(f, f->defaults_file, NULL);
		vm_file_free(f->defaults_file);
		f->defaults_file = NULL;
		f->read_all_again = f->defaults || f->blocked;
		f->changed = true;
		f->blocked = false;
		json_decref(f->defaults);
		f->defaults = NULL;
		return;
	}
	if (!f->defaults_file)
		f->defaults_file = vm_file_new(DEFAULTS_NAME);
	if (!f->defaults_file)
		return;
	f->defaults_file->kind = VM_FILE_DEFAULTS;
	vm_file_examine(f, f->defaults_file, &st, error, false);
	if (f->first_scan && f->defaults_file->problem && !f->defaults)
		f->blocked = true;
}

static void drop_unseen(struct vm_folder *f)
{
	for (size_t i = 0; i < f->files.capacity;) {
		struct vm_file *file = f->files.slots[i].item;
		if (file && file->seen != f->scan)
			vm_file_drop(f, file); /* may move another one into this slot */
		else
			i++;
	}
}

/* Reads the directory's names; -errno when it ends early, and then nothing counts as gone. */
static int look_at_all(struct vm_folder *f, DIR *d, struct name_list *noreboot)
{
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(d);
		if (!entry)
			return -errno;
		enum kind kind = kind_of(entry->d_name);
		if (kind != KIND_NONE && entry->d_type != DT_REG)
			f->silent_changes = true; /* a link: inotify watches this folder only */
		if (kind == KIND_NOREBOOT)
			list_add(noreboot, entry->d_name,
			    strlen(entry->d_name) - strlen(NOREBOOT_SUFFIX));
		if (kind == KIND_VM)
			look_at_vm(f, dirfd(d), entry->d_name, false);
	}
}

bool vm_folder_is_local(int dir)
{
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case EXT4_SUPER_MAGIC: /* ext2 and ext3, too */
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return true;
	default:
		return false;
	}
}

static int64_t changed_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

bool vm_folder_touched(const struct vm_folder *f)
{
	struct stat st;

	return stat(f->path, &st) < 0 || st.st_dev != f->dev || st.st_ino != f->ino ||
	       changed_ns(&st) != f->mtime_ns || vm_profiles_touched(f);
}

static DIR *open_folder(const struct vm_folder *f, struct stat *st, struct err *e)
{
	DIR *d = opendir(f->path);

	if (!d) {
		err_errno(e, "the folder %s cannot be read", f->path);
		return NULL;
	}
	if (fstat(dirfd(d), st) < 0) {
		err_errno(e, "the folder %s cannot be examined", f->path);
		closedir(d);
		return NULL;
	}
	return d;
}

/* A folder under the same path that was not there before: an unmounted file system leaves an empty
 * one behind, and that must not end every machine. */
static bool lost_all(const struct vm_folder *f, DIR *d)
{
	const struct dirent *entry;

	while ((entry = readdir(d)))
		if (kind_of(entry->d_name) == KIND_VM)
			return false;
	return f->files.count > 0;
}

int vm_folder_scan(struct vm_folder *f, struct err *e)
{
	struct name_list noreboot = {NULL, 0, 0};
	struct stat st;

	_cleanup_closedir_ DIR *d = open_folder(f, &st, e);
	if (!d)
		return -e->code;
	bool replaced = !f->first_scan && (st.st_dev != f->dev || st.st_ino != f->ino);
	if (replaced && lost_all(f, d))
		return err_set(e, ENOENT,
		    "the folder %s was replaced by one without definitions: those of before stay in force",
		    f->path);
	rewinddir(d);

	f->scan++;
	f->silent_changes = !vm_folder_is_local(dirfd(d));
	look_at_defaults(f, dirfd(d));
	vm_profiles_look(f, dirfd(d));
	int rc = look_at_all(f, d, &noreboot);
	f->read_all_again = false;
	f->profiles_changed = 0;
	if (rc < 0) {
		list_free(noreboot.names, noreboot.count);
		errno = -rc;
		err_errno(e, "the folder %s cannot be read to its end", f->path);
	} else {
		drop_unseen(f);
		set_noreboot(f, &noreboot);
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		f->mtime_ns = changed_ns(&st);
		f->first_scan = false;
	}
	vm_claims_settle(f);
	return rc < 0 ? rc : replaced;
}

bool vm_folder_look_at(struct vm_folder *f, const char *name)
{
	enum kind kind = kind_of(name);
	struct stat st;
	int error;

	/* "..data" and the like: how a whole directory of links is switched at once. */
	if (kind == KIND_DEFAULTS || kind == KIND_NOREBOOT || strncmp(name, "..", 2) == 0 ||
	    strcmp(name, PROFILES_DIR) == 0)
		return false;
	if (kind != KIND_VM)
		return true;
	_cleanup_close_ int dir = open(f->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0 || st.st_dev != f->dev || st.st_ino != f->ino)
		return false;
	if (stat_name(dir, name, &st, &error)) {
		look_at_vm(f, dir, name, true);
		return true;
	}
	struct vm_file *file = vm_file_find(f, name);
	if (file)
		vm_file_drop(f, file);
	return true;
}

int vm_folder_open(struct vm_folder *f, const char *path, const struct cidr4 *lab,
    const struct cidr6 *lab6, const char *holders, struct err *e)
{
	*f = (struct vm_folder){.first_scan = true};
	if (lab) {
		f->lab_storage = *lab;
		f->lab = &f->lab_storage;
	}
	if (lab6) {
		f->lab6_storage = *lab6;
		f->lab6 = &f->lab6_storage;
	}
	f->path = strdup(path);
	if (!f->path || (holders && vm_claims_remember(f, holders) < 0))
		return err_set(e, ENOMEM, "out of memory");
	int rc = vm_folder_scan(f, e);
	return rc < 0 ? rc : 0;
}

void vm_folder_close(struct vm_folder *f)
{
	for (size_t i = 0; i < f->files.capacity; i++)
		vm_file_free(f->files.slots[i].item);
	hash_table_clear(&f->files);
	hash_table_clear(&f->claims);
	hash_table_clear(&f->held);
	for (size_t i = 0; i < f->added_count; i++)
		vm_node_unref(f->added[i]);
	free(f->added);
	vm_file_free(f->defaults_file);
	json_decref(f->defaults);
	vm_profiles_close(f);
	list_free(f->noreboot, f->noreboot_count);
	free(f->path);
}
