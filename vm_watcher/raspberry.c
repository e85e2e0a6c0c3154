#include "vm_watcher/raspberry.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/boot/raspberry.h"

#define WORDS_FILE "cmdline.txt"
#define NAME_SIZE 32 /* of a file here */

/* ---- one folder -------------------------------------------------------------------------- */

static int link_one(const char *folder, const char *name, const char *to, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return symlink(to, path) == 0 || errno == EEXIST ? 0 : err_errno(e, "cannot make %s", path);
}

/* The firmware goes into a folder that has start4.elf: the last, when all else is there. What the
 * links lead to never changes, so one that is there is right. */
static int link_files(const char *folder, struct err *e)
{
	static const char *const others[] = {
	    RASPBERRY_CONFIG_FILE, IMAGE_KERNEL_FILE, IMAGE_MODULES_FILE};
	char to[PATH_MAX];
	size_t count = 0;
	int rc = link_one(
	    folder, RASPBERRY_INITRD_FILE, "../" RASPBERRY_LINK_INITRDS "/arm64/initrd.zst", e);

	for (size_t i = 0; rc == 0 && i < sizeof(others) / sizeof(*others); i++) {
		snprintf(to, sizeof(to), "../" RASPBERRY_LINK_IMAGE "/%s", others[i]);
		rc = link_one(folder, others[i], to, e);
	}
	while (raspberry_file_at(count))
		count++;
	while (rc == 0 && count-- > 0) {
		const char *name = raspberry_file_at(count)->name;
		snprintf(to, sizeof(to), "../" RASPBERRY_LINK_IMAGE "/%s", name);
		rc = link_one(folder, name, to, e);
	}
	return rc;
}

/* ---- the update of its EEPROM -------------------------------------------------------------- */

static int remove_one(const char *folder, const char *name, struct err *e)
{
	char path[PATH_MAX + NAME_SIZE];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return unlink(path) == 0 || errno == ENOENT ? 0 : err_errno(e, "cannot remove %s", path);
}

/* By the signature its bootloader knows that there is one. */
static int update_remove(const char *folder, struct err *e)
{
	int r = remove_one(folder, EEPROM_SIGNATURE_FILE, e);

	return r < 0 ? r : remove_one(folder, EEPROM_UPDATE_FILE, e);
}

static int put(const char *folder, const char *name, const void *data, size_t len, struct err *e)
{
	char path[PATH_MAX + NAME_SIZE];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int r = atomic_file_replace(path, data, len, 0644, e);
	return r < 0 ? r : 0;
}

static int update_write(
    const char *folder, const char *images, const struct eeprom_wish *wish, struct err *e)
{
	_cleanup_free_ uint8_t *image = NULL;
	char signature[EEPROM_SIGNATURE_SIZE];
	struct sha256_ctx sum;
	struct digest digest;

	int r = eeprom_read(images, wish->kind, wish->first, &image, e);
	if (r < 0)
		return r;
	sha256_init(&sum);
	sha256_update(&sum, wish->kind->bytes, image);
	sha256_digest(&sum, sizeof(digest.byte), digest.byte);
	size_t len = eeprom_signature(&digest, wish->timestamp, signature);
	r = put(folder, EEPROM_UPDATE_FILE, image, wish->kind->bytes, e);
	return r < 0 ? r : put(folder, EEPROM_SIGNATURE_FILE, signature, len, e);
}

static int update_put(
    const char *folder, const char *images, const struct eeprom_wish *wish, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (!wish->kind || !images)
		return update_remove(folder, e);
	int r = update_write(folder, images, wish, e);
	if (r < 0)
		(void)!update_remove(folder, &ignored);
	return r;
}

/* ---- all of a folder ----------------------------------------------------------------------- */

static int folder_write(const struct raspberry_place *place, const char *name, const struct vm *vm,
    const struct eeprom_wish *eeprom, struct err *e)
{
	const char *root = place->root;

	char folder[PATH_MAX], file[PATH_MAX], base[32] = "http://", text[2048];
	const struct boot_urls urls = {.base = base};
	struct boot_plan room;

	inet_ntop(
	    AF_INET, &place->server, base + strlen(base), (socklen_t)(sizeof(base) - strlen(base)));
	const char *words = raspberry_words(vm, &urls, &room);
	int len = words ? snprintf(text, sizeof(text), "%s\n", words) : -1;
	if (len < 0 || len >= (int)sizeof(text))
		return err_set(
		    e, EINVAL, "kernel_args of %s cannot be passed on to its firmware", vm->name);
	if (snprintf(folder, sizeof(folder), "%s/%s", root, name) >= (int)sizeof(folder) ||
	    snprintf(file, sizeof(file), "%s/" WORDS_FILE, folder) >= (int)sizeof(file))
		return err_set(e, ENAMETOOLONG, "%s is too long", root);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return err_errno(e, "cannot make the folder %s", folder);
	int rc = atomic_file_replace(file, text, (size_t)len, 0644, e);
	rc = rc < 0 ? rc : link_files(folder, e);
	return rc < 0 ? rc : update_put(folder, place->images, eeprom, e);
}

static int folder_remove(int root, const char *name, struct err *e)
{
	int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_errno(e, "cannot read the folder %s", name);
	}
	/* First what makes the firmware go into it. */
	unlinkat(fd, raspberry_file_at(0)->name, 0);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(fd, entry->d_name, 0);
	closedir(dir);
	return unlinkat(root, name, AT_REMOVEDIR) == 0
		   ? 0
		   : err_errno(e, "cannot remove the folder %s", name);
}

/* ---- all of them ------------------------------------------------------------------------- */

struct board {
	char folder[RASPBERRY_FOLDER_SIZE];
	const struct vm *vm;
};

/* Of two with the same folder the first by name is the first here. */
static int by_folder(const void *a, const void *b)
{
	const struct board *x = a, *y = b;
	int order = strcmp(x->folder, y->folder);

	return order ? order : strcmp(x->vm->name, y->vm->name);
}

static int by_folder_alone(const void *a, const void *b)
{
	return strcmp(((const struct board *)a)->folder, ((const struct board *)b)->folder);
}

static size_t boards_of(
    const struct vm_snapshot *snap, const struct leases *leases, struct board *out)
{
	size_t count = 0;

	for (size_t i = 0; i < vm_snapshot_count(snap); i++) {
		const struct vm *vm = vm_snapshot_at(snap, i);
		char folder[RASPBERRY_FOLDER_SIZE];
		if (!raspberry_served(vm) || leases_netboot_off(leases, vm) ||
		    !raspberry_folder(vm, folder))
			continue;
		if (out) {
			memcpy(out[count].folder, folder, sizeof(folder));
			out[count].vm = vm;
		}
		count++;
	}
	return count;
}

static int remove_others(
    const char *root, const struct board *boards, size_t count, struct err *first)
{
	struct dirent *entry;
	DIR *dir = opendir(root);

	if (!dir)
		return err_errno(first, "cannot read the folder %s", root);
	while ((entry = readdir(dir))) {
		struct board wanted = {.vm = NULL};
		struct err e = ERR_INIT;
		if (!raspberry_is_folder(entry->d_name))
			continue;
		memcpy(wanted.folder, entry->d_name, sizeof(wanted.folder));
		if (!bsearch(&wanted, boards, count, sizeof(*boards), by_folder_alone) &&
		    folder_remove(dirfd(dir), entry->d_name, &e) < 0 && !first->code)
			*first = e;
	}
	closedir(dir);
	return first->code ? -first->code : 0;
}

int raspberry_folders(const struct raspberry_place *place, const struct vm_snapshot *snap,
    const struct leases *leases, struct err *e)
{
	size_t count = boards_of(snap, leases, NULL);
	_cleanup_free_ struct board *boards = calloc(count + 1, sizeof(*boards));
	struct err first = ERR_INIT;

	if (!boards)
		return err_set(e, ENOMEM, "out of memory for the folders of boards");
	boards_of(snap, leases, boards);
	qsort(boards, count, sizeof(*boards), by_folder);
	for (size_t i = 0; i < count; i++) {
		const struct eeprom_wish eeprom = leases_eeprom(leases, boards[i].vm);
		struct err one = ERR_INIT;
		if (i > 0 && strcmp(boards[i - 1].folder, boards[i].folder) == 0)
			err_set(&one, EEXIST,
			    "%s and %s have the serial number of the same board: correct one of them",
			    boards[i - 1].vm->name, boards[i].vm->name);
		else if (folder_write(place, boards[i].folder, boards[i].vm, &eeprom, &one) == 0)
			continue;
		if (!first.code)
			first = one;
	}
	int rc = remove_others(place->root, boards, count, &first);
	return rc < 0 ? err_set(e, first.code, "%s", first.msg) : 0;
}
