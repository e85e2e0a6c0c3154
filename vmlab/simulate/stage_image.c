#include "vmlab/simulate/stage_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "vmlab/image/file.h"
#include "vmlab/image/manifest.h"

#define KERNEL_VERSION "6.12.0-simulated"
#define ROOTFS_FILE "rootfs.tar.zst"

static int make_file(
    int folder, const char *name, uint64_t bytes, struct image_contents *out, struct err *e)
{
	_cleanup_image_file_ struct image_file *f = NULL;
	uint64_t buffer[8192], random = bytes;

	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		return err_errno(e, "%s", name);
	int r = image_file_create(folder, name, 0, 1, &f, e);
	while (r == 0 && bytes > 0) {
		size_t n = bytes < sizeof(buffer) ? (size_t)bytes : sizeof(buffer);
		for (size_t i = 0; i < sizeof(buffer) / sizeof(*buffer); i++)
			buffer[i] = simulate_random(&random);
		r = image_file_write(f, buffer, n, e);
		bytes -= n;
	}
	if (r == 0)
		r = image_file_finish(f, out, e);
	out->file = name;
	return r;
}

static int make_files(
    int folder, const struct simulate_profile *p, struct image_manifest *m, struct err *e)
{
	int r = make_file(folder, ROOTFS_FILE, p->rootfs_bytes, &m->rootfs, e);

	m->rootfs.format = "tar.zst";
	m->rootfs.unpacked_bytes = p->rootfs_bytes;
	m->rootfs.entries = 1;
	m->rootfs.chunk_bytes = IMAGE_CHUNK_BYTES;
	if (r == 0)
		r = make_file(folder, IMAGE_KERNEL_FILE, p->kernel_bytes, &m->kernel, e);
	if (r == 0)
		r = make_file(folder, IMAGE_MODULES_FILE, p->modules_bytes, &m->modules, e);
	if (r == 0 && unlinkat(folder, IMAGE_MANIFEST_FILE, 0) < 0 && errno != ENOENT)
		r = err_errno(e, IMAGE_MANIFEST_FILE);
	return r < 0 ? r : image_manifest_write(m, NULL, folder, e);
}

int stage_image_make(const char *images_dir, const struct simulate_profile *p, struct err *e)
{
	struct image_manifest m = {
	    .distro = STAGE_IMAGE_NAME, .arch = "amd64", .kernel_version = KERNEL_VERSION};
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/" STAGE_IMAGE_NAME "/amd64", images_dir) < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	for (char *slash = path + strlen(images_dir); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_errno(e, "cannot make %s", path);
		*slash = '/';
	}
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_errno(e, "cannot make %s", path);
	_cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = folder < 0 ? err_errno(e, "%s", path) : make_files(folder, p, &m, e);
	image_contents_clear(&m.rootfs);
	image_contents_clear(&m.kernel);
	image_contents_clear(&m.modules);
	return r < 0 ? err_wrap(e, "%s", path) : 0;
}
