/* boot.h - what a machine boots: a pure decision, and the one emitter of iPXE scripts. */
#ifndef BOOT_HANDLER_DOCUMENTS_BOOT_H
#define BOOT_HANDLER_DOCUMENTS_BOOT_H

#include <stddef.h>

#include "lib/machine/machine.h"
#include "boot_handler/documents/route.h"
#include "lib/definition/vm.h"

enum boot_decision {
	BOOT_UNKNOWN,    /* no definition for this machine: wait */
	BOOT_INSTALL,    /* our kernel and initrd, installing */
	BOOT_SHELL,      /* our kernel and initrd, a shell */
	BOOT_LOCAL,      /* the disk */
	BOOT_KERNEL,     /* the definition's own kernel and initrd (pvmlab's "pxeboot": false) */
	BOOT_NO_IMAGE,   /* would need an image that is not there: wait */
	BOOT_FAILED,     /* the last install failed: say why and wait */
	BOOT_WRONG_ARCH, /* the machine is of another architecture than its definition: wait */
};

/* For events: install, local, shell, wait, no-image, failed, kernel. */
const char *boot_decision_name(enum boot_decision decision);

/* The part of a machine's state that matters here. */
struct boot_memory {
	enum machine_state state;
	bool local;
	bool reinstall;
	unsigned attempt;
	bool ordered; /* this install was ordered: what is installed may go */
};

/* `vm` NULL: unknown machine. `has_image`: the image of vm's distro and arch is complete. */
enum boot_decision boot_decide(
    const struct vm *vm, struct boot_memory memory, bool has_image, enum vm_arch arch);

/* Where things are; set once at the start. */
struct boot_urls {
	const char *base;    /* "http://192.168.100.1", no slash at its end; see boot_url_valid() */
	const char *initrds; /* "/initrds" */
};

/* True for http(s)://host[:port][/path] made only of characters that mean nothing to iPXE. */
bool boot_url_valid(const char *url);
/* The same for a path that starts with '/' and does not end with one. */
bool boot_path_valid(const char *path);

/* Everything a script can say. Borrowed. */
struct boot_script {
	enum boot_decision decision;
	const struct boot_urls *urls;
	const struct vm *vm;   /* NULL for BOOT_UNKNOWN */
	const struct mac *mac; /* the interface that booted; NULL when it was not said */
	unsigned attempt;      /* BOOT_INSTALL */
	const char *elsewhere; /* not NULL: asked for from this address, which is not vm's */
	bool other_card;       /* the same, with a card of which only UUID or serial number fit */
	const char *missing;   /* BOOT_NO_IMAGE: what is missing, a sentence */
	const char *advice;    /* BOOT_NO_IMAGE: what to do about it */
	enum machine_phase error_phase; /* BOOT_FAILED */
	const char *error_reason;       /* BOOT_FAILED; any text, cleaned here */
};

#define BOOT_SCRIPT_MAX 4096

/* Writes the script into buf[0..BOOT_SCRIPT_MAX) and returns its length. Never fails: what cannot
 * be said in a script (kernel_args that iPXE would interpret) becomes a script that says so. */
size_t boot_script_write(const struct boot_script *script, char *buf);

/* Seconds a machine that has to wait sleeps before it asks again. */
#define BOOT_WAIT_S 10

#endif
