/* plan_cmd.c - `vmlab plan`: the partitions an install of a VM would make. Touches nothing and
 * needs no running lab.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "plan.h"
#include "vmlab/command.h"
#include "vmlab/image_manifest.h"
#include "vmlab/problems.h"

struct wanted {
	const char *name;
	uint64_t disk_bytes; /* 0: the definition's */
	bool json;
};

/* A definition and its image, as far as a plan needs them. */
struct subject {
	const struct vm *vm;
	json_t *doc;
	json_t *manifest; /* NULL: there is no image */
	struct storage storage;
	struct plan_request request;
};

static void subject_clear(struct subject *s)
{
	json_decref(s->doc);
	json_decref(s->manifest);
}

static const json_t *image_rootfs(const struct subject *s)
{
	return json_object_get(s->manifest, "rootfs");
}

static uint64_t image_number(const struct subject *s, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(image_rootfs(s), key));
}

/* Such an image brings its partitions along. */
static bool image_is_disk(const struct subject *s)
{
	const char *format = json_string_value(json_object_get(image_rootfs(s), "format"));

	return format && strncmp(format, "raw.", 4) == 0;
}

/* No image is no error; a broken one is. */
static int manifest_load(const struct lab *lab, struct subject *s, struct err *e)
{
	if (!lab->images_dir)
		return 0;
	int r = image_manifest_load(
	    lab->images_dir, s->vm->distro, vm_arch_name(s->vm->arch), &s->manifest, e);
	return r == -ENOENT ? 0 : r;
}

static int subject_load(
    const struct lab *lab, const struct vm *vm, struct subject *s, struct err *e)
{
	const json_t *storage;
	struct json_path bad;

	s->vm = vm;
	s->doc = json_loads(vm->doc, 0, NULL);
	if (!s->doc)
		return err_set(e, ENOMEM, "out of memory");
	storage = json_object_get(s->doc, "storage");
	storage_default(&s->storage);
	int r = storage ? storage_parse(storage, &s->storage, &bad, e) : 0;
	if (r == 0)
		r = manifest_load(lab, s, e);
	s->request = (struct plan_request){
	    .firmware = vm->firmware,
	    .storage = &s->storage,
	    .unpacked_bytes = image_number(s, "unpacked_bytes"),
	    .entries = image_number(s, "entries"),
	};
	return r;
}

/* The GRUB that the machine's firmware starts, when the image is known to lack it. */
static const char *grub_missing(const struct subject *s)
{
	const char *needed = s->vm->firmware == VM_FIRMWARE_BIOS ? "grub-i386-pc"
			     : s->vm->arch == VM_ARCH_ARM64      ? "grub-arm64-efi"
								 : "grub-x86_64-efi";
	const json_t *provides = json_object_get(s->manifest, "provides"), *part;
	size_t i;

	if (!json_is_array(provides) || image_is_disk(s))
		return NULL;
	json_array_foreach(provides, i, part) {
		if (json_is_string(part) && strcmp(json_string_value(part), needed) == 0)
			return NULL;
	}
	return needed;
}

static void print_text(const struct lab *lab, const struct subject *s, const struct plan *p)
{
	const json_t *match =
	    json_object_get(json_array_get(json_object_get(s->doc, "disks"), 0), "match");
	_cleanup_free_ char *text = match ? json_dumps(match, 0) : NULL;
	char size[32];

	printf("%s: %s, started by %s\n", s->vm->name, s->vm->distro,
	    s->vm->firmware == VM_FIRMWARE_BIOS ? "BIOS" : "UEFI");
	if (text)
		printf("its disk is the one that matches %s\n", text);
	if (image_is_disk(s))
		printf("the image is that of a whole disk, %s: it brings its own partitions, and "
		       "\"storage\" has no effect\n",
		    size_text(s->request.unpacked_bytes, size, sizeof(size)));
	else
		plan_print(stdout, p);
	if (grub_missing(s))
		printf("the image has no %s: the installed system would not boot; build the image "
		       "again, or import one that has it\n",
		    grub_missing(s));
	if (!s->manifest)
		printf("there is no image %s/%s in %s yet: whether the system fits is not checked "
		       "(`vmlab image build %s` makes one)\n",
		    s->vm->distro, vm_arch_name(s->vm->arch),
		    lab->images_dir ? lab->images_dir : "images/", s->vm->distro);
}

static int print_json(const struct subject *s, const struct plan *p, struct err *e)
{
	json_t *image =
	    s->manifest ? json_pack("{s:s, s:I, s:b}", "distro", s->vm->distro, "unpacked_bytes",
			      (json_int_t)s->request.unpacked_bytes, "whole_disk", image_is_disk(s))
			: json_null();
	json_t *doc = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", s->vm->name, "arch",
	    vm_arch_name(s->vm->arch), "firmware", vm_firmware_name(s->vm->firmware), "image",
	    image, "plan", image_is_disk(s) ? json_null() : plan_json(p));

	int r = doc ? json_dumpf(doc, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(doc);
	return r < 0 ? err_set(e, EIO, "cannot print the plan") : 0;
}

static int subject_plan(
    const struct lab *lab, const struct wanted *w, const struct subject *s, struct err *e)
{
	struct disk d = {.name = "vda",
	    .path = "/dev/vda",
	    .sector_bytes = 512,
	    .size_bytes = w->disk_bytes ? w->disk_bytes : s->vm->disk_bytes[0]};
	struct plan p = {0};

	if (s->vm->disk_count == 0 && !w->disk_bytes)
		return err_set(e, ENODEV,
		    "%s has no disk: add \"disks\" to its definition, or name a "
		    "size with --disk",
		    s->vm->name);
	int r = image_is_disk(s) ? plan_whole_disk(&s->request, &d, 1, &p, e)
				 : plan_make(&s->request, &d, 1, &p, e);
	if (r < 0)
		return err_wrap(e, "%s", s->vm->name);
	if (w->json)
		return print_json(s, &p, e);
	print_text(lab, s, &p);
	return 0;
}

static int plan_named(struct lab *lab, const struct wanted *w, struct err *e)
{
	struct vm_store *store = NULL;
	struct subject subject = {0};
	int r = definitions_open(lab, &store, e);

	if (r < 0)
		return r;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, w->name);
	if (!vm) {
		problems_print_vm(stderr, lab, snap, w->name);
		r = err_set(e, ENOENT,
		    "there is no usable definition %s/%s.json: `vmlab validate` says "
		    "what is wrong, `vmlab new %s` makes one",
		    lab->vms_dir, w->name, w->name);
	} else if ((r = subject_load(lab, vm, &subject, e)) == 0) {
		r = subject_plan(lab, w, &subject, e);
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
		if (o == 'd' && (vm_size_parse(optarg, &w.disk_bytes) < 0 || w.disk_bytes == 0))
			return command_usage(
			    &plan_command, "--disk \"%s\" is no size such as 20G", optarg);
		w.json |= o == 'j';
		if (o == '?')
			return command_usage(&plan_command, "wrong option");
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
		r = plan_named(lab, &w, &e);
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command plan_command = {
    .name = "plan",
    .args = "NAME [--disk SIZE] [--json]",
    .summary = "print the partitions that installing it would make",
    .help =
	"What \"storage\" and \"firmware\" of a definition mean for a disk, and whether the image\n"
	"fits: exactly what the installer would do, without touching anything.\n"
	"\n"
	"  --disk SIZE    on a disk of that size (default: the definition's first disk)\n"
	"  --json         {\"name\",\"arch\",\"firmware\",\"image\",\"plan\":{\"disk_bytes\",\n"
	"                 \"needed_bytes\",\"partitions\":[{\"number\",\"role\",\"mount\",\"fs\",\n"
	"                 \"label\",\"start_bytes\",\"size_bytes\"}]}}\n"
	"\n"
	"Examples:\n"
	"  vmlab plan web1\n"
	"  vmlab plan web1 --disk 20G\n"
	"\n"
	"Exit status: 0 it fits, 1 it does not (the reason is on stderr).\n",
    .run = plan_run,
    .operands = OPERANDS_VM,
};
