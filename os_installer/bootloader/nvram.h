/* nvram.h - the firmware's boot menu (UEFI 2.10, 3.1): an entry for the installed system, put at
 * the end of BootOrder, so what was first - the network - stays first.
 */
#ifndef OS_INSTALLER_BOOTLOADER_NVRAM_H
#define OS_INSTALLER_BOOTLOADER_NVRAM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/plan/plan.h"

#define NVRAM_OPTION_MAX 1024
#define NVRAM_ABSENT 1

/* Makes an EFI_LOAD_OPTION: `file` (EFI path, backslashes) on partition `number` (from 1) of a GPT
 * disk. Returns its length, or -errno. Pure. */
must_check int nvram_option_build(const char *title, const struct plan_partition *esp,
    unsigned number, const char *file, uint8_t out[NVRAM_OPTION_MAX], struct err *e);

/* A BootOrder with `id` at its end and nowhere else; `order` has room for count + 1. Returns the
 * new count. Pure. */
size_t nvram_order_append(uint16_t *order, size_t count, uint16_t id);

/* Adds or replaces the entry with that title. Returns 0, NVRAM_ABSENT when the machine has no EFI
 * variables (not booted by UEFI, or no efivarfs), -errno. */
must_check int nvram_entry_add(const char *title, const struct plan_partition *esp, unsigned number,
    const char *file, struct err *e);

#endif
