#include "os_installer/system/system.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/base/command.h"
#include "os_installer/fs/fs.h"
#include "os_installer/system/tree.h"

#define HOSTS_MAX_BYTES (256U << 10)

/* ---- texts -------------------------------------------------------------------------------------
 */

static int fstab_line(void *ctx, const struct plan_partition *part)
{
	const struct fs_kind *kind = fs_of(part);
	bool root = part->role == PLAN_ROOT;
	const char *options = root ? kind->root_options : kind->data_options;

	fprintf(ctx, "UUID=%s %s %s %s 0 %d\n", part->fs_uuid, part->mount, kind->name,
	    options ? options : "defaults",
	    !kind->checked ? 0
	    : root         ? 1
			   : 2);
	return 0;
}

char *system_fstab(const struct plan *p)
{
	const struct plan_partition *esp = plan_partition(p, PLAN_ESP);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs("# <file system> <mount point> <type> <options> <dump> <pass>\n", f);
	/* A parent before what lies below it, as mount -a goes through it in order. */
	plan_each_mount(p, fstab_line, f);
	/* A system boots without it mounted: waiting for it, or failing for it, helps nobody. */
	if (esp)
		fprintf(f, "UUID=%s %s vfat umask=0077,nofail 0 0\n", esp->fs_uuid, esp->mount);
	for (unsigned i = 0; i < p->count; i++)
		if (p->part[i].role == PLAN_SWAP)
			fprintf(f, "UUID=%s none swap sw 0 0\n", p->part[i].fs_uuid);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool is_own_line(const char *line)
{
	return strncmp(line, "127.0.1.1", 9) == 0 && (line[9] == ' ' || line[9] == '\t');
}

char *system_hosts(const char *old, const char *hostname)
{
	static const char fresh[] = "127.0.0.1 localhost\n"
				    "::1 localhost ip6-localhost ip6-loopback\n"
				    "ff02::1 ip6-allnodes\n"
				    "ff02::2 ip6-allrouters\n";
	const char *dot = strchr(hostname, '.');
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (const char *p = old && *old ? old : fresh; *p;) {
		size_t n = strcspn(p, "\n");
		if (!is_own_line(p))
			fprintf(f, "%.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
	if (dot)
		fprintf(f, "127.0.1.1 %s %.*s\n", hostname, (int)(dot - hostname), hostname);
	else
		fprintf(f, "127.0.1.1 %s\n", hostname);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- steps -------------------------------------------------------------------------------------
 */

static int text_write(int tree, const char *path, char *text, struct err *e)
{
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	int r = tree_write(tree, path, text, strlen(text), 0644, e);
	free(text);
	return r;
}

static int names_write(int tree, const char *hostname, const char *fqdn, struct err *e)
{
	_cleanup_free_ char *old = NULL;
	char *line = NULL;
	size_t len;

	if (!hostname)
		return 0;
	if (asprintf(&line, "%s\n", hostname) < 0)
		line = NULL;
	int r = text_write(tree, "/etc/hostname", line, e);
	if (r < 0)
		return r;
	if (tree_read(tree, "/etc/hosts", HOSTS_MAX_BYTES, &old, &len, NULL) < 0)
		old = NULL;
	return text_write(tree, "/etc/hosts", system_hosts(old, fqdn ? fqdn : hostname), e);
}

struct removal {
	int tree;
	struct err *e;
};

static int host_key_remove(void *ctx, const char *name)
{
	struct removal *r = ctx;
	char path[300];

	if (fnmatch("ssh_host_*_key", name, 0) != 0 && fnmatch("ssh_host_*_key.pub", name, 0) != 0)
		return 0;
	snprintf(path, sizeof(path), "/etc/ssh/%s", name);
	return tree_remove(r->tree, path, r->e);
}

/* What must differ from machine to machine and would be the image's otherwise. */
static int identity_remove(int tree, const char *directory, struct err *e)
{
	static const char *const files[] = {"/var/lib/dbus/machine-id",
	    "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret"};
	struct removal removal = {.tree = tree, .e = e};
	int r;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if ((r = tree_remove(tree, files[i], e)) < 0)
			return r;
	/* Empty means: make one at first boot (machine-id(5)). */
	if ((r = tree_write(tree, "/etc/machine-id", "", 0, 0444, e)) < 0 ||
	    (r = tree_list(tree, "/etc/ssh", host_key_remove, &removal)) < 0)
		return r;
	/* cloud-init makes new host keys; without it somebody has to. */
	if (tree_exists(tree, "/etc/cloud") || !tree_exists(tree, "/usr/bin/ssh-keygen"))
		return 0;
	static const char *const argv[] = {"ssh-keygen", "-A", NULL};
	struct err ignored = ERR_INIT;
	if (command_run(&(struct command){.argv = argv, .root = directory}, &ignored) < 0)
		log_warn("no SSH host keys could be made: %s", ignored.msg);
	return 0;
}

/* cloud-init takes it for an error when the program that grows the root file system is missing. The
 * file system fills its partition already. */
static int growing_configure(int tree, const struct plan *p, struct err *e)
{
	static const char off[] = "# Written by the installer.\nresize_rootfs: false\n";
	const struct fs_kind *kind = fs_of(plan_partition(p, PLAN_ROOT));
	char sbin[64], bin[64];

	if (!kind->growing_program || !tree_exists(tree, "/etc/cloud/cloud.cfg.d"))
		return 0;
	snprintf(sbin, sizeof(sbin), "/usr/sbin/%s", kind->growing_program);
	snprintf(bin, sizeof(bin), "/usr/bin/%s", kind->growing_program);
	if (tree_exists(tree, sbin) || tree_exists(tree, bin))
		return 0;
	log_info("the image has no %s: the root file system will not grow with its disk",
	    kind->growing_package);
	return tree_write(
	    tree, "/etc/cloud/cloud.cfg.d/90-installer-storage.cfg", off, sizeof(off) - 1, 0644, e);
}

int system_configure(int tree, const char *directory, const struct config *c, const struct plan *p,
    const struct seed *seed, struct err *e)
{
	int r;

	if (!tree_exists(tree, "/etc") || !tree_exists(tree, "/usr"))
		return err_set(
		    e, EINVAL, "the image has no /etc or /usr: it is no root file system");
	if ((r = text_write(tree, "/etc/fstab", system_fstab(p), e)) < 0 ||
	    (r = names_write(tree, c->told.hostname, c->told.fqdn, e)) < 0 ||
	    (r = identity_remove(tree, directory, e)) < 0 ||
	    (r = growing_configure(tree, p, e)) < 0)
		return r;
	return seed ? seed_write(tree, seed, e) : 0;
}
