#include "boot_handler/sources/image_manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/image/adopted.h"
#include "lib/base/cleanup.h"
#include "lib/json/text.h"

#define MANIFEST_DEPTH_MAX 8

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

void image_free(struct image *image)
{
	if (!image)
		return;
	free(image->kernel_version);
	free(image->rootfs_file);
	json_decref(image->rootfs);
	json_decref(image->adopted);
	free(image);
}

static bool is_file_name(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 128 && s[0] != '.' && s[0] != '-' &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")] ==
		   '\0';
}

static bool is_sha256(const json_t *value)
{
	const char *s = json_string_value(value);

	return s && strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int want(const json_t *object, const char *key, const char *text, struct err *e)
{
	const char *value = json_string_value(json_object_get(object, key));

	if (!value || strcmp(value, text) != 0)
		return err_set(
		    e, EINVAL, "\"%s\" has to be \"%s\": build the image again", key, text);
	return 0;
}

static json_int_t size_of(const json_t *part)
{
	return json_integer_value(json_object_get(part, "size_bytes"));
}

/* {"file", "size_bytes", "sha256"}; file must be `name` unless that is NULL. */
static int check_file(const json_t *manifest, const char *key, const char *name, struct err *e)
{
	const json_t *part = json_object_get(manifest, key);
	const char *file = json_string_value(json_object_get(part, "file"));

	if (!json_is_object(part))
		return err_set(e, EINVAL, "\"%s\" is missing: build the image again", key);
	if (!file || !is_file_name(file) || (name && strcmp(file, name) != 0))
		return err_set(e, EINVAL, "\"%s\": \"file\" has to be %s: build the image again",
		    key, name ? name : "a file name without a slash");
	if (size_of(part) <= 0)
		return err_set(e, EINVAL,
		    "\"%s\": \"size_bytes\" has to be a number above 0: build the image again",
		    key);
	if (!is_sha256(json_object_get(part, "sha256")))
		return err_set(e, EINVAL,
		    "\"%s\": \"sha256\" has to be 64 hexadecimal digits: build the image again",
		    key);
	return 0;
}

static int check_manifest(const json_t *json, const char *distro, enum vm_arch arch, struct err *e)
{
	const char *version = json_string_value(json_object_get(json, "kernel_version"));

	if (json_integer_value(json_object_get(json, "format")) != 1)
		return err_set(e, EINVAL, "\"format\" has to be 1: build the image again");
	if (want(json, "distro", distro, e) < 0 || want(json, "arch", vm_arch_name(arch), e) < 0)
		return -EINVAL;
	if (!version || !is_file_name(version))
		return err_set(e, EINVAL, "\"kernel_version\" is missing: build the image again");
	if (check_file(json, "rootfs", NULL, e) < 0 ||
	    check_file(json, "kernel", IMAGE_KERNEL_FILE, e) < 0)
		return -EINVAL;
	return check_file(json, "modules", IMAGE_MODULES_FILE, e);
}

static struct image *image_new(const json_t *json)
{
	_cleanup_image_ struct image *image = calloc(1, sizeof(*image));
	json_t *rootfs = json_object_get(json, "rootfs");

	if (!image)
		return NULL;
	image->kernel_version = strdup(json_string_value(json_object_get(json, "kernel_version")));
	image->rootfs_file = strdup(json_string_value(json_object_get(rootfs, "file")));
	image->rootfs = json_deep_copy(rootfs);
	image->kernel_bytes = size_of(json_object_get(json, "kernel"));
	image->modules_bytes = size_of(json_object_get(json, "modules"));
	image->adopted = json_deep_copy(json_object_get(json, ADOPTED_KEY));
	image->cloud_init = image_provides(json, "cloud-init");
	if (!image->kernel_version || !image->rootfs_file || !image->rootfs)
		return NULL;
	return steal_ptr(image);
}

/* Parsed, checked, and still JSON: what the sizes on disk are compared with. */
static int parse(const char *text, size_t len, const char *distro, enum vm_arch arch, json_t **out,
    int *line, int *column, struct err *e)
{
	size_t bad;

	*line = 0;
	*column = 0;
	*out = json_text_parse(text, len, MANIFEST_DEPTH_MAX, &bad, e);
	if (!*out) {
		json_text_position(text, bad, line, column);
		return -EINVAL;
	}
	return check_manifest(*out, distro, arch, e);
}

int image_parse(const char *text, size_t len, const char *distro, enum vm_arch arch,
    struct image **out, int *line, int *column, struct err *e)
{
	_cleanup_(cleanup_json) json_t *json = NULL;

	int r = parse(text, len, distro, arch, &json, line, column, e);
	if (r < 0)
		return r;
	*out = image_new(json);
	return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}
