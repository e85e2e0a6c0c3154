#include "vmlab/image/build_raspberry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/process.h"
#include "lib/base/size.h"
#include "lib/boot/raspberry.h"
#include "vmlab/image/file.h"
#include "vmlab/image/kernel.h"
#include "vmlab/image/manifest.h"
#include "vmlab/image/mmdebstrap.h"
#include "vmlab/image/source.h"
#include "vmlab/image/work.h"

/* Where they are in the packages, as image_scan calls them. */
#define FIRMWARE_FOLDER "lib/raspi-firmware/"
#define KERNELS_FOLDER "lib/linux-image-"
#define TREES_FOLDER "/broadcom/"

#define THREADS 4

/* What unpacking alone leaves undone: the drivers' index, which the kernel's package makes when it
 * is set up. depmod(8) looks below lib/, where older packages have them. */
static const char depmod_hook[] =
    "[ -e \"$1\"/lib ] || ln -s usr/lib \"$1\"/lib; "
    "for d in \"$1\"/lib/modules/*/; do depmod -b \"$1\" \"$(basename \"$d\")\" || exit 1; done";

struct parts {
	struct image_scan scan;
	struct image_boot boot;
	char *version;
};

static void parts_clear(struct parts *p)
{
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	size_t count = image_boot_files(&p->boot, files);

	for (size_t i = 0; i < count; i++)
		free(files[i]->chunks);
	image_scan_clear(&p->scan);
	free(p->version);
}

static int command_make(
    const struct image_build *b, const struct boot_recipe *recipe, struct argv *out, struct err *e)
{
	char package[BOOT_RECIPE_TEXT_SIZE];

	if (!process_available("depmod"))
		return err_set(
		    e, ENOENT, "depmod is not installed; `apt-get install kmod` brings it");
	argv_adds(out, "mmdebstrap", "--variant=extract", "--format=tar");
	argv_add(out, geteuid() == 0 ? "--mode=root" : "--mode=unshare");
	argv_add(out, "--components=main,non-free-firmware");
	argv_addf(out, "--architectures=%s", vm_arch_name(b->arch));
	argv_addf(out, "--include=%s", boot_recipe_text(recipe->package, b->arch, package));
	argv_add(out, "--aptopt=APT::Install-Recommends \"false\"");
	argv_addf(out, "--extract-hook=%s", depmod_hook);
	argv_adds(out, recipe->suite, "-");
	return out->failed ? err_set(e, ENOMEM, "out of memory") : 0;
}

/* ---- reading ----------------------------------------------------------------------------- */

static bool is_ours(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const struct raspberry_file *file;

	if (strncmp(path, FIRMWARE_FOLDER, strlen(FIRMWARE_FOLDER)) != 0 &&
	    strncmp(path, KERNELS_FOLDER, strlen(KERNELS_FOLDER)) != 0)
		return false;
	for (size_t i = 0; (file = raspberry_file_at(i)); i++)
		if (strcmp(file->name, name) == 0)
			return true;
	return false;
}

struct reading {
	const struct image_build *build;
	struct image_source *source;
};

static void show(void *ctx)
{
	struct reading *r = ctx;

	image_progress_update(r->build->progress, image_source_raw_bytes(r->source));
}

static int read_packages(
    const struct image_build *b, int fd, struct image_scan *scan, struct err *e)
{
	_cleanup_image_source_ struct image_source *source = NULL;
	int rc = image_source_open(fd, b->cancel, &source, e);

	if (rc)
		return rc;
	struct reading reading = {b, source};
	scan->also = is_ours;
	image_progress_begin(b->progress, "reading the packages", 0);
	rc = image_scan_run(scan, source, NULL, show, &reading, e);
	if (!rc)
		image_progress_end(b->progress, image_source_raw_bytes(source));
	return rc;
}

/* ---- writing ----------------------------------------------------------------------------- */

static int write_one(const struct image_scan *scan, const struct raspberry_file *file,
    const char *version, int dirfd, struct image_boot *boot, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	int n = file->of_kernel
		    ? asprintf(&path, KERNELS_FOLDER "%s" TREES_FOLDER "%s", version, file->name)
		    : asprintf(&path, FIRMWARE_FOLDER "%s", file->name);

	if (n < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	const struct image_member *m = image_scan_find(scan, path);
	if (!m && file->needed)
		return err_set(e, ENOENT,
		    "Debian's packages have no %s: a later one may have it elsewhere", path);
	return m ? image_member_write(
		       scan, m, dirfd, file->name, &boot->firmware[boot->firmwares++], e)
		 : 0;
}

static int write_config(int dirfd, struct image_contents *out, struct err *e)
{
	_cleanup_image_file_ struct image_file *file = NULL;
	int rc = image_file_create(dirfd, RASPBERRY_CONFIG_FILE, 0, 1, &file, e);

	if (!rc)
		rc = image_file_write(file, raspberry_config, strlen(raspberry_config), e);
	if (!rc)
		rc = image_file_finish(file, out, e);
	out->file = RASPBERRY_CONFIG_FILE;
	return rc;
}

static int write_all(const struct image_build *b, struct parts *p, int dirfd, struct err *e)
{
	const struct image_member *kernel;
	const struct raspberry_file *file;
	struct image_boot *boot = &p->boot;
	int rc = image_scan_kernel(&p->scan, &kernel, &p->version, e);

	if (rc)
		return rc;
	image_progress_begin(b->progress, "collecting firmware, kernel and drivers", 0);
	rc = image_member_write(&p->scan, kernel, dirfd, IMAGE_KERNEL_FILE, &boot->kernel, e);
	if (!rc)
		rc = image_modules_write(
		    &p->scan, p->version, dirfd, THREADS, &boot->initrd[boot->initrds++], e);
	for (size_t i = 0; !rc && (file = raspberry_file_at(i)); i++)
		rc = write_one(&p->scan, file, p->version, dirfd, boot, e);
	if (!rc)
		rc = write_config(dirfd, &boot->firmware[boot->firmwares++], e);
	if (!rc)
		image_progress_end(b->progress, 0);
	return rc;
}

static void summarise(const struct image_build *b, const struct parts *p, const char *name)
{
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	size_t count = image_boot_files(&p->boot, files);
	char size[SIZE_TEXT_SIZE];
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += files[i]->size_bytes;
	fprintf(
	    stderr, "  kernel %s: %zu files, %s\n", p->version, count, size_text_short(sum, size));
	fprintf(stderr, "  image ready: %s/%s/%s\n", b->images_dir, name, vm_arch_name(b->arch));
	fprintf(stderr,
	    "  a definition boots it with \"arch\": \"arm64\", the board's \"serial\" and \"mode\": \"shell\"\n");
}

/* Slices are for what is installed: the firmware takes each file as a whole. */
static void forget_chunks(struct image_boot *boot)
{
	struct image_contents *const lists[] = {&boot->kernel, boot->initrd, boot->firmware};
	const unsigned counts[] = {1, boot->initrds, boot->firmwares};

	for (size_t k = 0; k < 3; k++)
		for (unsigned i = 0; i < counts[k]; i++) {
			free(lists[k][i].chunks);
			lists[k][i].chunks = NULL;
			lists[k][i].chunk_count = 0;
		}
}

static int make(const struct image_build *b, const struct boot_recipe *recipe,
    struct mmdebstrap *child, struct err *e)
{
	_cleanup_(image_work_close) struct image_work work = IMAGE_WORK_INIT;
	_cleanup_(parts_clear) struct parts parts = {.scan = {.spool_fd = -1}};
	struct image_manifest m = {.distro = recipe->name,
	    .arch = vm_arch_name(b->arch),
	    .os_name = recipe->title,
	    .boots = true};
	int rc = image_work_open(&work, b->images_dir, recipe->name, b->arch, e);

	if (!rc)
		rc = image_scan_init(&parts.scan, work.fd, e);
	if (!rc)
		rc = read_packages(b, child->out, &parts.scan, e);
	if (!rc)
		rc = mmdebstrap_confirm(child, e);
	if (!rc)
		rc = write_all(b, &parts, work.fd, e);
	if (rc)
		return rc;
	forget_chunks(&parts.boot);
	m.boot = parts.boot;
	m.kernel_version = parts.version;
	rc = image_manifest_write(&m, NULL, work.fd, e);
	if (!rc)
		rc = image_work_publish(&work, b->arch, e);
	image_progress_clear(b->progress);
	if (!rc)
		summarise(b, &parts, recipe->name);
	return rc;
}

struct making {
	const struct image_build *build;
	const struct boot_recipe *recipe;
};

static int make_of(void *ctx, struct mmdebstrap *child, struct err *e)
{
	const struct making *m = ctx;
	int rc = make(m->build, m->recipe, child, e);

	image_progress_clear(m->build->progress);
	return rc;
}

int image_build_raspberry(
    const struct image_build *b, const struct boot_recipe *recipe, struct err *e)
{
	_cleanup_argv_ struct argv command = ARGV_INIT;
	struct making making = {b, recipe};
	int rc = command_make(b, recipe, &command, e);

	return rc ? rc : mmdebstrap_run(&command, b->progress, b->cancel, make_of, &making, e);
}
