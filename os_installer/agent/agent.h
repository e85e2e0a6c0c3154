/* agent.h - the system in memory that takes orders: registers with its server, sends what the
 * machine is made of, and carries out what it is told, one thing at a time, for ever.
 *
 * A server that is gone, restarts or refuses is asked again at growing intervals. An order is done
 * once, and told until the server has heard it; what ends the machine happens only after that.
 */
#ifndef OS_INSTALLER_AGENT_AGENT_H
#define OS_INSTALLER_AGENT_AGENT_H

#include "lib/base/err.h"

/* `url` is the server's, "http://192.168.100.1"; `cmdline` the kernel's command line. Returns only
 * on failure: -errno. */
must_check int agent_run(const char *url, const char *cmdline, struct err *e);

#endif
