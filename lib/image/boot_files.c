#include "lib/image/boot_files.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/machine/file_system.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const struct initramfs_tool initramfs_tools[] = {
    {"/usr/sbin/update-initramfs", {"update-initramfs", "-c", "-k", "%v"}, NULL},
    {"/usr/bin/dracut", {"dracut", "--force", "--no-hostonly", "/boot/initramfs-%v.img", "%v"},
	NULL},
    {"/usr/bin/mkinitcpio", {"mkinitcpio", "-k", "%v", "-g", "/boot/initramfs-%k.img"}, NULL},
    /* Its init loads what it is told and the root's file system, which it does not find out. */
    {"/sbin/mkinitfs",
	{"mkinitfs", "-F",
	    "ata base cdrom keymap kms mmc nvme raid scsi usb virtio " ROOT_FILE_SYSTEMS(
		FS_WORD, FS_BLANK),
	    "-o", "/boot/initramfs-%k", "%v"},
	"modules=sd-mod,usb-storage,%f rootfstype=%f"},
};
const size_t initramfs_tool_count = COUNT(initramfs_tools);

static const char *const kernel_names[] = {"/boot/vmlinuz-%v", NULL};
static const char *const initramfs_names[] = {
    "/boot/initrd.img-%v", "/boot/initramfs-%v.img", "/boot/initrd-%v", "/boot/initramfs-%v", NULL};

void boot_text_expand(const char *format, const char *version, const char *kernel, const char *fs,
    char out[BOOT_FILE_SIZE])
{
	text_expand(format, "vkf", (const char *const[]){version, kernel, fs}, out, BOOT_FILE_SIZE);
}

/* The next flavour: what follows a hyphen and begins with a letter; NULL: no more. */
static const char *next_flavour(const char *text)
{
	while ((text = strchr(text, '-'))) {
		text++;
		if (isalpha((unsigned char)*text))
			return text;
	}
	return NULL;
}

bool boot_file_path(enum boot_file file, unsigned n, const char *version, char out[BOOT_FILE_SIZE])
{
	const char *const *names = file == BOOT_FILE_KERNEL ? kernel_names : initramfs_names;

	for (const char *word = version; word; word = next_flavour(word))
		for (size_t i = 0; names[i]; i++)
			if (n-- == 0) {
				boot_text_expand(names[i], word, "", "", out);
				return true;
			}
	return false;
}
