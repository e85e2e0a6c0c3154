#include "vmlab/image/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/size.h"
#include "lib/base/text.h"
#include "lib/image/adopted.h"
#include "lib/image/studio.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/definition/vm.h"
#include "lib/image/image_name.h"
#include "vmlab/image/manifest.h"
#include "lib/base/human.h"

struct listing {
	enum { COUNTED, TABLE, JSON } as;
	json_t *list; /* of JSON; of TABLE the rows, each a list of COLUMNS texts */
	size_t count;
};

static const char *text(const char *value)
{
	return value ? value : "-";
}

#define COLUMNS 6

static const struct {
	const char *title;
	int right; /* of numbers */
} columns[COLUMNS] = {
    {"IMAGE", 0}, {"ARCH", 0}, {"ROOTFS", 1}, {"UNPACKED", 1}, {"KERNEL", 0}, {"CREATED", 0}};

static const char *cell(const json_t *row, size_t column)
{
	return row ? json_string_value(json_array_get(row, column)) : columns[column].title;
}

static void print_row(const json_t *row, const int *width)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		const char *text = cell(row, i);
		int room = width[i] - (int)text_columns(text);

		printf("%s%*s", i ? "  " : "", columns[i].right && room > 0 ? room : 0, "");
		human_print_clean(stdout, text);
		if (!columns[i].right && i + 1 < COLUMNS)
			printf("%*s", room > 0 ? room : 0, "");
	}
	putchar('\n');
}

static void print_table(const json_t *rows)
{
	int width[COLUMNS];
	const json_t *row;
	size_t k;

	for (size_t i = 0; i < COLUMNS; i++) {
		width[i] = (int)text_columns(columns[i].title);
		json_array_foreach(rows, k, row)
			if (width[i] < (int)text_columns(cell(row, i)))
				width[i] = (int)text_columns(cell(row, i));
	}
	print_row(NULL, width);
	json_array_foreach(rows, k, row)
		print_row(row, width);
}

/* The whole of it, and in the place of a kernel's version what it is. */
static json_t *row_of_boot(const struct image_manifest *m)
{
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	size_t count = image_boot_files(&m->boot, files);
	char size[SIZE_TEXT_SIZE], what[40];
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += files[i]->size_bytes;
	snprintf(what, sizeof(what), "boots: %s%s", image_boot_form(&m->boot),
	    image_boot_unattended(&m->boot) ? ", unattended" : "");
	return json_pack("[s, s, s, s, s, s]", m->distro, m->arch, size_text_short(sum, size), "-",
	    what, text(m->created));
}

static json_t *row_of(const struct image_manifest *m)
{
	char size[SIZE_TEXT_SIZE], unpacked[SIZE_TEXT_SIZE];
	bool known =
	    m->kernel_version; /* else it is another tool's, of which the stack makes one */

	return json_pack("[s, s, s, s, s, s]", m->distro, m->arch,
	    size_text_short(m->rootfs.size_bytes, size),
	    known ? size_text_short(m->rootfs.unpacked_bytes, unpacked) : "-",
	    text(m->kernel_version), known ? text(m->created) : "made by the stack");
}

static int show(struct listing *l, const struct image_manifest *m, struct err *e)
{
	l->count++;
	if (l->as == COUNTED)
		return 0;
	json_t *row = l->as == JSON ? image_manifest_json(m)
		      : m->boots    ? row_of_boot(m)
				    : row_of(m);
	return json_array_append_new(l->list, row) ? err_set(e, ENOMEM, "out of memory") : 0;
}

static int show_one(
    struct listing *l, const char *images_dir, const char *name, enum vm_arch arch, struct err *e)
{
	_cleanup_image_manifest_ struct image_manifest m = {0};
	struct adopted found;
	int rc = image_manifest_load(images_dir, name, arch, &m, e);

	if (rc == -ENOENT || rc == -ENOTDIR) {
		if (!adopted_find(images_dir, name, arch, &found))
			return 0;
		m.rootfs.size_bytes = (uint64_t)found.st.st_size;
		m.doc = m.adopted = adopted_json(&found);
	} else if (rc) {
		log_warn("%s", e->msg);
		return 0;
	}
	m.distro = name;
	m.arch = vm_arch_name(arch);
	/* Two words about each of hundreds of chunks are for the installer, not for people. */
	m.rootfs.chunk_count = 0;
	return show(l, &m, e);
}

/* By whom, in the place of a kernel's version. */
static json_t *row_of_backup(const json_t *backup)
{
	char size[SIZE_TEXT_SIZE], disk[SIZE_TEXT_SIZE], what[80];
	const char *machine = json_string_value(json_object_get(backup, "machine"));
	json_int_t bytes = json_integer_value(json_object_get(backup, "size_bytes"));
	json_int_t unpacked = json_integer_value(json_object_get(backup, "disk_bytes"));

	snprintf(what, sizeof(what), "backup of %s", machine ? machine : "a machine");
	return json_pack("[s, s, s, s, s, s]", json_string_value(json_object_get(backup, "name")),
	    json_string_value(json_object_get(backup, "arch")),
	    size_text_short((uint64_t)bytes, size), size_text_short((uint64_t)unpacked, disk), what,
	    text(json_string_value(json_object_get(backup, "created"))));
}

static void add_backups(struct listing *l, const json_t *backups)
{
	const json_t *one;
	size_t i;

	json_array_foreach(backups, i, one) {
		l->count++;
		json_array_append_new(l->list, row_of_backup(one));
	}
}

static int walk(struct listing *l, const char *images_dir, struct err *e)
{
	struct dirent **names;
	int count = scandir(images_dir, &names, NULL, alphasort);
	int rc = 0;

	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0)
		return err_errno(e, "cannot read the folder %s", images_dir);
	for (int i = 0; i < count; i++) {
		if (image_name_valid(names[i]->d_name))
			for (int a = 0; !rc && a < VM_ARCH_COUNT; a++)
				rc = show_one(l, images_dir, names[i]->d_name, (enum vm_arch)a, e);
		free(names[i]);
	}
	free(names);
	return rc;
}

int image_list_print(const char *images_dir, const json_t *backups, bool json, struct err *e)
{
	struct listing l = {.as = json ? JSON : TABLE, .list = json_array()};
	int rc = walk(&l, images_dir, e);

	if (!rc && !json)
		add_backups(&l, backups);
	if (!rc && json) {
		json_t *doc =
		    json_pack("{sO, sO?}", "images", l.list, "backups", (json_t *)backups);
		if (!doc || json_dumpf(doc, stdout, JSON_INDENT(2)))
			rc = err_set(e, EIO, "cannot write the list");
		putchar('\n');
		json_decref(doc);
	} else if (!rc && l.count == 0) {
		printf("no images in %s; `vmlab image build debian-13` makes one\n", images_dir);
	} else if (!rc) {
		print_table(l.list);
	}
	json_decref(l.list);
	if (!rc && fflush(stdout))
		rc = err_errno(e, "cannot write the list");
	return rc;
}

bool image_list_any(const char *images_dir)
{
	struct listing l = {.as = COUNTED};
	struct err ignored = ERR_INIT;

	return walk(&l, images_dir, &ignored) == 0 && l.count > 0;
}

/* The manifest goes first, so that nobody takes a half removed image for a whole one. */
static int remove_one(int dirfd, const char *arch, const char *shown, struct err *e)
{
	_cleanup_close_ int fd = -1;
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	int list_fd;

	fd = openat(dirfd, arch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "cannot remove the image %s/%s", shown, arch);
	if (unlinkat(fd, IMAGE_MANIFEST_FILE, 0) && errno != ENOENT)
		return err_errno(e, "cannot remove %s/%s/" IMAGE_MANIFEST_FILE, shown, arch);
	list_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = list_fd < 0 ? NULL : fdopendir(list_fd);
	if (!d)
		return err_errno(e, "cannot read %s/%s", shown, arch);
	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") &&
		    unlinkat(fd, de->d_name, 0))
			return err_errno(e, "cannot remove %s/%s/%s", shown, arch, de->d_name);
	if (unlinkat(dirfd, arch, AT_REMOVEDIR))
		return err_errno(e, "cannot remove %s/%s", shown, arch);
	fprintf(stderr, "removed %s/%s\n", shown, arch);
	return 0;
}

int image_list_remove(const char *images_dir, const char *name, const char *arch, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int removed = 0;

	if (asprintf(&path, "%s/%s", images_dir, name) < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < VM_ARCH_COUNT; i++) {
		const char *this = arches[i].name;
		int rc;

		if ((arch && strcmp(arch, this)) || faccessat(fd, this, F_OK, 0))
			continue;
		rc = remove_one(fd, this, name, e);
		if (rc)
			return rc;
		removed++;
	}
	for (int i = 0; !removed && i < VM_ARCH_COUNT; i++) {
		struct adopted found;

		if ((!arch || !strcmp(arch, arches[i].name)) &&
		    adopted_find(images_dir, name, (enum vm_arch)i, &found))
			return err_set(e, EPERM,
			    "%s/%s/%s is another tool's: remove that folder yourself", images_dir,
			    name, found.folder);
	}
	struct image_manifest m;
	for (int i = 0; !removed && i < VM_ARCH_COUNT; i++) {
		struct stat st;
		int rc = studio_load(images_dir, name, (enum vm_arch)i, &m, &st, e);

		image_manifest_clear(&m);
		if (rc != -ENOENT)
			return err_set(e, EPERM,
			    "%s/%s is NetbootStudio's: remove that folder yourself", images_dir,
			    name);
	}
	if (!removed)
		return err_set(e, ENOENT,
		    "there is no image %s%s%s in %s; `vmlab image ls` lists them", name,
		    arch ? "/" : "", arch ? arch : "", images_dir);
	rmdir(path); /* stays when something else is in it */
	return 0;
}
