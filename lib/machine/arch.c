#include "lib/machine/arch.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

const struct arch arches[VM_ARCH_COUNT] = {
    [VM_ARCH_AMD64] =
	{
	    .name = "amd64",
	    .machine = "x86_64",
	    .ipxe = "i386", /* undionly.kpxe runs in 16/32 bit on any PC */
	    .elf = EM_X86_64,
	    .console = "ttyS0",
	    .kvm_flags = {"vmx", "svm"}, /* a nested KVM without them hangs its guests */
	    .bios = true,
	    .removable = "BOOTX64.EFI",
	    .grub_target = "x86_64-efi",
	    .efi = "x64",
	},
    [VM_ARCH_ARM64] =
	{
	    .name = "arm64",
	    .machine = "aarch64",
	    .elf = EM_AARCH64,
	    .console = "ttyAMA0",
	    .removable = "BOOTAA64.EFI",
	    .grub_target = "arm64-efi",
	    .efi = "aa64",
	},
};

const struct arch *arch_of(enum vm_arch arch)
{
	return &arches[arch];
}

const char *vm_arch_name(size_t arch)
{
	return arch < VM_ARCH_COUNT ? arches[arch].name : NULL;
}

const char *vm_firmware_name(size_t firmware)
{
	static const char *const names[] = {"uefi", "bios", NULL};

	return names[firmware];
}

int vm_arch_parse(const char *text, enum vm_arch *out)
{
	for (int i = 0; i < VM_ARCH_COUNT; i++)
		if (strcmp(text, arches[i].name) == 0 || strcmp(text, arches[i].machine) == 0) {
			*out = (enum vm_arch)i;
			return 0;
		}
	return -EINVAL;
}

enum vm_arch arch_of_ipxe(const char *buildarch)
{
	enum vm_arch arch;

	if (!*buildarch)
		return VM_ARCH_NOT_SAID;
	if (vm_arch_parse(buildarch, &arch) == 0)
		return arch;
	for (int i = 0; i < VM_ARCH_COUNT; i++)
		if (arches[i].ipxe && strcmp(buildarch, arches[i].ipxe) == 0)
			return (enum vm_arch)i;
	return VM_ARCH_OTHER;
}

enum vm_arch host_arch(void)
{
	enum vm_arch arch = VM_ARCH_AMD64;

	return vm_arch_parse(VMLAB_ARCH, &arch) < 0 ? VM_ARCH_AMD64 : arch;
}
