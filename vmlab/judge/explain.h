/* explain.h - why one machine does not get on: what the server knows of it, and what only the host
 * does: the engine, containers, the VM's end, its screen, and what can be judged of its definition.
 * The rules are lib/explain/'s.
 */
#ifndef VMLAB_JUDGE_EXPLAIN_H
#define VMLAB_JUDGE_EXPLAIN_H

#include "lib/explain/explain.h"
#include "vmlab/lab/command.h"

/* explain_json() of the machine `id`: a name, or a stranger's MAC address, UUID or serial number. A
 * new reference; NULL with the sentence: there is no such machine. */
json_t *explain_machine(struct session *s, const char *id, struct err *e);

/* The same where no engine can be reached, for the reason in `why`. */
json_t *explain_without_engine(const char *id, const char *why, struct err *e);

#endif
