/* kickstart.c - anaconda's answers, of RHEL 9 and later, its rebuilds, and Fedora: pykickstart's
 * "Kickstart Documentation".
 *
 * Its lines are split into words as a shell does it (Python's shlex): values are shell_word()s.
 */
#include "lib/unattended/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/definition/storage.h"
#include "lib/unattended/disk_script.h"
#include "lib/unattended/people.h"
#include "lib/unattended/shell.h"
#include "lib/unattended/storage_of.h"

#define INCLUDED "/tmp/vmlab-disk.ks"
#define MIB (UINT64_C(1) << 20)
/* A longer one systemd does not take of /etc/hostname; then the lease's counts. */
#define KERNEL_NAME_MAX 64

/* ---- storage: in %pre, as the disk is known only to the machine -------------------------- */

static void put_size(FILE *f, const struct storage_partition *p)
{
	if (p->unit == STORAGE_REST)
		fprintf(f, " --size=%" PRIu64 " --grow",
		    strcmp(p->mount, "/") == 0 ? 1500 : file_systems[p->fs].min_bytes / MIB);
	else if (p->unit == STORAGE_PERCENT)
		fprintf(f, " --size=$((disk_bytes / 104857600 * %u))", (unsigned)p->amount);
	else
		fprintf(f, " --size=%" PRIu64, (p->amount + MIB - 1) / MIB);
}

/* Mount points and labels mean themselves in a shell: see storage.c. */
static void put_partition(FILE *f, unsigned number, const struct storage_partition *p)
{
	bool btrfs = p->fs == STORAGE_FS_BTRFS;

	if (p->fs == STORAGE_FS_SWAP)
		fputs("part swap --fstype=swap", f);
	else if (btrfs)
		fprintf(f, "part btrfs.%u --fstype=btrfs", number);
	else
		fprintf(f, "part %s --fstype=%s", p->mount, file_systems[p->fs].name);
	put_size(f, p);
	fputs(" --ondisk=$disk", f);
	if (p->label[0] && !btrfs)
		fprintf(f, " --label=%s", p->label);
	fputc('\n', f);
	if (btrfs)
		fprintf(f, "btrfs %s --label=%s btrfs.%u\n", p->mount, p->label, number);
}

static void put_storage(const struct unattended_source *s, FILE *f)
{
	struct storage storage;

	storage_of(s->vm, &storage);
	fputs("%include " INCLUDED "\n\n%pre --erroronfail --interpreter=/bin/sh\n", f);
	disk_script_write(s->vm, f);
	fputs("cat >" INCLUDED " <<EOF\n"
	      "ignoredisk --only-use=$disk\n"
	      "clearpart --all --initlabel --disklabel=gpt --drives=$disk\n"
	      "bootloader --boot-drive=$disk",
	    f);
	/* Its characters mean nothing in a here-document: see kernel_args.c. */
	if (s->vm->kernel_args)
		fprintf(f, " --append=\"%s\"", s->vm->kernel_args);
	fputc('\n', f);
	fputs(s->vm->firmware == VM_FIRMWARE_BIOS
		  ? "part biosboot --fstype=biosboot --size=1 --ondisk=$disk\n"
		  : "part /boot/efi --fstype=efi --size=512 --ondisk=$disk\n",
	    f);
	for (unsigned i = 0; i < storage.count; i++)
		put_partition(f, i, &storage.part[i]);
	fputs("EOF\n%end\n\n", f);
}

/* ---- users --------------------------------------------------------------------------------- */

static void put_password(FILE *f, const struct unattended_user *u)
{
	const char *text = u->hash ? u->hash : u->plain;

	if (!text) {
		fputs(" --lock", f);
		return;
	}
	shell_option(f, "--password=", text);
	fputs(u->hash ? " --iscrypted" : " --plaintext", f);
	if (u->locked)
		fputs(" --lock", f);
}

static void put_user(void *ctx, const struct unattended_user *u)
{
	FILE *f = ctx;
	const char *key = json_string_value(json_array_get(u->keys, 0));

	if (strcmp(u->name, "root") != 0) {
		fprintf(f, "user --name=%s", u->name);
		shell_option(f, "--gecos=", u->gecos);
		shell_option_list(f, "--groups=", u->groups);
		shell_option(f, "--homedir=", u->homedir);
		shell_option(f, "--shell=", u->shell);
		if (u->uid >= 0)
			fprintf(f, " --uid=%d", u->uid);
		put_password(f, u);
		fputc('\n', f);
	}
	/* One a user; stage4 brings all of them. */
	if (!key)
		return;
	fprintf(f, "sshkey --username=%s", u->name);
	shell_option(f, "", key);
	fputc('\n', f);
}

/* ---- the rest ------------------------------------------------------------------------------ */

/* Tasks and versions are apt's own spelling: see gaps(). */
static void put_package(void *ctx, const char *word)
{
	size_t len = strcspn(word, "=/^+:");

	if (word[len] != '^')
		fprintf(ctx, "%.*s\n", (int)len, word);
}

static void put_system(const struct unattended_source *s, FILE *f)
{
	char mac[MAC_TEXT_SIZE];
	struct unattended_names names;

	unattended_names(s, &names);
	fputs("text\nlang C.UTF-8\nkeyboard us\ntimezone Etc/UTC --utc\nfirstboot --disable\n"
	      "skipx\neula --agreed\nrootpw --lock\n",
	    f);
	fprintf(f, "network --bootproto=dhcp --device=%s --activate --hostname=%s%s\n",
	    mac_format(&s->nic, mac),
	    strlen(names.full) <= KERNEL_NAME_MAX ? names.full : names.host,
	    s->vm->has_ip6 ? " --ipv6=dhcp" : "");
	fputs(s->vm->after_install == VM_AFTER_POWEROFF ? "poweroff\n" : "reboot\n", f);
}

static void put_end(const struct unattended_source *s, FILE *f)
{
	char stage4[UNATTENDED_URL_SIZE], done[UNATTENDED_URL_SIZE], report[UNATTENDED_URL_SIZE];

	fprintf(f,
	    "%%post --erroronfail --interpreter=/bin/sh --log=/root/vmlab-post.log\n"
	    "set -e\n"
	    "curl -fsS --retry 5 -o /root/vmlab-stage4 %s\n"
	    "/bin/sh /root/vmlab-stage4\n"
	    "rm -f /root/vmlab-stage4\n"
	    "sync\n"
	    "curl -fsS --retry 5 -o /dev/null %s\n"
	    "%%end\n\n",
	    unattended_url(s, "stage4", stage4), unattended_url(s, "done", done));
	fprintf(f,
	    "%%onerror --interpreter=/bin/sh\n"
	    "curl -fsS -o /dev/null --data-binary "
	    "'{\"phase\":\"hooks\",\"status\":\"failed\",\"message\":\"the installer stopped: see its screen\"}' %s\n"
	    "%%end\n",
	    unattended_url(s, "report", report));
}

static int emit(const struct unattended_source *s, FILE *f, struct err *e)
{
	fprintf(f, "# Made of the definition of %s.\n", s->vm->name);
	put_system(s, f);
	int r = unattended_each_user(s, put_user, f, e);
	put_storage(s, f);
	fputs("%packages\n@core\nopenssh-server\nsudo\ncurl\n", f);
	unattended_each_package(s->vm, put_package, f);
	fputs("%end\n\n", f);
	put_end(s, f);
	return r;
}

/* ---- what it cannot say -------------------------------------------------------------------- */

static void find_apts(void *ctx, const char *word)
{
	bool *found = ctx;

	*found |= word[strcspn(word, "=/^+:")] != '\0';
}

static void gaps(const struct vm *vm, const struct unattended_teller *t)
{
	bool apts = false;
	struct storage storage;

	storage_of(vm, &storage);
	unattended_each_package(vm, find_apts, &apts);
	if (json_object_get(vm->more, "user_data"))
		t->gap(t->ctx, "user_data",
		    "has no effect: kickstart installs no cloud-init; use \"hooks\", \"runcmd\" and \"write_files\"");
	if (json_object_get(vm->more, "network_config"))
		t->gap(t->ctx, "network_config",
		    "has no effect: the interface it boots from is configured by DHCP; use \"hooks\" for another");
	if (apts)
		t->gap(t->ctx, "packages",
		    "has versions, releases, architectures or tasks as apt spells them: the package is installed as its name alone says, a task not at all");
	for (unsigned i = 0; i < storage.count; i++)
		if (storage.part[i].fs == STORAGE_FS_BTRFS) {
			t->gap(t->ctx, "storage",
			    "has btrfs, which Fedora's installer knows and RHEL's does not");
			return;
		}
}

static const char *const images[] = {
    "fedora", "rhel", "centos", "almalinux", "rocky", "oraclelinux", NULL};

const struct unattended_format unattended_kickstart = {
    .name = "kickstart",
    .suffix = ".ks",
    .images = images,
    .emit = emit,
    .gaps = gaps,
    .memory_bytes = 1536 * MIB, /* RHEL 9, "System requirements" */
};
