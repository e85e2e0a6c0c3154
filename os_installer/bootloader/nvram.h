/* nvram.h - the firmware's boot menu (UEFI 2.10, 3.1): an entry for the installed system, put at
 * the end of BootOrder, so what was first - the network - stays first.
 */
#ifndef OS_INSTALLER_BOOTLOADER_NVRAM_H
#define OS_INSTALLER_BOOTLOADER_NVRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/plan/plan.h"

#define NVRAM_OPTION_MAX 1024
#define NVRAM_ABSENT 1
#define NVRAM_ORDER_MAX 512
#define NVRAM_TITLE_SIZE 100

/* Makes an EFI_LOAD_OPTION: `file` (EFI path, backslashes) on partition `number` (from 1) of a GPT
 * disk. Returns its length, or -errno. Pure. */
must_check int nvram_option_build(const char *title, const struct plan_partition *esp,
    unsigned number, const char *file, uint8_t out[NVRAM_OPTION_MAX], struct err *e);

/* A BootOrder with `id` at its end and nowhere else; `order` has room for count + 1. Returns the
 * new count. Pure. */
size_t nvram_order_append(uint16_t *order, size_t count, uint16_t id);

/* Whether an EFI_LOAD_OPTION boots from the network: a network card or an IP address is on its
 * device path. `title` (may be NULL) becomes its description, one line. Pure. */
bool nvram_option_is_network(const uint8_t *option, size_t len, char title[NVRAM_TITLE_SIZE]);

/* Moves the entries that are `network` before the others, or behind them; else the order stays.
 * Pure. */
void nvram_order_move(uint16_t *order, const bool *network, size_t count, bool first);

/* A boot order as it is read. */
struct nvram_order {
	size_t count;
	size_t networks; /* of them */
	struct {
		uint16_t id;
		char title[NVRAM_TITLE_SIZE]; /* "": there is no such entry */
	} entry[NVRAM_ORDER_MAX];
};

/* Puts what boots from the network first in BootOrder, or last. Nothing is written where it is so
 * already, and where there is no such entry. `out` is the order afterwards. Returns 0, NVRAM_ABSENT
 * as nvram_entry_add(), -errno. */
must_check int nvram_network_move(bool first, struct nvram_order *out, struct err *e);

/* Adds or replaces the entry with that title. Returns 0, NVRAM_ABSENT when the machine has no EFI
 * variables (not booted by UEFI, or no efivarfs), -errno. */
must_check int nvram_entry_add(const char *title, const struct plan_partition *esp, unsigned number,
    const char *file, struct err *e);

#endif
