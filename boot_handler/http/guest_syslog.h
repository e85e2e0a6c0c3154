/* guest_syslog.h - the syslog of other systems' installers: their phases as if they had reported
 * them, and their last lines as the log of the installation.
 *
 * Whose a line is tells the address that it came from. It counts of a machine that is installed by
 * its boot image, and until it is. Nothing is answered: who floods it wastes its own time, and the
 * last lines of another machine at most (SYSLOG_MACHINES).
 */
#ifndef BOOT_HANDLER_HTTP_GUEST_SYSLOG_H
#define BOOT_HANDLER_HTTP_GUEST_SYSLOG_H

#include "boot_handler/http/services.h"

/* Of so many at once the last lines are kept; the longest silent goes first. */
#define SYSLOG_MACHINES 16

struct guest_syslog;

/* Listens on what listen_udp() takes. */
must_check int guest_syslog_start(
    const char *where, struct services *services, struct guest_syslog **out, struct err *e);
void guest_syslog_stop(struct guest_syslog *g); /* NULL is allowed */

#endif
