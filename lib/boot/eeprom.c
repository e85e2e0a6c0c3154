#include "lib/boot/eeprom.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/boot/boot_order.h"

#define KIB 1024u
#define SECTOR (4 * KIB) /* that is erased as one; the last is the bootloader's own */

#define MAGIC 0x55aaf00fu
#define MAGIC_MASK 0xfffff00fu
#define MAGIC_PAD 0x55aafeefu
#define MAGIC_FILE 0x55aaf11fu
#define HEAD 8 /* magic and length, which says what follows it */
#define NAME 16
#define CONFIG_MAX (SECTOR - 20) /* what rpi-eeprom-config lets a file have */

/* Where files are looked for: an image with a second partition has them twice. */
#define PARTITION_BEGIN (64 * KIB)
#define PARTITION_END (PARTITION_BEGIN + 988 * KIB)

#define CONFIG_FILE "bootconf.txt"
#define CONFIG_SIGNATURE_FILE "bootconf.sig"

static const struct eeprom_kind kinds[] = {
    {"2711", 512 * KIB, 0xf41,
	(const char *const[]){"Raspberry Pi 4", "Raspberry Pi Compute Module 4", NULL}},
    {"2712", 2048 * KIB, 0xf461,
	(const char *const[]){"Raspberry Pi 5", "Raspberry Pi Compute Module 5", NULL}},
};
static const size_t kind_count = sizeof(kinds) / sizeof(*kinds);

const struct eeprom_kind *eeprom_kind_find(const char *soc)
{
	for (size_t i = 0; i < kind_count; i++)
		if (strcmp(kinds[i].soc, soc) == 0)
			return &kinds[i];
	return NULL;
}

const struct eeprom_kind *eeprom_kind_of_model(const char *model)
{
	for (size_t i = 0; i < kind_count; i++)
		for (const char *const *m = kinds[i].models; *m; m++)
			if (strncmp(model, *m, strlen(*m)) == 0)
				return &kinds[i];
	return NULL;
}

/* ---- the wish ------------------------------------------------------------------------------ */

const char *eeprom_wish_format(const struct eeprom_wish *wish, char buf[EEPROM_WISH_SIZE])
{
	if (wish->kind)
		snprintf(buf, EEPROM_WISH_SIZE, "%s:%s:%" PRId64, wish->kind->soc,
		    wish->first ? "first" : "last", wish->timestamp);
	else
		snprintf(buf, EEPROM_WISH_SIZE, "-");
	return buf;
}

struct eeprom_wish eeprom_wish_parse(const char *text)
{
	struct eeprom_wish wish = {.kind = NULL};
	char soc[8], where[8];
	int end = 0;

	if (sscanf(text, "%7[0-9]:%7[a-z]:%" SCNd64 "%n", soc, where, &wish.timestamp, &end) != 3 ||
	    text[end] != '\0' || (strcmp(where, "first") != 0 && strcmp(where, "last") != 0))
		return wish;
	wish.first = strcmp(where, "first") == 0;
	wish.kind = eeprom_kind_find(soc);
	return wish;
}

/* ---- sections ------------------------------------------------------------------------------ */

struct image {
	uint8_t *bytes;
	size_t len;
};

struct section {
	size_t at;      /* of its head */
	size_t end;     /* of what it holds */
	uint32_t magic; /* 0: there are no more */
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(n >> (24 - 8 * i));
}

static size_t aligned(size_t at)
{
	return (at + 7) & ~(size_t)7;
}

/* The one at `at`. -EINVAL: the image is damaged. */
static int section_read(const struct image *i, size_t at, struct section *s, struct err *e)
{
	*s = (struct section){.at = at};
	uint32_t magic = at + HEAD <= i->len ? be32(i->bytes + at) : 0;
	if (magic == 0 || magic == UINT32_MAX)
		return 0;
	uint32_t length = be32(i->bytes + at + 4);
	if ((magic & MAGIC_MASK) != MAGIC || length > i->len - at - HEAD ||
	    (magic == MAGIC_FILE && length < NAME))
		return err_set(e, EINVAL, "it is damaged at byte %zu", at);
	s->magic = magic;
	s->end = at + HEAD + length;
	return 0;
}

static bool is_file(const struct image *i, const struct section *s, const char *name)
{
	return s->magic == MAGIC_FILE && s->at >= PARTITION_BEGIN && s->at < PARTITION_END &&
	       strncmp((const char *)i->bytes + s->at + HEAD, name, NAME) == 0;
}

/* s->magic is 0 where it has no such file. */
static int file_find(const struct image *i, const char *name, struct section *s, struct err *e)
{
	int r = section_read(i, 0, s, e);

	while (r == 0 && s->magic && !is_file(i, s, name))
		r = section_read(i, aligned(s->end), s, e);
	return r;
}

/* Up to where a file may grow: what comes next and is no padding. *last: nothing comes at all. */
static int room_of(
    const struct image *i, const struct section *file, size_t *end, bool *last, struct err *e)
{
	struct section next;
	int r = section_read(i, aligned(file->end), &next, e);

	*last = r == 0 && next.magic == 0;
	while (r == 0 && next.magic == MAGIC_PAD)
		r = section_read(i, aligned(next.end), &next, e);
	size_t most = i->len - SECTOR;
	*end = next.magic ? next.at : most < PARTITION_END ? most : PARTITION_END;
	return r;
}

/* ---- the configuration --------------------------------------------------------------------- */

/* What lies behind it becomes padding, a section of its own but where nothing follows. */
static int config_write(
    struct image *i, const struct section *file, const char *config, size_t len, struct err *e)
{
	size_t room, at = file->at + HEAD + NAME;
	bool last;
	int r = room_of(i, file, &room, &last, e);

	if (r < 0)
		return r;
	if (len > CONFIG_MAX || at + len > room)
		return err_set(e, EINVAL,
		    "its " CONFIG_FILE
		    " has no room for a BOOT_ORDER: %zu bytes of %zu, leave something out",
		    len, room - at < CONFIG_MAX ? room - at : CONFIG_MAX);
	put_be32(i->bytes + file->at + 4, (uint32_t)(NAME + len));
	memcpy(i->bytes + at, config, len);
	size_t pad = at + len;
	while (pad % 8 != 0)
		i->bytes[pad++] = 0xff;
	if (!last && pad + HEAD <= room) {
		put_be32(i->bytes + pad, MAGIC_PAD);
		put_be32(i->bytes + pad + 4, (uint32_t)(room - pad - HEAD));
		pad += HEAD;
	}
	if (pad < room)
		memset(i->bytes + pad, 0xff, room - pad);
	return 0;
}

/* A signature, as hexadecimal text, of the configuration as it is; images that are not signed have
 * room for one. */
static int check_unsigned(const struct image *i, struct err *e)
{
	struct section s;
	int r = file_find(i, CONFIG_SIGNATURE_FILE, &s, e);

	if (r < 0 || !s.magic || s.at + HEAD + NAME == s.end)
		return r;
	uint8_t begin = i->bytes[s.at + HEAD + NAME];
	return begin == 0 || begin == 0xff
		   ? 0
		   : err_set(e, EINVAL,
			 "it is signed (secure boot): its configuration is changed by who has the key");
}

int eeprom_edit(
    const struct eeprom_kind *kind, uint8_t *image, size_t len, bool first, struct err *e)
{
	struct image i = {image, len};
	_cleanup_free_ char *config = NULL;
	struct section file;
	size_t config_len;

	if (len != kind->bytes || be32(image) != MAGIC)
		return err_set(e, EINVAL,
		    "it is no EEPROM image for a board with the SoC BCM%s, which has %zu bytes",
		    kind->soc, kind->bytes);
	int r = file_find(&i, CONFIG_FILE, &file, e);
	if (r == 0 && !file.magic)
		return err_set(e, EINVAL, "it has no " CONFIG_FILE);
	if (r == 0)
		r = check_unsigned(&i, e);
	if (r < 0)
		return r;
	size_t at = file.at + HEAD + NAME;
	r = boot_order_edit((const char *)image + at, file.end - at, first, kind->usual_order,
	    &config, &config_len, e);
	return r < 0 ? r : config_write(&i, &file, config, config_len, e);
}

/* ---- its files ----------------------------------------------------------------------------- */

int eeprom_read(
    const char *folder, const struct eeprom_kind *kind, bool first, uint8_t **out, struct err *e)
{
	_cleanup_free_ char *image = NULL;
	struct err why = ERR_INIT;
	char path[PATH_MAX];
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", folder, kind->soc);
	int r = file_read_beneath(path, EEPROM_IMAGE_FILE, kind->bytes, &image, &len, &why);
	if (r == -ENOENT)
		return err_set(e, ENOENT,
		    "there is no images/" EEPROM_FOLDER "/%s/" EEPROM_IMAGE_FILE
		    ": put the newest pieeprom-*.bin of rpi-eeprom's firmware-%s/ there by that name",
		    kind->soc, kind->soc);
	if (r == 0)
		r = eeprom_edit(kind, (uint8_t *)image, len, first, &why);
	if (r < 0)
		return err_set(e, why.code,
		    "images/" EEPROM_FOLDER "/%s/" EEPROM_IMAGE_FILE " cannot be used: %s",
		    kind->soc, why.msg);
	*out = (uint8_t *)steal_ptr(image);
	return 0;
}

size_t eeprom_signature(
    const struct digest *digest, int64_t timestamp, char buf[EEPROM_SIGNATURE_SIZE])
{
	char hex[2 * DIGEST_BYTES + 1];

	return (size_t)snprintf(buf, EEPROM_SIGNATURE_SIZE, "%s\nts: %" PRId64 "\n",
	    hex_encode(digest, sizeof(*digest), hex), timestamp);
}
