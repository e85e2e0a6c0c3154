/* offspring.h - what descends from this process, however far: also what left its parent, its group
 * and its session, as daemons do.
 */
#ifndef OS_INSTALLER_BASE_OFFSPRING_H
#define OS_INSTALLER_BASE_OFFSPRING_H

#include <stdint.h>

/* From now on orphans among them become this process' own children. */
void offspring_adopt(void);

/* Ends all of them, and waits for their end, at most patience_ms: the kernel does not end one that
 * waits for a disk. Returns how many there were still at the last look. Needs offspring_adopt(),
 * and that this process waits for no child elsewhere. */
unsigned offspring_end(int64_t patience_ms);

#endif
