#include "vmlab/image/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "vmlab/image/cpio.h"
#include "vmlab/image/file.h"
#include "vmlab/image/modules.h"

/* The kernel unpacks the modules in a machine that waits. */
#define MODULES_ZSTD_LEVEL 12

int image_member_write(const struct image_scan *scan, const struct image_member *m, int dirfd,
    const char *name, struct image_contents *out, struct err *e)
{
	_cleanup_image_file_ struct image_file *file = NULL;
	_cleanup_free_ char *data = NULL;
	size_t len;
	int rc;

	rc = image_scan_load(scan, m, false, &data, &len, e);
	if (!rc)
		rc = image_file_create(dirfd, name, 0, 1, &file, e);
	if (!rc)
		rc = image_file_write(file, data, len, e);
	if (!rc)
		rc = image_file_finish(file, out, e);
	out->file = name;
	return rc;
}

static int load_text(const struct image_scan *scan, const char *version, const char *name,
    char **text, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	const struct image_member *m;
	size_t len;

	if (asprintf(&path, "lib/modules/%s/%s", version, name) < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	m = image_scan_find(scan, path);
	return m ? image_scan_load(scan, m, false, text, &len, e) : 0;
}

struct module_texts {
	char *dep, *alias, *symbols, *softdep, *builtin;
};

static void module_texts_clear(struct module_texts *t)
{
	free(t->dep);
	free(t->alias);
	free(t->symbols);
	free(t->softdep);
	free(t->builtin);
}

static int module_texts_load(
    struct module_texts *t, const struct image_scan *scan, const char *version, struct err *e)
{
	int rc = load_text(scan, version, "modules.dep", &t->dep, e);

	if (!rc)
		rc = load_text(scan, version, "modules.alias", &t->alias, e);
	if (!rc)
		rc = load_text(scan, version, "modules.symbols", &t->symbols, e);
	if (!rc)
		rc = load_text(scan, version, "modules.softdep", &t->softdep, e);
	if (!rc)
		rc = load_text(scan, version, "modules.builtin", &t->builtin, e);
	return rc;
}

static int add_modules(struct image_cpio *cpio, const struct image_scan *scan,
    const struct image_modules *modules, const char *version, struct err *e)
{
	for (size_t i = 0; i < image_modules_count(modules); i++) {
		_cleanup_free_ char *path = NULL, *data = NULL;
		const struct image_member *m;
		size_t len;
		int rc;

		if (asprintf(&path, "lib/modules/%s/%s", version, image_modules_path(modules, i)) <
		    0) {
			path = NULL;
			return err_set(e, ENOMEM, "out of memory");
		}
		m = image_scan_find(scan, path);
		if (!m)
			return err_set(e, EINVAL,
			    "modules.dep names %s, which the rootfs does not hold; run depmod in it and import it again",
			    path);
		rc = image_scan_load(scan, m, true, &data, &len, e);
		path[image_modules_plain_length(path)] = '\0';
		if (!rc)
			rc = image_cpio_add(cpio, path, data, len, e);
		if (rc)
			return rc;
	}
	return 0;
}

static int add_index(
    struct image_cpio *cpio, const char *version, const char *name, char *text, struct err *e)
{
	_cleanup_free_ char *path = NULL, *owned = text;

	if (!text || asprintf(&path, "lib/modules/%s/%s", version, name) < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	return image_cpio_add(cpio, path, owned, strlen(owned), e);
}

static void warn_drivers(
    const struct image_modules *m, const struct image_module_index *index, const char *version)
{
	static const char *const expected[] = {
	    "ext4", "vfat", "sd_mod", "virtio_blk", "virtio_net", "efivarfs"};

	char missing[128] = "";

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		if (!image_modules_provides(m, index, expected[i]))
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
			    " %s", expected[i]);
	if (*missing)
		log_warn("kernel %s lacks drivers that an installer may need:%s", version, missing);
}

int image_modules_write(const struct image_scan *scan, const char *version, int dirfd, int workers,
    struct image_contents *out, struct err *e)
{
	_cleanup_(module_texts_clear) struct module_texts t = {0};
	_cleanup_image_modules_ struct image_modules *modules = NULL;
	_cleanup_image_file_ struct image_file *file = NULL;
	_cleanup_(image_cpio_clear) struct image_cpio cpio = {0};
	struct image_module_index index;
	int rc;

	rc = module_texts_load(&t, scan, version, e);
	if (rc)
		return rc;
	index = (struct image_module_index){t.dep, t.alias, t.symbols, t.softdep, t.builtin};
	rc = image_modules_choose(&index, &modules, e);
	if (rc)
		return err_wrap(e, "lib/modules/%s", version);
	warn_drivers(modules, &index, version);
	rc = image_file_create(dirfd, IMAGE_MODULES_FILE, MODULES_ZSTD_LEVEL, workers, &file, e);
	if (!rc)
		rc = image_cpio_open(&cpio, file, e);
	if (!rc)
		rc = add_modules(&cpio, scan, modules, version, e);
	if (!rc)
		rc = add_index(
		    &cpio, version, "modules.alias", image_modules_filter(modules, t.alias), e);
	if (!rc)
		rc = add_index(
		    &cpio, version, "modules.builtin", strdup(t.builtin ? t.builtin : ""), e);
	if (!rc)
		rc = add_index(&cpio, version, "modules.dep", image_modules_dep(modules), e);
	if (!rc)
		rc = add_index(
		    &cpio, version, "modules.softdep", image_modules_filter(modules, t.softdep), e);
	if (!rc)
		rc = add_index(
		    &cpio, version, "modules.symbols", image_modules_filter(modules, t.symbols), e);
	if (!rc)
		rc = image_cpio_end(&cpio, e);
	if (!rc)
		rc = image_file_finish(file, out, e);
	out->file = IMAGE_MODULES_FILE;
	return rc;
}
