#include "vmlab/judge/subject.h"

#include <errno.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/image/adopted.h"
#include "lib/base/cleanup.h"
#include "lib/boot/raspberry.h"
#include "lib/definition/menu_choice.h"
#include "vmlab/image/manifest.h"
#include "vmlab/lab/backups.h"
#include "vmlab/lab/readable.h"

void subject_clear(struct subject *s)
{
	image_manifest_clear(&s->image);
}

bool subject_is_whole_disk(const struct subject *s)
{
	return image_format_is_disk(s->image.rootfs.format);
}

static void look_at_files(const char *images_dir, struct subject *s)
{
	const char *name = raspberry_image_name(s->vm);
	_cleanup_free_ char *folder = NULL;

	if (asprintf(&folder, "%s/%s/%s", images_dir, name, vm_arch_name(s->vm->arch)) > 0 &&
	    !image_files_are_there(folder, folder, &s->image, s->lack))
		image_advice_for(images_dir, name, s->vm->arch, true, s->advice);
}

/* What is in the folder of images comes first. 0, or -ENOENT: it is none. */
static int look_at_backups(const struct lab *lab, const char *name, struct subject *s)
{
	enum backups_answer answer = backups_find(lab, name, s->vm->arch, &s->image);

	s->backup = answer == BACKUPS_HAVE;
	s->backups_silent = answer == BACKUPS_SILENT;
	return s->backup ? 0 : -ENOENT;
}

static int look_at_image(const struct lab *lab, struct subject *s, struct err *e)
{
	_cleanup_free_ char *folder = NULL;
	const struct vm *vm = s->vm;
	const char *name = raspberry_image_name(vm);
	enum image_use use = raspberry_served(vm) ? IMAGE_FIRMWARE : boot_image_use(vm);
	struct adopted found;

	int r = lab->images_dir ? image_manifest_load(lab->images_dir, name, vm->arch, &s->image, e)
				: -ENOENT;
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT && use == IMAGE_INSTALLED)
		r = look_at_backups(lab, name, s);
	s->has_image = r == 0;
	if (r == 0)
		(void)image_suits(&s->image, use, &s->misuse);
	if (r == -ENOENT && use == IMAGE_INSTALLED)
		image_advice_for(lab->images_dir, name, vm->arch, false, s->advice);
	else if (r == -ENOENT)
		boot_image_advice(name, vm->arch, s->advice);
	s->adopted = r == -ENOENT && use == IMAGE_INSTALLED && lab->images_dir &&
		     adopted_find(lab->images_dir, name, vm->arch, &found);
	if (((r == 0 && !s->backup) || s->adopted) &&
	    asprintf(&folder, "%s/%s", lab->images_dir, name) > 0)
		readable_images_complaint(folder, s->unreadable, sizeof(s->unreadable));
	if (s->has_image && !s->backup)
		look_at_files(lab->images_dir, s);
	s->own_gap_count = own_kernel_missing(lab->images_dir, vm, s->own_gaps);
	return 0;
}

static bool is_on_every_menu(const struct vm *vm)
{
	struct boot_facts f = {.vm = vm, .chosen = vm->menu_default, .has_needed = true};

	return boot_is_chosen(&f, boot_decide(&f));
}

static void look_at_menu(const struct lab *lab, struct subject *s)
{
	_cleanup_image_manifest_ struct image_manifest image = {0};
	char name[MENU_NAME_MAX + 1], advice[IMAGE_ADVICE_SIZE];
	const struct vm *vm = s->vm;
	struct err e = ERR_INIT;
	struct image_misuse misuse;

	if (boot_mode_of(vm) != &boot_mode_menu || is_on_every_menu(vm))
		return;
	enum image_use use =
	    menu_choice_split(vm->menu_default, name) ? IMAGE_UNATTENDED : IMAGE_BOOTED;
	int r = lab->images_dir && !boot_mode_find(name)
		    ? image_manifest_load(lab->images_dir, name, vm->arch, &image, &e)
		    : -ENOENT;
	if (r == -ENOENT)
		snprintf(s->menu_lack, sizeof(s->menu_lack), "there is no boot image %s for %s: %s",
		    name, vm_arch_name(vm->arch), boot_image_advice(name, vm->arch, advice));
	else if (r < 0)
		snprintf(s->menu_lack, sizeof(s->menu_lack), "%.590s", e.msg);
	else if (!image_suits(&image, use, &misuse))
		snprintf(s->menu_lack, sizeof(s->menu_lack), "the image %s cannot be taken: %s",
		    name, misuse.what);
}

static int look_at_match(struct subject *s, struct err *e)
{
	const json_t *first = json_array_get(json_object_get(s->vm->more, "disks"), 0);
	const json_t *match = json_object_get(first, "match");
	struct json_path bad;

	s->by_match = match && !json_object_get(first, "size");
	return s->by_match ? disk_match_parse(match, &s->match, &bad, e) : 0;
}

int subject_load(const struct lab *lab, const struct vm *vm, struct subject *s, struct err *e)
{
	const json_t *storage;
	struct json_path bad;
	struct sysinfo host;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	s->vm = vm;
	s->host_cpus = cpus > 0 ? (unsigned)cpus : 0;
	if (sysinfo(&host) == 0)
		s->host_memory_bytes = (uint64_t)host.totalram * host.mem_unit;
	storage = json_object_get(vm->more, "storage");
	storage_default(&s->storage);
	int r = storage ? storage_parse(storage, &s->storage, &bad, e) : 0;
	if (r == 0)
		r = look_at_match(s, e);
	if (r == 0)
		r = look_at_image(lab, s, e);
	if (r == 0)
		look_at_menu(lab, s);
	s->request = (struct plan_request){
	    .firmware = vm->firmware,
	    .storage = &s->storage,
	    .unpacked_bytes = s->image.rootfs.unpacked_bytes,
	    .entries = s->image.rootfs.entries,
	};
	return r;
}

uint64_t subject_disk_bytes(const struct subject *s)
{
	return s->by_match ? s->match.min_bytes : s->vm->disk_bytes[0];
}

int subject_plan(const struct subject *s, uint64_t disk_bytes, struct plan *out, struct err *e)
{
	struct disk d = {
	    .name = "vda", .path = "/dev/vda", .sector_bytes = 512, .size_bytes = disk_bytes};

	return subject_is_whole_disk(s) ? plan_whole_disk(&s->request, &d, 1, out, e)
					: plan_make(&s->request, &d, 1, out, e);
}

bool subject_lacks_loader(const struct subject *s, char word[BOOTLOADER_TEXT_SIZE])
{
	const struct arch *arch = arch_of(s->vm->arch);

	if (!s->image.provides || subject_is_whole_disk(s))
		return false;
	const struct bootloader_kind *wanted =
	    bootloader_first(s->vm->firmware, s->vm->secure_boot);
	for (size_t i = 0; i < BOOTLOADER_COUNT; i++)
		if (bootloader_kinds[i].firmware == s->vm->firmware &&
		    (bootloader_kinds[i].secure || !s->vm->secure_boot) &&
		    image_provides(
			&s->image, bootloader_text(bootloader_kinds[i].word, arch, word)))
			return false;
	bootloader_text(wanted->word, arch, word);
	return true;
}
