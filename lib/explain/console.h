/* console.h - what a machine's screen tells that nothing else does: errors of firmware, iPXE and
 * kernel. A row a saying. Pure.
 */
#ifndef LIB_EXPLAIN_CONSOLE_H
#define LIB_EXPLAIN_CONSOLE_H

#include "lib/explain/sign.h"

/* Takes the last lines of a serial console, which may hold several boots: what was said before the
 * last one began, or before it got further, is not told. Changes `text`. */
void explain_console(struct explain_facts *f, char *text);

/* Takes lines of the stack's log from after the machine got its address: dnsmasq tells there, and
 * nowhere else, of a file that did not reach it by TFTP. Changes `text`. */
void explain_stack_log(struct explain_facts *f, char *text);

#endif
