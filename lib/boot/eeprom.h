/* eeprom.h - the file by which a Raspberry Pi's bootloader writes its own EEPROM: its maker's
 * image, pieeprom.bin of the repository rpi-eeprom, with BOOT_ORDER changed in it. Pure but for
 * eeprom_read().
 *
 * An image is sections, each with a magic number and a length, both big-endian, aligned to 8 bytes.
 * One of them is the file bootconf.txt, in a sector of 4 KiB of its own; what it leaves of that is
 * 0xff. The bootloader asks its TFTP server for pieeprom.sig, which says the SHA-256 of
 * pieeprom.upd and when that was made, and writes it when that is later than its last update
 * (rpi-eeprom-config and rpi-eeprom-digest there; "Raspberry Pi boot EEPROM" of the documentation).
 */
#ifndef LIB_BOOT_EEPROM_H
#define LIB_BOOT_EEPROM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/digest.h"
#include "lib/base/err.h"

#define EEPROM_FOLDER "_raspberry" /* of the folder of images */
#define EEPROM_IMAGE_FILE "pieeprom.bin"
#define EEPROM_UPDATE_FILE "pieeprom.upd"
#define EEPROM_SIGNATURE_FILE "pieeprom.sig"

/* One a SoC. */
struct eeprom_kind {
	const char *soc; /* "2711": its folder in EEPROM_FOLDER */
	size_t bytes;
	uint32_t usual_order;      /* what its bootloader does without BOOT_ORDER */
	const char *const *models; /* how a device tree's "model" begins; ends with NULL */
};

/* NULL: none is called so, or no board with an EEPROM is. */
const struct eeprom_kind *eeprom_kind_find(const char *soc);
const struct eeprom_kind *eeprom_kind_of_model(const char *model);

/* What an EEPROM is to become. */
struct eeprom_wish {
	const struct eeprom_kind *kind; /* NULL: nothing is wished for */
	bool first;                     /* the network, or last */
	int64_t timestamp;              /* in seconds since 1970; newer than its last update */
};

/* "2711:first:1790000000", one word; "-" where nothing is. Reading: anything else is nothing. */
#define EEPROM_WISH_SIZE 48
const char *eeprom_wish_format(const struct eeprom_wish *wish, char buf[EEPROM_WISH_SIZE]);
struct eeprom_wish eeprom_wish_parse(const char *text);

/* Moves the network in the image's BOOT_ORDER, in place. -EINVAL with what is wrong with it. */
must_check int eeprom_edit(
    const struct eeprom_kind *kind, uint8_t *image, size_t len, bool first, struct err *e);

/* Reads the user's image from below `folder` and edits it; *out is the caller's, kind->bytes long.
 * -errno with one sentence that names the file. */
must_check int eeprom_read(
    const char *folder, const struct eeprom_kind *kind, bool first, uint8_t **out, struct err *e);

/* pieeprom.sig of an image with that digest; returns its length. */
#define EEPROM_SIGNATURE_SIZE 100
size_t eeprom_signature(
    const struct digest *digest, int64_t timestamp, char buf[EEPROM_SIGNATURE_SIZE]);

#endif
