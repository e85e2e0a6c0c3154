#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "os_installer/bootloader/grub.h"
#include "os_installer/bootloader/grub_core.h"
#include "os_installer/disk/disk.h"
#include "os_installer/system/tree.h"

#define TARGET "i386-pc"
#define IMAGES "/boot/grub/" TARGET
#define CORE_MAX_BYTES (1U << 20) /* the BIOS boot partition's size */

/* What goes to the disk itself. */
struct code {
	uint8_t boot_sector[512];
	size_t core_len;
	uint8_t core[];
};

static bool present(const struct bootloader *b)
{
	return grub_present(b, TARGET);
}

static int code_keep(struct bootloader *b, const char *sector, size_t sector_len, const char *core,
    size_t core_len, struct err *e)
{
	const struct plan_partition *part = plan_partition(b->plan, PLAN_BIOS_BOOT);
	uint8_t boot_sector[512];
	size_t len;
	_cleanup_free_ uint8_t *ready = grub_core_prepare(
	    sector, sector_len, core, core_len, part->start_lba, boot_sector, &len, e);

	if (!ready)
		return -e->code;
	struct code *code = malloc(sizeof(*code) + len);
	if (!code)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(code->boot_sector, boot_sector, sizeof(code->boot_sector));
	memcpy(code->core, ready, len);
	code->core_len = len;
	b->own = code;
	return 0;
}

/* Modules into /boot/grub, and a core image that finds them; nothing goes to the disk itself. */
static int stage(struct bootloader *b, struct err *e)
{
	const char *options[] = {"--target=" TARGET, "--boot-directory=/boot", "--no-bootsector",
	    b->plan->disk.path, NULL};
	_cleanup_free_ char *sector = NULL, *core = NULL;
	size_t sector_len, core_len;
	int r;

	if ((r = grub_install(b, TARGET, options, e)) < 0 ||
	    (r = tree_read(b->tree, IMAGES "/boot.img", 512, &sector, &sector_len, e)) < 0 ||
	    (r = tree_read(b->tree, IMAGES "/core.img", CORE_MAX_BYTES, &core, &core_len, e)) < 0 ||
	    (r = code_keep(b, sector, sector_len, core, core_len, e)) < 0)
		return r;
	return grub_configure(b, e);
}

static int finish(struct bootloader *b, bool nvram, struct err *e)
{
	const struct code *code = b->own;

	(void)nvram;
	return disk_boot_code(b->plan, code->boot_sector, code->core, code->core_len, e);
}

const struct bootloader_ops bootloader_grub_bios = {
    .present = present,
    .stage = stage,
    .finish = finish,
};
