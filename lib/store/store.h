/* store.h - the folder vms/, watched and indexed.
 *
 * One thread owns the store: it calls vm_store_wait() in a loop. Every thread may take the current
 * snapshot, which never changes and lives until its last reference is dropped.
 *
 * Files: *.json directly in the folder, except names starting with '_' or '.', and *.schema.json.
 * `_defaults.json` supplies defaults for all, `_profiles/<name>.json` for definitions that name it;
 * a profile that cannot be used keeps its last good version. `<name>.noreboot` keeps the installer
 * from rebooting that VM. A file that turns unreadable, half written, too large, too deep or
 * invalid keeps that VM's last good definition; a deleted file removes the VM. Of two files with
 * one name, MAC, IP, UUID or serial the first holder keeps it and the newcomer is refused, naming
 * both; when the store opens with such files already there, the holder is who held it before
 * (options.holders), and without such a memory all of them are refused.
 *
 * inotify makes it fast, a rescan every rescan_ms makes it right (virtiofs, 9p, NFS and overlay
 * lower layers deliver no events). Where inotify tells every change - a local file system, no links
 * among the files - a rescan looks at the folder alone, and at all its files only as often as takes
 * at most a hundredth of a processor: every time up to thousands of files, at least once a minute.
 * Only what is written through a shared mapping of a file waits that long.
 */
#ifndef LIB_STORE_STORE_H
#define LIB_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/definition/vm.h"

struct vm_store;
struct vm_snapshot;

struct vm_store_options {
	const char *dir;          /* must exist */
	const struct cidr4 *lab;  /* NULL, or the network every "ip" must lie in */
	const struct cidr6 *lab6; /* NULL, or the network outside of which no "ipv6" is used */
	int rescan_ms;            /* 0: 2000 */
	int quiet_ms;             /* 0: 20; a burst is read once it has been quiet this long... */
	int burst_max_ms;         /* 0: 200; ...or has lasted this long */
	int scan_pause_ms;        /* 0: by what looking at every file takes */
	const char *holders; /* NULL, or vm_holders_text() of a store that saw the folder before */
	bool no_inotify;     /* rescans only: how a test sees a mount without events */
};

/* One thing that is wrong with one file. */
struct vm_problem {
	char *file; /* base name */
	struct vm_where where;
	char *text;             /* one sentence */
	bool serving_last_good; /* an older definition of this file is still in force */
	bool warning;           /* the definition is used; e.g. an unknown key */
	bool claimed;           /* another file has the same name, address or number */
};

/* Opens the folder and reads it once. A broken file is a problem in the snapshot, not an error. */
must_check int vm_store_open(
    const struct vm_store_options *options, struct vm_store **out, struct err *e);
void vm_store_close(struct vm_store *s);

/* Waits up to timeout_ms (-1: for ever) for a change of the folder. Returns 1 when a new snapshot
 * was published, 0 on timeout, vm_store_wake() or once the folder can be read again, -errno when
 * the folder cannot be watched at all (the last snapshot stays in force). Owner thread only. */
must_check int vm_store_wait(struct vm_store *s, int timeout_ms, struct err *e);

/* Ends a vm_store_wait() of another thread early. Async-signal-safe. */
void vm_store_wake(struct vm_store *s);

/* True for the base name of a file that the store reads a VM from. Pure. */
bool vm_file_is_definition(const char *name);

/* The current snapshot with one reference for the caller. Any thread; never NULL. */
const struct vm_snapshot *vm_store_snapshot(struct vm_store *s);
void vm_snapshot_unref(const struct vm_snapshot *snap);

/* Look-ups: borrowed until the snapshot is unreferenced; NULL when there is none. */
const struct vm *vm_snapshot_by_mac(const struct vm_snapshot *snap, const struct mac *mac);
const struct vm *vm_snapshot_by_name(const struct vm_snapshot *snap, const char *name);
/* By the name that it has in DNS and DHCP. */
const struct vm *vm_snapshot_by_label(const struct vm_snapshot *snap, const char *label);
const struct vm *vm_snapshot_by_uuid(const struct vm_snapshot *snap, const char *uuid);
const struct vm *vm_snapshot_by_serial(const struct vm_snapshot *snap, const char *serial);
/* Whose "ip" or "ipv6" that is, IPv4 as ip4_mapped(). */
const struct vm *vm_snapshot_declaring(
    const struct vm_snapshot *snap, const struct in6_addr *address);
/* True when vm_has_address() holds for any VM but `vm`. */
bool vm_snapshot_is_anothers(
    const struct vm_snapshot *snap, const struct vm *vm, const struct in6_addr *address);

/* All VMs, ordered by name; borrowed. */
size_t vm_snapshot_count(const struct vm_snapshot *snap);
const struct vm *vm_snapshot_at(const struct vm_snapshot *snap, size_t i);

/* True when vms/<name>.noreboot existed at the time of the snapshot. */
bool vm_snapshot_noreboot(const struct vm_snapshot *snap, const struct vm *vm);

/* The file a VM came from (base name); borrowed. */
const char *vm_snapshot_file(const struct vm_snapshot *snap, const struct vm *vm);

size_t vm_snapshot_problem_count(const struct vm_snapshot *snap);
const struct vm_problem *vm_snapshot_problem_at(const struct vm_snapshot *snap, size_t i);

/* The _defaults.json in force as compact JSON, or NULL. Borrowed. */
const char *vm_snapshot_defaults(const struct vm_snapshot *snap);

/* The profiles in force: an object, name to what vm_profile_parse_all() made, or NULL. Borrowed,
 * and only to be read. */
const json_t *vm_snapshot_profiles(const struct vm_snapshot *snap);

/* Who holds which name, MAC, address, UUID and serial, and the defaults and profiles in force, for
 * a store that opens later or elsewhere: so that both decide alike about files that claim the same,
 * and about all files while _defaults.json is broken. Lines of text; caller frees; NULL without
 * memory. Any thread. */
char *vm_holders_text(const struct vm_snapshot *snap);

/* As options.holders: a broken _defaults.json counts for nothing, for who wants to see what is
 * wrong beside it. */
#define VM_HOLDERS_NO_DEFAULTS "defaults {}\n"

/* Counts published snapshots from 1. */
unsigned long vm_snapshot_generation(const struct vm_snapshot *snap);

#endif
