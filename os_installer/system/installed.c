#include "os_installer/system/installed.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/machine/file_system.h"
#include "os_installer/disk/marker.h"
#include "os_installer/disk/scan.h"
#include "os_installer/system/tree.h"

#define PEEK "/run/os-installer-peek"
#define FSTAB_MAX_BYTES 65536

/* ---- partitions --------------------------------------------------------------------------------
 */

struct partition {
	char path[DISK_PATH_SIZE + 16];
	char fs[FS_NAME_SIZE];
	char uuid[64], label[64], part_uuid[64];
};

static void value(blkid_probe pr, const char *name, char *out, size_t size)
{
	const char *text = NULL;

	if (blkid_probe_lookup_value(pr, name, &text, NULL) < 0 || !text)
		text = "";
	snprintf(out, size, "%s", text);
}

/* False: nothing that has a name lies there. */
static bool look_at(const char *path, struct partition *out)
{
	blkid_probe pr = blkid_new_probe_from_filename(path);

	memset(out, 0, sizeof(*out));
	snprintf(out->path, sizeof(out->path), "%s", path);
	if (!pr)
		return false;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(
	    pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_ENTRY_DETAILS);
	if (blkid_do_safeprobe(pr) == 0) {
		value(pr, "TYPE", out->fs, sizeof(out->fs));
		value(pr, "UUID", out->uuid, sizeof(out->uuid));
		value(pr, "LABEL", out->label, sizeof(out->label));
		value(pr, "PART_ENTRY_UUID", out->part_uuid, sizeof(out->part_uuid));
	}
	blkid_free_probe(pr);
	return out->fs[0] != '\0';
}

/* Calls `each` with what lies on the disk itself and on each of its partitions. Ends early when it
 * returns true. */
static bool each_partition(
    const struct disk *d, bool (*each)(void *ctx, const struct partition *p), void *ctx)
{
	char dir[DISK_NAME_SIZE + 32], path[DISK_PATH_SIZE + 256];
	struct partition p;

	if (look_at(d->path, &p) && each(ctx, &p))
		return true;
	snprintf(dir, sizeof(dir), "/sys/block/%s", d->name);
	_cleanup_closedir_ DIR *list = opendir(dir);
	struct dirent *entry;
	while (list && (entry = readdir(list))) {
		if (strncmp(entry->d_name, d->name, strlen(d->name)) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (look_at(path, &p) && each(ctx, &p))
			return true;
	}
	return false;
}

/* ---- finding it --------------------------------------------------------------------------------
 */

/* What keeps a file system from writing to its journal even when it is mounted to be read. */
static const char *peek_options(const char *fs)
{
	return strcmp(fs, "ext4") == 0    ? "noload"
	       : strcmp(fs, "xfs") == 0   ? "norecovery"
	       : strcmp(fs, "btrfs") == 0 ? "rescue=nologreplay"
					  : "";
}

static bool holds_system(const char *device, const char *fs, const char *options)
{
	char all[200];
	bool found = false;

	snprintf(all, sizeof(all), "%s%s%s", peek_options(fs), options[0] ? "," : "", options);
	mkdir(PEEK, 0700);
	if (mount(device, PEEK, fs, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, all) < 0)
		return false;
	int tree = tree_open(PEEK, NULL);
	if (tree >= 0) {
		found = tree_exists(tree, "/etc/fstab") &&
			(tree_exists(tree, "/etc/os-release") ||
			    tree_exists(tree, "/usr/lib/os-release"));
		close(tree);
	}
	umount2(PEEK, MNT_DETACH);
	return found;
}

static bool may_be_root(const char *fs)
{
	for (size_t i = 0; i < STORAGE_FS_COUNT; i++)
		if (strcmp(file_systems[i].name, fs) == 0)
			return file_systems[i].root;
	return false;
}

struct search {
	const struct disk *disk;
	struct installed *out;
	unsigned count; /* on this disk */
};

static bool try_one(void *ctx, const struct partition *p)
{
	static const char *const whole[] = {"", NULL};
	struct search *s = ctx;
	const struct fs_kind *kind = fs_find(p->fs);

	if (!kind || !may_be_root(p->fs))
		return false;
	for (const char *const *o = kind->roots ? kind->roots : whole; *o; o++) {
		if (!holds_system(p->path, p->fs, *o))
			continue;
		s->out->disk = *s->disk;
		snprintf(s->out->device, sizeof(s->out->device), "%s", p->path);
		snprintf(s->out->fs, sizeof(s->out->fs), "%s", p->fs);
		snprintf(s->out->root_uuid, sizeof(s->out->root_uuid), "%s", p->uuid);
		s->out->options = *o;
		s->count++;
		break;
	}
	return false;
}

static int several(const char *devices, struct err *e)
{
	return err_set(e, ENOTUNIQ,
	    "this machine has several installed systems (%s), and none of them says that it is this machine's: name its disk",
	    devices);
}

/* Appends to `devices` what it finds. */
static unsigned search_disk(const struct disk *d, struct installed *out, char *devices, size_t size)
{
	struct search s = {.disk = d, .out = out};
	size_t used = strlen(devices);

	each_partition(d, try_one, &s);
	if (s.count)
		snprintf(devices + used, size - used, "%s%s", used ? ", " : "", out->device);
	return s.count;
}

int installed_find(const struct disk *only, const char *mac, struct installed *out, struct err *e)
{
	_cleanup_free_ struct disk *disks = calloc(DISKS_MAX, sizeof(*disks));
	char devices[400] = "";
	struct marker marker;
	unsigned count = 0;

	if (!disks)
		return err_set(e, ENOMEM, "out of memory");
	memset(out, 0, sizeof(*out));
	out->tree = -1;
	size_t n = only ? 0 : disk_list_all("", disks, DISKS_MAX);
	if (!only)
		only = marker_find(disks, n, NULL, mac, &marker);
	if (only)
		count = search_disk(only, out, devices, sizeof(devices));
	for (size_t i = 0; i < n && !only; i++)
		count += search_disk(&disks[i], out, devices, sizeof(devices));
	if (count > 1)
		return several(devices, e);
	if (count == 0)
		return err_set(e, ENOENT, "there is no installed system on %s",
		    only ? only->path : "any disk of this machine");
	return 0;
}

bool installed_is_on(const struct disk *d, const char *mac)
{
	struct installed found = {.tree = -1};
	char devices[400] = "";
	struct marker marker;

	return marker_find(d, 1, NULL, mac, &marker) ||
	       search_disk(d, &found, devices, sizeof(devices)) > 0;
}

/* ---- fstab -------------------------------------------------------------------------------------
 */

/* Words of mount(8), not of the kernel; those that end with '=' begin one. */
static bool is_for_mount(const char *word)
{
	static const char *const words[] = {"defaults", "rw", "ro", "auto", "nofail", "noatime",
	    "relatime", "nodiratime", "lazytime", "strictatime", "suid", "nosuid", "dev", "nodev",
	    "exec", "noexec", "user", "nouser", "users", "owner", "group", "_netdev", "async",
	    "sync", "dirsync", "errors=", "x-", "comment=", "uhelper="};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t len = strlen(words[i]);
		bool begins = words[i][len - 1] == '=' || words[i][len - 1] == '-';
		if (begins ? strncmp(word, words[i], len) == 0 : strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* False: it is not mounted at the start. */
static bool options_take(char *text, struct fstab_line *out)
{
	for (char *word; (word = strsep(&text, ","));) {
		size_t used = strlen(out->options);
		if (strcmp(word, "noauto") == 0 || strcmp(word, "bind") == 0)
			return false;
		out->read_only |= strcmp(word, "ro") == 0;
		if (*word && !is_for_mount(word))
			snprintf(out->options + used, sizeof(out->options) - used, "%s%s",
			    used ? "," : "", word);
	}
	return true;
}

bool fstab_next(const char **text, struct fstab_line *out)
{
	while (**text) {
		char line[1000], options[300] = "";
		size_t len = strcspn(*text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)(len < 999 ? len : 999), *text);
		*text += len + ((*text)[len] == '\n');
		memset(out, 0, sizeof(*out));
		if (sscanf(line, " %199s %199s %31s %299s", out->what, out->where, out->fs,
			options) < 3 ||
		    out->what[0] == '#' || out->where[0] != '/' || !out->where[1] ||
		    !fs_find(out->fs) || strcmp(out->fs, "swap") == 0)
			continue;
		if (options_take(options, out))
			return true;
	}
	return false;
}

/* ---- mounting it -------------------------------------------------------------------------------
 */

struct wanted {
	const char *what;
	char path[DISK_PATH_SIZE + 16];
};

static bool tag_is(const char *what, const char *tag, const char *found)
{
	size_t len = strlen(tag);
	char plain[200];

	if (!found[0] || strncmp(what, tag, len) != 0)
		return false;
	snprintf(plain, sizeof(plain), "%s", what + len);
	size_t n = strlen(plain);
	char *begin = plain;
	if (n > 1 && plain[0] == '"' && plain[n - 1] == '"') {
		plain[n - 1] = '\0';
		begin++;
	}
	return strcasecmp(begin, found) == 0;
}

static bool is_wanted(void *ctx, const struct partition *p)
{
	struct wanted *w = ctx;

	if (!tag_is(w->what, "UUID=", p->uuid) && !tag_is(w->what, "LABEL=", p->label) &&
	    !tag_is(w->what, "PARTUUID=", p->part_uuid) &&
	    !tag_is(w->what, "/dev/disk/by-uuid/", p->uuid) &&
	    !tag_is(w->what, "/dev/disk/by-label/", p->label) &&
	    !tag_is(w->what, "/dev/disk/by-partuuid/", p->part_uuid) &&
	    strcmp(w->what, p->path) != 0)
		return false;
	snprintf(w->path, sizeof(w->path), "%s", p->path);
	return true;
}

/* On the root's own disk first: another may be a copy of it. */
static bool partition_find(const struct disk *own, struct wanted *w)
{
	_cleanup_free_ struct disk *disks = calloc(DISKS_MAX, sizeof(*disks));

	if (each_partition(own, is_wanted, w))
		return true;
	size_t n = disks ? disk_list_all("", disks, DISKS_MAX) : 0;
	for (size_t i = 0; i < n; i++)
		if (each_partition(&disks[i], is_wanted, w))
			return true;
	return false;
}

static int mount_rest(struct installed *i, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct fstab_line line;
	size_t len;
	int r = tree_read(i->tree, "/etc/fstab", FSTAB_MAX_BYTES, &text, &len, e);

	if (r < 0)
		return r;
	for (const char *rest = text; fstab_next(&rest, &line);) {
		struct wanted w = {.what = line.what};
		struct err why = ERR_INIT;
		if (!partition_find(&i->disk, &w))
			log_warn("%s, for %s, is not there and is left out", line.what, line.where);
		else if (mounts_add_inside(&i->mounts, i->tree, i->directory, line.where, w.path,
			     line.fs, line.options[0] ? line.options : NULL, &why) < 0)
			log_warn("%s is left out: %s", line.where, why.msg);
	}
	return 0;
}

int installed_mount(struct installed *i, const char *directory, struct err *e)
{
	i->directory = directory;
	int r = mounts_add_device(&i->mounts, i->device, directory, i->fs, i->options, e);
	if (r < 0)
		return r;
	i->tree = tree_open(directory, e);
	if (i->tree < 0)
		return i->tree;
	if ((r = mount_rest(i, e)) < 0)
		return r;
	return mounts_add_chroot(&i->mounts, i->tree, directory, e);
}

#define RESOLV "/etc/resolv.conf"
#define RESOLV_MAX_BYTES 4096

/* A link into /run, which is empty here: what it leads to is made there. */
static bool lend_to_link(struct installed *i, const char *text, size_t len)
{
	char target[300], path[320];
	ssize_t n = readlinkat(i->tree, RESOLV + 1, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	const char *run = strstr(target, "run/");
	if (!run || strspn(target, "./") != (size_t)(run - target))
		return true; /* it leads elsewhere, and is left */
	snprintf(path, sizeof(path), "/%s", run);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	if (tree_mkdirs(i->tree, path, 0755, NULL) == 0) {
		*slash = '/';
		if (tree_write(i->tree, path, text, len, 0644, NULL) < 0)
			log_debug("%s cannot be made", path);
	}
	return true;
}

void installed_lend_names(struct installed *i)
{
	char text[RESOLV_MAX_BYTES], magic[64];
	_cleanup_close_ int own = open(RESOLV, O_RDONLY | O_CLOEXEC);
	ssize_t n = own < 0 ? 0 : read(own, text, sizeof(text));

	if (n <= 0 || lend_to_link(i, text, (size_t)n))
		return;
	_cleanup_close_ int theirs = tree_file(i->tree, RESOLV, NULL);
	snprintf(magic, sizeof(magic), "/proc/self/fd/%d", theirs);
	/* It goes with this mount namespace. */
	if (theirs >= 0 && mount(RESOLV, magic, NULL, MS_BIND, NULL) < 0)
		log_debug("cannot mount on %s: %s", RESOLV, strerror(errno));
}

int installed_unmount(struct installed *i, struct err *e)
{
	if (i->tree >= 0)
		close(steal_fd(&i->tree));
	return mounts_undo(&i->mounts, 0, e);
}
