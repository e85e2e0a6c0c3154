/* seed.h - cloud-init's NoCloud documents: fetched from the server, written into the installed
 * system's seed directory (cloud-init, "NoCloud", source 3: a local directory). They may hold
 * secrets: never logged, mode 0600.
 */
#ifndef OS_INSTALLER_SYSTEM_SEED_H
#define OS_INSTALLER_SYSTEM_SEED_H

#include <stddef.h>

#include "lib/base/err.h"

#define SEED_DOCUMENTS 4
#define SEED_DIRECTORY "/var/lib/cloud/seed/nocloud"

struct seed {
	struct {
		char *text; /* NULL: the server has none */
		size_t len;
	} document[SEED_DOCUMENTS];
};

/* Fetches <url>/meta-data and user-data, which must exist, vendor-data and network-config. `seed`
 * must be cleared afterwards, also on failure. */
must_check int seed_fetch(const char *url, struct seed *seed, struct err *e);

/* Writes them into a tree (tree.h) and makes cloud-init look nowhere else. */
must_check int seed_write(int tree, const struct seed *seed, struct err *e);

void seed_clear(struct seed *seed);

#endif
