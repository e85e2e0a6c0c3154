/* job.h - carries out an order in a process of its own: the agent goes on speaking with its server,
 * keeps the order's time, ends it with all that it has started when the server says so, and lives
 * on when it crashes. When the agent itself is ended, by whatever signal, all that ends, too.
 */
#ifndef OS_INSTALLER_AGENT_JOB_H
#define OS_INSTALLER_AGENT_JOB_H

#include "os_installer/agent/board.h"
#include "os_installer/agent/order.h"

/* Does it, until nothing of it runs any more and the server has what it wrote. `out` says how it
 * ended: `ended` is always set there. Needs offspring_adopt(). All of it is in the control group
 * `group` (cgroup.h); NULL: there is none. */
void job_run(const struct order *order, const struct server_order *told, const struct server *s,
    struct ear *ear, const char *group, struct said *out);

#endif
