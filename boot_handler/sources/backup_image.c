#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_handler/sources/backup_inside.h"
#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/image/image_name.h"

#define DISK_BYTES_MIN (4U << 20) /* as the installer has it */

/* ---- its name ------------------------------------------------------------------------------ */

static void image_path(const struct backups *b, const char *name, enum vm_arch arch,
    const char *file, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/images/%s/%s%s%s", b->dir, name, vm_arch_name(arch),
	    file ? "/" : "", file ? file : "");
}

static bool exists(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	return n > 0 && n < (int)sizeof(path) && access(path, F_OK) == 0;
}

int backups_name_free(struct backups *b, const char *name, enum vm_arch arch, struct err *e)
{
	char path[PATH_MAX];

	if (!image_name_valid(name))
		return err_set(e, EBUSY, "\"%.64s\" is no name for an image", name);
	image_path(b, name, arch, NULL, path);
	if (exists(b->images, name) || access(path, F_OK) == 0)
		return err_set(e, EBUSY,
		    "there is an image %s already, and none is overwritten: give the backup another name",
		    name);
	return 0;
}

/* ---- its files ----------------------------------------------------------------------------- */

static int copy(const char *from_folder, const char *name, const char *to, struct err *e)
{
	char from[PATH_MAX];
	struct stat st;
	int n = snprintf(from, sizeof(from), "%s/%s", from_folder, name);

	if (n < 0 || n >= (int)sizeof(from))
		return err_set(e, ENAMETOOLONG, "%s has too long a name", name);
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0 || fstat(in, &st) < 0)
		return err_errno(e, "cannot read %s", from);
	_cleanup_close_ int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0 || fchmod(out, 0644) < 0)
		return err_errno(e, "cannot write %s", to);
	for (off_t left = st.st_size; left > 0;) {
		ssize_t sent = sendfile(out, in, NULL, (size_t)left);
		if (sent <= 0)
			return err_errno(e, "cannot write %s", to);
		left -= sent;
	}
	return fsync(out) < 0 ? err_errno(e, "cannot write %s", to) : 0;
}

static json_t *manifest_make(
    struct backup_part *p, const struct backup_image *what, struct digest *sums)
{
	struct image_manifest m = {
	    .distro = what->name,
	    .arch = vm_arch_name(what->arch),
	    .os_name = what->like->os_name,
	    .kernel_from = what->like_name,
	    .kernel_version = what->like->kernel_version,
	    .rootfs = {.file = BACKUP_FILE,
		.format = "raw.zst",
		.size_bytes = p->bytes,
		.unpacked_bytes = what->disk_bytes,
		.sector_bytes = what->sector_bytes,
		.chunk_bytes = BACKUP_SLICE_BYTES,
		.chunk_count = p->count,
		.chunks = sums},
	    .kernel = what->like->kernel,
	    .modules = what->like->modules,
	    .provides = what->like->provides,
	    .network_renderers = what->like->network_renderers,
	};
	struct sha256_ctx whole = p->whole;
	char created[TIME_TEXT_SIZE];

	m.created = time_format(wall_ms(), created);
	sha256_digest(&whole, DIGEST_BYTES, m.rootfs.sha256.byte);
	return image_manifest_json(&m);
}

static int manifest_write(
    struct backups *b, struct backup_part *p, const struct backup_image *what, struct err *e)
{
	_cleanup_free_ struct digest *sums = calloc(p->count, sizeof(*sums));
	ssize_t len = (ssize_t)(p->count * sizeof(*sums));
	char path[PATH_MAX];

	if (!sums || pread(p->sums, sums, (size_t)len, 0) != len)
		return err_set(e, EIO, "the sums cannot be read");
	json_t *doc = manifest_make(p, what, sums);
	json_t *of =
	    json_pack("{s:I, s:s}", "order", (json_int_t)p->order, "machine", what->machine);
	bool made = doc && json_object_set_new(doc, "backup", of) == 0;
	_cleanup_free_ char *text = made ? json_dumps(doc, JSON_INDENT(1)) : NULL;
	json_decref(doc);
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	backup_part_path(b, p->order, IMAGE_MANIFEST_FILE, path);
	int r = atomic_file_replace(path, text, strlen(text), 0644, e);
	return r < 0 ? r : 0;
}

/* ---- made ---------------------------------------------------------------------------------- */

/* Whether that image was made of this order's slices. */
static bool is_made(struct backups *b, int64_t order, const char *name, enum vm_arch arch)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	char path[PATH_MAX];
	size_t len;

	image_path(b, name, arch, IMAGE_MANIFEST_FILE, path);
	if (file_read(path, IMAGE_MANIFEST_MAX_BYTES, &text, &len, &ignored) < 0)
		return false;
	json_t *doc = json_loadb(text, len, 0, NULL);
	bool made = json_integer_value(json_object_get(json_object_get(doc, "backup"), "order")) ==
		    (json_int_t)order;
	json_decref(doc);
	return made;
}

static int judge(const struct backup_part *p, const struct backup_image *what, struct err *e)
{
	if (!p || p->count == 0 || p->count < what->slices)
		return err_set(e, ESTALE, "of %" PRIu64 " slices %" PRIu64 " are here",
		    what->slices, p ? p->count : 0);
	if (p->count != what->slices || p->bytes != what->file_bytes)
		return err_set(e, EINVAL,
		    "%" PRIu64 " slices with %" PRIu64 " bytes are here, not %" PRIu64
		    " with %" PRIu64,
		    p->count, p->bytes, what->slices, what->file_bytes);
	if (what->disk_bytes < DISK_BYTES_MIN || what->disk_bytes % what->sector_bytes != 0)
		return err_set(e, EINVAL, "a disk of %" PRIu64 " bytes is none", what->disk_bytes);
	return 0;
}

static void folder_sync(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && fsync(fd) < 0)
		log_warn("%s: %s", path, strerror(errno));
}

static int publish(
    struct backups *b, struct backup_part *p, const struct backup_image *what, struct err *e)
{
	char from[PATH_MAX], to[PATH_MAX], parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%.*s/images/%s", PATH_MAX - 256, b->dir, what->name);
	if ((mkdir(parent, 0755) < 0 && errno != EEXIST) || chmod(parent, 0755) < 0)
		return err_errno(e, "cannot make %s", parent);
	backup_part_path(b, p->order, BACKUP_SUMS, from);
	if (unlink(from) < 0)
		return err_errno(e, "cannot remove %s", from);
	backup_part_path(b, p->order, NULL, from);
	image_path(b, what->name, what->arch, NULL, to);
	folder_sync(from);
	if (rename(from, to) < 0)
		return err_errno(e, "the image %s cannot be put in its place", what->name);
	folder_sync(parent);
	p->gone = true;
	return 0;
}

static int make_image(
    struct backups *b, struct backup_part *p, const struct backup_image *what, struct err *e)
{
	char kernel[PATH_MAX], modules[PATH_MAX];
	int r;

	backup_part_path(b, p->order, IMAGE_KERNEL_FILE, kernel);
	backup_part_path(b, p->order, IMAGE_MODULES_FILE, modules);
	if ((r = copy(what->like_folder, IMAGE_KERNEL_FILE, kernel, e)) < 0 ||
	    (r = copy(what->like_folder, IMAGE_MODULES_FILE, modules, e)) < 0 ||
	    (r = manifest_write(b, p, what, e)) < 0)
		return r;
	if (ftruncate(p->data, (off_t)p->bytes) < 0 || fchmod(p->data, 0644) < 0 ||
	    fsync(p->data) < 0)
		return err_errno(e, "the image cannot be written");
	return publish(b, p, what, e);
}

int backups_finish(struct backups *b, int64_t order, const struct backup_image *what, struct err *e)
{
	struct backup_part *p = NULL;

	if (is_made(b, order, what->name, what->arch))
		return 0;
	int r = backups_name_free(b, what->name, what->arch, e);
	if (r < 0 || (r = backup_part_get(b, order, false, &p, e)) < 0)
		return r;
	if ((r = judge(p, what, e)) == 0)
		r = make_image(b, p, what, e);
	if (r == 0)
		log_info("image made of a disk name=%s machine=%s bytes=%" PRIu64, what->name,
		    what->machine, p->bytes);
	if (p)
		backup_part_put(b, p);
	return r;
}

bool backups_made(struct backups *b, int64_t order, const char *name)
{
	bool made = false;

	for (int i = 0; image_name_valid(name) && i < VM_ARCH_COUNT; i++)
		made |= is_made(b, order, name, (enum vm_arch)i);
	return made;
}

/* Its manifest goes first: what is left then is no image. */
int backups_forget(struct backups *b, const char *name, struct err *e)
{
	char path[PATH_MAX];
	bool found = false;

	for (int i = 0; image_name_valid(name) && i < VM_ARCH_COUNT; i++) {
		image_path(b, name, (enum vm_arch)i, IMAGE_MANIFEST_FILE, path);
		if (unlink(path) < 0)
			continue;
		found = true;
		image_path(b, name, (enum vm_arch)i, NULL, path);
		backup_folder_remove(path);
	}
	if (!found)
		return err_set(e, ENOENT, "no machine's disk became an image %s", name);
	snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - 80, b->made, name);
	(void)rmdir(path);
	log_info("image removed name=%s", name);
	return 0;
}
