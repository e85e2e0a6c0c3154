#include "lib/image/boot_image.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/text.h"

/* What debian-installer asks for before it has the file that answers it; and where its syslog goes.
 */
#define DI_UNATTENDED                                                                              \
	"auto=true priority=critical interface=auto hostname={hostname} url={unattended_url} log_host={server_host}"
#define DI_FILE(release, file)                                                                     \
	"usr/lib/debian-installer/images/" release "/%a/text/debian-installer/%a/" file
#define DEBIAN_INSTALLER(release, suite_)                                                          \
	{.name = "debian-installer-" release,                                                      \
	    .title = "Debian " release ", its own installer",                                      \
	    .suite = suite_,                                                                       \
	    .package = "debian-installer-" release "-netboot-%a",                                  \
	    .kernel = DI_FILE(release, "linux"),                                                   \
	    .initrd = DI_FILE(release, "initrd.gz"),                                               \
	    .unattended_args = DI_UNATTENDED}

static const struct boot_recipe recipes[] = {
    DEBIAN_INSTALLER("13", "trixie"),
    DEBIAN_INSTALLER("12", "bookworm"),
    {.name = "memtest86+",
	.title = "Memtest86+",
	.suite = "trixie",
	.package = "memtest86+",
	.kernel = "boot/memtest86+x64.bin",
	.efi = "boot/memtest86+x64.efi",
	.args = "console=ttyS0,115200",
	.amd64_only = true},
    {.name = "raspberrypi",
	.title = "Raspberry Pi's firmware and Debian 13's kernel",
	.suite = "trixie",
	.package = "raspi-firmware,linux-image-%a",
	.arm64_only = true,
	.raspberry = true},
};

#define RECIPES (sizeof(recipes) / sizeof(*recipes))

const struct boot_recipe *boot_recipe_at(size_t i)
{
	return i < RECIPES ? &recipes[i] : NULL;
}

const struct boot_recipe *boot_recipe_find(const char *name)
{
	for (size_t i = 0; i < RECIPES; i++)
		if (strcmp(recipes[i].name, name) == 0)
			return &recipes[i];
	return NULL;
}

const char *boot_recipe_names(void)
{
	return "debian-installer-13, debian-installer-12, memtest86+, raspberrypi";
}

bool boot_recipe_suits(const struct boot_recipe *recipe, enum vm_arch arch)
{
	return (!recipe->amd64_only || arch == VM_ARCH_AMD64) &&
	       (!recipe->arm64_only || arch == VM_ARCH_ARM64);
}

const char *boot_recipe_text(const char *format, enum vm_arch arch, char *out)
{
	const char *const values[] = {vm_arch_name(arch)};

	text_expand(format, "a", values, out, BOOT_RECIPE_TEXT_SIZE);
	return out;
}

const char *boot_image_advice(const char *name, enum vm_arch arch, char buf[IMAGE_ADVICE_SIZE])
{
	const struct boot_recipe *recipe = name ? boot_recipe_find(name) : NULL;

	if (recipe && boot_recipe_suits(recipe, arch))
		snprintf(buf, IMAGE_ADVICE_SIZE, "build it with: vmlab image build %s --arch %s",
		    name, vm_arch_name(arch));
	else
		snprintf(buf, IMAGE_ADVICE_SIZE,
		    "add it with: vmlab image add %s --arch %s, and --kernel, --script, --efi or --iso",
		    name ? name : "NAME", vm_arch_name(arch));
	return buf;
}
