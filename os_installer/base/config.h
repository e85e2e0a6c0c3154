/* config.h - the installer's configuration, as /config/<mac> serves it (format 1), and pvmlab's
 * plain form of seven keys. Parses and validates; does no I/O. The field table in config.c is the
 * only list of keys.
 */
#ifndef OS_INSTALLER_BASE_CONFIG_H
#define OS_INSTALLER_BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/definition/disk_choice.h"
#include "lib/base/err.h"
#include "lib/plan/plan.h"
#include "lib/definition/storage.h"
#include "lib/definition/vm.h"
#include "os_installer/fetch/manifest.h"

#define CONFIG_MAX_BYTES IMAGE_MANIFEST_MAX_BYTES

/* Strings are NULL where the configuration says nothing. Every URL is http:// and free of spaces
 * and control characters; kernel_args holds printable ASCII without quotes, '$', '`', '\\', ';',
 * '{' and '}'. */
struct config {
	char *name;
	char *hostname; /* falls back to name; NULL leaves the image's hostname */
	char *mac;      /* "52:54:00:00:00:11" */
	char *fqdn;     /* the full name; NULL: hostname, as it is */
	char *distro;
	char *cloud_init_url; /* without slash at its end */
	char *rootfs_url;
	char *report_url;
	char *kernel_version;
	char *kernel_args;
	enum vm_arch arch;
	enum vm_firmware firmware;
	bool has_firmware; /* false: what the machine was started by */
	enum vm_after after_install;
	unsigned attempt; /* the server's number of this install; 0: not said */
	bool
	    keep_installed; /* nobody ordered to install over what is there: "reinstall" is false */
	char **hooks; /* scripts for the installed system, in order; NULL-terminated, NULL: none */
	bool has_manifest; /* false in pvmlab's form: manifest.json beside rootfs_url has it */
	struct manifest manifest;
	uint64_t first_disk_bytes; /* size the definition gives its first disk; 0: unknown */
	bool has_match;
	struct disk_match match; /* which disk is the first */
	struct storage storage;
};

struct config_where {
	int line; /* from 1; 0: the whole text */
	int column;
};

/* Parses one configuration. `warn` (may be NULL) is called once per unknown key. On success *out is
 * new and freed by config_free(). Returns 0 or -EINVAL with one sentence. */
must_check int config_parse(const char *text, size_t len, struct config **out,
    struct config_where *where, void (*warn)(const char *text), struct err *e);

/* Takes the "rootfs" object out of a whole manifest.json into c->manifest. */
must_check int config_add_manifest(struct config *c, const char *text, size_t len, struct err *e);

/* The URL of manifest.json beside the rootfs; the caller frees it. NULL: out of memory. */
char *config_manifest_url(const struct config *c);

/* What a configuration asks of plan_make(); borrows from it. */
struct plan_request config_plan_request(const struct config *c);

void config_free(struct config *c);

#endif
