#include "boot_handler/documents/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void put_url(json_t *config, const char *key, const struct vm *vm,
    const struct boot_urls *urls, const char *file)
{
	json_object_set_new(config, key,
	    json_sprintf(
		"%s/images/%s/%s/%s", urls->base, vm->distro, vm_arch_name(vm->arch), file));
}

static void put_urls(
    json_t *config, const struct vm *vm, const struct image *image, const struct boot_urls *urls)
{
	char mac[MAC_TEXT_SIZE];

	mac_format(&vm->mac, mac);
	put_url(config, "rootfs_url", vm, urls, image->rootfs_file);
	put_url(config, "kmods_url", vm, urls, IMAGE_MODULES_FILE);
	put_url(config, "kernel_url", vm, urls, IMAGE_KERNEL_FILE);
	json_object_set_new(
	    config, "cloud_init_url", json_sprintf("%s/cloud-init/%s", urls->base, vm->name));
	json_object_set_new(config, "report_url", json_sprintf("%s/report/%s", urls->base, mac));
}

/* Optional parts of the definition the installer reads itself. */
static void put_from_doc(json_t *config, const struct vm *vm)
{
	static const char *const keys[] = {"disks", "storage", "hooks"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(vm->more, keys[i]);
		if (value)
			json_object_set(config, keys[i], value);
	}
}

int config_build(const struct vm *vm, const struct mac *nic, struct life memory, bool noreboot,
    const struct image *image, const struct boot_urls *urls, const char *domain, json_t **out,
    struct err *e)
{
	enum vm_after after = vm->after_install;
	char mac[MAC_TEXT_SIZE];

	if (noreboot && (after == VM_AFTER_REBOOT || after == VM_AFTER_KEXEC))
		after = VM_AFTER_SHELL;
	json_t *config = json_pack(
	    "{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:O, s:i, s:b}", "format", 1,
	    "name", vm->name, "hostname", vm->hostname, "mac", mac_format(nic, mac), "distro",
	    vm->distro, "arch", arch_of(vm->arch)->machine, "firmware",
	    vm_firmware_name(vm->firmware), "reboot_on_success",
	    after == VM_AFTER_REBOOT || after == VM_AFTER_KEXEC, "after_install",
	    vm_after_name(after), "kernel_version", image->kernel_version, "rootfs", image->rootfs,
	    "attempt", (int)memory.attempt, "reinstall", memory.ordered || memory.reinstall);
	if (!config)
		return err_set(e, ENOMEM, "the installer's configuration cannot be built");
	put_urls(config, vm, image, urls);
	if (vm->kernel_args)
		json_object_set_new(config, "kernel_args", json_string(vm->kernel_args));
	if (domain[0] && !strchr(vm->hostname, '.'))
		json_object_set_new(config, "fqdn", json_sprintf("%s.%s", vm->hostname, domain));
	put_from_doc(config, vm);
	*out = config;
	return 0;
}
