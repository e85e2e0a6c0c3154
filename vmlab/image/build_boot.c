#include "vmlab/image/build_boot.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "vmlab/image/add.h"
#include "vmlab/image/build_raspberry.h"
#include "vmlab/image/mmdebstrap.h"

#define READ_BYTES (256U << 10)

/* A file of the package that is wanted, and where it goes. */
struct wanted {
	char path[BOOT_RECIPE_TEXT_SIZE];
	struct image_add_file *to;
};

#define WANTED_MAX 3

/* What is read of a package, and what becomes of it. */
struct package {
	const struct image_build *build;
	struct image_add add;
	struct wanted wanted[WANTED_MAX];
	int count;
};

static void cleanup_archive(struct archive **a)
{
	archive_read_free(*a);
}

/* It is only unpacked, so nothing of it runs, and what it depends on is not asked. */
static int command_make(
    const struct image_build *b, const struct boot_recipe *recipe, struct argv *out, struct err *e)
{
	char package[BOOT_RECIPE_TEXT_SIZE];

	argv_adds(out, "mmdebstrap", "--variant=extract", "--format=tar");
	argv_add(out, geteuid() == 0 ? "--mode=root" : "--mode=unshare");
	/* Where the archive has the installer of another architecture, it is for any machine. */
	argv_addf(out, "--architectures=%s", arch_of(host_arch())->name);
	argv_addf(out, "--include=%s", boot_recipe_text(recipe->package, b->arch, package));
	argv_add(out, "--aptopt=APT::Install-Recommends \"false\"");
	argv_adds(out, recipe->suite, "-");
	return out->failed ? err_set(e, ENOMEM, "out of memory") : 0;
}

static void want(const struct boot_recipe *recipe, enum vm_arch arch, struct package *p)
{
	const struct {
		const char *path;
		struct image_add_file *to;
	} files[WANTED_MAX] = {{recipe->kernel, &p->add.kernel},
	    {recipe->initrd, &p->add.initrd[0]}, {recipe->efi, &p->add.efi}};

	for (int i = 0; i < WANTED_MAX; i++)
		if (files[i].path) {
			struct wanted *w = &p->wanted[p->count++];
			boot_recipe_text(files[i].path, arch, w->path);
			w->to = files[i].to;
			w->to->fd = -1;
		}
	p->add.initrds = recipe->initrd ? 1 : 0;
}

static int keep(struct archive *a, struct wanted *w, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("vmlab-image", MFD_CLOEXEC);
	_cleanup_free_ char *buf = malloc(READ_BYTES);
	la_ssize_t n;

	if (fd < 0 || !buf)
		return err_errno(e, "no memory for %s", w->path);
	while ((n = archive_read_data(a, buf, READ_BYTES)) > 0)
		for (la_ssize_t done = 0, part; done < n; done += part) {
			part = write(fd, buf + done, (size_t)(n - done));
			if (part < 0)
				return err_errno(e, "no memory for %s", w->path);
		}
	if (n < 0)
		return err_set(e, EBADMSG, "the tarball ends too early");
	w->to->fd = steal_fd(&fd);
	w->to->path = w->path;
	return 0;
}

/* What follows the archive's end, padding: who writes it would fail on a pipe that is closed. */
static void drain(int fd)
{
	char rest[4096];
	ssize_t n;

	while ((n = read(fd, rest, sizeof(rest))) > 0 || (n < 0 && errno == EINTR))
		;
}

static int read_files(struct package *p, int fd, struct err *e)
{
	_cleanup_(cleanup_archive) struct archive *a = archive_read_new();
	struct archive_entry *entry;
	int r, rc = 0;

	if (!a || archive_read_support_format_tar(a) || archive_read_open_fd(a, fd, READ_BYTES))
		return err_set(e, EBADMSG, "what mmdebstrap wrote cannot be read");
	while (!rc && (r = archive_read_next_header(a, &entry)) != ARCHIVE_EOF) {
		if (*p->build->cancel)
			return err_set(e, EINTR, "interrupted");
		if (r < ARCHIVE_WARN)
			return err_set(e, EBADMSG, "what mmdebstrap wrote cannot be read");
		const char *path = archive_entry_pathname(entry);
		if (!path || archive_entry_filetype(entry) != AE_IFREG)
			continue;
		path += strncmp(path, "./", 2) == 0 ? 2 : 0;
		for (int i = 0; !rc && i < p->count; i++)
			if (p->wanted[i].to->fd < 0 && strcmp(path, p->wanted[i].path) == 0)
				rc = keep(a, &p->wanted[i], e);
	}
	return rc;
}

static int read_package(void *ctx, struct mmdebstrap *child, struct err *e)
{
	int rc = read_files(ctx, child->out, e);

	if (rc)
		return rc;
	drain(child->out);
	return mmdebstrap_confirm(child, e);
}

static int add_package(struct package *p, struct err *e)
{
	int rc = 0;

	for (int i = 0; !rc && i < p->count; i++)
		if (p->wanted[i].to->fd < 0)
			rc = err_set(e, ENOENT,
			    "the package has no %s: a later one may have it elsewhere",
			    p->wanted[i].path);
	return rc ? rc : image_add(&p->add, e);
}

static int build_package(
    const struct image_build *b, const struct boot_recipe *recipe, struct err *e)
{
	_cleanup_argv_ struct argv command = ARGV_INIT;
	struct package p = {.build = b,
	    .add = {.images_dir = b->images_dir,
		.replace = true,
		.name = recipe->name,
		.arch = b->arch,
		.os_name = recipe->title,
		.args = recipe->args,
		.unattended_args = recipe->unattended_args,
		.progress = b->progress,
		.cancel = b->cancel}};
	int rc = command_make(b, recipe, &command, e);

	want(recipe, b->arch, &p);
	if (!rc)
		rc = mmdebstrap_run(&command, b->progress, b->cancel, read_package, &p, e);
	if (!rc)
		rc = add_package(&p, e);
	for (int i = 0; i < p.count; i++)
		if (p.wanted[i].to->fd >= 0)
			close(p.wanted[i].to->fd);
	return rc;
}

int image_build_boot(const struct image_build *b, const struct boot_recipe *recipe, struct err *e)
{
	if (!boot_recipe_suits(recipe, b->arch))
		return err_set(e, EINVAL, "there is %s for %s only", recipe->name,
		    recipe->amd64_only ? "amd64" : "arm64");
	return recipe->raspberry ? image_build_raspberry(b, recipe, e)
				 : build_package(b, recipe, e);
}
