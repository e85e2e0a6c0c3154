#include "vmlab/lab/backups.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmlab/lab/api.h"

enum backups_answer backups_list(const struct lab *lab, json_t **out)
{
	_cleanup_json_ json_t *answer = NULL;
	struct err ignored = ERR_INIT;
	struct api *api = NULL;

	*out = NULL;
	if (!lab->dir || access(lab->dir, F_OK) < 0)
		return BACKUPS_LACK;
	int r = api_new(lab->dir, &api, &ignored);
	if (r == 0)
		r = api_get(api, &answer, &ignored, "/backups");
	api_free(api);
	if (r == 0)
		*out = json_incref(json_object_get(answer, "backups"));
	return *out ? BACKUPS_HAVE : r == -ENOENT ? BACKUPS_LACK : BACKUPS_SILENT;
}

static bool is(const json_t *backup, const char *name, enum vm_arch arch)
{
	const char *word = json_string_value(json_object_get(backup, "name"));
	const char *of = json_string_value(json_object_get(backup, "arch"));

	return word && of && strcmp(word, name) == 0 && strcmp(of, vm_arch_name(arch)) == 0;
}

static uint64_t number_of(const json_t *backup, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(backup, key));

	return n > 0 ? (uint64_t)n : 0;
}

/* Always an image of a whole disk. */
static void fill(json_t *backup, enum vm_arch arch, struct image_manifest *out)
{
	*out = (struct image_manifest){.distro = json_string_value(json_object_get(backup, "name")),
	    .arch = vm_arch_name(arch),
	    .created = json_string_value(json_object_get(backup, "created")),
	    .kernel_version = json_string_value(json_object_get(backup, "kernel_version")),
	    .rootfs = {.format = "raw.zst",
		.size_bytes = number_of(backup, "size_bytes"),
		.unpacked_bytes = number_of(backup, "disk_bytes")},
	    .kernel = {.size_bytes = number_of(backup, "kernel_bytes")},
	    .modules = {.size_bytes = number_of(backup, "modules_bytes")},
	    .doc = json_incref(backup)};
}

enum backups_answer backups_find(
    const struct lab *lab, const char *name, enum vm_arch arch, struct image_manifest *out)
{
	_cleanup_json_ json_t *list = NULL;
	enum backups_answer answer = backups_list(lab, &list);
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		if (!is(one, name, arch))
			continue;
		fill(one, arch, out);
		return BACKUPS_HAVE;
	}
	return answer == BACKUPS_HAVE ? BACKUPS_LACK : answer;
}

int backups_remove(const struct lab *lab, const char *name, struct err *e)
{
	struct api *api = NULL;
	int r = api_new(lab->dir ? lab->dir : "", &api, e);

	if (r == 0)
		r = api_delete(api, NULL, e, "/backups/%s", name);
	api_free(api);
	return r;
}
