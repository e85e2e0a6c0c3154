#include "vmlab/simulate/profile.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/size.h"

#define FAULT_WORD(name, word, text) word,
const char *const simulate_fault_words[SIMULATE_FAULT_COUNT] = {SIMULATE_FAULTS(FAULT_WORD)};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- numbers ------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea and Flood, 2014). */
uint64_t simulate_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

double simulate_random_share(uint64_t *state)
{
	return (double)(simulate_random(state) >> 11) / (double)(UINT64_C(1) << 53);
}

/* ---- the file ------------------------------------------------------------------------------ */

static const struct {
	const char *key;
	size_t member;
	double builtin, min, max;
} numbers[] = {
    {"over_s", offsetof(struct simulate_profile, over_s), 1, 0, 86400},
    {"speed", offsetof(struct simulate_profile, speed), 10, 0.01, 1e6},
    {"patience_s", offsetof(struct simulate_profile, patience_s), 120, 0.1, 86400},
    {"firmware_s", offsetof(struct simulate_profile, firmware_s), 10, 0, 3600},
    {"kernel_s", offsetof(struct simulate_profile, kernel_s), 5, 0, 3600},
    {"disk_s", offsetof(struct simulate_profile, disk_s), 10, 0, 86400},
    {"reboot_s", offsetof(struct simulate_profile, reboot_s), 5, 0, 3600},
    {"first_boot_s", offsetof(struct simulate_profile, first_boot_s), 20, 0, 86400},
};

static const struct {
	const char *key;
	size_t member;
	uint64_t builtin, min, max;
} sizes[] = {
    {"rootfs", offsetof(struct simulate_profile, rootfs_bytes), 16 << 20, 1, UINT64_C(1) << 34},
    {"kernel", offsetof(struct simulate_profile, kernel_bytes), 8 << 20, 1, 1 << 28},
    {"modules", offsetof(struct simulate_profile, modules_bytes), 4 << 20, 1, 1 << 28},
    {"slow_rate", offsetof(struct simulate_profile, slow_rate), 1 << 20, 1024, UINT64_C(1) << 34},
    {"disk_rate", offsetof(struct simulate_profile, disk_rate), 0, 1024, UINT64_C(1) << 40},
};

static int want_number(
    struct json_reader *r, const json_t *value, double min, double max, double *out)
{
	double number = json_number_value(value);

	if (!json_is_number(value) || !(number >= min && number <= max))
		return json_refuse(r, "has to be a number from %g to %g", min, max);
	*out = number;
	return 0;
}

static void read_number(struct json_reader *r, json_t *doc, size_t i, struct simulate_profile *out)
{
	double *to = (void *)((char *)out + numbers[i].member);
	const json_t *value = json_object_get(doc, numbers[i].key);

	*to = numbers[i].builtin;
	json_enter(r, numbers[i].key);
	if (!json_absent(value))
		(void)want_number(r, value, numbers[i].min, numbers[i].max, to);
	json_leave(r);
}

static void read_size(struct json_reader *r, json_t *doc, size_t i, struct simulate_profile *out)
{
	uint64_t *to = (void *)((char *)out + sizes[i].member), bytes = sizes[i].builtin;
	const json_t *value = json_object_get(doc, sizes[i].key);
	char min[SIZE_TEXT_SIZE], max[SIZE_TEXT_SIZE];

	json_enter(r, sizes[i].key);
	if (!json_absent(value) &&
	    (!json_is_string(value) || size_parse(json_string_value(value), &bytes) < 0 ||
		bytes < sizes[i].min || bytes > sizes[i].max))
		(void)json_refuse(r, "has to be a size from %s to %s, as in \"16M\"",
		    size_text_short(sizes[i].min, min), size_text_short(sizes[i].max, max));
	else
		*to = bytes;
	json_leave(r);
}

static int read_list(struct json_reader *r, const json_t *list, unsigned machines)
{
	const json_t *number;
	int64_t n;
	size_t i;

	json_array_foreach(list, i, number) {
		json_enter_at(r, i);
		(void)json_want_integer(r, number, 1, machines, &n);
		json_leave(r);
	}
	return 0;
}

static int read_share(
    struct json_reader *r, const json_t *value, unsigned machines, struct simulate_share *out)
{
	if (json_is_array(value)) {
		out->list = value;
		return read_list(r, value, machines);
	}
	if (json_is_number(value))
		return want_number(r, value, 0, 1, &out->chance);
	return json_refuse(r,
	    "has to be a share of the machines, as in 0.05, or a list of their numbers, as in [3, 17]");
}

static int read_faults(
    struct json_reader *r, json_t *faults, unsigned machines, struct simulate_profile *out)
{
	int rc = json_want_object(
	    r, faults, "{\"slow\": 0.05}", simulate_fault_words, SIMULATE_FAULT_COUNT);

	for (size_t i = 0; rc == 0 && i < SIMULATE_FAULT_COUNT; i++) {
		const json_t *value = json_object_get(faults, simulate_fault_words[i]);
		json_enter(r, simulate_fault_words[i]);
		if (!json_absent(value))
			(void)read_share(r, value, machines, &out->fault[i]);
		json_leave(r);
	}
	return rc;
}

static void tell_unknown(struct json_reader *r, const json_t *doc)
{
	const char *known[2 + COUNT(numbers) + COUNT(sizes)] = {"seed", "faults"};
	size_t n = 2;

	for (size_t i = 0; i < COUNT(numbers); i++)
		known[n++] = numbers[i].key;
	for (size_t i = 0; i < COUNT(sizes); i++)
		known[n++] = sizes[i].key;
	json_known(r, doc, known, n);
}

int simulate_profile_read(
    struct json_reader *r, json_t *doc, unsigned machines, struct simulate_profile *out)
{
	json_t *seed = json_object_get(doc, "seed"), *faults = json_object_get(doc, "faults");
	unsigned before = r->refusals;

	*out = (struct simulate_profile){.seed = 1, .doc = json_incref(doc)};
	for (size_t i = 0; i < COUNT(numbers); i++)
		read_number(r, doc, i, out);
	for (size_t i = 0; i < COUNT(sizes); i++)
		read_size(r, doc, i, out);
	json_enter(r, "seed");
	if (!json_absent(seed))
		(void)json_want_integer(r, seed, 0, INT64_MAX, &out->seed);
	json_leave(r);
	json_enter(r, "faults");
	if (!json_absent(faults))
		(void)read_faults(r, faults, machines, out);
	json_leave(r);
	if (doc)
		tell_unknown(r, doc);
	return r->refusals > before ? -EINVAL : 0;
}

void simulate_profile_clear(struct simulate_profile *p)
{
	json_decref(p->doc);
	memset(p, 0, sizeof(*p));
}

/* ---- who has which ------------------------------------------------------------------------- */

static bool has(const struct simulate_share *share, unsigned number, uint64_t *random)
{
	bool drawn = simulate_random_share(random) < share->chance;
	const json_t *one;
	size_t i;

	json_array_foreach(share->list, i, one)
		if (json_integer_value(one) == number)
			return true;
	return drawn;
}

unsigned simulate_faults_of(const struct simulate_profile *p, unsigned number)
{
	uint64_t random = (uint64_t)p->seed * 0x10001 + number;
	unsigned faults = 0;

	(void)simulate_random(&random);
	for (unsigned i = 0; i < SIMULATE_FAULT_COUNT; i++)
		if (has(&p->fault[i], number, &random))
			faults |= 1u << i;
	return faults;
}
