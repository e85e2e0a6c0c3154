#include "vmlab/image/scan.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/image/boot_files.h"
#include "lib/base/cleanup.h"
#include "lib/base/text.h"
#include "lib/image/kernel_version.h"
#include "lib/image/os_release.h"
#include "vmlab/image/modules.h"

#define SPOOL_NAME "spool"
#define MEMBER_MAX_BYTES (512LL * 1024 * 1024)

/* ---- members ----------------------------------------------------------------------------------*/

int image_scan_init(struct image_scan *s, int dirfd, struct err *e)
{
	*s = (struct image_scan){.spool_fd = -1};
	s->spool_fd = openat(dirfd, SPOOL_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->spool_fd < 0)
		return err_errno(e, "cannot create a temporary file");
	if (unlinkat(dirfd, SPOOL_NAME, 0))
		return err_errno(e, "cannot remove a temporary file");
	return 0;
}

void image_scan_clear(struct image_scan *s)
{
	for (size_t i = 0; i < s->member_count; i++)
		free(s->members[i].path);
	for (size_t i = 0; i < s->initramfs_count; i++)
		free(s->initramfs[i]);
	free(s->members);
	free(s->initramfs);
	free(s->kernel_link);
	free(s->os_name);
	image_top_clear(&s->top);
	if (s->spool_fd >= 0)
		close(s->spool_fd);
	*s = (struct image_scan){.spool_fd = -1};
}

static int member_add(
    struct image_scan *s, const char *path, uint64_t offset, uint64_t size, struct err *e)
{
	if (s->member_count == s->member_room) {
		size_t room = s->member_room ? s->member_room * 2 : 256;
		void *grown = realloc(s->members, room * sizeof(*s->members));
		if (!grown)
			return err_set(e, ENOMEM, "out of memory");
		s->members = grown;
		s->member_room = room;
	}
	s->members[s->member_count].path = strdup(path);
	if (!s->members[s->member_count].path)
		return err_set(e, ENOMEM, "out of memory");
	s->members[s->member_count].offset = offset;
	s->members[s->member_count++].size_bytes = size;
	return 0;
}

const struct image_member *image_scan_find(const struct image_scan *s, const char *path)
{
	/* Backwards: of two entries with one name the later one counts, as when unpacking. */
	for (size_t i = s->member_count; i-- > 0;)
		if (!strcmp(s->members[i].path, path))
			return &s->members[i];
	return NULL;
}

static int spool_write(struct image_scan *s, const char *data, size_t len, struct err *e)
{
	if (s->spool_bytes + len > IMAGE_SPOOL_MAX_BYTES)
		return err_set(e, EFBIG,
		    "the tarball holds more than 2 GiB of kernels and modules; remove old kernels from it");
	while (len) {
		ssize_t n = pwrite(s->spool_fd, data, len, (off_t)s->spool_bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "cannot write a temporary file");
		data += n;
		len -= (size_t)n;
		s->spool_bytes += (uint64_t)n;
	}
	return 0;
}

/* ---- the pass ---------------------------------------------------------------------------------*/

struct pass {
	struct image_scan *scan;
	struct image_source *source;
	int (*decoded)(void *ctx, const void *data, size_t len, struct err *e);
	void (*progress)(void *ctx);
	void *ctx;
	struct err err; /* why the read callback failed */
	bool started;
};

static la_ssize_t pass_read(struct archive *a, void *ctx, const void **data)
{
	struct pass *p = ctx;
	ssize_t n = image_source_read(p->source, data, &p->err);

	if (n > 0 && p->decoded) {
		int rc = p->decoded(p->ctx, *data, (size_t)n, &p->err);
		if (rc)
			n = rc;
	}
	if (n < 0)
		archive_set_error(a, (int)-n, "%s", p->err.msg);
	else if (p->progress)
		p->progress(p->ctx);
	return n;
}

static int pass_error(struct pass *p, struct archive *a, struct err *e)
{
	if (p->err.code)
		return err_set(e, p->err.code, "%s", p->err.msg);
	if (!p->started)
		return p->scan->or_disk
			   ? err_set(e, EBADMSG,
				 "this is neither a tarball nor a disk: a raw disk begins with a partition table, `qemu-img convert -O qcow2` makes a qcow2 of other kinds")
			   : err_set(e, EBADMSG, "this is not a tarball (%s)",
				 archive_error_string(a) ? archive_error_string(a)
							 : "unknown format");
	return err_set(e, EBADMSG, "the tarball is damaged or cut short after %llu entries (%s)",
	    (unsigned long long)p->scan->entries,
	    archive_error_string(a) ? archive_error_string(a) : "no details");
}

/* "./usr/lib/modules/x" → "lib/modules/x": with a merged /usr and without, it is the same place. */
static const char *normalise(const char *path)
{
	while (!strncmp(path, "./", 2) || *path == '/')
		path += *path == '/' ? 1 : 2;
	return strncmp(path, "usr/", 4) ? path : path + 4;
}

static bool starts(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static bool is_program(const char *path, const char *name)
{
	const char *slash = strchr(path, '/');

	return slash && (starts(path, "bin/") || starts(path, "sbin/")) && !strcmp(slash + 1, name);
}

static void note_loader_file(struct image_scan *s, const char *path, size_t i, unsigned which)
{
	const char *format = bootloader_kinds[i].files[which];
	char files[BOOTLOADER_TEXT_SIZE];

	if (strncmp(path, format, strcspn(format, "%")) != 0)
		return;
	for (int a = 0; a < VM_ARCH_COUNT; a++) {
		bootloader_text(format, &arches[a], files);
		size_t len = strlen(files);
		if (strncmp(path, files, len) == 0 && (files[len - 1] == '/' || !path[len]))
			s->loader_files[i][a] |= 1U << which;
	}
}

static void note_loader(struct image_scan *s, const char *path, size_t i)
{
	const struct bootloader_kind *kind = &bootloader_kinds[i];

	for (size_t k = 0; k < BOOTLOADER_PROGRAMS && kind->programs[k]; k++)
		s->loader_program[i] |= is_program(path, kind->programs[k]);
	for (unsigned f = 0; f < BOOTLOADER_FILES && kind->files[f]; f++)
		note_loader_file(s, path, i, f);
}

static void note_parts(struct image_scan *s, const char *path)
{
	static const struct {
		const char *name;
		enum image_part part;
	} programs[] =
	    {
		{"cloud-init", IMAGE_PART_CLOUD_INIT},
		{"sshd", IMAGE_PART_SSHD},
		{"ifquery", IMAGE_PART_ENI},
		{"netplan", IMAGE_PART_NETPLAN},
		{"NetworkManager", IMAGE_PART_NETWORK_MANAGER},
		{"networkctl", IMAGE_PART_NETWORKD},
	    },
	  directories[] = {
	      {"etc/sysconfig/network-scripts/", IMAGE_PART_SYSCONFIG},
	  };

	for (size_t i = 0; i < BOOTLOADER_COUNT; i++)
		note_loader(s, path, i);
	for (size_t i = 0; i < initramfs_tool_count; i++)
		if (!strcmp(path, normalise(initramfs_tools[i].program)))
			s->has[IMAGE_PART_INITRAMFS_TOOL] = true;
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (is_program(path, programs[i].name))
			s->has[programs[i].part] = true;
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		if (starts(path, directories[i].name))
			s->has[directories[i].part] = true;
}

static int note_initramfs(struct image_scan *s, const char *path, struct err *e)
{
	void *grown;

	if (!starts(path, "boot/initrd") && !starts(path, "boot/initramfs"))
		return 0;
	grown = realloc(s->initramfs, (s->initramfs_count + 1) * sizeof(*s->initramfs));
	if (!grown)
		return err_set(e, ENOMEM, "out of memory");
	s->initramfs = grown;
	s->initramfs[s->initramfs_count] = strdup(path + 5);
	if (!s->initramfs[s->initramfs_count++])
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

/* lib/modules/<version>/<rest>: returns rest, NULL for other paths. */
static const char *below_modules(const char *path, size_t *version_len)
{
	const char *version = path + strlen("lib/modules/"), *slash;

	if (!starts(path, "lib/modules/"))
		return NULL;
	slash = strchr(version, '/');
	if (!slash || slash == version)
		return NULL;
	*version_len = (size_t)(slash - version);
	return slash + 1;
}

static bool is_needed(const char *path)
{
	static const char *const index[] = {"modules.dep", "modules.alias", "modules.symbols",
	    "modules.softdep", "modules.builtin", "vmlinuz"};
	size_t version_len;
	const char *rest = below_modules(path, &version_len);

	if (starts(path, "boot/vmlinuz"))
		return true;
	if (!rest)
		return false;
	for (size_t i = 0; i < sizeof(index) / sizeof(*index); i++)
		if (!strcmp(rest, index[i]))
			return true;
	return image_modules_is_module(rest);
}

static int spool_member(
    struct image_scan *s, struct archive *a, const char *path, uint64_t size, struct err *e)
{
	uint64_t offset = s->spool_bytes;
	_cleanup_free_ char *buf = malloc(65536);
	la_ssize_t n;
	int rc;

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	if (size > MEMBER_MAX_BYTES)
		return err_set(e, EFBIG, "%s is larger than 512 MiB; that is no kernel file", path);
	while ((n = archive_read_data(a, buf, 65536)) > 0) {
		rc = spool_write(s, buf, (size_t)n, e);
		if (rc)
			return rc;
	}
	if (n < 0 || s->spool_bytes - offset != size)
		return err_set(e, EBADMSG, "the tarball is cut short within %s", path);
	return member_add(s, path, offset, size, e);
}

static int read_os_release(struct image_scan *s, struct archive *a, struct err *e)
{
	char text[OS_RELEASE_MAX_BYTES + 1], name[200], clean[200];
	la_ssize_t n = archive_read_data(a, text, OS_RELEASE_MAX_BYTES);

	if (n < 0)
		return err_set(e, EBADMSG, "the tarball is cut short within os-release");
	text[n] = '\0';
	if (!os_release_get(text, "PRETTY_NAME", name, sizeof(name)))
		return 0;
	text_copy_clean(name, clean, sizeof(clean));
	free(s->os_name);
	s->os_name = strdup(clean);
	return s->os_name ? 0 : err_set(e, ENOMEM, "out of memory");
}

static void read_elf_machine(struct image_scan *s, struct archive *a)
{
	Elf64_Ehdr header;

	if (archive_read_data(a, &header, sizeof(header)) == (la_ssize_t)sizeof(header) &&
	    !memcmp(header.e_ident, ELFMAG, SELFMAG))
		s->elf_machine = le16toh(header.e_machine);
}

static int note_link(struct image_scan *s, const char *path, const char *target, struct err *e)
{
	if (strcmp(path, "vmlinuz") && strcmp(path, "boot/vmlinuz"))
		return 0;
	free(s->kernel_link);
	s->kernel_link = strdup(strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	return s->kernel_link ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int note_entry(
    struct image_scan *s, struct archive *a, struct archive_entry *entry, struct err *e)
{
	const char *raw = archive_entry_pathname(entry);
	const char *link = archive_entry_hardlink(entry);
	const char *path, *symlink;
	uint64_t size = (uint64_t)archive_entry_size(entry);
	int rc;

	s->entries++;
	/* A link has a size only when data follows it; the installer counts it the same way. */
	if ((link || archive_entry_filetype(entry) == AE_IFREG) && archive_entry_size(entry) > 0)
		s->unpacked_bytes += size;
	if (!raw)
		raw = archive_entry_pathname_utf8(entry);
	if (!raw)
		return 0; /* a name in an unknown character set is none of those looked for */
	rc = image_top_note(&s->top, raw, e);
	if (rc)
		return rc;
	path = normalise(raw);
	note_parts(s, path);
	if (link) {
		const struct image_member *m = image_scan_find(s, normalise(link));
		return m ? member_add(s, path, m->offset, m->size_bytes, e) : 0;
	}
	symlink = archive_entry_symlink(entry);
	if (archive_entry_filetype(entry) == AE_IFLNK)
		return symlink ? note_link(s, path, symlink, e) : 0;
	if (archive_entry_filetype(entry) != AE_IFREG)
		return 0;
	rc = note_initramfs(s, path, e);
	if (rc)
		return rc;
	if (is_needed(path) || (s->also && s->also(path)))
		return spool_member(s, a, path, size, e);
	if (!strcmp(path, "lib/os-release") || !strcmp(path, "etc/os-release"))
		return read_os_release(s, a, e);
	if (!s->elf_machine && starts(path, "bin/"))
		read_elf_machine(s, a);
	return 0;
}

static void cleanup_archive(struct archive **a)
{
	archive_read_free(*a);
}

int image_scan_run(struct image_scan *s, struct image_source *source,
    int (*decoded)(void *ctx, const void *data, size_t len, struct err *e),
    void (*progress)(void *ctx), void *ctx, struct err *e)
{
	_cleanup_(cleanup_archive) struct archive *a = archive_read_new();
	struct pass p = {s, source, decoded, progress, ctx, ERR_INIT, false};
	struct archive_entry *entry;
	const void *rest;
	int rc;

	if (!a)
		return err_set(e, ENOMEM, "out of memory");
	archive_read_support_format_tar(a);
	rc = archive_read_open(a, &p, NULL, pass_read, NULL);
	if (rc != ARCHIVE_OK)
		return pass_error(&p, a, e);
	for (;;) {
		rc = archive_read_next_header(a, &entry);
		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return pass_error(&p, a, e);
		p.started = true;
		rc = note_entry(s, a, entry, e);
		if (rc)
			return p.err.code ? pass_error(&p, a, e) : rc;
	}
	/* Padding after tar's end: part of the file, and where damage may show. */
	while ((rc = (int)pass_read(a, &p, &rest)) > 0)
		;
	if (rc < 0)
		return pass_error(&p, a, e);
	rc = image_source_finish(source, e);
	return rc ? rc : image_top_check(&s->top, e);
}

/* ---- afterwards -------------------------------------------------------------------------------*/

static int unpack_member(const char *path, const char *packed, size_t packed_len, char **data,
    size_t *len, struct err *e)
{
	_cleanup_(cleanup_archive) struct archive *a = archive_read_new();
	_cleanup_free_ char *out = NULL;
	struct archive_entry *entry;
	size_t room = packed_len * 4 + 65536, used = 0;
	la_ssize_t n;

	if (!a)
		return err_set(e, ENOMEM, "out of memory");
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_gzip(a);
	archive_read_support_format_raw(a);
	if (archive_read_open_memory(a, packed, packed_len) || archive_read_next_header(a, &entry))
		return err_set(
		    e, EBADMSG, "cannot decompress %s: %s", path, archive_error_string(a));
	for (;;) {
		char *grown = realloc(out, room + 1);
		if (!grown)
			return err_set(e, ENOMEM, "out of memory");
		out = grown;
		n = archive_read_data(a, out + used, room - used);
		if (n < 0)
			return err_set(
			    e, EBADMSG, "cannot decompress %s: %s", path, archive_error_string(a));
		if (!n)
			break;
		used += (size_t)n;
		if (used > MEMBER_MAX_BYTES)
			return err_set(e, EFBIG, "%s unpacks to more than 512 MiB", path);
		if (used == room)
			room *= 2;
	}
	out[used] = '\0';
	*len = used;
	*data = steal_ptr(out);
	return 0;
}

int image_scan_load(const struct image_scan *s, const struct image_member *m, bool unpack,
    char **data, size_t *len, struct err *e)
{
	_cleanup_free_ char *raw = malloc(m->size_bytes + 1);
	size_t done = 0;

	if (!raw)
		return err_set(e, ENOMEM, "out of memory");
	while (done < m->size_bytes) {
		ssize_t n =
		    pread(s->spool_fd, raw + done, m->size_bytes - done, (off_t)(m->offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(e, "cannot read a temporary file");
		done += (size_t)n;
	}
	raw[done] = '\0';
	if (unpack && m->path[image_modules_plain_length(m->path)])
		return unpack_member(m->path, raw, done, data, len, e);
	*data = steal_ptr(raw);
	*len = done;
	return 0;
}

/* The newest lib/modules/<version> that `fits`: equal to `suffix`, or ending in "-<suffix>"
 * (Alpine's vmlinuz-lts goes with 6.6.1-0-lts), or any when suffix is empty. Caller frees. */
static char *modules_for(const struct image_scan *s, const char *suffix)
{
	_cleanup_free_ char *best = NULL;
	bool best_exact = false;

	for (size_t i = 0; i < s->member_count; i++) {
		size_t len, slen = strlen(suffix);
		const char *rest = below_modules(s->members[i].path, &len);
		const char *v = s->members[i].path + strlen("lib/modules/");
		bool exact;
		char *version;

		if (!rest || !strcmp(rest, "vmlinuz"))
			continue;
		if (!text_is_ascii(s->members[i].path))
			continue;
		exact = len == slen && !memcmp(v, suffix, len);
		if (!exact && slen &&
		    !(len > slen + 1 && v[len - slen - 1] == '-' &&
			!memcmp(v + len - slen, suffix, slen)))
			continue;
		version = strndup(v, len);
		if (!version)
			return NULL;
		if (!best || (exact && !best_exact) ||
		    (exact == best_exact && kernel_version_compare(version, best) > 0)) {
			free(best);
			best = version;
			best_exact = exact;
		} else {
			free(version);
		}
	}
	return steal_ptr(best);
}

/* The modules' version that goes with a kernel file, NULL when there are none. Caller frees. */
static char *version_of(const struct image_scan *s, const struct image_member *m)
{
	size_t len;
	const char *rest = below_modules(m->path, &len);

	if (!text_is_ascii(m->path))
		return NULL; /* no manifest could name it */
	if (starts(m->path, "boot/vmlinuz-"))
		return modules_for(s, m->path + strlen("boot/vmlinuz-"));
	if (!strcmp(m->path, "boot/vmlinuz"))
		return modules_for(s, "");
	if (rest && !strcmp(rest, "vmlinuz")) {
		char *version = strndup(m->path + strlen("lib/modules/"), len);
		char *found = version ? modules_for(s, version) : NULL;
		free(version);
		return found;
	}
	return NULL;
}

static bool is_kernel(const struct image_member *m)
{
	size_t len;
	const char *rest = below_modules(m->path, &len);

	return starts(m->path, "boot/vmlinuz") || (rest && !strcmp(rest, "vmlinuz"));
}

int image_scan_kernel(
    const struct image_scan *s, const struct image_member **kernel, char **version, struct err *e)
{
	_cleanup_free_ char *best = NULL;
	const struct image_member *chosen = NULL, *without = NULL;

	for (size_t i = 0; i < s->member_count; i++) {
		const struct image_member *m = &s->members[i];
		char *v = is_kernel(m) ? version_of(s, m) : NULL;
		bool linked = s->kernel_link && starts(m->path, "boot/") &&
			      !strcmp(m->path + 5, s->kernel_link);

		if (is_kernel(m) && !v)
			without = m;
		if (v && (!best || linked || kernel_version_compare(v, best) > 0)) {
			free(best);
			best = v;
			chosen = m;
			if (linked)
				break;
		} else {
			free(v);
		}
	}
	if (!chosen && without)
		return err_set(e, EINVAL,
		    "the rootfs holds the kernel %s but no modules for it in lib/modules; install its whole kernel package",
		    without->path);
	if (!chosen)
		return err_set(e, EINVAL,
		    "the rootfs holds no kernel (there is no boot/vmlinuz-<version>); install a kernel package in it, for example Debian's linux-image-amd64");
	*kernel = chosen;
	*version = steal_ptr(best);
	return 0;
}

static bool has_initramfs_named(const struct image_scan *s, const char *name)
{
	for (size_t i = 0; i < s->initramfs_count; i++)
		if (!strcmp(s->initramfs[i], name))
			return true;
	return false;
}

bool image_scan_has_initramfs(const struct image_scan *s, const char *version)
{
	char path[BOOT_FILE_SIZE];

	for (unsigned n = 0; boot_file_path(BOOT_FILE_INITRAMFS, n, version, path); n++)
		if (has_initramfs_named(s, path + strlen("/boot/")))
			return true;
	return false;
}

bool image_scan_has_boot_kernel(const struct image_scan *s)
{
	for (size_t i = 0; i < s->member_count; i++)
		if (starts(s->members[i].path, "boot/vmlinuz-"))
			return true;
	return false;
}

int image_scan_check_arch(const struct image_scan *s, enum vm_arch arch, struct err *e)
{
	const char *found = "other";

	if (!s->elf_machine || s->elf_machine == arch_of(arch)->elf)
		return 0;
	for (int i = 0; i < VM_ARCH_COUNT; i++)
		if (s->elf_machine == arches[i].elf)
			found = arches[i].name;
	return err_set(e, EINVAL,
	    "the rootfs holds %s programs, not %s; give its own architecture with --arch", found,
	    vm_arch_name(arch));
}

bool image_scan_has_loader(const struct image_scan *s, enum vm_firmware firmware, enum vm_arch arch)
{
	for (size_t i = 0; i < BOOTLOADER_COUNT; i++)
		if (bootloader_kinds[i].firmware == firmware &&
		    s->loader_files[i][arch] == bootloader_all_files(&bootloader_kinds[i]) &&
		    (s->loader_program[i] || !bootloader_kinds[i].programs[0]))
			return true;
	return false;
}
