/* raspberry.h - the boot order of a Raspberry Pi, as far as a running system can know it. It has no
 * EFI variables: from the Pi 4 on it is the setting BOOT_ORDER of the bootloader in its EEPROM
 * (Raspberry Pi's documentation, "Raspberry Pi bootloader configuration"). An EEPROM is written
 * whole, by its maker's image and programs, so nothing is changed here: it is said what it is and
 * what it has to become. Neither firmware nor EEPROM of a real board was asked yet.
 */
#ifndef OS_INSTALLER_BOOTLOADER_RASPBERRY_H
#define OS_INSTALLER_BOOTLOADER_RASPBERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* A boot order has a digit each for what is tried, the lowest first: 1 SD card or eMMC, 2 network,
 * 4 USB, 6 NVMe, 7 HTTP, e stop, f from the start. The same with the network before all else, or
 * behind all but what ends it; without one it gets it. 0: it has no room. Pure. */
uint32_t raspberry_network_move(uint32_t order, bool first);

/* The BOOT_ORDER that a bootloader's configuration, `len` bytes of text, says for every board.
 * False when it says none, no number, or one for some boards only. Pure. */
bool raspberry_order_find(const char *config, size_t len, uint32_t *order);

/* What is tried, in words: "SD card, USB, from the start". */
#define RASPBERRY_WORDS_SIZE 200
const char *raspberry_order_words(uint32_t order, char buf[RASPBERRY_WORDS_SIZE]);

/* 0: this machine is none, by its device tree below `root` ("" is the machine's own).
 * RASPBERRY_ORDERED: it has the network there already. -ENOTSUP: it is one, and `e` says what its
 * boot order is and what to do. */
#define RASPBERRY_ORDERED 1
must_check int raspberry_order_judge(const char *root, bool first, struct err *e);

#endif
