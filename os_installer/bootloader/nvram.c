#include "os_installer/bootloader/nvram.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

#define DIRECTORY "/sys/firmware/efi/efivars"
#define GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define ATTRIBUTES 7U /* non-volatile, boot service access, runtime access */
#define TITLE_MAX 64

/* ---- load options ------------------------------------------------------------------------------
 */

struct writer {
	uint8_t *data;
	size_t used;
};

static void put(struct writer *w, const void *data, size_t len)
{
	memcpy(w->data + w->used, data, len);
	w->used += len;
}

static void put16(struct writer *w, uint16_t v)
{
	v = htole16(v);
	put(w, &v, sizeof(v));
}

static void put32(struct writer *w, uint32_t v)
{
	v = htole32(v);
	put(w, &v, sizeof(v));
}

static void put64(struct writer *w, uint64_t v)
{
	v = htole64(v);
	put(w, &v, sizeof(v));
}

/* ASCII as UTF-16LE, with its terminating zero. */
static void put_text(struct writer *w, const char *text)
{
	for (const char *p = text; *p; p++)
		put16(w, (uint8_t)*p);
	put16(w, 0);
}

/* EFI_GUID: the first three fields are little-endian. */
static int put_guid(struct writer *w, const char *text)
{
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];

	if (sscanf(text, "%8x-%4hx-%4hx-%2hhx%2hhx-%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx", &a, &b, &c,
		&d[0], &d[1], &d[2], &d[3], &d[4], &d[5], &d[6], &d[7]) != 11)
		return -1;
	put32(w, a);
	put16(w, b);
	put16(w, c);
	put(w, d, sizeof(d));
	return 0;
}

int nvram_option_build(const char *title, const struct plan_partition *esp, unsigned number,
    const char *file, uint8_t out[NVRAM_OPTION_MAX], struct err *e)
{
	struct writer w = {.data = out};
	uint16_t file_bytes = (uint16_t)(2 * (strlen(file) + 1));

	if (strlen(title) > TITLE_MAX || strlen(file) > 200)
		return err_set(e, EINVAL, "the boot entry's title or path is too long");
	put32(&w, 1); /* active */
	put16(&w, (uint16_t)(42 + 4 + file_bytes + 4));
	put_text(&w, title);
	/* Hard drive media device path (10.3.5.1) */
	put(&w, (uint8_t[]){4, 1}, 2);
	put16(&w, 42);
	put32(&w, number);
	put64(&w, esp->start_lba);
	put64(&w, esp->sectors);
	if (put_guid(&w, esp->part_uuid) < 0)
		return err_set(e, EINVAL, "partition UUID \"%s\" is malformed", esp->part_uuid);
	put(&w, (uint8_t[]){2, 2}, 2); /* GPT, signature is a GUID */
	/* File path (10.3.5.4) */
	put(&w, (uint8_t[]){4, 4}, 2);
	put16(&w, (uint16_t)(4 + file_bytes));
	put_text(&w, file);
	put(&w, (uint8_t[]){0x7f, 0xff, 4, 0}, 4);
	return (int)w.used;
}

size_t nvram_order_append(uint16_t *order, size_t count, uint16_t id)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (order[i] != id)
			order[kept++] = order[i];
	order[kept++] = id;
	return kept;
}

bool nvram_option_is_network(const uint8_t *option, size_t len, char title[NVRAM_TITLE_SIZE])
{
	char text[NVRAM_TITLE_SIZE] = "";
	size_t at = 6, used = 0;

	for (; at + 2 <= len && (option[at] || option[at + 1]); at += 2)
		if (used + 1 < sizeof(text))
			text[used++] = (char)(option[at + 1] ? '?' : option[at]);
	text[used] = '\0';
	if (title)
		text_copy_clean(text, title, NVRAM_TITLE_SIZE);
	/* Messaging device paths (10.3.4): MAC address, IPv4, IPv6, URI. */
	for (at += 2; at + 4 <= len && option[at] != 0x7f;) {
		size_t size = option[at + 2] | (size_t)option[at + 3] << 8;
		if (option[at] == 3 && (option[at + 1] == 11 || option[at + 1] == 12 ||
					   option[at + 1] == 13 || option[at + 1] == 24))
			return true;
		if (size < 4)
			break;
		at += size;
	}
	return false;
}

void nvram_order_move(uint16_t *order, const bool *network, size_t count, bool first)
{
	uint16_t before[NVRAM_ORDER_MAX];
	size_t used = 0;

	memcpy(before, order, count * sizeof(*order));
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < count; i++)
			if (network[i] == (first == (round == 0)))
				order[used++] = before[i];
}

/* ---- variables ---------------------------------------------------------------------------------
 */

/* Reads a variable's value. Returns its length or -1. */
static ssize_t variable_read(const char *name, uint8_t *out, size_t size)
{
	uint8_t buf[4096];
	char path[200];

	snprintf(path, sizeof(path), DIRECTORY "/%s-" GLOBAL, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	if (n < 4 || (size_t)n - 4 > size)
		return -1;
	memcpy(out, buf + 4, (size_t)n - 4);
	return n - 4;
}

static int variable_write(const char *name, const uint8_t *data, size_t len, struct err *e)
{
	uint8_t buf[4096];
	struct writer w = {.data = buf};
	char path[200];

	if (len + 4 > sizeof(buf))
		return err_set(e, EFBIG, "EFI variable %s is too long", name);
	put32(&w, ATTRIBUTES);
	put(&w, data, len);
	snprintf(path, sizeof(path), DIRECTORY "/%s-" GLOBAL, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	/* One write is one SetVariable(). */
	if (fd < 0 || write(fd, buf, w.used) != (ssize_t)w.used)
		return err_errno(e, "cannot set EFI variable %s", name);
	return 0;
}

/* Returns the count. */
static size_t order_read(uint16_t order[NVRAM_ORDER_MAX])
{
	uint8_t bytes[2 * NVRAM_ORDER_MAX];
	ssize_t got = variable_read("BootOrder", bytes, sizeof(bytes));
	size_t count = got > 0 ? (size_t)got / 2 : 0;

	for (size_t i = 0; i < count; i++)
		order[i] = (uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
	return count;
}

static int order_write(const uint16_t *order, size_t count, struct err *e)
{
	uint8_t bytes[2 * (NVRAM_ORDER_MAX + 1)];
	struct writer w = {.data = bytes};

	for (size_t i = 0; i < count; i++)
		put16(&w, order[i]);
	return variable_write("BootOrder", bytes, w.used, e);
}

static bool title_is(const uint8_t *option, size_t len, const char *title)
{
	size_t n = strlen(title);

	if (len < 6 + 2 * (n + 1))
		return false;
	for (size_t i = 0; i <= n; i++)
		if (option[6 + 2 * i] != (uint8_t)title[i] || option[7 + 2 * i] != 0)
			return false;
	return true;
}

/* The number of the entry with that title, or else the lowest unused one. */
static int entry_number(const char *title, struct err *e)
{
	static uint8_t used[0x10000 / 8];
	_cleanup_closedir_ DIR *d = opendir(DIRECTORY);
	struct dirent *entry;
	uint8_t option[4096];
	char name[16];

	if (!d)
		return err_errno(e, "cannot read " DIRECTORY);
	memset(used, 0, sizeof(used));
	while ((entry = readdir(d))) {
		unsigned id;
		int end = 0;
		if (sscanf(entry->d_name, "Boot%4X-%n", &id, &end) != 1 || end != 9)
			continue;
		used[id / 8] |= (uint8_t)(1U << id % 8);
		snprintf(name, sizeof(name), "Boot%04X", id & 0xffff);
		ssize_t len = variable_read(name, option, sizeof(option));
		if (len > 0 && title_is(option, (size_t)len, title))
			return (int)id;
	}
	for (int id = 0; id < 0x10000; id++)
		if (!(used[id / 8] & 1U << id % 8))
			return id;
	return err_set(e, ENOSPC, "the firmware has no boot entry left");
}

static bool available(void)
{
	if (access("/sys/firmware/efi", F_OK) < 0)
		return false;
	if (access(DIRECTORY "/BootOrder-" GLOBAL, F_OK) == 0)
		return true;
	if (mount("efivarfs", DIRECTORY, "efivarfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
		log_debug("cannot mount efivarfs: %s", strerror(errno));
		return false;
	}
	return true;
}

int nvram_entry_add(const char *title, const struct plan_partition *esp, unsigned number,
    const char *file, struct err *e)
{
	uint8_t option[NVRAM_OPTION_MAX];
	uint16_t order[NVRAM_ORDER_MAX + 1];
	char name[16];

	if (!available())
		return NVRAM_ABSENT;
	int len = nvram_option_build(title, esp, number, file, option, e);
	int id = len < 0 ? len : entry_number(title, e);
	if (id < 0)
		return id;
	snprintf(name, sizeof(name), "Boot%04X", (unsigned)id & 0xffff);
	int r = variable_write(name, option, (size_t)len, e);
	if (r < 0)
		return r;

	size_t count = order_read(order);
	count = nvram_order_append(order, count, (uint16_t)id);
	return order_write(order, count, e);
}

static void order_tell(const uint16_t *order, size_t count, bool *network, struct nvram_order *out)
{
	uint8_t option[4096];
	char name[16];

	out->count = count;
	out->networks = 0;
	for (size_t i = 0; i < count; i++) {
		out->entry[i].id = order[i];
		out->entry[i].title[0] = '\0';
		snprintf(name, sizeof(name), "Boot%04X", order[i]);
		ssize_t len = variable_read(name, option, sizeof(option));
		network[i] =
		    len > 6 && nvram_option_is_network(option, (size_t)len, out->entry[i].title);
		out->networks += network[i];
	}
}

int nvram_network_move(bool first, struct nvram_order *out, struct err *e)
{
	uint16_t before[NVRAM_ORDER_MAX], order[NVRAM_ORDER_MAX];
	bool network[NVRAM_ORDER_MAX];

	if (!available())
		return NVRAM_ABSENT;
	size_t count = order_read(before);
	memcpy(order, before, count * sizeof(*order));
	order_tell(before, count, network, out);
	nvram_order_move(order, network, count, first);
	if (memcmp(order, before, count * sizeof(*order)) == 0)
		return 0;
	int r = order_write(order, count, e);
	if (r < 0)
		return r;
	/* What the firmware has now, not what it was told. */
	order_tell(order, order_read(order), network, out);
	return 0;
}
