/* loader.h - the languages in which machines are told what to boot: a file loader_*.c each, and a
 * line in LOADERS of loader.c. */
#ifndef LIB_BOOT_LOADER_H
#define LIB_BOOT_LOADER_H

#include "lib/boot/plan.h"

#define BOOT_SCRIPT_MAX 8192

/* What iPXE tells of its machine behind /ipxe?mac=...; docker/stack/tftp/autoexec.ipxe has the
 * same, and grub/grub.cfg beside it what GRUB tells. */
#define BOOT_IPXE_SHOWS                                                                            \
	"&arch=${buildarch}&uuid=${uuid}&serial=${serial:uristring}"                               \
	"&platform=${platform}&manufacturer=${manufacturer:uristring}"                             \
	"&product=${product:uristring}&asset=${asset:uristring}&version=${version:uristring}"

struct boot_loader {
	const char *name; /* it asks at /<name> */
	const char *content_type;
	/* Writes the plan into buf[0..BOOT_SCRIPT_MAX) and returns its length. Never fails: what
	 * cannot be said becomes boot_plan_refused(). */
	size_t (*render)(const struct boot_plan *plan, const struct boot_facts *f, char *buf);
};

/* NULL: none has that name. */
const struct boot_loader *boot_loader_find(const char *name);

#endif
