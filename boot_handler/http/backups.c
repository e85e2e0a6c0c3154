#include "boot_handler/http/backups.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "boot_handler/http/json_value.h"
#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/image/image_name.h"

#define IMAGES_SHOWN 1000

static int need_store(const struct call *c, struct err *e)
{
	return c->services->backups
		   ? 0
		   : err_set(e, ENOENT,
			 "no disk becomes an image here: boot_handler was started without --backups");
}

/* NULL: it is none, or cannot be read. */
static json_t *show(const char *folder, const char *name, const char *arch)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	char path[4096];
	size_t len;

	int n = snprintf(path, sizeof(path), "%s/%s/%s/" IMAGE_MANIFEST_FILE, folder, name, arch);
	if (n < 0 || n >= (int)sizeof(path) ||
	    file_read(path, IMAGE_MANIFEST_MAX_BYTES, &text, &len, &ignored) < 0)
		return NULL;
	json_t *doc = json_loadb(text, len, 0, NULL);
	const json_t *of = json_object_get(doc, "backup");
	const json_t *rootfs = json_object_get(doc, "rootfs");
	json_t *shown = json_pack("{s:s, s:s, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?}",
	    "name", name, "arch", arch, "created", json_object_get(doc, "created"), "machine",
	    json_object_get(of, "machine"), "order", json_object_get(of, "order"), "size_bytes",
	    json_object_get(rootfs, "size_bytes"), "disk_bytes",
	    json_object_get(rootfs, "unpacked_bytes"), "kernel_version",
	    json_object_get(doc, "kernel_version"), "kernel_bytes",
	    json_object_get(json_object_get(doc, "kernel"), "size_bytes"), "modules_bytes",
	    json_object_get(json_object_get(doc, "modules"), "size_bytes"));
	json_decref(doc);
	return shown;
}

int backups_list(const struct call *c, struct server_answer *a, struct err *e)
{
	int r = need_store(c, e);

	if (r < 0)
		return r;
	const char *folder = backups_images(c->services->backups);
	_cleanup_closedir_ DIR *dir = opendir(folder);
	json_t *list = json_array();
	const struct dirent *d;
	while (dir && (d = readdir(dir)) && json_array_size(list) < IMAGES_SHOWN)
		for (int i = 0; image_name_valid(d->d_name) && i < VM_ARCH_COUNT; i++) {
			json_t *one = show(folder, d->d_name, vm_arch_name((enum vm_arch)i));
			if (one)
				json_array_append_new(list, one);
		}
	return answer_json(a, json_pack("{s:o}", "backups", list), e);
}

int backups_remove(const struct call *c, struct server_answer *a, struct err *e)
{
	int r = need_store(c, e);

	a->status = 204;
	return r < 0 ? r : backups_forget(c->services->backups, c->request->route->image, e);
}
