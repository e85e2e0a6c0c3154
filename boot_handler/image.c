#include "boot_handler/image.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_handler/machine.h"
#include "lib/atomic_file.h"
#include "lib/cleanup.h"
#include "lib/image_advice.h"
#include "lib/json_text.h"
#include "lib/log.h"

#define RECHECK_MS 1000
#define BUCKETS 64
#define ENTRIES_MAX 4096
#define MANIFEST_DEPTH_MAX 8

enum { NOT_LOOKED, COMPLETE, INCOMPLETE };

/* One image somebody asked for, there or not. Kept for ever: their number is bounded. */
struct entry {
	struct entry *next; /* fixed */
	char *distro;
	enum vm_arch arch;
	_Atomic int64_t looked_at_ms;
	atomic_int outcome;

	struct stat seen; /* this and the rest: under the lock */
	struct image *image;
	struct err bad; /* why the manifest is unusable */
	char missing[400];
	char advice[IMAGE_ADVICE_SIZE]; /* what to do about it */
};

struct images {
	char *dir;
	const char *installers; /* NULL: not known */
	_Atomic(struct entry *) bucket[BUCKETS];
	unsigned count;
	pthread_mutex_t lock;
};

/* ---- the manifest ------------------------------------------------------------------------ */

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

void image_free(struct image *image)
{
	if (!image)
		return;
	free(image->kernel_version);
	free(image->rootfs_file);
	json_decref(image->rootfs);
	free(image);
}

static void cleanup_image(struct image **image)
{
	image_free(*image);
}

static bool is_file_name(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 128 && s[0] != '.' && s[0] != '-' &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")] ==
		   '\0';
}

static bool is_sha256(const json_t *value)
{
	const char *s = json_string_value(value);

	return s && strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int want(const json_t *object, const char *key, const char *text, struct err *e)
{
	const char *value = json_string_value(json_object_get(object, key));

	if (!value || strcmp(value, text) != 0)
		return err_set(e, EINVAL, "\"%s\" has to be \"%s\": build the image again", key, text);
	return 0;
}

static json_int_t size_of(const json_t *part)
{
	return json_integer_value(json_object_get(part, "size_bytes"));
}

/* {"file", "size_bytes", "sha256"}; file must be `name` unless that is NULL. */
static int check_file(const json_t *manifest, const char *key, const char *name, struct err *e)
{
	const json_t *part = json_object_get(manifest, key);
	const char *file = json_string_value(json_object_get(part, "file"));

	if (!json_is_object(part))
		return err_set(e, EINVAL, "\"%s\" is missing: build the image again", key);
	if (!file || !is_file_name(file) || (name && strcmp(file, name) != 0))
		return err_set(e, EINVAL, "\"%s\": \"file\" has to be %s: build the image again", key,
		    name ? name : "a file name without a slash");
	if (size_of(part) <= 0)
		return err_set(e, EINVAL,
		    "\"%s\": \"size_bytes\" has to be a number above 0: build the image again", key);
	if (!is_sha256(json_object_get(part, "sha256")))
		return err_set(e, EINVAL,
		    "\"%s\": \"sha256\" has to be 64 hexadecimal digits: build the image again", key);
	return 0;
}

static int check_manifest(
    const json_t *json, const char *distro, enum vm_arch arch, struct err *e)
{
	const char *version = json_string_value(json_object_get(json, "kernel_version"));

	if (json_integer_value(json_object_get(json, "format")) != 1)
		return err_set(e, EINVAL, "\"format\" has to be 1: build the image again");
	if (want(json, "distro", distro, e) < 0 || want(json, "arch", vm_arch_name(arch), e) < 0)
		return -EINVAL;
	if (!version || !is_file_name(version))
		return err_set(e, EINVAL, "\"kernel_version\" is missing: build the image again");
	if (check_file(json, "rootfs", NULL, e) < 0 ||
	    check_file(json, "kernel", IMAGE_KERNEL_FILE, e) < 0)
		return -EINVAL;
	return check_file(json, "modules", IMAGE_MODULES_FILE, e);
}

static bool provides(const json_t *manifest, const char *part)
{
	const json_t *list = json_object_get(manifest, "provides"), *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), part) == 0)
			return true;
	return false;
}

static struct image *image_new(const json_t *json)
{
	_cleanup_(cleanup_image) struct image *image = calloc(1, sizeof(*image));
	json_t *rootfs = json_object_get(json, "rootfs");

	if (!image)
		return NULL;
	image->kernel_version = strdup(json_string_value(json_object_get(json, "kernel_version")));
	image->rootfs_file = strdup(json_string_value(json_object_get(rootfs, "file")));
	image->rootfs = json_deep_copy(rootfs);
	image->kernel_bytes = size_of(json_object_get(json, "kernel"));
	image->modules_bytes = size_of(json_object_get(json, "modules"));
	image->cloud_init = provides(json, "cloud-init");
	if (!image->kernel_version || !image->rootfs_file || !image->rootfs)
		return NULL;
	return steal_ptr(image);
}

/* Parsed, checked, and still JSON: what the sizes on disk are compared with. */
static int parse(const char *text, size_t len, const char *distro, enum vm_arch arch,
    json_t **out, int *line, int *column, struct err *e)
{
	size_t bad;

	*line = 0;
	*column = 0;
	*out = json_text_parse(text, len, MANIFEST_DEPTH_MAX, &bad, e);
	if (!*out) {
		json_text_position(text, bad, line, column);
		return -EINVAL;
	}
	return check_manifest(*out, distro, arch, e);
}

int image_parse(const char *text, size_t len, const char *distro, enum vm_arch arch,
    struct image **out, int *line, int *column, struct err *e)
{
	_cleanup_(cleanup_json) json_t *json = NULL;

	int r = parse(text, len, distro, arch, &json, line, column, e);
	if (r < 0)
		return r;
	*out = image_new(json);
	return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* ---- looking ----------------------------------------------------------------------------- */

static int manifest_path(
    const struct images *im, const char *distro, enum vm_arch arch, char *out)
{
	int n = snprintf(
	    out, PATH_MAX, "%s/%s/%s/manifest.json", im->dir, distro, vm_arch_name(arch));

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Compares one file with what the image's rootfs object or the kernel's says. */
static bool file_is(const char *manifest, const char *file, int64_t size, struct entry *entry)
{
	const char *slash = strrchr(manifest, '/');
	char path[PATH_MAX];
	struct stat st;

	int n = snprintf(path, sizeof(path), "%.*s%s", (int)(slash + 1 - manifest), manifest, file);
	/* nginx, which hands it out, is another user without rights of its own, too. */
	if (n > 0 && n < (int)sizeof(path) && access(path, R_OK) < 0 && errno == EACCES) {
		snprintf(entry->missing, sizeof(entry->missing),
		    "its file %s cannot be read by the stack: chmod -R a+rX the folder of images",
		    file);
		return false;
	}
	if (n < 0 || n >= (int)sizeof(path) || stat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(entry->missing, sizeof(entry->missing), "its file %s is missing", file);
		return false;
	}
	if (st.st_size != (off_t)size) {
		snprintf(entry->missing, sizeof(entry->missing),
		    "its file %s has %lld bytes, the manifest says %lld", file,
		    (long long)st.st_size, (long long)size);
		return false;
	}
	return true;
}

static bool files_are_there(const char *manifest, struct entry *entry)
{
	const struct image *image = entry->image;

	return file_is(manifest, image->rootfs_file, size_of(image->rootfs), entry) &&
	       file_is(manifest, IMAGE_KERNEL_FILE, image->kernel_bytes, entry) &&
	       file_is(manifest, IMAGE_MODULES_FILE, image->modules_bytes, entry);
}

static void read_manifest(const char *path, struct entry *entry)
{
	_cleanup_free_ char *text = NULL;
	int column;
	size_t len;
	int line;

	image_free(entry->image);
	entry->image = NULL;
	entry->bad = (struct err)ERR_INIT;
	if (file_read(path, IMAGE_MANIFEST_MAX_BYTES, &text, &len, &entry->bad) < 0)
		return;
	if (image_parse(text, len, entry->distro, entry->arch, &entry->image, &line, &column,
		&entry->bad) < 0)
		log_warn("%s:%d:%d: %s", path, line, column, entry->bad.msg);
	else
		log_info("image found distro=%s arch=%s kernel=%s", entry->distro,
		    vm_arch_name(entry->arch), entry->image->kernel_version);
}

static bool look(struct images *im, struct entry *entry)
{
	char path[PATH_MAX];
	struct stat st;

	entry->missing[0] = '\0';
	if (manifest_path(im, entry->distro, entry->arch, path) < 0 || stat(path, &st) < 0) {
		snprintf(entry->missing, sizeof(entry->missing), "%s",
		    errno == EACCES ? "its folder cannot be read by the stack: chmod -R a+rX the "
				      "folder of images"
				    : "there is no manifest.json");
		memset(&entry->seen, 0, sizeof(entry->seen));
		image_free(entry->image);
		entry->image = NULL;
		return false;
	}
	if (st.st_ino != entry->seen.st_ino || st.st_size != entry->seen.st_size ||
	    st.st_mtim.tv_sec != entry->seen.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != entry->seen.st_mtim.tv_nsec) {
		read_manifest(path, entry);
		/* What could not even be read may be readable next time. */
		if (entry->image || entry->bad.code == EINVAL)
			entry->seen = st;
	}
	if (!entry->image) {
		snprintf(entry->missing, sizeof(entry->missing), "its manifest.json is unusable: %.300s",
		    entry->bad.msg);
		return false;
	}
	return files_are_there(path, entry);
}

/* The stack's image may have been built for one architecture. */
static bool installer_is_there(const struct images *im, enum vm_arch arch)
{
	char path[PATH_MAX];

	if (!im->installers)
		return true;
	int n = snprintf(path, sizeof(path), "%s/%s/initrd.zst", im->installers, vm_arch_name(arch));
	return n > 0 && n < (int)sizeof(path) && access(path, R_OK) == 0;
}

/* Called with the lock held. */
static void look_again(struct images *im, struct entry *entry)
{
	int outcome = look(im, entry) ? COMPLETE : INCOMPLETE;

	if (outcome == COMPLETE && !installer_is_there(im, entry->arch)) {
		outcome = INCOMPLETE;
		snprintf(entry->missing, sizeof(entry->missing),
		    "this stack was built without the installer for %s", vm_arch_name(entry->arch));
		snprintf(entry->advice, sizeof(entry->advice),
		    "build it for both architectures: make load; then vmlab up");
	} else if (outcome == INCOMPLETE)
		image_advice_for(im->dir, entry->distro, entry->arch, entry->seen.st_ino != 0,
		    entry->advice);
	atomic_store_explicit(&entry->outcome, outcome, memory_order_release);
	atomic_store_explicit(&entry->looked_at_ms, now_ms(), memory_order_release);
}

static unsigned bucket_of(const char *distro, enum vm_arch arch)
{
	unsigned h = 5381 + (unsigned)arch;

	while (*distro)
		h = h * 33 + (unsigned char)*distro++;
	return h % BUCKETS;
}

static struct entry *find_in(struct entry *entry, const char *distro, enum vm_arch arch)
{
	while (entry && (entry->arch != arch || strcmp(entry->distro, distro) != 0))
		entry = entry->next;
	return entry;
}

/* Called with the lock held. */
static struct entry *add(struct images *im, const char *distro, enum vm_arch arch)
{
	_Atomic(struct entry *) *bucket = &im->bucket[bucket_of(distro, arch)];
	struct entry *entry = find_in(atomic_load(bucket), distro, arch);

	if (entry || im->count == ENTRIES_MAX)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry || !(entry->distro = strdup(distro))) {
		free(entry);
		return NULL;
	}
	entry->arch = arch;
	entry->next = atomic_load(bucket);
	atomic_store_explicit(bucket, entry, memory_order_release);
	im->count++;
	return entry;
}

/* The entry, freshly looked at, with the lock held (also when NULL). */
static struct entry *lock_entry(struct images *im, const char *distro, enum vm_arch arch)
{
	pthread_mutex_lock(&im->lock);
	struct entry *entry = distro ? add(im, distro, arch) : NULL;
	if (entry && now_ms() - atomic_load(&entry->looked_at_ms) >= RECHECK_MS)
		look_again(im, entry);
	return entry;
}

bool images_has(struct images *im, const char *distro, enum vm_arch arch)
{
	if (!distro)
		return false;
	struct entry *entry = find_in(
	    atomic_load_explicit(&im->bucket[bucket_of(distro, arch)], memory_order_acquire),
	    distro, arch);

	if (entry) {
		int outcome = atomic_load_explicit(&entry->outcome, memory_order_acquire);
		int64_t looked =
		    atomic_load_explicit(&entry->looked_at_ms, memory_order_relaxed);
		int64_t now = now_ms();

		if (outcome != NOT_LOOKED && now >= looked && now - looked < RECHECK_MS)
			return outcome == COMPLETE;
	}
	entry = lock_entry(im, distro, arch);
	bool has = entry && atomic_load(&entry->outcome) == COMPLETE;
	pthread_mutex_unlock(&im->lock);
	return has;
}

void images_facts(
    struct images *im, const char *distro, enum vm_arch arch, struct image_facts *out)
{
	const struct entry *entry = lock_entry(im, distro, arch);

	out->complete = entry && atomic_load(&entry->outcome) == COMPLETE;
	out->cloud_init = entry && entry->image && entry->image->cloud_init;
	snprintf(out->missing.what, sizeof(out->missing.what), "%s",
	    entry ? entry->missing : "its distro is not known");
	snprintf(
	    out->missing.advice, sizeof(out->missing.advice), "%s", entry ? entry->advice : "");
	pthread_mutex_unlock(&im->lock);
}

int images_get(struct images *im, const char *distro, enum vm_arch arch, struct image **out,
    struct err *e)
{
	_cleanup_(cleanup_image) struct image *copy = calloc(1, sizeof(*copy));
	const struct entry *entry = lock_entry(im, distro, arch);
	int r = 0;

	if (!entry || atomic_load(&entry->outcome) != COMPLETE)
		r = err_set(e, ENOENT,
		    "the image images/%s/%s cannot be used: %s; %s", distro ? distro : "?",
		    vm_arch_name(arch), entry ? entry->missing : "its distro is not known",
		    entry ? entry->advice : "name one in the definition");
	else if (!copy || !(copy->kernel_version = strdup(entry->image->kernel_version)) ||
		 !(copy->rootfs_file = strdup(entry->image->rootfs_file)) ||
		 !(copy->rootfs = json_deep_copy(entry->image->rootfs)))
		r = err_set(e, ENOMEM, "out of memory");
	pthread_mutex_unlock(&im->lock);
	if (r == 0)
		*out = steal_ptr(copy);
	return r;
}

/* ---- life and checks --------------------------------------------------------------------- */

int images_new(const char *dir, const char *installers, struct images **out, struct err *e)
{
	struct images *im = calloc(1, sizeof(*im));

	if (!im || !(im->dir = strdup(dir))) {
		free(im);
		return err_set(e, ENOMEM, "out of memory");
	}
	im->installers = installers;
	pthread_mutex_init(&im->lock, NULL);
	*out = im;
	return 0;
}

void images_free(struct images *im)
{
	if (!im)
		return;
	for (int i = 0; i < BUCKETS; i++) {
		struct entry *entry = atomic_load(&im->bucket[i]);

		while (entry) {
			struct entry *next = entry->next;

			image_free(entry->image);
			free(entry->distro);
			free(entry);
			entry = next;
		}
	}
	pthread_mutex_destroy(&im->lock);
	free(im->dir);
	free(im);
}

int images_readable(struct images *im, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(im->dir);

	if (!dir)
		return err_errno(e, "the images folder %s cannot be read", im->dir);
	return 0;
}

static int check_one(struct images *im, const char *distro, enum vm_arch arch,
    void (*problem)(void *ctx, const char *file, int line, int column, const char *text),
    void *ctx)
{
	_cleanup_(cleanup_image) struct image *image = NULL;
	_cleanup_free_ char *text = NULL;
	struct entry probe = {.arch = arch};
	struct err e = ERR_INIT;
	char path[PATH_MAX];
	struct stat st;
	int column = 0;
	int line = 0;
	size_t len;

	if (manifest_path(im, distro, arch, path) < 0 || (stat(path, &st) < 0 && errno == ENOENT))
		return 0;
	if (file_read(path, IMAGE_MANIFEST_MAX_BYTES, &text, &len, &e) < 0 ||
	    image_parse(text, len, distro, arch, &image, &line, &column, &e) < 0) {
		problem(ctx, path, line, column, e.msg);
		return 1;
	}
	probe.image = image;
	if (files_are_there(path, &probe))
		return 0;
	problem(ctx, path, 0, 0, probe.missing);
	return 1;
}

int images_check(struct images *im,
    void (*problem)(void *ctx, const char *file, int line, int column, const char *text),
    void *ctx, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(im->dir);
	int problems = 0;

	if (!dir)
		return err_errno(e, "the images folder %s cannot be read", im->dir);
	for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
		if (d->d_name[0] == '.')
			continue;
		problems += check_one(im, d->d_name, VM_ARCH_AMD64, problem, ctx);
		problems += check_one(im, d->d_name, VM_ARCH_ARM64, problem, ctx);
	}
	return problems;
}
