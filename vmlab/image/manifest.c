#include "vmlab/image/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"

static json_t *file_json(const char *name, const struct image_digest *d)
{
	return json_pack("{ss sI ss}", "file", name, "size_bytes", (json_int_t)d->size_bytes,
	    "sha256", d->sha256);
}

static json_t *rootfs_json(const struct image_manifest *m)
{
	json_t *chunks = json_array();
	char name[64];

	for (size_t i = 0; i < m->rootfs->chunk_count; i++)
		if (json_array_append_new(chunks, json_string(m->rootfs->chunks[i]))) {
			json_decref(chunks);
			return NULL;
		}
	if (m->adopted)
		snprintf(name, sizeof(name), "%s", m->adopted->file);
	else
		snprintf(name, sizeof(name), "%s.%s", m->disk_bytes ? "disk" : "rootfs",
		    m->rootfs_format);
	return json_pack("{ss ss sI ss sI sI sI so}", "file", name, "format", m->rootfs_format,
	    "size_bytes", (json_int_t)m->rootfs->size_bytes, "sha256", m->rootfs->sha256,
	    "unpacked_bytes", (json_int_t)(m->disk_bytes ? m->disk_bytes : m->scan->unpacked_bytes),
	    "entries", (json_int_t)(m->disk_bytes ? 0 : m->scan->entries), "chunk_bytes",
	    (json_int_t)IMAGE_CHUNK_BYTES, "chunks", chunks);
}

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
		if (scan->loader_files[i][a] && bootloader_suits(kind, &arches[a]))
			add_word(list, bootloader_text(kind->word, &arches[a], word));
}

/* What the rootfs itself brings for being installed and booted. */
static json_t *provides_json(const struct image_manifest *m)
{
	static const char *const names[IMAGE_PART_COUNT] = {
	    [IMAGE_PART_CLOUD_INIT] = "cloud-init",
	    [IMAGE_PART_SSHD] = "sshd",
	    [IMAGE_PART_INITRAMFS_TOOL] = "initramfs-tool",
	};
	json_t *list = json_array();

	for (size_t i = 0; m->scan && i < IMAGE_PART_COUNT; i++)
		if (names[i] && m->scan->has[i])
			json_array_append_new(list, json_string(names[i]));
	for (size_t i = 0; m->scan && i < BOOTLOADER_COUNT; i++)
		add_loader(list, m->scan, i);
	if (m->has_initramfs)
		json_array_append_new(list, json_string("initramfs"));
	return list;
}

/* cloud-init's names (cloudinit/net/renderers.py); the first is the one it takes. NULL when not
 * known. */
static json_t *renderers_json(const struct image_manifest *m)
{
	static const char *const names[IMAGE_PART_COUNT] = {
	    [IMAGE_PART_ENI] = "eni",
	    [IMAGE_PART_SYSCONFIG] = "sysconfig",
	    [IMAGE_PART_NETPLAN] = "netplan",
	    [IMAGE_PART_NETWORK_MANAGER] = "network-manager",
	    [IMAGE_PART_NETWORKD] = "networkd",
	};
	json_t *list = m->scan ? json_array() : NULL;

	for (size_t i = 0; list && i < IMAGE_PART_COUNT; i++)
		if (names[i] && m->scan->has[i])
			json_array_append_new(list, json_string(names[i]));
	return list;
}

json_t *image_manifest_json(const struct image_manifest *m)
{
	char created[sizeof("2000-01-01T00:00:00Z") + 16];
	struct tm tm;

	gmtime_r(&m->created, &tm);
	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{si ss ss ss ss* ss* ss so so so so so* so*}", "format", 1, "distro",
	    m->distro, "arch", vm_arch_name(m->arch), "created", created, "os_name", m->os_name,
	    "kernel_from", m->kernel_from, "kernel_version", m->kernel_version, "rootfs",
	    rootfs_json(m), "kernel", file_json(IMAGE_KERNEL_FILE, m->kernel), "modules",
	    file_json(IMAGE_MODULES_FILE, m->modules), "provides", provides_json(m),
	    "network_renderers", renderers_json(m), ADOPTED_KEY,
	    m->adopted ? adopted_json(m->adopted) : NULL);
}

int image_manifest_write(const struct image_manifest *m, int dirfd, struct err *e)
{
	_cleanup_image_file_ struct image_file *file = NULL;
	_cleanup_free_ char *text = NULL;
	struct image_digest digest = {0};
	json_t *doc = image_manifest_json(m);
	int rc;

	text = doc ? json_dumps(doc, JSON_INDENT(2)) : NULL;
	json_decref(doc);
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	rc = image_file_create(dirfd, IMAGE_MANIFEST_FILE, 0, 1, &file, e);
	if (!rc)
		rc = image_file_write(file, text, strlen(text), e);
	if (!rc)
		rc = image_file_write(file, "\n", 1, e);
	if (!rc)
		rc = image_file_finish(file, &digest, e);
	image_digest_clear(&digest);
	return rc;
}

int image_manifest_load(
    const char *images_dir, const char *name, const char *arch, json_t **out, struct err *e)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	json_error_t error;
	size_t len;
	int rc;

	if (asprintf(&path, "%s/%s/%s/" IMAGE_MANIFEST_FILE, images_dir, name, arch) < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	rc = file_read(path, IMAGE_MANIFEST_MAX_BYTES, &text, &len, e);
	if (rc)
		return rc;
	*out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		return err_set(e, EINVAL, "%s:%d:%d: %s; build or import the image again", path,
		    error.line, error.column, error.text);
	}
	return 0;
}

bool image_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= 64 && *name != '.' && *name != '_' && *name != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}
