/* machine_id.h - machines as people name them that have no name yet: by a MAC address, UUID or
 * serial number. Pure. */
#ifndef VMLAB_LAB_MACHINE_ID_H
#define VMLAB_LAB_MACHINE_ID_H

#include <jansson.h>

#include "lib/base/err.h"

#define MACHINE_ID_SIZE 200

/* As a part of a URL's path. -EINVAL when it can be none of these. */
must_check int machine_id_encode(const char *id, char out[MACHINE_ID_SIZE], struct err *e);

/* The stranger in the API's "machines" that shows it; borrowed. -ENOENT, -EEXIST for one that is
 * declared, -EBUSY where several show it. */
must_check int machine_id_find(
    const json_t *machines, const char *id, const json_t **out, struct err *e);

/* A name for it: its serial number's letters and digits, else its MAC address. */
#define MACHINE_ID_NAME_SIZE 64
void machine_id_name(const json_t *machine, char out[MACHINE_ID_NAME_SIZE]);

#endif
