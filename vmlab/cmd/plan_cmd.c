/* plan_cmd.c - `vmlab plan`: the partitions an install of a VM would make. Touches nothing and
 * needs no running lab.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "lib/boot/boot.h"
#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "vmlab/lab/command.h"
#include "lib/unattended/format.h"
#include "lib/unattended/template.h"
#include "vmlab/judge/installer.h"
#include "vmlab/judge/preflight.h"
#include "vmlab/lab/problems.h"

struct wanted {
	const char *name;
	uint64_t disk_bytes; /* 0: the definition's */
	bool json;
	const struct unattended_format *format; /* of the generated file by which another system's
						   installer divides the disk; NULL: ours does */
};

static void print_text(const struct wanted *w, const struct subject *s, const struct plan *p)
{
	const json_t *match =
	    json_object_get(json_array_get(json_object_get(s->vm->more, "disks"), 0), "match");
	_cleanup_free_ char *text = match ? json_dumps(match, 0) : NULL;
	char size[SIZE_TEXT_SIZE], loader[BOOTLOADER_TEXT_SIZE];

	printf("%s: %s%s%s, started by %s\n", s->vm->name, boot_image_name(s->vm),
	    w->format ? " by its own installer, with a generated " : "",
	    w->format ? w->format->name : "",
	    s->vm->firmware == VM_FIRMWARE_BIOS ? "BIOS" : "UEFI");
	if (text)
		printf("its disk is the one that matches %s%s\n", text,
		    w->disk_bytes || !s->by_match ? "" : ": planned for the smallest that does");
	if (subject_is_whole_disk(s))
		printf(
		    "the image is that of a whole disk, %s: it brings its own partitions, and \"storage\" has no effect\n",
		    size_text(s->request.unpacked_bytes, size));
	else
		plan_print(stdout, p);
	if (subject_lacks_loader(s, loader))
		printf(
		    "the image has no %s: the installed system would not boot; build the image again, or import one that has it\n",
		    loader);
	if (!s->has_image && !w->format)
		printf(
		    "there is no image %s for %s yet%s: whether the system fits is not checked; %s\n",
		    s->vm->distro, vm_arch_name(s->vm->arch),
		    s->backups_silent
			? ", or it is a backup, which the stack tells while it runs (vmlab up)"
			: "",
		    s->advice);
}

/* What the plan does not show. */
static int print_findings(const struct subject *s, struct err *e)
{
	struct preflight found;
	bool fatal = false;

	preflight_check(s, &found);
	for (size_t i = 0; i < found.count; i++) {
		const struct preflight_finding *f = &found.finding[i];
		if (strcmp(f->field, "disks") == 0 || strcmp(f->field, "distro") == 0 ||
		    strcmp(f->field, "firmware") == 0)
			continue;
		fprintf(stderr, "%s: %s\"%s\": %s\n", s->vm->name,
		    f->fatal ? "" : "warning: ", f->field, f->text);
		fatal |= f->fatal;
	}
	return fatal ? err_set(e, EINVAL, "%s cannot be installed so, see above", s->vm->name) : 0;
}

static int print_json(const struct subject *s, const struct plan *p, struct err *e)
{
	json_t *image =
	    s->has_image
		? json_pack("{s:s, s:I, s:b}", "distro", boot_image_name(s->vm), "unpacked_bytes",
		      (json_int_t)s->request.unpacked_bytes, "whole_disk", subject_is_whole_disk(s))
		: json_null();
	json_t *doc = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", s->vm->name, "arch",
	    vm_arch_name(s->vm->arch), "firmware", vm_firmware_name(s->vm->firmware), "image",
	    image, "plan", subject_is_whole_disk(s) ? json_null() : plan_json(p));

	int r = doc ? json_dumpf(doc, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(doc);
	return r < 0 ? err_set(e, EIO, "cannot print the plan") : 0;
}

/* What the lab does not install has no plan. */
static void print_not_installed(const struct subject *s)
{
	const struct vm *vm = s->vm;
	char said[BOOT_MODE_SAID_SIZE];
	const char *file;

	if (boot_mode_of(vm) == &boot_mode_unattended &&
	    unattended_kind(vm, &file) == UNATTENDED_OWN)
		printf(
		    "%s: the installer %s divides its disk as your own file says, " TEMPLATE_FOLDER
		    "/%s in vms/: there is no layout to show\n",
		    vm->name, vm->image, file);
	else if (own_kernel_wanted(vm))
		printf(
		    "%s is not installed: \"pxeboot\" is false, it boots its own kernel %s with %s\n",
		    vm->name, vm->kernel, vm->initrd);
	else
		printf("%s is not installed: its definition says %s, and so it %s\n", vm->name,
		    boot_mode_said(vm, said), boot_mode_of(vm)->summary);
}

static bool is_installed_by_us(const struct vm *vm)
{
	unsigned needs = boot_mode_of(vm)->needs;

	return needs & BOOT_NEEDS_DISK && needs & BOOT_NEEDS_IMAGE;
}

/* Its installer is told the same layout as ours. */
static bool is_installed_by_made_file(const struct vm *vm)
{
	const char *file;

	return boot_mode_of(vm) == &boot_mode_unattended &&
	       unattended_kind(vm, &file) == UNATTENDED_MADE;
}

static int plan_subject(const struct wanted *w, const struct subject *s, struct err *e)
{
	struct plan p = {0};

	if (!w->json && !w->disk_bytes && !w->format && !is_installed_by_us(s->vm)) {
		print_not_installed(s);
		return print_findings(s, e);
	}
	if (s->vm->disk_count == 0 && !w->disk_bytes)
		return err_set(e, ENODEV,
		    "%s has no disk: add \"disks\" to its definition, or name a size with --disk",
		    s->vm->name);
	uint64_t bytes = w->disk_bytes ? w->disk_bytes : subject_disk_bytes(s);
	if (!bytes)
		return err_set(e, EINVAL,
		    "%s: its disk is the one that matches, and its size is not known: name one with --disk SIZE, or say \"min_size\" in the match",
		    s->vm->name);
	int r = subject_plan(s, bytes, &p, e);
	if (r < 0)
		return err_wrap(e, "%s", s->vm->name);
	if (!w->json)
		print_text(w, s, &p);
	else if (print_json(s, &p, e) < 0)
		return -e->code;
	return print_findings(s, e);
}

static int plan_named(struct lab *lab, struct wanted *w, struct err *e)
{
	struct vm_store *store = NULL;
	struct subject subject = SUBJECT_INIT;
	int r = definitions_open(lab, &store, e);

	if (r < 0)
		return r;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, w->name);
	if (!vm && problems_hide(stderr, lab, snap, w->name, e)) {
		r = -e->code;
	} else if (!vm) {
		r = err_set(e, ENOENT, "no definition in %s is called %s: `vmlab new %s` makes one",
		    lab->vms_dir, w->name, w->name);
	} else if (is_installed_by_made_file(vm) && !(w->format = installer_of(lab, vm, e))) {
		r = err_wrap(e, "%s", vm->name);
	} else if ((r = subject_load(lab, vm, &subject, e)) == 0) {
		r = plan_subject(w, &subject, e);
	}
	subject_clear(&subject);
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return r;
}

static int plan_run(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {
	    {"disk", required_argument, NULL, 'd'}, {"json", no_argument, NULL, 'j'}, {0}};
	struct container_list none = CONTAINER_LIST_INIT;
	struct wanted w = {0};
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'd' && (size_parse(optarg, &w.disk_bytes) < 0 || w.disk_bytes == 0))
			return command_usage(
			    &plan_command, "--disk \"%s\" is no size such as 20G", optarg);
		w.json |= o == 'j';
		if (o == '?')
			return command_wrong_option(&plan_command, argv);
	}
	if (argc - optind != 1)
		return command_usage(&plan_command, "one NAME, please");
	w.name = argv[optind];
	if (!vm_name_valid(w.name))
		return command_usage(&plan_command, "\"%s\" is no VM name", w.name);
	int r = lab_adopt(lab, &none, &e);
	if (r == 0)
		r = lab_need_vms(lab, &e);
	if (r == 0)
		r = lab_need_images(lab, &e);
	if (r == 0)
		r = plan_named(lab, &w, &e);
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command plan_command = {
    .name = "plan",
    .args = "NAME [--disk SIZE] [--json]",
    .summary = "print the partitions that installing it would make",
    .help =
	"What \"storage\" and \"firmware\" of a definition mean for a disk, and whether the image\n"
	"fits: exactly what the installer would do, without touching anything. Of another system's\n"
	"installer it is what a generated unattended file asks of it.\n"
	"\n"
	"  --disk SIZE    on a disk of that size (default: the definition's first disk, or the least\n"
	"                 that its match takes), also for a machine that is not installed\n"
	"  --json         {\"name\",\"arch\",\"firmware\",\"image\",\"plan\":{\"disk_bytes\",\n"
	"                 \"needed_bytes\",\"partitions\":[{\"number\",\"role\",\"mount\",\"fs\",\n"
	"                 \"label\",\"start_bytes\",\"size_bytes\"}]}}\n"
	"\n"
	"Examples:\n"
	"  vmlab plan web1\n"
	"  vmlab plan web1 --disk 20G\n"
	"\n"
	"Exit status: 0 it fits, 1 it does not (the reason is on stderr), or the machine is too small\n"
	"for the installer in another way.\n",
    .run = plan_run,
    .operands = OPERANDS_VM,
};
