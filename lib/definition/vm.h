/* vm.h - one VM definition (vms/<name>.json): parsing and validation.
 *
 * The table in fields.c is the only list of fields: the parser, vms/vm.schema.json and
 * docs in vms/REFERENCE.md are all made from it. Does no I/O and keeps no state.
 */
#ifndef LIB_DEFINITION_VM_H
#define LIB_DEFINITION_VM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/net/addr.h"
#include "lib/base/err.h"
#include "lib/machine/arch.h"

#define VM_FILE_MAX_BYTES (64 * 1024)
#define VM_NESTING_MAX 32
#define VM_DISKS_MAX 8
#define VM_PROFILES_MAX 16 /* that one definition names */

/* KEXEC: straight into the installed system, without firmware and boot loader. */
enum vm_after { VM_AFTER_REBOOT, VM_AFTER_KEXEC, VM_AFTER_POWEROFF, VM_AFTER_SHELL };

#define VM_HOOKS_MAX 16

/* Immutable after vm_parse(). Strings are NUL-terminated UTF-8 without control characters; NULL
 * where the definition says nothing and there is no default. */
struct vm {
	char *label;    /* the name as DNS takes it: lower case, '-' for '_' and '.' */
	char *name;     /* see vm_name_valid(); the machine's key everywhere but on the network */
	char *hostname; /* defaults to label */
	char *distro;   /* image directory name, e.g. "debian-13"; [a-z0-9][a-z0-9._-]* */
	char *image;    /* of images/, that is booted with "mode": "boot" */
	char *role;
	char *uuid;   /* lower case RFC 9562 text */
	char *serial; /* SMBIOS serial number */
	char *kernel; /* file name in the image directory, no slash */
	char *initrd; /* file name in the image directory, no slash */
	char *kernel_args;
	char *menu_default; /* a choice of the menu */
	char *loader;       /* see loader_choice.h */
	json_t *more;       /* the fields that have no member here, defaults applied, as they were
			       written: cloud-init's, storage, disks and more; NULL: none. Only to be
			       read, since threads and definitions share it. */
	const struct in6_addr *statics; /* what network_config sets; IPv4 as ip4_mapped() */
	unsigned static_count;
	struct mac mac;
	struct in_addr ip;  /* network byte order; 0 when none */
	uint8_t ip_prefix;  /* 0 when not given */
	uint8_t ip6_prefix; /* 0 when not given */
	bool mac_made; /* mac is made of serial or uuid, and has to be learned: see vm_mac_make() */
	bool has_ip6;
	bool pxeboot; /* pvmlab's; false with kernel and initrd: boot those from the image; false
			 without: boot from disk. Absent means true, but false in a file of pvmlab's
			 tool, which always has a role and leaves out what is false. */
	struct in6_addr ip6;
	enum vm_arch arch;
	enum vm_firmware firmware;
	bool secure_boot; /* the firmware starts only what is signed */
	unsigned mode;    /* of boot_mode_at(): what a network boot does */
	enum vm_after after_install;
	unsigned menu_timeout; /* seconds; 0: none */
	unsigned cpus;
	unsigned disk_count;
	uint64_t memory_bytes;
	uint64_t disk_bytes[VM_DISKS_MAX];
};

/* Where in a file a problem lies. line and column count from 1; 0 means the whole file. */
struct vm_where {
	int line;
	int column;
};

/* Parses and validates one definition.
 *   text, len  the file's bytes
 *   defaults   vms/_defaults.json's object or NULL; a field of the file replaces the whole default
 *   out        on success a new VM, freed by vm_free()
 *   where      where the first problem lies
 *   warnings   NULL, or called once per unknown key with its position
 * Returns 0, or -EINVAL with one sentence (what, where, what to do). */
must_check int vm_parse(const char *text, size_t len, const json_t *defaults, struct vm **out,
    struct vm_where *where, void (*warn)(void *ctx, struct vm_where where, const char *text),
    void *ctx, struct err *e);

/* Who is told of everything that is wrong with a definition. Every function may be NULL. */
struct vm_listener {
	void (*warn)(void *ctx, struct vm_where where, const char *text);
	void (*error)(void *ctx, struct vm_where where, const char *text);
	void *ctx;
};

/* What holds where a definition says nothing: a field of a profile that it names, the last named
 * first, else of the defaults, replaces what is built in as a whole. */
struct vm_base {
	const json_t *defaults; /* vms/_defaults.json's object, or NULL */
	/* The object of a profile, borrowed, or NULL with a sentence that goes on after the
	 * profile's name. Called for every one that the definition names. NULL: none is looked up,
	 * and none says anything. */
	const json_t *(*profile)(void *ctx, const char *name, struct err *e);
	void *ctx;
};

/* As vm_parse(), and `error` is told what else is wrong, after the first problem that `where` and
 * `e` have. */
must_check int vm_parse_all(const char *text, size_t len, const struct vm_base *base,
    struct vm **out, struct vm_where *where, const struct vm_listener *listener, struct err *e);

/* Parses vms/_defaults.json: same fields except name, mac, ip, ipv6, uuid, serial, which belong to
 * one machine. *out is a new reference. */
must_check int vm_defaults_parse(
    const char *text, size_t len, json_t **out, struct vm_where *where, struct err *e);
must_check int vm_defaults_parse_all(const char *text, size_t len, json_t **out,
    struct vm_where *where, const struct vm_listener *listener, struct err *e);

/* Parses vms/_profiles/<name>.json: the fields of _defaults.json, and `match` and `name`, which are
 * for machines without a definition (profile.h). *out is a new reference. */
must_check int vm_profile_parse_all(const char *text, size_t len, json_t **out,
    struct vm_where *where, const struct vm_listener *listener, struct err *e);

void vm_free(struct vm *vm);

/* The MAC address that stands for a machine whose definition has none: made of its serial number,
 * else its UUID. A VM of ours gets it as its own; of any other machine it is only the key by which
 * is kept what it was seen to have. The same for ever. */
struct mac vm_mac_make(const char *serial, const char *uuid);

/* True when the definition says that the machine has this address (IPv4 as ip4_mapped()): "ip",
 * "ipv6", or a static one of network_config. */
bool vm_has_address(const struct vm *vm, const struct in6_addr *address);

/* True for text that may be a VM's name: 1 to 63 letters, digits and inner '-', '_' and '.'. Safe
 * as part of a path, of a container's name and of a URL. */
bool vm_name_valid(const char *name);

/* True for labels of letters, digits and inner '-', joined by single dots. */
bool vm_hostname_valid(const char *hostname);

/* True for a name that is its own label, as new machines get: no capitals, '_' or '.'. */
bool vm_label_valid(const char *label);

/* Writes the label of a valid name. */
#define VM_LABEL_SIZE 64
void vm_label_make(const char *name, char label[VM_LABEL_SIZE]);

/* True for pvmlab's own machine, whose place the stack has: its file defines no machine to serve.
 * Holds also where the rest of the file is not valid. */
bool vm_text_is_provisioner(const char *text, size_t len);
/* The address that a refused definition declares; false without one that can be read. */
bool vm_text_ip(const char *text, size_t len, struct in_addr *ip);
bool vm_is_provisioner(const struct vm *vm);

/* The words of these enums; NULL after the last. */
const char *vm_after_name(size_t after);

/* The value of a simple field as text: numbers and sizes (bytes) in digits, a flag as "true" or
 * "false". NULL where it says nothing, or `name` is no such field. Borrowed from vm or buf. */
#define VM_FIELD_TEXT_SIZE 24
const char *vm_field_text(const struct vm *vm, const char *name, char buf[VM_FIELD_TEXT_SIZE]);

/* The JSON value of a simple field that a person gave as text: NULL with a sentence when there is
 * no such field, or it is no such value. Bounds and the like are vm_parse()'s. A new reference. */
json_t *vm_field_value(const char *name, const char *text, struct err *e);

/* Writes the JSON Schema (2020-12) and the Markdown reference made from the field table. */
json_t *vm_schema(void);
json_t *vm_profile_schema(void);
must_check int vm_reference_write(FILE *f, struct err *e);

#endif
