/* config.h - the installer's configuration, as /config/<mac> serves it (format 1), and pvmlab's
 * plain form of seven keys. Parses and validates; does no I/O. lib/definition/install_config.c has
 * the keys; this adds what their structured values mean to the installer.
 */
#ifndef OS_INSTALLER_BASE_CONFIG_H
#define OS_INSTALLER_BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/definition/disk_choice.h"
#include "lib/definition/install_config.h"
#include "lib/base/err.h"
#include "lib/image/manifest.h"
#include "lib/plan/plan.h"
#include "lib/definition/storage.h"
#include "lib/definition/vm.h"

#define CONFIG_MAX_BYTES IMAGE_MANIFEST_MAX_BYTES

struct config {
	struct install_config told;
	json_t *doc;                         /* owns what `told` borrows */
	char label[VM_LABEL_SIZE];           /* of the name: the host name where none is told */
	bool has_firmware;                   /* false: what the machine was started by */
	bool keep_installed;                 /* nobody ordered to install over what is there */
	const char *hooks[VM_HOOKS_MAX + 1]; /* scripts for the installed system, in order */
	bool has_rootfs; /* false in pvmlab's form: manifest.json beside rootfs_url has it */
	struct image_contents rootfs;
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

/* Takes the "rootfs" object out of a whole manifest.json into c->rootfs. */
must_check int config_add_manifest(struct config *c, const char *text, size_t len, struct err *e);

/* The URL of manifest.json beside the rootfs; the caller frees it. NULL: out of memory. */
char *config_manifest_url(const struct config *c);

/* What a configuration asks of plan_make(); borrows from it. */
struct plan_request config_plan_request(const struct config *c);

void config_free(struct config *c);

#endif
