#include "vmlab/image/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/image/studio.h"
#include "vmlab/image/file.h"

static void add_word(json_t *list, const char *word)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (strcmp(json_string_value(one), word) == 0)
			return;
	json_array_append_new(list, json_string(word));
}

static void add_loader(json_t *list, const struct image_scan *scan, size_t i)
{
	const struct bootloader_kind *kind = &bootloader_kinds[i];
	char word[BOOTLOADER_TEXT_SIZE];

	if (scan->loader_program[i])
		add_word(list, kind->programs[0]);
	for (int a = 0; a < VM_ARCH_COUNT; a++)
		if (scan->loader_files[i][a] == bootloader_all_files(kind) &&
		    bootloader_suits(kind, &arches[a]))
			add_word(list, bootloader_text(kind->word, &arches[a], word));
}

/* What the rootfs itself brings for being installed and booted. */
static json_t *provides_json(const struct image_scan *scan, const char *kernel_version)
{
	static const char *const names[IMAGE_PART_COUNT] = {
	    [IMAGE_PART_CLOUD_INIT] = "cloud-init",
	    [IMAGE_PART_SSHD] = "sshd",
	    [IMAGE_PART_INITRAMFS_TOOL] = "initramfs-tool",
	};
	json_t *list = json_array();

	for (size_t i = 0; scan && i < IMAGE_PART_COUNT; i++)
		if (names[i] && scan->has[i])
			json_array_append_new(list, json_string(names[i]));
	for (size_t i = 0; scan && i < BOOTLOADER_COUNT; i++)
		add_loader(list, scan, i);
	if (scan && image_scan_has_initramfs(scan, kernel_version))
		json_array_append_new(list, json_string("initramfs"));
	return list;
}

/* cloud-init's names (cloudinit/net/renderers.py); the first is the one it takes. NULL when not
 * known. */
static json_t *renderers_json(const struct image_scan *scan)
{
	static const char *const names[IMAGE_PART_COUNT] = {
	    [IMAGE_PART_ENI] = "eni",
	    [IMAGE_PART_SYSCONFIG] = "sysconfig",
	    [IMAGE_PART_NETPLAN] = "netplan",
	    [IMAGE_PART_NETWORK_MANAGER] = "network-manager",
	    [IMAGE_PART_NETWORKD] = "networkd",
	};
	json_t *list = scan ? json_array() : NULL;

	for (size_t i = 0; list && i < IMAGE_PART_COUNT; i++)
		if (names[i] && scan->has[i])
			json_array_append_new(list, json_string(names[i]));
	return list;
}

int image_manifest_write(
    const struct image_manifest *m, const struct image_scan *scan, int dirfd, struct err *e)
{
	_cleanup_image_file_ struct image_file *file = NULL;
	_cleanup_free_ char *text = NULL;
	char created[sizeof("2000-01-01T00:00:00Z") + 16];
	struct image_contents contents = {0};
	struct image_manifest full = *m;
	time_t now = time(NULL);
	struct tm tm;

	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	full.created = created;
	full.provides = provides_json(scan, m->kernel_version);
	full.network_renderers = renderers_json(scan);
	json_t *doc = full.provides ? image_manifest_json(&full) : NULL;
	text = doc ? json_dumps(doc, JSON_INDENT(2)) : NULL;
	json_decref(doc);
	json_decref(full.provides);
	json_decref(full.network_renderers);
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	int rc = image_file_create(dirfd, IMAGE_MANIFEST_FILE, 0, 1, &file, e);
	if (!rc)
		rc = image_file_write(file, text, strlen(text), e);
	if (!rc)
		rc = image_file_write(file, "\n", 1, e);
	if (!rc)
		rc = image_file_finish(file, &contents, e);
	image_contents_clear(&contents);
	return rc;
}

int image_manifest_load(const char *images_dir, const char *name, enum vm_arch arch,
    struct image_manifest *out, struct err *e)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct err why = ERR_INIT;
	struct image_where where;
	size_t len;

	*out = (struct image_manifest){0};
	if (asprintf(&path, "%s/%s/%s/" IMAGE_MANIFEST_FILE, images_dir, name, vm_arch_name(arch)) <
	    0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	int rc = file_read(path, IMAGE_MANIFEST_MAX_BYTES, &text, &len, e);
	if (rc == -ENOENT || rc == -ENOTDIR) {
		struct stat st;
		int studio = studio_load(images_dir, name, arch, out, &st, e);
		out->distro = name;
		return studio == -ENOENT ? rc : studio;
	}
	if (rc)
		return rc;
	rc = image_manifest_parse(text, len, name, arch, false, out, &where, &why);
	return rc ? err_set(e, -rc, "%s:%d:%d: %s; build or import the image again", path,
			where.line, where.column, why.msg)
		  : 0;
}
