#include "boot_handler/state/declare.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/hash_table.h"
#include "lib/base/log.h"
#include "lib/definition/match.h"

/* A hall full of machines may be switched on at once. */
static const struct pace_rule files_pace = {.free = 500, .first_ms = 10000, .most_ms = 10000};
/* Each is said once, and of many a few. */
static const struct pace_rule lines_pace = {.free = 20, .first_ms = 1000, .most_ms = 60000};

/* ---- judging ------------------------------------------------------------------------------ */

static struct match_facts facts_of(const struct stranger *s, char mac[MAC_TEXT_SIZE])
{
	return (struct match_facts){.serial = s->shown.serial,
	    .uuid = s->shown.uuid,
	    .mac = mac_number(&s->mac[0]) ? mac_format(&s->mac[0], mac) : NULL,
	    .product = s->shown.product,
	    .manufacturer = s->shown.manufacturer,
	    .arch = s->shown.arch,
	    .memory_bytes = (uint64_t)s->memory_bytes,
	    .disk_bytes = (uint64_t)s->disk_bytes};
}

void declare_judge(
    const struct vm_snapshot *snap, const struct stranger *stranger, struct declaration *out)
{
	const json_t *profiles = vm_snapshot_profiles(snap);
	struct err e = ERR_INIT;
	char mac[MAC_TEXT_SIZE];

	*out = (struct declaration){.profile = NULL};
	if (stranger->ignored || !declare_applies(snap))
		return;
	struct match_facts facts = facts_of(stranger, mac);
	out->profile = match_choose(profiles, &facts, &e);
	if (!out->profile) {
		if (e.code != ENOENT)
			snprintf(out->problem, sizeof(out->problem), "%s", e.msg);
		return;
	}
	const char *pattern =
	    json_string_value(json_object_get(json_object_get(profiles, out->profile), "name"));
	if (!pattern)
		return;
	if (match_name(pattern, &facts, out->name, &e) < 0) {
		snprintf(out->problem, sizeof(out->problem), "profile %s: %s", out->profile, e.msg);
		out->name[0] = '\0';
	} else if (vm_snapshot_by_label(snap, out->name)) {
		snprintf(out->problem, sizeof(out->problem),
		    "profile %s would call it %s, as another machine is called already: adopt it by another name",
		    out->profile, out->name);
	}
}

bool declare_applies(const struct vm_snapshot *snap)
{
	const json_t *profile;
	const char *name;

	json_object_foreach((json_t *)vm_snapshot_profiles(snap), name, profile)
		if (json_object_get(profile, "match"))
			return true;
	return false;
}

/* ---- the definition ----------------------------------------------------------------------- */

static const json_t *find_profile(void *ctx, const char *name, struct err *e)
{
	const json_t *fields = json_object_get(ctx, name);

	if (!fields)
		err_set(e, ENOENT, "is no profile");
	return fields;
}

/* What the lab would refuse is not written. */
static int check(const struct vm_snapshot *snap, const char *text, struct mac *mac, struct err *e)
{
	const struct vm_listener nobody = {0};
	const char *said = vm_snapshot_defaults(snap);
	json_t *defaults = said ? json_loads(said, 0, NULL) : NULL;
	const struct vm_base base = {defaults, find_profile, (void *)vm_snapshot_profiles(snap)};
	struct vm_where where;
	struct vm *vm = NULL;

	int r = vm_parse_all(text, strlen(text), &base, &vm, &where, &nobody, e);
	if (r == 0)
		*mac = vm->mac;
	vm_free(vm);
	json_decref(defaults);
	return r;
}

static void put(json_t *o, const char *field, const char *value)
{
	if (value && *value)
		json_object_set_new(o, field, json_string(value));
}

char *declare_text(const struct vm_snapshot *snap, const struct stranger *s,
    const struct declaration *d, bool uuid, bool serial, struct mac *mac, struct err *e)
{
	_cleanup_free_ char *json = NULL;
	json_t *o = json_object();
	char text_of_mac[MAC_TEXT_SIZE], *text = NULL;
	enum vm_arch arch;

	put(o, "name", d->name);
	if (mac_number(&s->mac[0]))
		put(o, "mac", mac_format(&s->mac[0], text_of_mac));
	put(o, "uuid", uuid ? s->shown.uuid : NULL);
	put(o, "serial", serial ? s->shown.serial : NULL);
	if (s->shown.arch[0] && vm_arch_parse(s->shown.arch, &arch) == 0)
		put(o, "arch", vm_arch_name(arch));
	put(o, "profile", d->profile);
	json = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	if (!json || asprintf(&text, "%s\n", json) < 0) {
		err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	if (check(snap, text, mac, e) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- writing ------------------------------------------------------------------------------ */

static void say(struct declarer *d, const struct stranger *s, const char *problem)
{
	static struct pace lines;
	int64_t now = monotonic_ms();
	char mac[MAC_TEXT_SIZE] = "-";

	if (!strangers_is_news(
		state_strangers(d->state), s->slot, hash_bytes(problem, strlen(problem), 0) | 1) ||
	    pace_wait_ms(&lines, &lines_pace, now) > 0)
		return;
	pace_take(&lines, &lines_pace, now);
	if (mac_number(&s->mac[0]))
		mac_format(&s->mac[0], mac);
	log_warn(
	    "a machine without a definition mac=%s serial=%s: %s", mac, s->shown.serial, problem);
}

static bool is_alone(const struct declarer *d, const char *id)
{
	return *id && strangers_called(state_strangers(d->state), id) == 1;
}

/* `by`: what the operator asked for; NULL: its profile said so. */
static int write_definition(struct declarer *d, const struct vm_snapshot *snap,
    const struct stranger *s, const struct declaration *what, const char *by, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	struct mac mac;
	_cleanup_free_ char *text = declare_text(
	    snap, s, what, is_alone(d, s->shown.uuid), is_alone(d, s->shown.serial), &mac, e);

	if (!text)
		return -e->code;
	if (asprintf(&path, "%s/%s.json", d->dir, what->name) < 0) {
		path = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	int r = atomic_file_create(path, text, strlen(text), 0644, e);
	if (r == -EEXIST)
		return err_set(e, EEXIST, "%s exists already", path);
	atomic_store(&d->error, r < 0 ? e->code : 0);
	if (r < 0)
		return r;
	if (by)
		state_tell(d->state, &mac, what->name, EVENT_ACTION, by, NULL);
	else
		state_declared(d->state, &mac, what->name, what->profile);
	log_info("declared vm=%s profile=%s serial=%s", what->name,
	    what->profile ? what->profile : "-", s->shown.serial);
	return 0;
}

bool declarer_may_write(const struct declarer *d)
{
	return access(d->dir, W_OK) == 0;
}

int declarer_adopt(struct declarer *d, const struct vm_snapshot *snap, const struct stranger *s,
    const char *name, struct err *e)
{
	struct declaration what;

	declare_judge(snap, s, &what);
	if (!vm_name_valid(name) || strlen(name) >= sizeof(what.name))
		return err_set(e, EINVAL,
		    "that is no name for a machine: give one of at most 63 letters, digits and inner hyphens, underscores and dots");
	if (vm_snapshot_by_label(snap, name))
		return err_set(
		    e, EBUSY, "another machine is called %s already: give another name", name);
	memcpy(what.name, name, strlen(name) + 1);
	int r = write_definition(d, snap, s, &what, "adopt", e);
	return r == -EEXIST
		   ? err_set(e, EBUSY, "vms/%s.json exists already: give another name", name)
		   : r;
}

void declarer_excuse(struct declarer *d, struct declaration *declaration)
{
	int error = atomic_load(&d->error);

	if (error && declaration->name[0] && !declaration->problem[0])
		snprintf(declaration->problem, sizeof(declaration->problem),
		    "profile %s calls it %s, and the stack cannot write that into vms/ (%s): `vmlab adopt --all` does, or mount the folder writable and have the user with the number %u write there",
		    declaration->profile, declaration->name, strerror(error), (unsigned)geteuid());
}

static void declare(struct declarer *d, const struct vm_snapshot *snap, const struct stranger *s,
    struct declaration *what)
{
	struct err e = ERR_INIT;

	if (d->count == DECLARE_MAX) {
		say(d, s,
		    "profiles declared as many machines as they may until the stack is started anew: adopt it");
		return;
	}
	pace_take(&d->pace, &files_pace, monotonic_ms());
	if (write_definition(d, snap, s, what, NULL, &e) == 0) {
		d->count++;
		return;
	}
	declarer_excuse(d, what);
	say(d, s, what->problem[0] ? what->problem : e.msg);
}

static void judge_by(struct declarer *d, const json_t *profiles)
{
	if (d->profiles == profiles)
		return;
	if (profiles)
		strangers_all_due(state_strangers(d->state));
	json_decref(d->profiles);
	d->profiles = json_incref((json_t *)profiles);
}

int declarer_round(struct declarer *d, const struct vm_snapshot *snap)
{
	struct strangers *strangers = state_strangers(d->state);
	struct declaration what;
	struct stranger s;

	judge_by(d, declare_applies(snap) ? vm_snapshot_profiles(snap) : NULL);
	if (!d->profiles)
		return -1;
	while (strangers_next_due(strangers, &s)) {
		declare_judge(snap, &s, &what);
		int64_t wait = pace_wait_ms(&d->pace, &files_pace, monotonic_ms());
		if (what.problem[0]) {
			say(d, &s, what.problem);
		} else if (what.name[0] && wait > 0) {
			strangers_due_again(strangers, s.slot);
			return (int)wait;
		} else if (what.name[0]) {
			declare(d, snap, &s, &what);
		}
	}
	return -1;
}
