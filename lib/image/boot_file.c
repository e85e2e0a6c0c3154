#include "lib/image/boot_file.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define SUBSYSTEM_EFI_FIRST 10 /* application; then boot and runtime drivers */
#define SUBSYSTEM_EFI_LAST 12

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static bool has(const uint8_t *head, size_t len, size_t at, const char *bytes, size_t n)
{
	return len >= at + n && memcmp(head + at, bytes, n) == 0;
}

/* PE's name of the architecture (PE/COFF, "Machine Types"). */
static uint16_t pe_machine(enum vm_arch arch)
{
	static const uint16_t machines[VM_ARCH_COUNT] = {
	    [VM_ARCH_AMD64] = 0x8664, [VM_ARCH_ARM64] = 0xaa64};

	return machines[arch];
}

/* A program for EFI, of which machine; 0: it is none. */
static uint16_t efi_machine(const uint8_t *head, size_t len)
{
	if (len < 0x40 || !has(head, len, 0, "MZ", 2))
		return 0;
	size_t at = le32(head + 0x3c);
	/* The subsystem lies as far into the optional header in both of its forms. */
	if (at > len || len - at < 24 + 70 || !has(head, len, at, "PE\0\0", 4))
		return 0;
	uint16_t subsystem = le16(head + at + 24 + 68);
	return subsystem >= SUBSYSTEM_EFI_FIRST && subsystem <= SUBSYSTEM_EFI_LAST
		   ? le16(head + at + 4)
		   : 0;
}

static int check_efi(enum vm_arch arch, const uint8_t *head, size_t len, struct err *e)
{
	uint16_t machine = efi_machine(head, len);

	if (machine == pe_machine(arch))
		return 0;
	if (!machine)
		return err_set(e, EINVAL,
		    "is no program for UEFI: it has no PE header that says so; name an .efi file");
	for (int i = 0; i < VM_ARCH_COUNT; i++)
		if (machine == pe_machine((enum vm_arch)i))
			return err_set(e, EINVAL, "is for %s: add it with --arch %s",
			    arches[i].name, arches[i].name);
	return err_set(e, EINVAL, "is for another architecture (PE machine 0x%04x) than %s",
	    machine, arch_of(arch)->name);
}

/* Linux' Documentation/arch/x86/boot.rst and arch/arm64/booting.rst: which kernel it is;
 * VM_ARCH_COUNT: none. */
static enum vm_arch linux_arch(const uint8_t *head, size_t len)
{
	if (has(head, len, 0x1fe, "\x55\xaa", 2) && has(head, len, 0x202, "HdrS", 4))
		return VM_ARCH_AMD64;
	if (has(head, len, 0x38, "ARM\x64", 4))
		return VM_ARCH_ARM64;
	return VM_ARCH_COUNT;
}

static int check_kernel(enum vm_arch arch, const uint8_t *head, size_t len, struct err *e)
{
	enum vm_arch is = linux_arch(head, len);

	/* A bzImage of 32 bits has the same header, and a machine with UEFI of 64 refuses it. */
	if ((is == arch || is == VM_ARCH_COUNT) && efi_machine(head, len))
		return check_efi(arch, head, len, e);
	if (is == arch)
		return 0;
	if (is != VM_ARCH_COUNT)
		return err_set(e, EINVAL, "is a kernel for %s: add it with --arch %s",
		    arch_of(is)->name, arch_of(is)->name);
	if (has(head, len, 0, "\x1f\x8b", 2) || has(head, len, 0, "\x28\xb5\x2f\xfd", 4) ||
	    has(head, len, 0,
		"\xfd"
		"7zXZ",
		5))
		return err_set(e, EINVAL,
		    "is compressed, which no boot loader takes as a kernel: decompress it first");
	return err_set(e, EINVAL,
	    "is no kernel of Linux for %s: it begins neither as a bzImage or Image nor as a program for UEFI",
	    arch_of(arch)->name);
}

static int check_script(const uint8_t *head, size_t len, struct err *e)
{
	if (has(head, len, 0, "#!ipxe", 6) && (len == 6 || strchr(" \t\r\n", head[6])))
		return 0;
	return err_set(e, EINVAL,
	    "is no script of iPXE: its first line has to be #!ipxe, without anything before it");
}

/* ECMA-119, 8: the volume descriptors begin with the seventeenth sector of 2048 bytes. */
static int check_iso(const uint8_t *head, size_t len, struct err *e)
{
	if (has(head, len, 32769, "CD001", 5))
		return 0;
	return err_set(
	    e, EINVAL, "is no ISO image: it has no volume descriptor (CD001) at byte 32769");
}

int boot_file_check(
    enum boot_file kind, enum vm_arch arch, const uint8_t *head, size_t len, struct err *e)
{
	if (len == 0)
		return err_set(e, EINVAL, "is empty");
	switch (kind) {
	case BOOT_FILE_KERNEL:
		return check_kernel(arch, head, len, e);
	case BOOT_FILE_INITRD:
		break; /* the kernel takes what is no archive for a file system */
	case BOOT_FILE_SCRIPT:
		return check_script(head, len, e);
	case BOOT_FILE_EFI:
		return check_efi(arch, head, len, e);
	case BOOT_FILE_ISO:
		return check_iso(head, len, e);
	}
	return 0;
}
