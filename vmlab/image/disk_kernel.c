#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/image/kernel_version.h"
#include "lib/image/image_name.h"
#include "vmlab/image/disk.h"
#include "vmlab/image/file.h"
#include "vmlab/image/manifest.h"

#define COPY_BYTES (1024 * 1024)

/* The image of that architecture with the highest kernel version, of equals the one made last;
 * *out is NULL when there is none. */
static void newest(const char *images_dir, enum vm_arch arch, char **out)
{
	_cleanup_closedir_ DIR *d = opendir(images_dir);
	char version[128] = "", created[64] = "";
	struct dirent *de;

	*out = NULL;
	while (d && (de = readdir(d))) {
		_cleanup_image_manifest_ struct image_manifest m = {0};
		struct err ignored = ERR_INIT;
		if (!image_name_valid(de->d_name) ||
		    image_manifest_load(images_dir, de->d_name, arch, &m, &ignored) ||
		    !m.kernel_version || bytes_are_zero(m.kernel.sha256.byte, DIGEST_BYTES))
			continue;
		const char *made = m.created ? m.created : "";
		int diff = kernel_version_compare(m.kernel_version, version);
		if (diff < 0 || (diff == 0 && *out && strcmp(made, created) <= 0))
			continue;
		snprintf(version, sizeof(version), "%s", m.kernel_version);
		snprintf(created, sizeof(created), "%s", made);
		free(*out);
		*out = strdup(de->d_name);
	}
}

static int copy(const char *images_dir, const char *image, enum vm_arch arch, const char *name,
    const struct digest *wanted, int dirfd, struct image_contents *out, struct err *e)
{
	_cleanup_free_ char *buf = malloc(COPY_BYTES);
	_cleanup_free_ char *path = NULL;
	_cleanup_image_file_ struct image_file *file = NULL;
	int rc;

	if (!buf ||
	    asprintf(&path, "%s/%s/%s/%s", images_dir, image, vm_arch_name(arch), name) < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "cannot read %s", path);
	rc = image_file_create(dirfd, name, 0, 1, &file, e);
	while (!rc) {
		ssize_t n = read(fd, buf, COPY_BYTES);
		if (n < 0)
			return err_errno(e, "cannot read %s", path);
		if (n == 0)
			break;
		rc = image_file_write(file, buf, (size_t)n, e);
	}
	if (!rc)
		rc = image_file_finish(file, out, e);
	out->file = name;
	if (!rc && !digest_equal(&out->sha256, wanted))
		rc = err_set(e, EBADMSG, "%s does not match its manifest; build or import %s again",
		    path, image);
	return rc;
}

int image_kernel_copy(const char *images_dir, const char *from, enum vm_arch arch, int dirfd,
    struct image_kernel *out, struct err *e)
{
	_cleanup_image_manifest_ struct image_manifest m = {0};
	const char *name = vm_arch_name(arch);
	int rc;

	if (from)
		out->image = strdup(from);
	else
		newest(images_dir, arch, &out->image);
	if (!out->image)
		return err_set(e, ENOENT,
		    "a disk image needs the kernel and drivers of another %s image for the installer, and there is none in %s; `vmlab image build debian-13 --arch %s` makes one",
		    name, images_dir, name);
	rc = image_manifest_load(images_dir, out->image, arch, &m, e);
	if (rc == -ENOENT)
		return err_set(e, ENOENT,
		    "--kernel-from: there is no image %s for %s in %s; `vmlab image ls` lists them",
		    out->image, name, images_dir);
	if (rc)
		return rc;
	out->version = strdup(m.kernel_version ? m.kernel_version : "");
	if (!out->version)
		return err_set(e, ENOMEM, "out of memory");
	rc = copy(images_dir, out->image, arch, IMAGE_KERNEL_FILE, &m.kernel.sha256, dirfd,
	    &out->kernel, e);
	if (!rc)
		rc = copy(images_dir, out->image, arch, IMAGE_MODULES_FILE, &m.modules.sha256,
		    dirfd, &out->modules, e);
	return rc;
}

void image_kernel_clear(struct image_kernel *k)
{
	free(k->image);
	free(k->version);
	image_contents_clear(&k->kernel);
	image_contents_clear(&k->modules);
}
