#include "os_installer/bootloader/platform.h"

static const struct platform platforms[] = {
    [VM_ARCH_AMD64] = {"x64", "BOOTX64.EFI", "x86_64-efi", "grub-efi-amd64", "grubx64.efi",
	"ttyS0"},
    [VM_ARCH_ARM64] = {"aa64", "BOOTAA64.EFI", "arm64-efi", "grub-efi-arm64", "grubaa64.efi",
	"ttyAMA0"},
};

const struct platform *platform_of(enum vm_arch arch)
{
	return &platforms[arch];
}
