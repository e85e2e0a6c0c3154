/* guest_files.h - what machines have fetched over HTTP, as nginx logs it: a kernel, an initrd or an
 * archive of modules is an event of the machine that has the address; of everything the bytes are
 * counted. What comes too fast is lost: nginx does not wait.
 */
#ifndef BOOT_HANDLER_HTTP_GUEST_FILES_H
#define BOOT_HANDLER_HTTP_GUEST_FILES_H

#include "boot_handler/http/services.h"

struct guest_files;

/* A datagram socket at `path`. */
must_check int guest_files_start(
    const char *path, struct services *services, struct guest_files **out, struct err *e);
void guest_files_stop(struct guest_files *g); /* NULL is allowed */

#endif
