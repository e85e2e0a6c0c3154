#include "boot_handler/http/ordered_boot.h"

#include <jansson.h>
#include <stdio.h>

#include "lib/boot/stranger.h"

const char *ordered_boot_agent_image(struct services *services, const struct vm_snapshot *snapshot,
    enum vm_arch arch, char name[IMAGE_NAME_SIZE])
{
	const char *said = vm_snapshot_defaults(snapshot);
	json_t *defaults = said ? json_loads(said, 0, NULL) : NULL;
	const char *distro = json_string_value(json_object_get(defaults, "distro"));

	snprintf(name, IMAGE_NAME_SIZE, "%s", distro ? distro : "debian-13");
	json_decref(defaults);
	return arch < VM_ARCH_COUNT && images_has(services->images, name, arch) ? name : NULL;
}

/* The kernel of what it is installed with, else of what machines are installed with here. False:
 * there is none. */
static bool find_agent(struct services *services, const struct vm_snapshot *snapshot,
    struct boot_facts *f, char agent_image[IMAGE_NAME_SIZE])
{
	const struct vm *vm = f->vm;

	if (vm && vm->distro && images_has(services->images, vm->distro, vm->arch))
		return true;
	f->agent_image =
	    ordered_boot_agent_image(services, snapshot, vm ? vm->arch : f->arch, agent_image);
	return f->agent_image;
}

static bool find_image(struct services *services, const char *name, struct boot_facts *f)
{
	const struct boot_image *image =
	    f->vm ? images_boot(services->images, name, f->vm->arch, IMAGE_BOOTED) : NULL;

	f->image = image ? image : f->image;
	return image;
}

enum order_due ordered_boot_find(struct services *services, const struct vm_snapshot *snapshot,
    const struct order_cards *cards, struct boot_facts *f, char agent_image[IMAGE_NAME_SIZE])
{
	char image[IMAGE_NAME_SIZE];
	enum order_due due = orders_due(state_orders(services->state), cards, image);

	if (due == ORDER_DUE_IMAGE && !find_image(services, image, f))
		due = ORDER_DUE_NOTHING;
	if (due == ORDER_DUE_AGENT && !find_agent(services, snapshot, f, agent_image))
		due = ORDER_DUE_NOTHING;
	f->disk_once = due == ORDER_DUE_DISK;
	f->image_once = due == ORDER_DUE_IMAGE;
	f->agent_once = due == ORDER_DUE_AGENT;
	f->has_needed |= f->image_once || f->agent_once;
	if (f->agent_once && !f->vm)
		f->stranger = &boot_stranger_agent;
	return due;
}
