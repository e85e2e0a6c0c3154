#include "vmlab/image/add.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "lib/boot/offer.h"
#include "lib/image/boot_args.h"
#include "lib/image/boot_file.h"
#include "vmlab/image/file.h"
#include "vmlab/image/manifest.h"
#include "vmlab/image/work.h"

#define COPY_BYTES (1U << 20)

/* ---- one file ---------------------------------------------------------------------------- */

/* Opened without waiting for who writes into a pipe: only files can be judged and digested. */
static int open_file(const struct image_add_file *f, int *fd, uint64_t *size_bytes, struct err *e)
{
	struct stat st;

	*fd = f->fd >= 0 ? fcntl(f->fd, F_DUPFD_CLOEXEC, 0)
			 : open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0)
		return err_errno(e, "cannot open %s", f->path);
	if (fstat(*fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "%s is not a file", f->path);
	*size_bytes = (uint64_t)st.st_size;
	return 0;
}

static int judge(int fd, const char *path, enum boot_file kind, enum vm_arch arch, struct err *e)
{
	uint8_t head[BOOT_FILE_HEAD_BYTES];
	struct err why = ERR_INIT;
	size_t len = 0;

	for (ssize_t n; len < sizeof(head); len += (size_t)n) {
		n = pread(fd, head + len, sizeof(head) - len, (off_t)len);
		if (n < 0)
			return err_errno(e, "cannot read %s", path);
		if (n == 0)
			break;
	}
	int r = boot_file_check(kind, arch, head, len, &why);
	return r < 0 ? err_set(e, -r, "%s %s", path, why.msg) : 0;
}

/* Another name for the same blocks. False: the file system cannot. */
static bool share(int fd, int dirfd, const char *name)
{
	_cleanup_close_ int to = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (to < 0)
		return false;
	if (ioctl(to, FICLONE, fd) == 0 && fchmod(to, 0644) == 0 && fsync(to) == 0)
		return true;
	unlinkat(dirfd, name, 0);
	return false;
}

static int digest(
    const struct image_add *add, int fd, const char *path, struct image_file *out, struct err *e)
{
	_cleanup_free_ char *buf = malloc(COPY_BYTES);
	uint64_t done = 0;
	ssize_t n;

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	while ((n = pread(fd, buf, COPY_BYTES, (off_t)done)) > 0) {
		int rc = image_file_write(out, buf, (size_t)n, e);
		if (rc)
			return rc;
		if (*add->cancel)
			return err_set(e, EINTR, "interrupted");
		done += (uint64_t)n;
		image_progress_update(add->progress, done);
	}
	return n < 0 ? err_errno(e, "cannot read %s", path) : 0;
}

/* Takes a file in as `name`. What was shared is read back where it is now: the digest is of that.
 */
static int take(const struct image_add *add, const struct image_add_file *f, enum boot_file kind,
    int dirfd, const char *name, struct image_contents *out, struct err *e)
{
	_cleanup_image_file_ struct image_file *file = NULL;
	_cleanup_close_ int fd = -1;
	uint64_t size_bytes = 0;
	int rc = open_file(f, &fd, &size_bytes, e);

	if (!rc)
		rc = judge(fd, f->path, kind, add->arch, e);
	if (rc)
		return rc;
	image_progress_begin(add->progress, name, size_bytes);
	if (share(fd, dirfd, name)) {
		close(fd);
		fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_errno(e, "cannot open the copy of %s", f->path);
		rc = image_file_digest_only(&file, e);
	} else {
		rc = image_file_create(dirfd, name, 0, 1, &file, e);
	}
	if (!rc)
		rc = digest(add, fd, f->path, file, e);
	if (!rc)
		rc = image_file_finish(file, out, e);
	/* Of these no slices are told: machines take them as a whole. */
	free(out->chunks);
	out->chunks = NULL;
	out->chunk_count = 0;
	out->file = name;
	if (!rc)
		image_progress_end(add->progress, out->size_bytes);
	return rc;
}

/* ---- all of them ------------------------------------------------------------------------- */

static const char *const initrd_names[IMAGE_INITRDS_MAX] = {
    "initrd-1", "initrd-2", "initrd-3", "initrd-4", "initrd-5", "initrd-6", "initrd-7", "initrd-8"};

static int take_all(const struct image_add *add, int dirfd, struct image_boot *boot, struct err *e)
{
	const struct {
		const struct image_add_file *from;
		enum boot_file kind;
		const char *name;
		struct image_contents *to;
	} files[] = {
	    {&add->kernel, BOOT_FILE_KERNEL, IMAGE_KERNEL_FILE, &boot->kernel},
	    {&add->script, BOOT_FILE_SCRIPT, "boot.ipxe", &boot->script},
	    {&add->efi, BOOT_FILE_EFI, "boot.efi", &boot->efi},
	    {&add->iso, BOOT_FILE_ISO, "boot.iso", &boot->iso},
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(files) / sizeof(*files); i++)
		if (files[i].from->path)
			rc = take(add, files[i].from, files[i].kind, dirfd, files[i].name,
			    files[i].to, e);
	for (; !rc && boot->initrds < add->initrds; boot->initrds++)
		rc = take(add, &add->initrd[boot->initrds], BOOT_FILE_INITRD, dirfd,
		    initrd_names[boot->initrds], &boot->initrd[boot->initrds], e);
	boot->args = add->args;
	boot->unattended_args = add->unattended_args;
	return rc;
}

static int check_args(const struct image_add *add, struct err *e)
{
	const struct {
		const char *option, *text;
	} both[] = {{"--args", add->args}, {"--unattended-args", add->unattended_args}};
	struct err why = ERR_INIT;

	if (boot_offer_is_word(add->name))
		return err_set(e, EINVAL,
		    "an image cannot be called \"%s\": a menu has another meaning for that word",
		    add->name);
	for (size_t i = 0; i < 2; i++)
		if (both[i].text && boot_args_check(both[i].text, &why) < 0)
			return err_set(e, EINVAL, "%s %s", both[i].option, why.msg);
	return 0;
}

static int refuse_existing(const struct image_add *add, struct err *e)
{
	return err_set(e, EEXIST,
	    "there is an image %s for %s already: --replace puts this one in its place, another name keeps both",
	    add->name, vm_arch_name(add->arch));
}

/* Before the files are copied, and once more when they are: another one may have come meanwhile. */
static int publish(const struct image_add *add, struct image_work *work, struct err *e)
{
	if (add->replace)
		return image_work_publish(work, add->arch, e);
	int rc = image_work_publish_new(work, add->arch, e);
	return rc == IMAGE_WORK_TAKEN ? refuse_existing(add, e) : rc;
}

static void summarise(const struct image_add *add, const struct image_boot *boot)
{
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	size_t count = image_boot_files(boot, files);
	char size[SIZE_TEXT_SIZE];
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += files[i]->size_bytes;
	fprintf(stderr, "  %zu file%s, %s%s\n", count, count == 1 ? "" : "s",
	    size_text_short(sum, size),
	    image_boot_unattended(boot) ? "; can install without questions" : "");
	fprintf(stderr, "  image ready: %s/%s/%s\n", add->images_dir, add->name,
	    vm_arch_name(add->arch));
	fprintf(stderr, "  a definition boots it with \"mode\": \"boot\", \"image\": \"%s\"\n",
	    add->name);
}

int image_add(const struct image_add *add, struct err *e)
{
	_cleanup_(image_work_close) struct image_work work = IMAGE_WORK_INIT;
	struct image_manifest m = {.distro = add->name,
	    .arch = vm_arch_name(add->arch),
	    .os_name = add->os_name,
	    .boots = true};
	int rc = check_args(add, e);

	if (!rc)
		rc = image_work_open(&work, add->images_dir, add->name, add->arch, e);
	if (!rc && !add->replace && image_work_is_taken(&work, add->arch))
		rc = refuse_existing(add, e);
	if (!rc)
		rc = take_all(add, work.fd, &m.boot, e);
	if (!rc)
		rc = image_manifest_write(&m, NULL, work.fd, e);
	if (!rc)
		rc = publish(add, &work, e);
	image_progress_clear(add->progress);
	if (!rc)
		summarise(add, &m.boot);
	return rc;
}
