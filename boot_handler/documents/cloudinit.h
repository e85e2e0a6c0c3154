/* cloudinit.h - the four NoCloud documents of a machine. Pure.
 *
 * Specification: cloud-init's "NoCloud" datasource, "Cloud config" modules and "Networking config
 * version 2" pages. Every document is JSON, which is YAML, so no value can break out of its place;
 * user-data starts with the line "#cloud-config", vendor-data with "#cloud-config-archive".
 */
#ifndef BOOT_HANDLER_DOCUMENTS_CLOUDINIT_H
#define BOOT_HANDLER_DOCUMENTS_CLOUDINIT_H

#include <jansson.h>

#include "boot_handler/documents/route.h"
#include "lib/base/err.h"
#include "lib/definition/vm.h"

struct cloudinit {
	const struct vm *vm;
	struct mac nic;     /* of the card that the machine asked with */
	const json_t *keys; /* array of the operator's public keys */
	const char *base;   /* boot_urls.base */
	const char *domain; /* "pvmlab.local" */
	const char *dns;    /* address of the lab's DNS server; NULL or "" when it is not known */
	unsigned attempt;   /* number of the install; 0 counts as 1 */
};

/* *out is malloc'ed text. Fails only for want of memory. */
must_check int cloudinit_document(
    const struct cloudinit *c, enum route_document which, char **out, struct err *e);

/* Name of the user a person logs in as, vm_login()'s; NULL when nobody can, or only the guest can
 * tell who. *out is malloc'ed. */
must_check int cloudinit_login(const struct vm *vm, char **out, struct err *e);

#endif
