/* field.h - inside of vm.h: the field table's shape and the readers of its values.
 *
 * vm.c holds the table and runs it over a definition; read.c reads single values, lists.c
 * the structured ones, cloudinit.c those that are cloud-init's; schema.c turns the table into
 * the JSON Schema and the reference page.
 */
#ifndef LIB_DEFINITION_FIELD_H
#define LIB_DEFINITION_FIELD_H

#include "lib/json/text.h"
#include "lib/machine/smbios_id.h"
#include "lib/definition/vm.h"

/* A definition while it is read. The strings of `draft` are borrowed from the JSON values. */
struct vm_reader {
	struct vm draft;
	char uuid[UUID_TEXT_SIZE];
	char label[VM_LABEL_SIZE];
	struct cidr4 subnet; /* prefix 0: none */
	struct cidr6 subnet6;
	bool from_defaults; /* the value at hand comes from _defaults.json */
	bool strict;        /* an unknown key is refused: _defaults.json has no other use for it */

	const char *text; /* the file, for positions */
	size_t len;
	struct json_path path; /* the value at hand */
	struct vm_listener listener;
	struct err *e;     /* the sentence at hand */
	unsigned refusals; /* so far; the first one: */
	struct vm_where first_where;
	struct err first;
};

enum {
	VM_FIELD_REQUIRED = 1,
	VM_FIELD_OWN = 2,     /* belongs to one machine: not allowed in _defaults.json */
	VM_FIELD_CARRIED = 4, /* pvmlab's; checked and kept, without effect here */
};

struct vm_field {
	const char *name;
	int (*read)(struct vm_reader *r, json_t *value);
	unsigned flags;
	const char *schema;  /* JSON Schema of the value */
	const char *summary; /* Markdown, one line */
	const char *absent;  /* what holds without it; NULL: nothing */
	const char *example; /* JSON */
};

extern const struct vm_field vm_fields[];
extern const size_t vm_field_count;

/* Refuses the value at r->path: position, and `"<path>": <sentence>`. Returns -EINVAL. Reading goes
 * on with the next value all the same: a person wants to know all that is wrong. */
int vm_refuse(struct vm_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As vm_refuse, with the sentence that is in r->e already. */
int vm_refuse_err(struct vm_reader *r);

/* Refuses with the sentence in r->e, told as lying there. Returns -EINVAL. */
int vm_refuse_at(struct vm_reader *r, struct vm_where where);

/* Warns about the unknown member `key` of the object at r->path, or refuses it (-EINVAL). */
int vm_unknown_key(struct vm_reader *r, const char *key, const char *const *known, size_t count);

/* Warns about the value at r->path. */
void vm_warn(struct vm_reader *r, const char *sentence);

/* Enter a member or an element of the value at hand, and leave it again. */
void vm_path_key(struct vm_reader *r, const char *key);
void vm_path_index(struct vm_reader *r, size_t index);
void vm_path_leave(struct vm_reader *r);

/* `""` and null mean the same as absent. */
bool vm_value_empty(const json_t *value);

/* Every reader returns 0 or -EINVAL after vm_refuse(). `value` is not empty. */
int vm_read_name(struct vm_reader *r, json_t *value);
int vm_read_mac(struct vm_reader *r, json_t *value);
int vm_read_ip(struct vm_reader *r, json_t *value);
int vm_read_subnet(struct vm_reader *r, json_t *value);
int vm_read_ipv6(struct vm_reader *r, json_t *value);
int vm_read_subnetv6(struct vm_reader *r, json_t *value);
int vm_read_arch(struct vm_reader *r, json_t *value);
int vm_read_distro(struct vm_reader *r, json_t *value);
int vm_read_hostname(struct vm_reader *r, json_t *value);
int vm_read_role(struct vm_reader *r, json_t *value);
int vm_read_uuid(struct vm_reader *r, json_t *value);
int vm_read_serial(struct vm_reader *r, json_t *value);
int vm_read_cpus(struct vm_reader *r, json_t *value);
int vm_read_memory(struct vm_reader *r, json_t *value);
int vm_read_firmware(struct vm_reader *r, json_t *value);
int vm_read_mode(struct vm_reader *r, json_t *value);
int vm_read_after_install(struct vm_reader *r, json_t *value);
int vm_read_pxeboot(struct vm_reader *r, json_t *value);
int vm_read_kernel(struct vm_reader *r, json_t *value);
int vm_read_initrd(struct vm_reader *r, json_t *value);
int vm_read_kernel_args(struct vm_reader *r, json_t *value);
int vm_read_ssh_port(struct vm_reader *r, json_t *value);
int vm_read_carried_text(struct vm_reader *r, json_t *value);

int vm_read_disks(struct vm_reader *r, json_t *value);
int vm_read_ssh_key(struct vm_reader *r, json_t *value);
int vm_read_ssh_keys(struct vm_reader *r, json_t *value);
int vm_read_users(struct vm_reader *r, json_t *value);
int vm_read_packages(struct vm_reader *r, json_t *value);
int vm_read_write_files(struct vm_reader *r, json_t *value);
int vm_read_runcmd(struct vm_reader *r, json_t *value);
int vm_read_user_data(struct vm_reader *r, json_t *value);
int vm_read_network_config(struct vm_reader *r, json_t *value);
int vm_read_storage(struct vm_reader *r, json_t *value);
int vm_read_hooks(struct vm_reader *r, json_t *value);

/* Warns of what "user_data" makes void; once all fields are read. */
void vm_check_user_data(struct vm_reader *r, const json_t *definition);

/* Shared by the reader files. */
int vm_want_string(struct vm_reader *r, const json_t *value, const char **out);
/* Reads the member `key` when it is there. What was refused is noted: the next one is read all the
 * same. */
void vm_member(struct vm_reader *r, json_t *object, const char *key,
    int (*read)(struct vm_reader *, json_t *));
int vm_each(struct vm_reader *r, json_t *list, int (*read)(struct vm_reader *, json_t *));
int vm_want_object(struct vm_reader *r, json_t *value, const char *example,
    const char *const *known, size_t count);
int vm_read_line(struct vm_reader *r, json_t *value);
int vm_read_text(struct vm_reader *r, json_t *value);
int vm_read_flag(struct vm_reader *r, json_t *value);
int vm_want_size(struct vm_reader *r, const json_t *value, uint64_t *bytes);
bool vm_text_is(const char *text, const char *allowed_bytes, size_t min, size_t max);

#define VM_LOWER "abcdefghijklmnopqrstuvwxyz"
#define VM_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define VM_DIGIT "0123456789"
#define VM_ALNUM VM_LOWER VM_UPPER VM_DIGIT

#endif
