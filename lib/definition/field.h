/* field.h - inside of vm.h: what a field of a definition is, and the readers of its values.
 *
 * fields.c has the table, the only list of fields. kind.c reads, judges, defaults and prints the
 * simple kinds by the row alone; structured values have readers of their own: lists.c, cloudinit.c,
 * package.c, netconf.c, user_data.c, unattended.c. vm.c runs the table over a definition; schema.c
 * turns it into the JSON Schema and the reference page.
 */
#ifndef LIB_DEFINITION_FIELD_H
#define LIB_DEFINITION_FIELD_H

#include "lib/json/read.h"
#include "lib/machine/smbios_id.h"
#include "lib/definition/vm.h"

/* What a value is, and the type of its member in struct vm. */
enum vm_kind {
	VM_TEXT,   /* char *: one line */
	VM_NUMBER, /* unsigned: a whole number */
	VM_SIZE,   /* uint64_t: bytes, written with a unit */
	VM_FLAG,   /* bool */
	VM_WORD,   /* an enum: the index of one of several words */
	VM_STRUCTURED,
};

enum {
	VM_FIELD_REQUIRED = 1,
	VM_FIELD_OWN = 2,            /* belongs to one machine: not allowed in _defaults.json */
	VM_FIELD_CARRIED = 4,        /* pvmlab's; checked and kept, without effect here */
	VM_FIELD_NAMES_PROFILES = 8, /* not allowed in a profile itself */
	VM_FIELD_IDENTIFIES = 16,    /* tells the machine from all others: one such is required */
	VM_FIELD_INSTALLED =
	    32, /* comes onto the disk by an installation, and not before the next */
};

struct vm_field {
	const char *name;
	enum vm_kind kind;
	unsigned flags;
	size_t member; /* its offset in struct vm; 0: `judge` or `read` store it, or none does.
			  A structured value without `read` is a json_t * there, borrowed */
	uint64_t min;
	uint64_t max; /* of a text its length; 0: any */
	uint64_t
	    unit; /* VM_SIZE: how many bytes a number without a unit counts; 0: none is taken */

	/* VM_TEXT: which characters it has, the first and all, as in "A-Za-z0-9_-"; NULL: any.
	 * `is` ends the refusal `"…" is not …`. */
	const char *first, *bytes, *is;
	bool (*valid)(const char *text);
	/* More than that, in its own words; `pattern` says it to editors. */
	int (*judge)(struct json_reader *r, const char *text);
	const char *pattern;

	const char *(*word)(size_t i);  /* VM_WORD */
	const char *(*alias)(size_t i); /* other spellings of these, or NULL */
	const char *(*says)(size_t i);  /* what each does, to follow the summary; or NULL */

	int (*read)(struct json_reader *r, json_t *value); /* VM_STRUCTURED */
	const char *schema;                                /* JSON Schema of the value */

	/* What holds without it. A word has its first. */
	uint64_t builtin;
	const char *builtin_text;
	const char *absent; /* Markdown, in place of these; NULL and none of them: nothing holds */

	const char *summary; /* Markdown, one line */
	const char *example; /* JSON */
};

#define VM_FIELDS_MAX 64
extern const struct vm_field vm_fields[];
extern const size_t vm_field_count;

#define VM_PROFILE_FIELDS_MAX 4
/* profile.c: what a profile has besides these, that no layer gives to a definition. */
extern const struct vm_field vm_profile_fields[];
extern const size_t vm_profile_field_count;

/* NULL: there is none. */
const struct vm_field *vm_field_find(const char *name);

/* Where values come from that the file at hand does not have itself. */
struct vm_layer {
	const json_t *fields;
	const char *profile; /* NULL: _defaults.json */
};

/* A definition while it is read. The strings of `draft` are borrowed from the JSON values. */
struct vm_reader {
	struct vm draft;
	char uuid[UUID_TEXT_SIZE];
	char label[VM_LABEL_SIZE];
	struct cidr4 subnet; /* prefix 0: none */
	struct cidr6 subnet6;
	const struct vm_base *base;
	struct vm_layer layers[VM_PROFILES_MAX + 1]; /* the nearest last */
	unsigned layer_count;
	const struct vm_layer *layer; /* the value at hand comes from it; NULL: from the file */
	bool profile;                 /* this file is one */
	json_t *given[VM_FIELDS_MAX]; /* by the table's rows: what the file, then a layer, says */
	json_t *kept;                 /* of what is in it: what is no field of a definition */
	bool strict; /* an unknown key is refused: _defaults.json has no other use for it */

	const char *text; /* the file, for positions */
	size_t len;
	struct json_reader json;
	struct vm_listener listener;
	bool refused; /* the first refusal: */
	struct vm_where first_where;
	struct err first;
};

static inline struct vm_reader *vm_reader_of(struct json_reader *r)
{
	return r->ctx;
}

static inline struct vm *vm_draft(struct json_reader *r)
{
	return &vm_reader_of(r)->draft;
}

/* `record` is the struct whose members the fields name: vm_draft(r), or that of another table.
 * Reads a field's value, which is not absent. 0 or -EINVAL. */
int vm_field_read(struct json_reader *r, const struct vm_field *f, json_t *value, void *record);
void vm_field_set_builtin(void *record, const struct vm_field *f);
/* A new reference; NULL where a text or structured value is. */
json_t *vm_field_json(const struct vm_field *f, const void *record);

/* A size with its unit, from min to max bytes; `unit` as in struct vm_field. */
int vm_want_size(struct json_reader *r, const json_t *value, uint64_t unit, uint64_t min,
    uint64_t max, uint64_t *bytes);
#define VM_SIZE_PATTERN "^[0-9]+([KMGTkmgt](i?[Bb])?)?$"

/* A copy whose strings and addresses lie behind the struct: a hundred thousand of them have to fit.
 * NULL without memory. */
struct vm *vm_pack(const struct vm *draft);

bool vm_text_is(const char *text, const char *allowed_bytes, size_t min, size_t max);

/* identity.c */
int vm_judge_name(struct json_reader *r, const char *text);
int vm_judge_hostname(struct json_reader *r, const char *text);
int vm_judge_uuid(struct json_reader *r, const char *text);
int vm_judge_serial(struct json_reader *r, const char *text);
int vm_judge_loader(struct json_reader *r, const char *text); /* loader_choice.c */
int vm_judge_mac(struct json_reader *r, const char *text);
int vm_judge_ip(struct json_reader *r, const char *text);
int vm_judge_subnet(struct json_reader *r, const char *text);
int vm_judge_ipv6(struct json_reader *r, const char *text);
int vm_judge_subnetv6(struct json_reader *r, const char *text);
int vm_judge_kernel_args(struct json_reader *r, const char *text);

int vm_read_profile(struct json_reader *r, json_t *value);
int vm_read_disks(struct json_reader *r, json_t *value);
int vm_read_ssh_key(struct json_reader *r, json_t *value);
int vm_read_ssh_keys(struct json_reader *r, json_t *value);
int vm_read_users(struct json_reader *r, json_t *value);
int vm_read_packages(struct json_reader *r, json_t *value);
int vm_read_write_files(struct json_reader *r, json_t *value);
int vm_read_runcmd(struct json_reader *r, json_t *value);
int vm_read_user_data(struct json_reader *r, json_t *value);
int vm_read_network_config(struct json_reader *r, json_t *value);
int vm_read_storage(struct json_reader *r, json_t *value);
int vm_read_hooks(struct json_reader *r, json_t *value);
int vm_read_unattended(struct json_reader *r, json_t *value);

/* Refuses what does not go with "secure_boot"; once all fields are read. loader_choice.c */
void vm_check_secure_boot(struct json_reader *r, const struct vm *vm);

/* Warns of what "user_data" makes void; once all fields are read. */
void vm_check_user_data(struct json_reader *r, const json_t *definition);

#define VM_LOWER "abcdefghijklmnopqrstuvwxyz"
#define VM_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define VM_DIGIT "0123456789"
#define VM_ALNUM VM_LOWER VM_UPPER VM_DIGIT

#endif
