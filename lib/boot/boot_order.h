/* boot_order.h - BOOT_ORDER, by which a Raspberry Pi's bootloader (4 and later) tries what it can
 * boot, in the configuration that lies in its EEPROM (Raspberry Pi's documentation, "Raspberry Pi
 * bootloader configuration"). Pure.
 *
 * It has a digit each for what is tried, the lowest first: 1 SD card or eMMC, 2 network, 4 USB, 6
 * NVMe, 7 HTTP, e stop, f from the start. A configuration is lines "KEY=value"; one in brackets
 * says for which boards the next ones are, [all] for every one, [none] for none.
 */
#ifndef LIB_BOOT_BOOT_ORDER_H
#define LIB_BOOT_BOOT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* The same with the network before all else, or behind all but what ends it; without one it gets
 * it. 0: it has no room. */
uint32_t boot_order_move(uint32_t order, bool first);

/* What is tried, in words: "SD card, USB, from the start". */
#define BOOT_ORDER_WORDS_SIZE 200
const char *boot_order_words(uint32_t order, char buf[BOOT_ORDER_WORDS_SIZE]);

/* What a configuration of `len` bytes says for every board. False when it says none, no number, or
 * one for some boards only. */
bool boot_order_find(const char *config, size_t len, uint32_t *order);

/* The same configuration with the network moved in each BOOT_ORDER that counts for some board; all
 * else, also line ends, stays. One that says none for every board gets a first line with `usual`,
 * moved: what its bootloader does without one. *out is new, the caller's. -EINVAL with the line:
 * one is no number, or has no room. */
must_check int boot_order_edit(const char *config, size_t len, bool first, uint32_t usual,
    char **out, size_t *out_len, struct err *e);

#endif
