#include "lib/definition/storage.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/size.h"
#include "lib/base/words.h"
#include "lib/definition/vm.h"

#define MIB (UINT64_C(1) << 20)
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const storage_keys[] = {"root", "swap", "partitions"};
static const char *const root_keys[] = {"fs"};
static const char *const partition_keys[] = {"mount", "size", "fs", "label"};

const struct storage_partition *storage_root(const struct storage *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (strcmp(s->part[i].mount, "/") == 0)
			return &s->part[i];
	return NULL;
}

/* ---- values ----------------------------------------------------------------------------------*/

/* `word`: those that are offered in place of an unknown one. */
static int fs_read_of(struct json_reader *r, const json_t *value, const char *(*word)(size_t),
    struct storage_partition *p)
{
	const char *text;
	char list[120];

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	int i = word_index(fs_word, text);
	if (i < 0)
		return json_refuse(r, "\"%.40s\" is not possible: write %s", text,
		    word_list(word, "\"", list, sizeof(list)));
	p->fs = (enum storage_fs)i;
	return 0;
}

static int fs_read(struct json_reader *r, const json_t *value, struct storage_partition *p)
{
	return fs_read_of(r, value, fs_word, p);
}

static int root_fs_read(struct json_reader *r, const json_t *value, struct storage_partition *p)
{
	return fs_read_of(r, value, fs_root_word, p);
}

static int percent_read(struct json_reader *r, const char *text, struct storage_partition *p)
{
	size_t digits = strspn(text, "0123456789");
	unsigned percent = 0;

	for (size_t i = 0; i < digits && i < 4; i++)
		percent = percent * 10 + (unsigned)(text[i] - '0');
	if (digits == 0 || digits > 3 || strcmp(text + digits, "%") != 0 || percent < 1 ||
	    percent > 100)
		return json_refuse(r, "\"%.40s\" is not from \"1%%\" to \"100%%\"", text);
	p->unit = STORAGE_PERCENT;
	p->amount = percent;
	return 0;
}

static int size_read(struct json_reader *r, const json_t *value, struct storage_partition *p)
{
	const char *text;

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	p->amount = 0;
	if (strcmp(text, "rest") == 0) {
		p->unit = STORAGE_REST;
		return 0;
	}
	if (strchr(text, '%'))
		return percent_read(r, text, p);
	p->unit = STORAGE_BYTES;
	if (size_parse(text, &p->amount) < 0)
		return json_refuse(
		    r, "\"%.40s\" is not a size: write such as \"4G\", \"20%%\" or \"rest\"", text);
	if (p->amount < MIB || p->amount > UINT64_MAX / 2)
		return json_refuse(r,
		    "\"%.40s\" is out of range: give the size with its unit, such as \"4G\"", text);
	return 0;
}

/* What the boot, the kernel or the first programs need before anything else is mounted, and what is
 * a link in the distributions' trees. */
static bool mount_reserved(const char *mount)
{
	static const char *const reserved[] = {"/boot/efi", "/proc", "/sys", "/dev", "/run", "/etc",
	    "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/var/run", "/var/lock"};

	for (size_t i = 0; i < COUNT(reserved); i++) {
		size_t len = strlen(reserved[i]);
		if (strncmp(mount, reserved[i], len) == 0 &&
		    (mount[len] == '/' || mount[len] == '\0'))
			return true;
	}
	return false;
}

static bool mount_valid(const char *mount)
{
	if (strcmp(mount, "/") == 0)
		return true;
	if (strlen(mount) >= STORAGE_MOUNT_SIZE || mount[0] != '/' ||
	    strspn(mount, ALNUM "/._@+-") != strlen(mount))
		return false;
	for (const char *p = mount; *p;) {
		size_t len = strcspn(++p, "/");
		if (len == 0 || (len == 1 && *p == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += len;
	}
	return true;
}

static int mount_read(struct json_reader *r, const json_t *value, struct storage_partition *p)
{
	const char *text;

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	if (p->fs == STORAGE_FS_SWAP && (strcmp(text, "swap") == 0 || strcmp(text, "none") == 0))
		return 0;
	if (p->fs == STORAGE_FS_SWAP)
		return json_refuse(r, "must be left out: swap is not mounted anywhere");
	if (!mount_valid(text))
		return json_refuse(r,
		    "\"%.60s\" is not a directory such as \"/var\": write an absolute path of letters, digits and . _ @ + -, without a / at its end",
		    text);
	if (mount_reserved(text))
		return json_refuse(r, "\"%.60s\" cannot be a partition of its own", text);
	strcpy(p->mount, text);
	return 0;
}

static const char *label_characters(enum storage_fs fs)
{
	return file_systems[fs].label_without_dot ? ALNUM "_-" : ALNUM "._-";
}

static int label_read(struct json_reader *r, const json_t *value, struct storage_partition *p)
{
	const char *text;
	size_t max = file_systems[p->fs].label_max;
	const char *allowed = label_characters(p->fs);

	if (json_want_line(r, value, &text) < 0)
		return -EINVAL;
	if (strlen(text) > max || strspn(text, allowed) != strlen(text) || text[0] == '-')
		return json_refuse(r,
		    "\"%.40s\" is not a label for %s: write at most %zu letters, digits and%s _ -",
		    text, file_systems[p->fs].name, max,
		    file_systems[p->fs].label_without_dot ? "" : " .");
	strcpy(p->label, text);
	return 0;
}

/* "root", "swap", or the mount point with dashes: "srv-data". */
static void label_default(struct storage_partition *p)
{
	size_t max = file_systems[p->fs].label_max;
	const char *from = p->fs == STORAGE_FS_SWAP     ? "swap"
			   : strcmp(p->mount, "/") == 0 ? "root"
							: p->mount + 1;

	snprintf(p->label, sizeof(p->label), "%.*s", (int)max, from);
	const char *allowed = label_characters(p->fs);
	for (char *c = p->label; *c; c++)
		if (!strchr(allowed, *c))
			*c = '-';
}

/* ---- partitions ------------------------------------------------------------------------------*/

enum found { ABSENT, GOOD, WRONG };

/* Reads the member `key` when it is there. */
static enum found member(struct json_reader *r, const json_t *object, const char *key,
    int (*read)(struct json_reader *, const json_t *, struct storage_partition *),
    struct storage_partition *p)
{
	const json_t *value = json_object_get(object, key);

	if (json_absent(value))
		return ABSENT;
	json_enter(r, key);
	enum found found = read(r, value, p) < 0 ? WRONG : GOOD;
	json_leave(r);
	return found;
}

static bool needs_owners(const char *mount)
{
	return strcmp(mount, "/") == 0 || strcmp(mount, "/boot") == 0 ||
	       strncmp(mount, "/usr", 4) == 0 || strncmp(mount, "/var", 4) == 0;
}

static void fs_fits(struct json_reader *r, const struct storage_partition *p)
{
	const struct file_system *fs = &file_systems[p->fs];

	if (!fs->root && needs_owners(p->mount))
		(void)json_refuse(
		    r, "cannot be %s, which keeps no owners and links: use \"ext4\"", fs->name);
	if (p->unit == STORAGE_BYTES && p->amount > 0 && p->amount < fs->min_bytes)
		(void)json_refuse_member(r, "size", "is too small for %s: give it at least %lluM",
		    fs->name, (unsigned long long)(fs->min_bytes / MIB));
}

static bool may_be_swap(const json_t *partition)
{
	const char *mount = json_string_value(json_object_get(partition, "mount"));

	return mount && (strcmp(mount, "swap") == 0 || strcmp(mount, "none") == 0);
}

/* What depends on a member that was refused is not judged. */
static void partition_read(struct json_reader *r, const json_t *value, struct storage_partition *p)
{
	enum found fs = member(r, value, "fs", fs_read, p);
	enum found mount =
	    fs == WRONG && may_be_swap(value) ? WRONG : member(r, value, "mount", mount_read, p);
	enum found size = member(r, value, "size", size_read, p);

	if (size == WRONG) {
		p->unit = STORAGE_BYTES;
		p->amount = 0;
	}
	if (size == ABSENT && mount != WRONG && strcmp(p->mount, "/") != 0) {
		(void)json_refuse(
		    r, "has no \"size\": add one such as \"4G\", \"20%%\" or \"rest\"");
		p->unit = STORAGE_BYTES;
	}
	if (fs != WRONG && member(r, value, "label", label_read, p) == ABSENT)
		label_default(p);
	if (fs != WRONG && p->fs != STORAGE_FS_SWAP && mount == ABSENT) {
		(void)json_refuse(r, "has no \"mount\": add where it belongs, such as \"/var\"");
	}
	if (fs != WRONG)
		fs_fits(r, p);
}

static void partition_append(
    struct json_reader *r, struct storage *s, const struct storage_partition *p)
{
	unsigned rests = 0;

	for (unsigned i = 0; i < s->count; i++) {
		rests += s->part[i].unit == STORAGE_REST;
		if (p->mount[0] && strcmp(p->mount, s->part[i].mount) == 0) {
			(void)json_refuse(r, "has the same \"mount\" as another: \"%s\"", p->mount);
		}
	}
	if (p->unit == STORAGE_REST && rests > 0) {
		(void)json_refuse(r,
		    "would be the second to take the rest of the disk: give it a \"size\" such as \"4G\" or \"20%%\"");
	}
	if (s->count < STORAGE_PARTITIONS_MAX)
		s->part[s->count++] = *p;
}

static bool has_room(struct json_reader *r, const struct storage *s)
{
	if (s->count < STORAGE_PARTITIONS_MAX)
		return true;
	(void)json_refuse(
	    r, "is one partition too many: at most %d are possible", STORAGE_PARTITIONS_MAX);
	return false;
}

static void partitions_read(
    struct json_reader *r, const json_t *list, enum storage_fs root_fs, struct storage *s)
{
	const json_t *value;
	size_t i;

	if (json_absent(list))
		return;
	json_enter(r, "partitions");
	if (!json_is_array(list)) {
		(void)json_refuse(r, "must be a list: put it in [] brackets");
	}
	json_array_foreach(list, i, value) {
		struct storage_partition p = {.fs = STORAGE_FS_EXT4, .unit = STORAGE_REST};
		json_enter_at(r, i);
		bool room = has_room(r, s);
		const char *mount = json_string_value(json_object_get(value, "mount"));
		if (mount && strcmp(mount, "/") == 0)
			p.fs = root_fs;
		if (room && json_want_object(r, value, "{\"mount\": \"/var\", \"size\": \"4G\"}",
				partition_keys, COUNT(partition_keys)) == 0) {
			partition_read(r, value, &p);
			partition_append(r, s, &p);
		}
		json_leave(r);
		if (!room)
			break;
	}
	json_leave(r);
}

static void root_read(struct json_reader *r, const json_t *value, struct storage_partition *root)
{
	char list[120];

	if (json_absent(value))
		return;
	json_enter(r, "root");
	if (json_want_object(r, value, "{\"fs\": \"xfs\"}", root_keys, COUNT(root_keys)) == 0 &&
	    member(r, value, "fs", root_fs_read, root) == GOOD && !file_systems[root->fs].root) {
		(void)json_refuse_member(r, "fs", "cannot be \"%s\": write %s",
		    file_systems[root->fs].name, word_list(fs_root_word, "\"", list, sizeof(list)));
		root->fs = STORAGE_FS_EXT4;
	}
	json_leave(r);
}

static void swap_read(struct json_reader *r, const json_t *value, struct storage *s)
{
	struct storage_partition p = {.fs = STORAGE_FS_SWAP, .label = "swap"};

	if (json_absent(value))
		return;
	json_enter(r, "swap");
	int rc = size_read(r, value, &p);
	if (rc == 0 && p.unit == STORAGE_REST)
		(void)json_refuse(r, "cannot be \"rest\": write a size such as \"2G\" or \"5%%\"");
	else if (rc == 0)
		partition_append(r, s, &p);
	json_leave(r);
}

/* ---- all of it -------------------------------------------------------------------------------*/

static void rest_to_the_end(struct storage *s)
{
	for (unsigned i = 0; i + 1 < s->count; i++)
		if (s->part[i].unit == STORAGE_REST) {
			struct storage_partition rest = s->part[i];
			memmove(
			    &s->part[i], &s->part[i + 1], (s->count - i - 1) * sizeof(s->part[0]));
			s->part[s->count - 1] = rest;
			return;
		}
}

static bool takes_rest(const struct storage *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->part[i].unit == STORAGE_REST)
			return true;
	return false;
}

static void percent_check(struct json_reader *r, const struct storage *s)
{
	uint64_t percent = 0;

	for (unsigned i = 0; i < s->count; i++)
		percent += s->part[i].unit == STORAGE_PERCENT ? s->part[i].amount : 0;
	/* The partition that the firmware boots from takes something, too. */
	if (percent < 100)
		return;
	(void)json_refuse(r, "gives away %llu%% of the disk: keep the sum below 100%%%s",
	    (unsigned long long)percent,
	    takes_rest(s) ? ", as something has to be left for the rest" : "");
}

/* What no partition was said to be is "/", if there is room. What was refused may have been it. */
static void root_append(
    struct json_reader *r, struct storage *s, const struct storage_partition *root)
{
	if (takes_rest(s)) {
		(void)json_refuse(r,
		    "leaves nothing for \"/\": one of \"partitions\" takes the rest, so add {\"mount\": \"/\", \"size\": \"8G\"} or the like");
	} else if (has_room(r, s)) {
		partition_append(r, s, root);
	}
}

void storage_default(struct storage *out)
{
	memset(out, 0, sizeof(*out));
	out->count = 1;
	out->part[0] = (struct storage_partition){
	    .mount = "/", .label = "root", .fs = STORAGE_FS_EXT4, .unit = STORAGE_REST};
}

int storage_read(struct json_reader *r, const json_t *value, struct storage *out)
{
	struct storage_partition root;
	unsigned before = r->refusals;
	struct storage s;

	memset(&s, 0, sizeof(s));
	storage_default(out);
	root = out->part[0];
	if (json_want_object(
		r, value, "{\"root\": {\"fs\": \"xfs\"}}", storage_keys, COUNT(storage_keys)) < 0)
		return -EINVAL;
	root_read(r, json_object_get(value, "root"), &root);
	swap_read(r, json_object_get(value, "swap"), &s);
	partitions_read(r, json_object_get(value, "partitions"), root.fs, &s);
	if (!storage_root(&s) && r->refusals == before)
		root_append(r, &s, &root);
	percent_check(r, &s);
	if (r->refusals > before)
		return -EINVAL;
	rest_to_the_end(&s);
	*out = s;
	return 0;
}

int storage_parse(const json_t *value, struct storage *out, struct json_path *bad, struct err *e)
{
	struct json_first_refusal first = {.bad = bad, .e = e};
	struct json_reader r = json_reader_first(&first);

	return storage_read(&r, value, out);
}
