/* test_eeprom.h - an image of an EEPROM as its maker's are shaped, with nothing in it that boots.
 * For tests only. */
#ifndef LIB_BOOT_TEST_EEPROM_H
#define LIB_BOOT_TEST_EEPROM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boot/eeprom.h"

struct eeprom_shape {
	const char *soc;
	const char *config; /* NULL: it has no bootconf.txt */
	size_t len;
	size_t follows; /* bytes of a file behind it; 0: it is the last section */
	size_t room;    /* padding between the two */
	bool is_signed;
};

static inline size_t eeprom_put(
    uint8_t *image, size_t at, uint32_t magic, const char *name, const void *data, size_t len)
{
	uint32_t length = (uint32_t)(len + (name ? 16 : 0));
	const uint8_t head[8] = {(uint8_t)(magic >> 24), (uint8_t)(magic >> 16),
	    (uint8_t)(magic >> 8), (uint8_t)magic, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
	    (uint8_t)(length >> 8), (uint8_t)length};

	memcpy(image + at, head, sizeof(head));
	at += sizeof(head);
	if (name) {
		char field[16] = "";
		memcpy(field, name, strlen(name));
		memcpy(image + at, field, sizeof(field));
		at += sizeof(field);
	}
	if (data)
		memcpy(image + at, data, len);
	return (at + len + 7) & ~(size_t)7;
}

/* The caller frees it. */
static inline uint8_t *eeprom_make(const struct eeprom_shape *s)
{
	static const uint8_t code[70000] = {1, 2, 3}, nothing[64] = {0},
			     sum[64] = "b5b917dc53a59c23";
	size_t len = eeprom_kind_find(s->soc)->bytes;
	uint8_t *image = malloc(len);

	if (!image)
		abort();
	memset(image, 0xff, len);
	size_t at = eeprom_put(image, 0, 0x55aaf00f, NULL, code, sizeof(code));
	at = eeprom_put(image, at, 0x55aaf33f, NULL, code, 3001);
	at = eeprom_put(image, at, 0x55aaf11f, "bootconf.sig", s->is_signed ? sum : nothing, 64);
	at = eeprom_put(image, at, 0x55aafeef, NULL, NULL, 4096 - at % 4096 - 8);
	if (s->config)
		at = eeprom_put(image, at, 0x55aaf11f, "bootconf.txt", s->config, s->len);
	if (s->room)
		at = eeprom_put(image, at, 0x55aafeef, NULL, NULL, s->room);
	if (s->follows)
		eeprom_put(image, at, 0x55aaf11f, "pubkey.bin", code, s->follows);
	return image;
}

static inline size_t eeprom_length(const uint8_t *image, size_t at)
{
	return (size_t)image[at + 4] << 24 | (size_t)image[at + 5] << 16 |
	       (size_t)image[at + 6] << 8 | image[at + 7];
}

/* The section behind the one at `at`. */
static inline const uint8_t *eeprom_next(const uint8_t *image, size_t at)
{
	return image + ((at + 8 + eeprom_length(image, at) + 7) & ~(size_t)7);
}

/* Where bootconf.txt begins: of an image that has one. */
static inline size_t eeprom_config_at(const uint8_t *image)
{
	size_t at = 0;

	while (memcmp(image + at + 8, "bootconf.txt", 13) != 0)
		at = (size_t)(eeprom_next(image, at) - image);
	return at;
}

/* Its text; the caller frees it. */
static inline char *eeprom_config_of(const uint8_t *image)
{
	size_t at = eeprom_config_at(image);

	return strndup((const char *)image + at + 24, eeprom_length(image, at) - 16);
}

#endif
