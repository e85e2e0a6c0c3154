#include "lib/definition/disk_choice.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/size.h"
#include "lib/base/text.h"
#include "lib/base/words.h"
#include "lib/definition/vm.h"

#define BY_PATH "/dev/disk/by-path/"
#define LINE_SIZE 420

/* ---- reading a match -------------------------------------------------------------------------*/

static const char *transport_word(size_t i)
{
	static const char *const words[] = {
	    "virtio", "nvme", "sata", "sas", "scsi", "usb", "mmc", "iscsi", "fc", "xen", NULL};

	return words[i];
}

/* Where a key of the match goes; exactly one of the three. */
struct slot {
	const char *key;
	char *text;
	size_t size;
	uint64_t *bytes;
	enum disk_pick *pick;
};

static int text_set(struct json_reader *r, const struct slot *s, const char *text)
{
	if (!text_is_ascii(text))
		return json_refuse(r, "must be printable ASCII, as disks tell it");
	if (strlen(text) >= s->size)
		return json_refuse(r, "is longer than %zu characters", s->size - 1);
	strcpy(s->text, text);
	return 0;
}

static int pick_set(struct json_reader *r, const struct slot *s, const char *text)
{
	if (strcmp(text, "largest") == 0)
		*s->pick = DISK_PICK_LARGEST;
	else if (strcmp(text, "smallest") == 0)
		*s->pick = DISK_PICK_SMALLEST;
	else
		return json_refuse(
		    r, "\"%.40s\" is not possible: write \"largest\" or \"smallest\"", text);
	return 0;
}

static int slot_set(struct json_reader *r, const struct slot *s, const json_t *value)
{
	const char *text = json_string_value(value);

	if (s->bytes && (!text || size_parse(text, s->bytes) < 0))
		return json_refuse(r, "must be a size with its unit, such as \"10G\"");
	if (s->bytes)
		return 0;
	if (!text)
		return json_refuse(r, "must be a text in quotes");
	return s->pick ? pick_set(r, s, text) : text_set(r, s, text);
}

static void together(struct json_reader *r, const struct disk_match *m)
{
	char list[120];

	if (m->path[0] && strncmp(m->path, "/dev/", 5) != 0 && strchr(m->path, '/'))
		(void)json_refuse_member(r, "path",
		    "must be a device such as \"/dev/sda\", or where it is plugged in, such as \"pci-0000:00:1f.2-ata-1\"");
	if (m->transport[0] && word_index(transport_word, m->transport) < 0)
		(void)json_refuse_member(r, "transport", "\"%s\" is not known: write %s",
		    m->transport, word_list(transport_word, "", list, sizeof(list)));
	if (m->max_bytes && m->min_bytes > m->max_bytes)
		(void)json_refuse_member(r, "max_size", "is less than min_size: no disk can match");
}

int disk_match_read(struct json_reader *r, const json_t *value, struct disk_match *out)
{
	const struct slot slots[] = {
	    {.key = "path", .text = out->path, .size = sizeof(out->path)},
	    {.key = "serial", .text = out->serial, .size = sizeof(out->serial)},
	    {.key = "wwn", .text = out->wwn, .size = sizeof(out->wwn)},
	    {.key = "model", .text = out->model, .size = sizeof(out->model)},
	    {.key = "transport", .text = out->transport, .size = sizeof(out->transport)},
	    {.key = "min_size", .bytes = &out->min_bytes},
	    {.key = "max_size", .bytes = &out->max_bytes},
	    {.key = "pick", .pick = &out->pick},
	};
	const char *known[sizeof(slots) / sizeof(*slots)];
	const size_t count = sizeof(slots) / sizeof(*slots);
	unsigned before = r->refusals;
	size_t given = 0;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < count; i++)
		known[i] = slots[i].key;
	if (json_want_object(r, value, "{\"serial\": \"S4EVNF0M\"}", known, count) < 0)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		const json_t *v = json_object_get(value, slots[i].key);
		if (json_absent(v))
			continue;
		given++;
		json_enter(r, slots[i].key);
		(void)slot_set(r, &slots[i], v);
		json_leave(r);
	}
	if (given == 0)
		(void)json_refuse(r,
		    "says nothing about the disk: add a key such as \"serial\", \"model\" or \"pick\", or leave \"match\" out");
	together(r, out);
	return r->refusals > before ? -EINVAL : 0;
}

int disk_match_parse(
    const json_t *value, struct disk_match *out, struct json_path *bad, struct err *e)
{
	struct json_first_refusal first = {.bad = bad, .e = e};
	struct json_reader r = json_reader_first(&first);

	return disk_match_read(&r, value, out);
}

/* ---- matching --------------------------------------------------------------------------------*/

const char *disk_wwn_digits(const char *wwn)
{
	static const char *const prefixes[] = {
	    "wwn-", "naa.", "eui.", "nvme.", "uuid.", "t10.", "0x"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (strncasecmp(wwn, prefixes[i], strlen(prefixes[i])) == 0)
			wwn += strlen(prefixes[i]);
	return wwn;
}

static bool path_matches(const char *path, const struct disk *d)
{
	if (strcmp(path, d->path) == 0)
		return true;
	if (strncmp(path, BY_PATH, strlen(BY_PATH)) == 0)
		path += strlen(BY_PATH);
	return d->by_path[0] && strcmp(path, d->by_path) == 0;
}

/* Why a disk does not match, or NULL. */
static const char *mismatch(const struct disk_match *m, const struct disk *d)
{
	if (d->excluded[0])
		return d->excluded;
	if (!m)
		return NULL;
	if (m->path[0] && !path_matches(m->path, d))
		return "another path";
	if (m->serial[0] && strcasecmp(m->serial, d->serial) != 0)
		return d->serial[0] ? "another serial" : "no serial";
	if (m->wwn[0] &&
	    (!d->wwn[0] || strcasecmp(disk_wwn_digits(m->wwn), disk_wwn_digits(d->wwn)) != 0))
		return d->wwn[0] ? "another wwn" : "no wwn";
	if (m->model[0] && fnmatch(m->model, d->model, FNM_CASEFOLD | FNM_NOESCAPE) != 0)
		return d->model[0] ? "another model" : "no model";
	if (m->transport[0] && strcmp(m->transport, d->transport) != 0)
		return "another transport";
	if (d->size_bytes < m->min_bytes)
		return "smaller than min_size";
	if (m->max_bytes && d->size_bytes > m->max_bytes)
		return "larger than max_size";
	return NULL;
}

/* ---- choosing --------------------------------------------------------------------------------*/

const char *disk_describe(const struct disk *d, char *buf, size_t size)
{
	char bytes[SIZE_TEXT_SIZE];

	snprintf(buf, size, "%s %s%s%s%s%s%s%s%s%s%s%s", d->path, size_text(d->size_bytes, bytes),
	    d->transport[0] ? " " : "", d->transport, d->model[0] ? " model=" : "", d->model,
	    d->serial[0] ? " serial=" : "", d->serial, d->wwn[0] ? " wwn=" : "", d->wwn,
	    d->by_path[0] ? " at " : "", d->by_path);
	return buf;
}

/* Like strverscmp, but vdb comes before vdaa. */
static int name_compare(const char *a, const char *b)
{
	size_t alpha_a = strcspn(a, "0123456789");
	size_t alpha_b = strcspn(b, "0123456789");

	if (alpha_a != alpha_b && strncmp(a, b, 2) == 0)
		return alpha_a < alpha_b ? -1 : 1;
	return strverscmp(a, b);
}

static int first_of_size(const struct disk *disks, size_t count, uint64_t bytes)
{
	int best = -1;

	for (size_t i = 0; i < count; i++)
		if (!disks[i].excluded[0] && disks[i].size_bytes == bytes &&
		    (best < 0 || name_compare(disks[i].name, disks[best].name) < 0))
			best = (int)i;
	return best;
}

/* The message, with as many of the disks as find room in it. */
static int refuse(int code, const char *what, const struct disk_match *m, const struct disk *disks,
    size_t count, struct err *e)
{
	char text[sizeof(e->msg)] = "", line[LINE_SIZE], about[LINE_SIZE];
	size_t len = 0, left_out = 0;

	for (size_t i = 0; i < count; i++) {
		const char *why = mismatch(m, &disks[i]);
		if (code == ENOTUNIQ && why)
			continue;
		disk_describe(&disks[i], about, sizeof(about));
		int n = snprintf(line, sizeof(line), "%s%s%s%s%s", len ? "; " : "", about,
		    why ? " (" : "", why ? why : "", why ? ")" : "");
		if (n < 0 || (size_t)n >= sizeof(line) || len + (size_t)n + 200 > sizeof(text))
			left_out++;
		else
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", line);
	}
	if (left_out)
		snprintf(text + len, sizeof(text) - len, "; and %zu more", left_out);
	return err_set(e, code, "%s: %s", what, count ? text : "this machine has no disk");
}

static int pick_better(const struct disk_match *m, const struct disk *a, const struct disk *b)
{
	if (m->pick == DISK_PICK_NONE || a->size_bytes == b->size_bytes)
		return 0;
	return (a->size_bytes > b->size_bytes) == (m->pick == DISK_PICK_LARGEST) ? 1 : -1;
}

static int choose_matching(
    const struct disk_match *m, const struct disk *disks, size_t count, struct err *e)
{
	int best = -1;
	unsigned equals = 0;

	for (size_t i = 0; i < count; i++) {
		if (mismatch(m, &disks[i]))
			continue;
		int better = best < 0 ? 1 : pick_better(m, &disks[i], &disks[best]);
		if (better > 0) {
			best = (int)i;
			equals = 0;
		}
		equals += better >= 0;
	}
	if (best < 0)
		return refuse(ENODEV, "no disk matches disks[0].match", m, disks, count, e);
	if (equals > 1)
		return refuse(ENOTUNIQ,
		    m->pick == DISK_PICK_NONE
			? "several disks match disks[0].match, say more about the one that is meant"
			: "several disks match disks[0].match and \"pick\" finds them equally large, say more about the one that is meant",
		    m, disks, count, e);
	return best;
}

int disk_choose(const struct disk_match *match, uint64_t first_disk_bytes, const struct disk *disks,
    size_t count, struct err *e)
{
	size_t usable = 0;
	uint64_t largest = 0;
	int best = -1;

	if (match)
		return choose_matching(match, disks, count, e);
	for (size_t i = 0; i < count; i++)
		if (!disks[i].excluded[0]) {
			usable++;
			if (disks[i].size_bytes > largest)
				largest = disks[i].size_bytes;
		}
	if (count > 0 && usable == 0)
		return refuse(
		    ENODEV, "found no disk to install on; there are only", NULL, disks, count, e);
	if (usable == 0)
		return err_set(e, ENODEV,
		    "found no disk to install on: give the machine a virtio, SCSI, SATA or NVMe disk");
	if (first_disk_bytes && usable > 1)
		best = first_of_size(disks, count, first_disk_bytes);
	return best >= 0 ? best : first_of_size(disks, count, largest);
}
