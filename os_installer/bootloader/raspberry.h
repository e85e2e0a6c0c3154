/* raspberry.h - the boot order of a Raspberry Pi, as its running system knows it. It has no EFI
 * variables: from the Pi 4 on it is BOOT_ORDER of the bootloader in its EEPROM (lib/boot/
 * boot_order.h), which the bootloader writes itself, by a file that the server has for it when the
 * machine starts anew (lib/boot/eeprom.h). Neither firmware nor EEPROM of a real board was asked
 * yet.
 */
#ifndef OS_INSTALLER_BOOTLOADER_RASPBERRY_H
#define OS_INSTALLER_BOOTLOADER_RASPBERRY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

/* What the server says of the file that it has for this board since the order was given. */
struct raspberry_offer {
	const char *why;   /* there is none, in a sentence; NULL: there is one */
	const char *soc;   /* for boards with this one, "2711" */
	int64_t timestamp; /* in seconds since 1970, as the EEPROM remembers its last update */
	int64_t since_s;   /* how long ago */
};

struct raspberry_order {
	uint32_t order, becomes; /* 0: this kernel does not show it */
	const char *hint;        /* to a failure, or NULL */
};

/* How it is with the machine of which `root` is the root directory ("": this one), up for
 * `uptime_s`. 0: it is no Raspberry Pi. RASPBERRY_ORDERED: the network is where it should be.
 * RASPBERRY_RESTART: its bootloader makes it so when it starts anew. -errno: it cannot be, or was
 * not done. `offer` may be NULL: the server says nothing. */
#define RASPBERRY_ORDERED 1
#define RASPBERRY_RESTART 2
must_check int raspberry_order_judge(const char *root, bool first,
    const struct raspberry_offer *offer, int64_t uptime_s, struct raspberry_order *out,
    struct err *e);

#endif
