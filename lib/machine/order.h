/* order.h - what a machine that runs the agent can be ordered to do: a row an action. The
 * operator's API and the command line read its arguments by the row, the schema of files with
 * orders is made of it, the state file has its name, and the agent finds what carries it out by it.
 *
 * A new action is a row here and a file os_installer/agent/order_<symbol>.c with
 * `const struct order order_<symbol>`.
 */
#ifndef LIB_MACHINE_ORDER_H
#define LIB_MACHINE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an argument is to the operator, and what the agent gets for it. */
enum order_arg_kind {
	ORDER_ARG_DISK, /* name, serial number or match; {"name", "serial" or null, "size_bytes"} */
	ORDER_ARG_NAME, /* what an image may be called; the same */
	ORDER_ARG_IMAGE,      /* the name of an image there is; what it takes to fetch it */
	ORDER_ARG_BOOT_IMAGE, /* the name of a boot image there is; the same */
	ORDER_ARG_URL,        /* http:// or https://; the same, as are the following */
	ORDER_ARG_SHA256,     /* 64 hexadecimal digits, in lower case */
	ORDER_ARG_SCRIPT,     /* text of at most ORDER_SCRIPT_MAX_BYTES */
	ORDER_ARG_WORD,       /* one of `words` */
	ORDER_ARG_COUNT,      /* a whole number from 1 to `most` */
};

#define ORDER_SCRIPT_MAX_BYTES 32768

struct order_arg {
	const char *name; /* NULL: there are no more */
	enum order_arg_kind kind;
	bool required;
	bool either; /* exactly one of the row's that say so is given */
	/* Ends with NULL. Where none is given, the first is taken. */
	const char *const *words;
	int64_t usual, most; /* usual: where none is given; 0: then it is left out */
	const char *summary;
};

enum order_then { ORDER_THEN_USUAL, ORDER_THEN_DISK, ORDER_THEN_IMAGE };

struct order_row {
	const char *name, *summary;
	const struct order_arg *args; /* ends with a name of NULL; NULL: it takes none */
	unsigned timeout_s;           /* where the operator says no other */
	bool destructive;             /* what is on the disk is gone afterwards */
	bool again; /* may be begun again when the agent lost it on the way; else it fails then */
	bool ends;  /* the system in memory ends with it */
	bool installs;        /* what the machine's definition says */
	enum order_then then; /* what it boots next, once, when all went well */
};

/* ORDER_<id>, symbol, name, and the rest of its row. */
/* clang-format off */
#define ORDER_ACTIONS(row) \
	row(REBOOT, reboot, "reboot", .summary = "starts the machine anew", \
	    .timeout_s = 300, .again = true, .ends = true) \
	row(POWEROFF, poweroff, "poweroff", .summary = "switches it off", \
	    .timeout_s = 300, .again = true, .ends = true) \
	row(LOCAL, local, "local", .summary = "starts it anew, once from its disk", \
	    .timeout_s = 300, .again = true, .ends = true, .then = ORDER_THEN_DISK, \
	    .args = (const struct order_arg[]){ \
		{"netboot", ORDER_ARG_WORD, .words = (const char *const[]){"on", "off", NULL}, \
		    .summary = "off: from its disk from now on, as by `vmlab netboot NAME off`"}, {0}}) \
	row(BOOT, boot, "boot", .summary = "starts it anew, once into a boot image", \
	    .timeout_s = 300, .again = true, .ends = true, .then = ORDER_THEN_IMAGE, \
	    .args = (const struct order_arg[]){ \
		{"image", ORDER_ARG_BOOT_IMAGE, .required = true, .summary = "the boot image"}, {0}}) \
	row(INSTALL, install, "install", .summary = "installs what its definition says", \
	    .timeout_s = 7200, .destructive = true, .again = true, .installs = true) \
	row(WIPE, wipe, "wipe", .summary = "makes what is on a disk unreadable", \
	    .timeout_s = 172800, .destructive = true, .again = true, \
	    .args = (const struct order_arg[]){ \
		{"disk", ORDER_ARG_DISK, .required = true, .summary = "the disk that is wiped"}, \
		{"how", ORDER_ARG_WORD, \
		    .words = (const char *const[]){"signatures", "discard", "blocks", "secure", NULL}, \
		    .summary = "signatures: what tells of its content; discard: the disk forgets its blocks; blocks: zeros over all of them; secure: by the disk itself, where it can"}, {0}}) \
	row(RUN, run, "run", .summary = "runs a script as root", .timeout_s = 3600, \
	    .args = (const struct order_arg[]){ \
		{"script", ORDER_ARG_SCRIPT, .required = true, \
		    .summary = "run by sh, or by what its #! line names"}, \
		{"where", ORDER_ARG_WORD, .words = (const char *const[]){"ram", "disk", NULL}, \
		    .summary = "ram: in the system in memory; disk: in a chroot of the installed one"}, \
		{"disk", ORDER_ARG_DISK, .summary = "whose system, where several disks have one"}, {0}}) \
	row(MEMTEST, memtest, "memtest", .summary = "tests the memory that is free", \
	    .timeout_s = 612000, .again = true, \
	    .args = (const struct order_arg[]){ \
		{"minutes", ORDER_ARG_COUNT, .usual = 10, .most = 10080, .summary = "for how long"}, \
		{"mib", ORDER_ARG_COUNT, .most = 1 << 30, \
		    .summary = "of how much at most; else all but what the system needs to live"}, {0}}) \
	row(DISKTEST, disktest, "disktest", .summary = "reads a disk, and writes nothing", \
	    .timeout_s = 612000, .again = true, \
	    .args = (const struct order_arg[]){ \
		{"disk", ORDER_ARG_DISK, .required = true, .summary = "the disk that is read"}, \
		{"minutes", ORDER_ARG_COUNT, .most = 10080, \
		    .summary = "for how long at most; else to its end"}, {0}}) \
	row(KEXEC, kexec, "kexec", .summary = "starts the installed system without the firmware", \
	    .timeout_s = 600, .again = true, .ends = true, \
	    .args = (const struct order_arg[]){ \
		{"disk", ORDER_ARG_DISK, .summary = "whose system, where several disks have one"}, {0}}) \
	row(BOOT_ORDER, boot_order, "boot-order", \
	    .summary = "moves the network in the firmware's boot order", .timeout_s = 900, .again = true, \
	    .args = (const struct order_arg[]){ \
		{"network", ORDER_ARG_WORD, .required = true, \
		    .words = (const char *const[]){"first", "last", NULL}, \
		    .summary = "where it is then"}, {0}}) \
	row(DEPLOY, deploy, "deploy", .summary = "writes a whole disk image onto a disk", \
	    .timeout_s = 14400, .destructive = true, .again = true, \
	    .args = (const struct order_arg[]){ \
		{"image", ORDER_ARG_IMAGE, .either = true, .summary = "the name of an image of a disk"}, \
		{"url", ORDER_ARG_URL, .either = true, \
		    .summary = "where one is, by http or https: raw, or packed by gzip, xz or zstd"}, \
		{"sha256", ORDER_ARG_SHA256, .summary = "of the file at url"}, \
		{"seed", ORDER_ARG_WORD, .words = (const char *const[]){"own", "keep", NULL}, \
		    .summary = "own: a system with cloud-init becomes this machine's, by its definition; keep: it stays as it is"}, \
		{"disk", ORDER_ARG_DISK, .required = true, .summary = "the disk it goes to"}, \
		{"netboot", ORDER_ARG_WORD, .words = (const char *const[]){"on", "off", NULL}, \
		    .summary = "off: from its disk from now on, once all of its list is done"}, {0}}) \
	row(BACKUP, backup, "backup", .summary = "makes an image of a disk, by its used blocks", \
	    .timeout_s = 14400, .again = true, \
	    .args = (const struct order_arg[]){ \
		{"name", ORDER_ARG_NAME, .required = true, .summary = "a name for the image"}, \
		{"disk", ORDER_ARG_DISK, .required = true, .summary = "the disk it is made of"}, \
		{"compress", ORDER_ARG_COUNT, .usual = 3, .most = 9, .summary = "zstd's level"}, {0}}) \
	row(INVENTORY, inventory, "inventory", .summary = "takes its inventory again", \
	    .timeout_s = 300, .again = true)
/* clang-format on */

#define ORDER_ID(id, ...) ORDER_##id,
enum order_action { ORDER_ACTIONS(ORDER_ID) ORDER_ACTION_COUNT };

enum order_state {
	ORDER_WAITING, /* the agent has not got it yet */
	ORDER_RUNNING, /* it has */
	ORDER_DONE,
	ORDER_FAILED,
	ORDER_CANCELLED,
	ORDER_STOPPED, /* the one before it in its list did not end well */
	ORDER_STATE_COUNT,
};

/* NULL from the last on. */
const struct order_row *order_row(size_t i);
const char *order_action_name(size_t i);
const char *order_state_name(size_t i);

/* NULL: it has none of that name. */
const struct order_arg *order_arg_find(const struct order_row *row, const char *name);

/* By name; -EINVAL. */
int order_action_parse(const char *name, enum order_action *out);
int order_state_parse(const char *name, enum order_state *out);

/* All actions in one sentence: "reboot, poweroff, local or inventory". */
#define ORDER_WORDS_SIZE 200
const char *order_actions_words(char buf[ORDER_WORDS_SIZE]);

#endif
