#include "boot_handler/documents/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/definition/install_config.h"

#define URL_SIZE 600

/* What is not in the definition; `c` borrows from it. */
struct made {
	char mac[MAC_TEXT_SIZE], fqdn[400];
	char rootfs[URL_SIZE], kmods[URL_SIZE], kernel[URL_SIZE], cloud_init[URL_SIZE],
	    report[URL_SIZE];
};

static const char *image_url(
    char *out, const struct vm *vm, const struct boot_urls *urls, const char *file)
{
	snprintf(out, URL_SIZE, "%s/images/%s/%s/%s", urls->base, vm->distro,
	    vm_arch_name(vm->arch), file);
	return out;
}

static void put_urls(struct install_config *c, struct made *made, const struct vm *vm,
    const struct image_manifest *image, const struct boot_urls *urls)
{
	char mac[MAC_TEXT_SIZE];

	c->rootfs_url = image_url(made->rootfs, vm, urls, image->rootfs.file);
	c->kmods_url = image_url(made->kmods, vm, urls, IMAGE_MODULES_FILE);
	c->kernel_url = image_url(made->kernel, vm, urls, IMAGE_KERNEL_FILE);
	snprintf(made->cloud_init, URL_SIZE, "%s/cloud-init/%s", urls->base, vm->name);
	snprintf(made->report, URL_SIZE, "%s/report/%s", urls->base, mac_format(&vm->mac, mac));
	c->cloud_init_url = made->cloud_init;
	c->report_url = made->report;
}

int config_build(const struct vm *vm, const struct mac *nic, struct life memory, bool noreboot,
    const struct image_manifest *image, const struct boot_urls *urls, const char *domain,
    json_t **out, struct err *e)
{
	struct install_config c;
	struct made made;

	install_config_from(vm, &c);
	if (noreboot && (c.after_install == VM_AFTER_REBOOT || c.after_install == VM_AFTER_KEXEC))
		c.after_install = VM_AFTER_SHELL;
	c.reboot_on_success =
	    c.after_install == VM_AFTER_REBOOT || c.after_install == VM_AFTER_KEXEC;
	c.mac = mac_format(nic, made.mac);
	c.kernel_version = image->kernel_version;
	c.rootfs = json_object_get(image->doc, "rootfs");
	c.attempt = memory.attempt;
	c.reinstall = memory.ordered || memory.reinstall;
	put_urls(&c, &made, vm, image, urls);
	if (domain[0] && !strchr(vm->hostname, '.')) {
		snprintf(made.fqdn, sizeof(made.fqdn), "%s.%s", vm->hostname, domain);
		c.fqdn = made.fqdn;
	}
	*out = install_config_print(&c);
	return *out ? 0 : err_set(e, ENOMEM, "the installer's configuration cannot be built");
}
