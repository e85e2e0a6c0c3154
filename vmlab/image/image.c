#include "vmlab/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/boot/raspberry.h"
#include "lib/image/image_name.h"
#include "lib/base/human.h"
#include "vmlab/lab/api.h"
#include "vmlab/lab/backups.h"
#include "vmlab/lab/command.h"
#include "vmlab/image/add.h"
#include "vmlab/image/build.h"
#include "vmlab/image/build_boot.h"
#include "vmlab/image/disk.h"
#include "vmlab/image/image_help.h"
#include "vmlab/image/import.h"
#include "vmlab/image/list.h"
#include "vmlab/image/manifest.h"

#define EXIT_USAGE 2
#define NAME_RULE                                                                                  \
	"an image's name has lower case letters, digits, '.', '_', '+' and '-', and begins with a letter or digit"

struct options {
	const struct lab *lab;
	const char *images_dir;
	const char *arch;
	const char *kernel;
	const char *include;
	const char *kernel_from;
	const char *script, *efi, *iso, *args, *unattended_args;
	const char *initrd[IMAGE_INITRDS_MAX];
	unsigned initrds;
	bool images_named;
	bool json;
	bool yes;
	bool replace;
	bool help;
	int operand_count;
	char **operands;
};

static volatile sig_atomic_t cancelled;

static void on_signal(int number)
{
	(void)number;
	cancelled = 1;
}

/* No SA_RESTART: a read that waits for a pipe ends, and the half-made image is removed. */
static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int usage(const char *sentence)
{
	fprintf(stderr, "vmlab image: %s; `vmlab image --help` explains\n", sentence);
	return EXIT_USAGE;
}

static int fail(const struct err *e)
{
	fprintf(stderr, "vmlab image: %s\n", e->msg);
	return EXIT_FAILURE;
}

static int build(const struct options *o)
{
	struct image_progress progress;
	struct image_build b = {.images_dir = o->images_dir,
	    .include = o->include,
	    .progress = &progress,
	    .cancel = &cancelled};
	struct err e = ERR_INIT;

	if (o->operand_count != 1)
		return usage("build needs one distribution, for example debian-13");
	b.recipe = image_recipe_find(o->operands[0]);
	const struct boot_recipe *boot = boot_recipe_find(o->operands[0]);
	if (!b.recipe && !boot) {
		err_set(&e, EINVAL,
		    "there is no recipe for \"%s\", only for %s, %s; another distribution's rootfs can be imported (vmlab image import), and its installer added (vmlab image add)",
		    o->operands[0], image_recipe_names(), boot_recipe_names());
		return fail(&e);
	}
	if (boot && (o->kernel || o->include))
		return usage(
		    "--kernel and --include are for what is installed, not for a boot image");
	b.arch = boot && boot->arm64_only ? VM_ARCH_ARM64 : host_arch();
	if (o->arch && vm_arch_parse(o->arch, &b.arch))
		return usage("--arch is " ARCH_OR);
	if (o->kernel && strcmp(o->kernel, "cloud") && strcmp(o->kernel, "generic"))
		return usage("--kernel is cloud or generic");
	b.generic_kernel = o->kernel && !strcmp(o->kernel, "generic");
	catch_signals();
	image_progress_init(&progress);
	fprintf(stderr, "building %s for %s\n", o->operands[0], vm_arch_name(b.arch));
	return (boot ? image_build_boot(&b, boot, &e) : image_build(&b, &e)) ? fail(&e)
									     : EXIT_SUCCESS;
}

/* What is named has to be one thing to boot. */
static const char *add_complaint(const struct options *o)
{
	int forms = !!o->kernel + !!o->script + !!o->efi + !!o->iso;

	if (o->operand_count != 1)
		return "add needs one name for the image; files follow --kernel, --initrd, --script, --efi and --iso";
	if (!image_name_valid(o->operands[0]))
		return NAME_RULE;
	if (forms != 1)
		return "add needs what is booted: one of --kernel, --script, --efi and --iso";
	if (o->initrds && !o->kernel)
		return "--initrd goes with --kernel";
	if (o->args && !o->kernel && !o->efi)
		return "--args is for --kernel and --efi: a script or an ISO takes no words";
	if (o->unattended_args && !o->kernel)
		return "--unattended-args goes with --kernel";
	return NULL;
}

static int add(const struct options *o)
{
	struct image_progress progress;
	struct image_add in = {.images_dir = o->images_dir,
	    .kernel = {o->kernel, -1},
	    .script = {o->script, -1},
	    .efi = {o->efi, -1},
	    .iso = {o->iso, -1},
	    .initrds = o->initrds,
	    .args = o->args && *o->args ? o->args : NULL,
	    .unattended_args =
		o->unattended_args && *o->unattended_args ? o->unattended_args : NULL,
	    .replace = o->replace,
	    .progress = &progress,
	    .cancel = &cancelled};
	const char *complaint = add_complaint(o);
	struct err e = ERR_INIT;

	if (complaint)
		return usage(complaint);
	if (!o->arch)
		return usage("add needs --arch " ARCH_OR);
	if (vm_arch_parse(o->arch, &in.arch))
		return usage("--arch is " ARCH_OR);
	in.name = o->operands[0];
	for (unsigned i = 0; i < o->initrds; i++)
		in.initrd[i] = (struct image_add_file){o->initrd[i], -1};
	catch_signals();
	image_progress_init(&progress);
	return image_add(&in, &e) ? fail(&e) : EXIT_SUCCESS;
}

static int import_any(const struct image_import *in, const struct options *o, struct err *e)
{
	struct image_disk disk = {.in = *in,
	    .path = o->operands[1],
	    .vm_image = o->lab->vm_image,
	    .kernel_from = o->kernel_from};
	int rc = image_kind_look(in->fd, &disk.kind, e);

	if (rc)
		return rc;
	if (disk.kind != IMAGE_KIND_TARBALL)
		return image_disk_import(&disk, e);
	if (o->kernel_from)
		return err_set(e, EINVAL,
		    "--kernel-from is for disk images, and this is none (a disk begins with a partition table; from a pipe only tarballs are taken)");
	return image_import(in, e);
}

#define WRITER_WAIT_S 10

static void on_alarm(int signal_number)
{
	(void)signal_number; /* it ends open() */
}

/* Opening a pipe waits until someone writes into it: not for ever. */
static int open_input(const char *path, int *fd, struct err *e)
{
	struct sigaction wake = {.sa_handler = on_alarm};
	struct stat st;
	bool pipe = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);

	sigaction(SIGALRM, &wake, NULL);
	if (pipe)
		alarm(WRITER_WAIT_S);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	int code = errno;
	alarm(0);
	if (*fd >= 0)
		return 0;
	if (code == EINTR && cancelled)
		return err_set(e, EINTR, "interrupted");
	if (code == EINTR && pipe)
		return err_set(e, ETIMEDOUT,
		    "%s is a pipe into which nobody writes: start what writes first, or pipe it in with \"-\" for the file",
		    path);
	errno = code;
	return err_errno(e, "cannot open %s", path);
}

static int import(const struct options *o)
{
	struct image_progress progress;
	struct image_import in = {
	    .images_dir = o->images_dir, .progress = &progress, .cancel = &cancelled};
	_cleanup_close_ int opened = -1;
	struct err e = ERR_INIT;
	struct stat st;

	if (o->operand_count != 2)
		return usage("import needs a name and a tarball or disk image");
	if (!o->arch)
		return usage("import needs --arch " ARCH_OR);
	if (vm_arch_parse(o->arch, &in.arch))
		return usage("--arch is " ARCH_OR);
	in.name = o->operands[0];
	if (!image_name_valid(in.name))
		return usage(NAME_RULE);
	catch_signals();
	if (strcmp(o->operands[1], "-")) {
		if (open_input(o->operands[1], &opened, &e) < 0)
			return fail(&e);
	} else if (isatty(STDIN_FILENO)) {
		return usage("\"-\" reads the tarball from stdin, but that is a terminal");
	}
	in.fd = opened >= 0 ? opened : STDIN_FILENO;
	if (!fstat(in.fd, &st) && S_ISREG(st.st_mode))
		in.size_bytes = (uint64_t)st.st_size;
	image_progress_init(&progress);
	fprintf(stderr, "importing %s for %s\n", in.name, vm_arch_name(in.arch));
	if (!import_any(&in, o, &e))
		return EXIT_SUCCESS;
	if (e.code != EINTR)
		err_wrap(&e, "%s", opened >= 0 ? o->operands[1] : "stdin");
	return fail(&e);
}

/* One that was named is meant to be there; the default one may be to come. */
static int need_folder(const struct options *o, struct err *e)
{
	struct stat st;

	if (!o->images_named || (stat(o->images_dir, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return err_set(
	    e, ENOENT, "the folder of images %s does not exist: name another", o->images_dir);
}

static int list(const struct options *o)
{
	struct err e = ERR_INIT;

	if (o->operand_count)
		return usage("ls takes no name");
	/* Those of the lab, not of another folder. */
	bool own = o->lab->images_dir && strcmp(o->images_dir, o->lab->images_dir) == 0;
	_cleanup_json_ json_t *backups = NULL;
	enum backups_answer known = own ? backups_list(o->lab, &backups) : BACKUPS_LACK;
	if (need_folder(o, &e) < 0 || image_list_print(o->images_dir, backups, o->json, &e))
		return fail(&e);
	if (known == BACKUPS_SILENT)
		fputs(
		    "backups are not listed: the stack has them, and tells of them while it runs (vmlab up)\n",
		    stderr);
	return EXIT_SUCCESS;
}

/* Names of the VMs whose definitions name the image, ", " between them; NULL without memory. */
static char *image_users(const struct options *o, const char *image, enum vm_arch arch)
{
	const struct vm_snapshot *snap = NULL;
	struct vm_store *store = NULL;
	struct err ignored = ERR_INIT;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	if (o->lab->vms_dir && lab_open_store(o->lab, NULL, &store, &ignored) == 0)
		snap = vm_store_snapshot(store);
	for (size_t i = 0; snap && i < vm_snapshot_count(snap); i++) {
		const struct vm *vm = vm_snapshot_at(snap, i);
		const char *name = raspberry_image_name(vm);
		if (name && strcmp(name, image) == 0 && (!o->arch || vm->arch == arch))
			fprintf(f, "%s%s", ftell(f) > 0 ? ", " : "", vm->name);
	}
	fclose(f);
	if (snap)
		vm_snapshot_unref(snap);
	if (store)
		vm_store_close(store);
	return text;
}

/* One that the folder does not have: `e` says so, unless the lab's stack has it. */
static int remove_backup(const struct options *o, const char *name, struct err *e)
{
	_cleanup_json_ json_t *list = NULL;
	enum backups_answer known = backups_list(o->lab, &list);
	const json_t *one;
	bool there = false;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *of = json_string_value(json_object_get(one, "arch"));
		there |= !strcmp(json_string_value(json_object_get(one, "name")), name) &&
			 (!o->arch || !strcmp(of, o->arch));
	}
	if (known == BACKUPS_SILENT)
		return err_set(e, ENOENT,
		    "there is no image %s in %s, and whether it is a backup only the stack knows, which does not run: `vmlab up` starts it",
		    name, o->images_dir);
	if (!there)
		return -ENOENT;
	int rc = backups_remove(o->lab, name, e);
	if (rc == 0)
		fprintf(stderr, "removed the backup %s\n", name);
	return rc;
}

static int remove_image(const struct options *o)
{
	struct err e = ERR_INIT;
	enum vm_arch arch = VM_ARCH_AMD64;

	if (o->operand_count != 1 || !image_name_valid(o->operands[0]))
		return usage("rm needs the name of an image");
	if (o->arch && vm_arch_parse(o->arch, &arch))
		return usage("--arch is " ARCH_OR);
	_cleanup_free_ char *users = image_users(o, o->operands[0], arch);
	if (users && *users &&
	    !command_confirm(
		o->yes, "Definitions name the image %s: %s. Remove it?", o->operands[0], users))
		return EXIT_FAILURE;
	int rc = image_list_remove(
	    o->images_dir, o->operands[0], o->arch ? vm_arch_name(arch) : NULL, &e);
	if (rc == -ENOENT)
		rc = remove_backup(o, o->operands[0], &e);
	return rc ? fail(&e) : EXIT_SUCCESS;
}

static const struct {
	const char *name;
	int (*run)(const struct options *o);
	const char *help;
} subcommands[] = {{"build", build, image_build_help}, {"import", import, image_import_help},
    {"add", add, image_add_help}, {"ls", list, image_ls_help}, {"list", list, image_ls_help},
    {"rm", remove_image, image_rm_help}};

static int parse(const struct lab *lab, int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"arch", required_argument, NULL, 'a'},
	    {"images", required_argument, NULL, 'i'}, {"kernel", required_argument, NULL, 'k'},
	    {"include", required_argument, NULL, 'p'},
	    {"kernel-from", required_argument, NULL, 'f'}, {"initrd", required_argument, NULL, 'r'},
	    {"args", required_argument, NULL, 'w'},
	    {"unattended-args", required_argument, NULL, 'u'},
	    {"script", required_argument, NULL, 's'}, {"efi", required_argument, NULL, 'e'},
	    {"iso", required_argument, NULL, 'o'}, {"json", no_argument, NULL, 'j'},
	    {"replace", no_argument, NULL, 'x'}, {"yes", no_argument, NULL, 'y'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int c;

	*o = (struct options){.lab = lab,
	    .images_dir = lab->images_dir ? lab->images_dir : "images",
	    .images_named = lab->images_given};
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hy", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			o->arch = optarg;
			break;
		case 'i':
			o->images_dir = optarg;
			o->images_named = true;
			break;
		case 'k':
			o->kernel = optarg;
			break;
		case 'p':
			o->include = optarg;
			break;
		case 'f':
			o->kernel_from = optarg;
			break;
		case 'r':
			if (o->initrds == IMAGE_INITRDS_MAX)
				return usage("more than 8 initrds are too many");
			o->initrd[o->initrds++] = optarg;
			break;
		case 'w':
			o->args = optarg;
			break;
		case 'u':
			o->unattended_args = optarg;
			break;
		case 's':
			o->script = optarg;
			break;
		case 'e':
			o->efi = optarg;
			break;
		case 'o':
			o->iso = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'y':
			o->yes = true;
			break;
		case 'x':
			o->replace = true;
			break;
		case 'h':
			o->help = true;
			break;
		default:
			fprintf(stderr, "vmlab image: %s %s; `vmlab image --help` explains\n",
			    argv[optind - 1],
			    c == ':' ? "needs a value" : "is not an option of this command");
			return EXIT_USAGE;
		}
	}
	o->operands = argv + optind;
	o->operand_count = argc - optind;
	return 0;
}

int image_main(const struct lab *lab, int argc, char **argv)
{
	struct options o;
	int rc = parse(lab, argc, argv, &o);

	if (rc)
		return rc;
	if (o.help) {
		const char *page = image_help;
		for (size_t i = 0;
		    o.operand_count && i < sizeof(subcommands) / sizeof(*subcommands); i++)
			if (!strcmp(o.operands[0], subcommands[i].name))
				page = subcommands[i].help;
		fputs(page, stdout);
		return EXIT_SUCCESS;
	}
	if (!o.operand_count)
		return usage("say what to do: build, import, add, ls or rm");
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(*subcommands); i++)
		if (!strcmp(o.operands[0], subcommands[i].name)) {
			o.operands++;
			o.operand_count--;
			return subcommands[i].run(&o);
		}
	fprintf(stderr,
	    "vmlab image: \"%s\" is not one of build, import, add, ls, rm; `vmlab image --help` explains\n",
	    o.operands[0]);
	return EXIT_USAGE;
}
