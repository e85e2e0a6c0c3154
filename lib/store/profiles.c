#include "lib/store/profiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/store/file.h"

#define SUFFIX ".json"

/* ---- what is in force -------------------------------------------------------------------------*/

/* One bit of 64 for a name: others that share it are read again in vain, none is left out. */
static uint64_t bit_of(const char *name)
{
	return UINT64_C(1) << (hash_bytes(name, strlen(name), 0) % 64);
}

/* "_profiles/web.json" is called "web". */
static const char *name_of(const struct vm_file *file, char name[NAME_MAX + 1])
{
	const char *base = file->name + strlen(PROFILES_DIR "/");

	snprintf(name, NAME_MAX + 1, "%.*s", (int)(strlen(base) - strlen(SUFFIX)), base);
	return name;
}

const json_t *vm_profiles_get(const struct vm_folder *f, const struct vm_file *file)
{
	char name[NAME_MAX + 1];

	return json_object_get(f->profiles, name_of(file, name));
}

/* Snapshots share the object: it is replaced, never changed. */
static void set(struct vm_folder *f, const char *name, json_t *fields)
{
	json_t *next = f->profiles ? json_copy(f->profiles) : json_object();

	if (!next || (fields && json_object_set(next, name, fields) < 0)) {
		json_decref(next);
		return;
	}
	if (!fields)
		json_object_del(next, name);
	json_decref(f->profiles);
	f->profiles = next;
	f->profiles_changed |= bit_of(name);
	f->changed = true;
}

void vm_profiles_set(struct vm_folder *f, const struct vm_file *file, json_t *fields)
{
	char name[NAME_MAX + 1];

	set(f, name_of(file, name), fields);
	json_decref(fields);
}

void vm_profiles_remember(struct vm_folder *f, json_t *profiles)
{
	json_t *fields;
	const char *name;
	void *next;

	json_object_foreach_safe(profiles, next, name, fields)
		if (!json_is_object(fields))
			json_object_del(profiles, name);
	json_decref(f->profiles);
	f->profiles = json_is_object(profiles) ? json_incref(profiles) : NULL;
	json_decref(profiles);
}

const json_t *vm_profiles_find(void *ctx, const char *name, struct err *e)
{
	struct vm_profile_user *user = ctx;
	const json_t *fields = json_object_get(user->folder->profiles, name);
	char path[sizeof(PROFILES_DIR) + NAME_MAX + sizeof(SUFFIX)];

	user->file->profiles |= bit_of(name);
	if (fields)
		return fields;
	snprintf(path, sizeof(path), PROFILES_DIR "/%s" SUFFIX, name);
	if (vm_file_in(&user->folder->profile_files, path))
		err_set(e, EINVAL, "cannot be used: correct %s first", path);
	else
		err_set(e, ENOENT, "is no profile: there is no %s", path);
	return NULL;
}

/* ---- looking at the folder --------------------------------------------------------------------*/

static bool is_profile(const char *name)
{
	size_t len = strlen(name), suffix = strlen(SUFFIX);

	return name[0] != '.' && name[0] != '_' && len > suffix &&
	       strcmp(name + len - suffix, SUFFIX) == 0 &&
	       !(len > strlen(".schema.json") &&
		   strcmp(name + len - strlen(".schema.json"), ".schema.json") == 0);
}

static struct vm_file *file_of(struct vm_folder *f, const char *path)
{
	struct vm_file *file = vm_file_in(&f->profile_files, path);

	if (!file && (file = vm_file_enter(&f->profile_files, path)))
		file->kind = VM_FILE_PROFILE;
	if (file)
		file->seen = f->scan;
	return file;
}

static void look_at(struct vm_folder *f, int dir, const char *base)
{
	char path[sizeof(PROFILES_DIR) + NAME_MAX + 1], name[NAME_MAX + 1];
	struct stat st = {0};
	int error = fstatat(dir, base, &st, 0) < 0 ? errno : 0;

	snprintf(path, sizeof(path), PROFILES_DIR "/%s", base);
	struct vm_file *file = file_of(f, path);
	if (!file)
		return;
	f->silent_changes = f->silent_changes || st.st_nlink > 1;
	if (vm_name_valid(name_of(file, name)))
		vm_file_examine(f, file, &st, error, false);
	else
		vm_file_set_problem(f, file,
		    vm_problem_new(path, (struct vm_where){0, 0},
			"no definition can name this profile: rename the file to letters, digits and inner '-', '_' and '.' before its .json",
			false, false));
}

static void drop_unseen(struct vm_folder *f)
{
	for (size_t i = 0; i < f->profile_files.capacity;) {
		struct vm_file *file = f->profile_files.slots[i].item;
		if (!file || file->seen == f->scan) {
			i++;
			continue;
		}
		if (vm_profiles_get(f, file))
			vm_profiles_set(f, file, NULL);
		vm_file_leave(f, &f->profile_files, file); /* may move another one here */
	}
}

/* Remembered ones whose file went while no store was open. */
static void forget_gone(struct vm_folder *f)
{
	char path[sizeof(PROFILES_DIR) + NAME_MAX + sizeof(SUFFIX)];
	json_t *before = f->first_scan ? json_incref(f->profiles) : NULL, *fields;
	const char *name;

	json_object_foreach(before, name, fields) {
		snprintf(path, sizeof(path), PROFILES_DIR "/%s" SUFFIX, name);
		if (!vm_file_in(&f->profile_files, path))
			set(f, name, NULL);
	}
	json_decref(before);
}

/* What is there cannot be read: all stays as it is, and that is told. */
static void cannot_look(struct vm_folder *f, int error)
{
	struct vm_file *folder;
	char text[200];

	for (size_t i = 0; i < f->profile_files.capacity; i++) {
		struct vm_file *file = f->profile_files.slots[i].item;
		if (file)
			file->seen = f->scan;
	}
	folder = file_of(f, PROFILES_DIR);
	snprintf(text, sizeof(text), "the folder of profiles cannot be read: %s", strerror(error));
	if (folder)
		vm_file_set_problem(f, folder,
		    vm_problem_new(folder->name, (struct vm_where){0, 0}, text,
			json_object_size(f->profiles) > 0, false));
}

static void look_at_all(struct vm_folder *f, DIR *d)
{
	const struct dirent *entry;
	struct stat st;

	if (fstat(dirfd(d), &st) == 0) {
		f->profiles_ino = st.st_ino;
		f->profiles_mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	}
	f->silent_changes = f->silent_changes || !vm_folder_is_local(dirfd(d));
	while ((entry = readdir(d))) {
		if (!is_profile(entry->d_name))
			continue;
		if (entry->d_type != DT_REG)
			f->silent_changes = true;
		look_at(f, dirfd(d), entry->d_name);
	}
	drop_unseen(f);
	forget_gone(f);
}

void vm_profiles_look(struct vm_folder *f, int dir)
{
	int fd = openat(dir, PROFILES_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = fd < 0 ? errno : 0;
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d) {
		error = errno;
		close(fd);
	}
	f->profiles_ino = 0;
	if (d) {
		look_at_all(f, d);
	} else if (error == ENOENT) {
		drop_unseen(f);
		forget_gone(f);
	} else {
		cannot_look(f, error);
	}
}

bool vm_profiles_touched(const struct vm_folder *f)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/" PROFILES_DIR, f->path) < 0)
		return path = NULL, true;
	if (stat(path, &st) < 0)
		return f->profiles_ino != 0;
	return st.st_ino != f->profiles_ino ||
	       (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != f->profiles_mtime_ns;
}

void vm_profiles_close(struct vm_folder *f)
{
	for (size_t i = 0; i < f->profile_files.capacity; i++)
		vm_file_free(f->profile_files.slots[i].item);
	hash_table_clear(&f->profile_files);
	json_decref(f->profiles);
}
