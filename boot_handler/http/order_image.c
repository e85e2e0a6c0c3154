#include "boot_handler/http/order_image.h"

#include <errno.h>
#include <string.h>

static const char *arg_of(const struct order_wish *wish, enum order_arg_kind kind)
{
	const struct order_row *row = order_row(wish->action);

	for (const struct order_arg *a = row->args; a && a->name; a++)
		if (a->kind == kind)
			return json_string_value(json_object_get(wish->args, a->name));
	return NULL;
}

static int check_one(struct services *services, const char *name, enum vm_arch arch, struct err *e)
{
	_cleanup_image_manifest_ struct image_manifest m;

	if (images_get(services->images, name, arch, &m, e) < 0)
		return -EBUSY;
	if (image_format_is_disk(m.rootfs.format))
		return 0;
	return err_set(e, EBUSY,
	    "the image %s is a root file system, and none of a whole disk: order its installation instead, or back up an installed disk",
	    name);
}

/* Of a machine without a definition one architecture's will do. */
static int check_image(
    struct services *services, const struct vm *vm, const char *name, struct err *e)
{
	int r = -EBUSY;

	for (int i = 0; r < 0 && i < VM_ARCH_COUNT; i++)
		if (!vm || vm->arch == (enum vm_arch)i)
			r = check_one(services, name, (enum vm_arch)i, e);
	return r;
}

static int check_name(
    struct services *services, const struct vm *vm, const char *name, struct err *e)
{
	int r = 0;

	if (!services->backups)
		return err_set(e, EBUSY,
		    "no disk becomes an image here: boot_handler was started without --backups");
	for (int i = 0; r == 0 && i < VM_ARCH_COUNT; i++)
		if (!vm || vm->arch == (enum vm_arch)i)
			r = backups_name_free(services->backups, name, (enum vm_arch)i, e);
	return r;
}

int order_image_check(
    struct services *services, const struct vm *vm, const struct order_list *list, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < list->count; i++) {
		const char *image = arg_of(&list->wish[i], ORDER_ARG_IMAGE);
		const char *name = arg_of(&list->wish[i], ORDER_ARG_NAME);
		bool made = false;
		/* What an order before it makes is there then. */
		for (unsigned n = 0; image && n < i; n++) {
			const char *earlier = arg_of(&list->wish[n], ORDER_ARG_NAME);
			made |= earlier && strcmp(earlier, image) == 0;
		}
		if (image && !made)
			r = check_image(services, vm, image, e);
		if (r == 0 && name)
			r = check_name(services, vm, name, e);
	}
	return r;
}

/* A system that has cloud-init becomes this machine's. */
static void put_seed(const struct services *services, const struct vm *vm, json_t *given)
{
	const char *seed = json_string_value(json_object_get(given, "seed"));

	if (vm && seed && strcmp(seed, "own") == 0)
		json_object_set_new(given, "cloud_init_url",
		    json_sprintf("%s/cloud-init/%s", services->urls.base, vm->name));
}

json_t *order_image_given(const struct services *services, const struct vm *vm, json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "image"));
	json_t *given = args ? json_copy(args) : NULL;

	if (name)
		json_object_set_new(given, "image",
		    json_pack("{s:s, s:o}", "image", name, "url",
			json_sprintf("%s/images/%s", services->urls.base, name)));
	put_seed(services, vm, given);
	return given;
}
