#include "os_installer/disk/scan.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/text.h"

/* ---- one disk ----------------------------------------------------------------------------------
 */

static const char *text_read(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);
	if (n < 0)
		n = 0;
	while (n > 0 && isspace((unsigned char)buf[n - 1]))
		n--;
	buf[n] = '\0';
	text_to_ascii(buf, (size_t)n);
	return buf;
}

/* `root` is put before each path: "" for this machine's. */
static const char *sys_read(
    const char *root, const char *name, const char *attribute, char *buf, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys/block/%s/%s", root, name, attribute);
	return text_read(path, buf, size);
}

static unsigned long long sys_number(const char *root, const char *name, const char *attribute)
{
	char buf[32];

	return strtoull(sys_read(root, name, attribute, buf, sizeof(buf)), NULL, 10);
}

const char *disk_sys_read(const char *name, const char *attribute, char *buf, size_t size)
{
	return sys_read("", name, attribute, buf, size);
}

unsigned long long disk_sys_number(const char *name, const char *attribute)
{
	return sys_number("", name, attribute);
}

/* Whether a kind of device can be somebody's disk, by its kernel name. */
static bool kind_is_disk(const char *name)
{
	static const char *const kinds[] = {"vd", "sd", "nvme", "mmcblk", "xvd", "hd"};

	if (strstr(name, "boot") || strstr(name, "rpmb"))
		return false; /* MMC's special areas */
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

static bool has_entry(const char *name, const char *directory)
{
	char path[300];

	snprintf(path, sizeof(path), "/sys/block/%s/%s", name, directory);
	_cleanup_closedir_ DIR *d = opendir(path);
	struct dirent *entry;
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			return true;
	return false;
}

/* Mounted, swapped on or held by device-mapper or RAID. An exclusive open says all of that; it does
 * so for the whole disk when a partition is in use, too. */
static bool in_use(const char *name, const char *path)
{
	if (has_entry(name, "holders"))
		return true;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	return fd < 0 && errno == EBUSY;
}

/* SCSI's unit serial number (SPC-5, 7.7.21), which sysfs keeps as the page itself. */
static void vpd_serial(const char *root, const char *name, char *out, size_t size)
{
	unsigned char page[4 + 252] = {0};
	char path[PATH_MAX];
	size_t len = 0;

	snprintf(path, sizeof(path), "%s/sys/block/%s/device/vpd_pg80", root, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, page, sizeof(page));
	for (ssize_t i = 4; i < n && i < 4 + page[3] && len + 1 < size; i++)
		if (page[i] > 0x20 && page[i] < 0x7f)
			out[len++] = (char)page[i];
	out[len] = '\0';
}

/* The number of the USB device that `device`, a path in sysfs, belongs to (USB 2.0, 9.6.1); a root
 * hub's is its controller's address. */
static void usb_serial(const char *device, char *out, size_t size)
{
	char up[PATH_MAX], path[PATH_MAX + sizeof("/serial")];

	snprintf(up, sizeof(up), "%s", device);
	for (char *slash; !out[0] && (slash = strrchr(up, '/')); *slash = '\0') {
		if (strncmp(slash + 1, "usb", 3) == 0)
			return;
		snprintf(path, sizeof(path), "%s/serial", up);
		text_read(path, out, size);
	}
}

/* The first attribute that says something. */
static void sys_read_first(
    const char *root, const char *name, const char *const *attributes, char *out, size_t size)
{
	out[0] = '\0';
	for (; *attributes && !out[0]; attributes++)
		sys_read(root, name, *attributes, out, size);
	for (char *p = out; *p == ' '; p = out)
		memmove(out, out + 1, strlen(out));
}

static const char *transport_of(const char *name, const char *device)
{
	static const struct {
		const char *part, *transport;
	} by_path[] = {{"/usb", "usb"}, {"/ata", "sata"}, {"/end_device-", "sas"},
	    {"/session", "iscsi"}, {"/rport-", "fc"}};

	if (strncmp(name, "nvme", 4) == 0)
		return "nvme";
	if (strncmp(name, "mmcblk", 6) == 0)
		return "mmc";
	if (strncmp(name, "vd", 2) == 0)
		return "virtio";
	if (strncmp(name, "xvd", 3) == 0)
		return "xen";
	for (size_t i = 0; i < sizeof(by_path) / sizeof(*by_path); i++)
		if (strstr(device, by_path[i].part))
			return by_path[i].transport;
	return "scsi";
}

/* The kernel counts ports over all controllers, udev within one. */
static unsigned ata_port(const char *device, const char *ata, unsigned number)
{
	char path[PATH_MAX + 64];
	unsigned port = number;

	snprintf(path, sizeof(path), "%.*s/ata%u/ata_port/ata%u/port_no", (int)(ata - device),
	    device, number, number);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	return f && fscanf(f, "%u", &port) == 1 ? port : number;
}

/* udev's name for the place, for what is behind PCI: its address, then what lies below it. */
static void by_path_of(const char *name, const char *device, char *out, size_t size)
{
	const char *pci = NULL, *ata = strstr(device, "/ata"), *target;
	unsigned a, b, c, d, number;

	for (const char *p = device; (p = strchr(p, '/')); p++)
		if (sscanf(p, "/%4x:%2x:%2x.%1x/", &a, &b, &c, &d) == 4)
			pci = p + 1;
	out[0] = '\0';
	if (!pci)
		return;
	snprintf(out, size, "pci-%.12s", pci);
	char *end = out + strlen(out);
	size -= (size_t)(end - out);
	if (sscanf(name, "nvme%*un%u", &number) == 1)
		snprintf(end, size, "-nvme-%u", number);
	else if (ata && sscanf(ata, "/ata%u/", &number) == 1)
		snprintf(end, size, "-ata-%u", ata_port(device, ata, number));
	else if ((target = strstr(device, "/target")) && strncmp(name, "sd", 2) == 0 &&
		 (target = strchr(target + 1, '/')) &&
		 sscanf(target, "/%*u:%u:%u:%u/", &a, &b, &c) == 3)
		snprintf(end, size, "-scsi-0:%u:%u:%u", a, b, c);
}

static void identity_read(const char *root, const char *name, struct disk *d)
{
	static const char *const models[] = {"device/model", "device/name", NULL};
	static const char *const serials[] = {"device/serial", "serial", NULL};
	static const char *const wwns[] = {"wwid", "device/wwid", NULL};
	char link[PATH_MAX], device[PATH_MAX];

	sys_read_first(root, name, models, d->model, sizeof(d->model));
	sys_read_first(root, name, serials, d->serial, sizeof(d->serial));
	if (!d->serial[0])
		vpd_serial(root, name, d->serial, sizeof(d->serial));
	sys_read_first(root, name, wwns, d->wwn, sizeof(d->wwn));
	snprintf(link, sizeof(link), "%s/sys/block/%s", root, name);
	if (!realpath(link, device))
		device[0] = '\0';
	snprintf(d->transport, sizeof(d->transport), "%s", transport_of(name, device));
	if (!d->serial[0] && strcmp(d->transport, "usb") == 0)
		usb_serial(device, d->serial, sizeof(d->serial));
	by_path_of(name, device, d->by_path, sizeof(d->by_path));
}

static bool disk_read(const char *root, const char *name, struct disk *d)
{
	memset(d, 0, sizeof(*d));
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->path, sizeof(d->path), "/dev/%s", name);
	for (char *p = d->path; *p; p++)
		if (*p == '!')
			*p = '/'; /* sysfs' spelling of a slash */
	unsigned long long sectors = sys_number(root, name, "size");
	d->size_bytes = sectors <= INT64_MAX / 512 ? sectors * 512 : 0;
	d->sector_bytes = (uint32_t)sys_number(root, name, "queue/logical_block_size");
	if (d->size_bytes == 0 || d->sector_bytes == 0)
		return false;
	identity_read(root, name, d);
	return true;
}

static bool is_disk(const char *name, struct disk *d)
{
	if (!kind_is_disk(name) || !disk_read("", name, d))
		return false;
	const char *why = disk_sys_number(name, "removable") ? "removable"
			  : disk_sys_number(name, "ro")      ? "read-only"
			  : in_use(name, d->path)            ? "in use"
							     : "";
	snprintf(d->excluded, sizeof(d->excluded), "%s", why);
	return true;
}

/* Returns the count; *usable of them are not excluded. */
static int list_once(struct disk *out, size_t max, size_t *usable, struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir("/sys/block");
	struct dirent *entry;
	size_t count = 0;

	*usable = 0;
	if (!d)
		return err_errno(e, "cannot read /sys/block");
	while (count < max && (entry = readdir(d)))
		if (entry->d_name[0] != '.' && is_disk(entry->d_name, &out[count]))
			*usable += !out[count++].excluded[0];
	return (int)count;
}

static int only_this(const char *path, struct disk *out, struct err *e)
{
	const char *name = strncmp(path, "/dev/", 5) == 0 ? path + 5 : path;

	if (strlen(name) >= DISK_NAME_SIZE || strchr(name, '/') || !disk_read("", name, out))
		return err_set(e, ENODEV, "%s is no disk of this machine", path);
	if (in_use(name, out->path))
		return err_set(e, EBUSY, "disk %s is in use: unmount it first", out->path);
	return 1;
}

int disk_list(const char *only, int wait_ms, struct disk *out, size_t max, struct err *e)
{
	if (only)
		return only_this(only, out, e);
	for (int waited = 0;; waited += 100) {
		size_t usable;
		int n = list_once(out, max, &usable, e);
		if (n < 0 || usable > 0 || waited >= wait_ms)
			return n;
		usleep(100000);
	}
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct disk *)a)->name, ((const struct disk *)b)->name);
}

size_t disk_list_all(const char *root, struct disk *out, size_t max)
{
	char path[PATH_MAX];
	struct dirent *entry;
	size_t count = 0;

	snprintf(path, sizeof(path), "%s/sys/block", root);
	_cleanup_closedir_ DIR *d = opendir(path);
	while (d && count < max && (entry = readdir(d)))
		if (entry->d_name[0] != '.' && kind_is_disk(entry->d_name) &&
		    disk_read(root, entry->d_name, &out[count]))
			count++;
	qsort(out, count, sizeof(*out), by_name);
	return count;
}
