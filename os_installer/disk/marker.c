#include "os_installer/disk/marker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "os_installer/fetch/digest.h"

#define MAGIC "vmlab: an install was finished on this disk\n"
#define MIB (1U << 20)
#define TEXT_BYTES (MARKER_BYTES - DIGEST_BYTES)

static struct digest digest_of(const uint8_t *text)
{
	struct digest_state s;
	struct digest d;

	digest_init(&s);
	digest_update(&s, text, TEXT_BYTES);
	digest_final(&s, &d);
	return d;
}

bool marker_make(
    struct marker *m, const char *name, const char *mac, const char *distro, unsigned attempt)
{
	*m = (struct marker){.attempt = attempt};
	snprintf(m->name, sizeof(m->name), "%s", name ? name : "");
	snprintf(m->mac, sizeof(m->mac), "%s", mac ? mac : "");
	snprintf(m->distro, sizeof(m->distro), "%s", distro ? distro : "");
	return name || mac;
}

void marker_render(const struct marker *m, uint8_t sector[MARKER_BYTES])
{
	memset(sector, 0, MARKER_BYTES);
	snprintf((char *)sector, TEXT_BYTES, MAGIC "name=%s\nmac=%s\ndistro=%s\nattempt=%u\n",
	    m->name, m->mac, m->distro, m->attempt);
	struct digest d = digest_of(sector);
	memcpy(sector + TEXT_BYTES, d.byte, DIGEST_BYTES);
}

/* The rest of the line that begins with `key`. */
static void value_copy(const char *text, const char *key, char *out, size_t size)
{
	const char *line = strstr(text, key);

	out[0] = '\0';
	if (line)
		snprintf(
		    out, size, "%.*s", (int)strcspn(line + strlen(key), "\n"), line + strlen(key));
}

bool marker_parse(const uint8_t sector[MARKER_BYTES], struct marker *out)
{
	char text[TEXT_BYTES + 1], number[12];
	struct digest d;

	memcpy(text, sector, TEXT_BYTES);
	text[TEXT_BYTES] = '\0';
	if (strncmp(text, MAGIC, strlen(MAGIC)) != 0)
		return false;
	memcpy(d.byte, sector + TEXT_BYTES, DIGEST_BYTES);
	struct digest own = digest_of(sector);
	if (!digest_equal(&d, &own))
		return false;
	value_copy(text, "\nname=", out->name, sizeof(out->name));
	value_copy(text, "\nmac=", out->mac, sizeof(out->mac));
	value_copy(text, "\ndistro=", out->distro, sizeof(out->distro));
	value_copy(text, "\nattempt=", number, sizeof(number));
	out->attempt = (unsigned)strtoul(number, NULL, 10);
	return true;
}

bool marker_is_of(const struct marker *m, const char *name, const char *mac)
{
	return (mac && m->mac[0] && strcasecmp(m->mac, mac) == 0) ||
	       (name && m->name[0] && strcmp(m->name, name) == 0);
}

static uint32_t little32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* UEFI 2.10, 5.3: the header in sector 1 says where the entries are; each has its first sector
 * at 32. */
static bool gpt_is_above(const uint8_t *start, uint32_t sector_bytes)
{
	const uint8_t *header = start + sector_bytes;
	uint64_t at = (uint64_t)little32(header + 72) * sector_bytes;
	uint64_t count = little32(header + 80), size = little32(header + 84);

	if (little32(header + 76) != 0 || size < 128 || count > 4096 || size > 4096 ||
	    at + count * size > MARKER_OFFSET)
		return false;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *entry = start + at + i * size;
		uint64_t first = little32(entry + 32) | (uint64_t)little32(entry + 36) << 32;
		if (first > 0 && first < MIB / sector_bytes)
			return false;
	}
	return true;
}

bool marker_has_place(const uint8_t *start, uint32_t sector_bytes)
{
	const uint8_t *mbr = start + 446;

	for (unsigned i = 0; i < 4096; i++) /* the largest sector there is */
		if (start[MARKER_OFFSET + i])
			return false;
	if (start[510] != 0x55 || start[511] != 0xaa)
		return false;
	if (memcmp(start + sector_bytes, "EFI PART", 8) == 0)
		return gpt_is_above(start, sector_bytes);
	for (int i = 0; i < 4; i++, mbr += 16)
		if (mbr[4] && little32(mbr + 8) < MIB / sector_bytes)
			return false;
	return true;
}

static bool disk_read(const struct disk *disk, struct marker *out)
{
	uint8_t first[512], sector[MARKER_BYTES];
	_cleanup_close_ int fd = open(disk->path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && pread(fd, first, sizeof(first), 0) == (ssize_t)sizeof(first) &&
	       first[510] == 0x55 && first[511] == 0xaa &&
	       pread(fd, sector, sizeof(sector), MARKER_OFFSET) == (ssize_t)sizeof(sector) &&
	       marker_parse(sector, out);
}

const struct disk *marker_find(
    const struct disk *disks, size_t count, const char *name, const char *mac, struct marker *out)
{
	for (size_t i = 0; i < count; i++)
		if (!disks[i].excluded[0] && disk_read(&disks[i], out) &&
		    marker_is_of(out, name, mac))
			return &disks[i];
	return NULL;
}
