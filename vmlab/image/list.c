#include "vmlab/image/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/size.h"
#include "lib/image/adopted.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/definition/vm.h"
#include "vmlab/ui/human.h"
#include "vmlab/image/manifest.h"

/* Another tool's, of which the stack makes an image: no more is known of it here. */
static int add_adopted(
    json_t *list, const char *name, enum vm_arch arch, const struct adopted *a, struct err *e)
{
	json_t *one =
	    json_pack("{s:s, s:s, s:o, s:{s:I}}", "distro", name, "arch", vm_arch_name(arch),
		ADOPTED_KEY, adopted_json(a), "rootfs", "size_bytes", (json_int_t)a->st.st_size);

	return !one || json_array_append_new(list, one) ? err_set(e, ENOMEM, "out of memory") : 0;
}

static int add_image(
    json_t *list, const char *images_dir, const char *name, enum vm_arch arch, struct err *e)
{
	json_t *manifest = NULL;
	int rc = image_manifest_load(images_dir, name, vm_arch_name(arch), &manifest, e);
	struct adopted found;

	if (rc == -ENOENT || rc == -ENOTDIR)
		return adopted_find(images_dir, name, arch, &found)
			   ? add_adopted(list, name, arch, &found, e)
			   : 0;
	if (rc) {
		log_warn("%s", e->msg);
		return 0;
	}
	/* Two words about each of hundreds of chunks are for the installer, not for people. */
	json_object_del(json_object_get(manifest, "rootfs"), "chunks");
	json_object_set_new(manifest, "distro", json_string(name));
	json_object_set_new(manifest, "arch", json_string(vm_arch_name(arch)));
	return json_array_append_new(list, manifest) ? err_set(e, ENOMEM, "out of memory") : 0;
}

static int collect(json_t *list, const char *images_dir, struct err *e)
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
				rc = add_image(
				    list, images_dir, names[i]->d_name, (enum vm_arch)a, e);
		free(names[i]);
	}
	free(names);
	return rc;
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "-";
}

static uint64_t bytes(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void print_table(const json_t *list)
{
	size_t i;
	json_t *image;

	printf("%-16s %-6s %10s %10s  %-32s %s\n", "IMAGE", "ARCH", "ROOTFS", "UNPACKED", "KERNEL",
	    "CREATED");
	json_array_foreach(list, i, image) {
		const json_t *rootfs = json_object_get(image, "rootfs");
		char size[SIZE_TEXT_SIZE], unpacked[SIZE_TEXT_SIZE];
		bool is_adopted = !json_object_get(image, "kernel_version");

		printf("%-16s %-6s %10s %10s  %-32s %s\n", text(image, "distro"),
		    text(image, "arch"), size_text_short(bytes(rootfs, "size_bytes"), size),
		    is_adopted ? "-" : size_text_short(bytes(rootfs, "unpacked_bytes"), unpacked),
		    is_adopted ? "-" : text(image, "kernel_version"),
		    is_adopted ? "made by the stack" : text(image, "created"));
	}
}

int image_list_print(const char *images_dir, bool json, struct err *e)
{
	json_t *list = json_array(), *doc;
	int rc = collect(list, images_dir, e);

	if (!rc && json) {
		doc = json_pack("{sO}", "images", list);
		if (!doc || json_dumpf(doc, stdout, JSON_INDENT(2)))
			rc = err_set(e, EIO, "cannot write the list");
		putchar('\n');
		json_decref(doc);
	} else if (!rc && json_array_size(list) == 0) {
		printf("no images in %s; `vmlab image build debian-13` makes one\n", images_dir);
	} else if (!rc) {
		print_table(list);
	}
	json_decref(list);
	if (!rc && fflush(stdout))
		rc = err_errno(e, "cannot write the list");
	return rc;
}

bool image_list_any(const char *images_dir)
{
	struct err ignored = ERR_INIT;
	json_t *list = json_array();
	bool any = collect(list, images_dir, &ignored) == 0 && json_array_size(list) > 0;

	json_decref(list);
	return any;
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
	if (!removed)
		return err_set(e, ENOENT,
		    "there is no image %s%s%s in %s; `vmlab image ls` lists them", name,
		    arch ? "/" : "", arch ? arch : "", images_dir);
	rmdir(path); /* stays when something else is in it */
	return 0;
}
