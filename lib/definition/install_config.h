/* install_config.h - what the installer is told, GET /config/<mac> (format 1): boot_handler writes
 * it, os-installer reads it, both by the table in install_config.c, the only list of keys. Pure.
 *
 * A key that is a field of the definition, too, travels by its row: install_config_from().
 */
#ifndef LIB_DEFINITION_INSTALL_CONFIG_H
#define LIB_DEFINITION_INSTALL_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/definition/vm.h"
#include "lib/json/read.h"

/* Texts and values are borrowed, NULL where nothing is said. Read, every URL is http:// and free of
 * spaces and control characters, and kernel_args passes kernel_args_check(). */
struct install_config {
	unsigned format;
	const char *name;
	const char *hostname;
	const char *mac;  /* "52:54:00:00:00:11" */
	const char *fqdn; /* the full name; NULL: hostname, as it is */
	const char *distro;
	const char *cloud_init_url, *rootfs_url, *kmods_url, *kernel_url, *report_url;
	const char *kernel_version, *kernel_args;
	enum vm_arch arch;
	enum vm_firmware firmware;
	enum vm_after after_install;
	bool reboot_on_success; /* pvmlab's; after_install says more */
	bool reinstall;         /* somebody ordered to install over what is there */
	unsigned attempt;       /* the server's number of this install; 0: not said */
	json_t *rootfs;         /* of the image's manifest */
	json_t *disks, *storage, *hooks;
};

/* What a definition says of it. Borrows from vm. */
void install_config_from(const struct vm *vm, struct install_config *out);

/* True for the name of an image, or a version. */
bool install_token_valid(const char *text);

/* As JSON; NULL without memory. */
json_t *install_config_print(const struct install_config *c);

/* Borrows from doc. The values of definitions' structured fields are only handed on. 0, or -EINVAL
 * after r has heard what is wrong. */
must_check int install_config_read(struct json_reader *r, json_t *doc, struct install_config *out);

#endif
