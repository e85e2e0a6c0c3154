/* console.h - where a VM's serial console is kept for others than its container's terminal: what
 * the VM's container and the stack agree about. A folder for each machine, of which the VM's
 * container has its own alone and the stack has all.
 */
#ifndef LIB_MACHINE_CONSOLE_H
#define LIB_MACHINE_CONSOLE_H

#include "lib/net/addr.h"

/* In the folder: what was printed, to which QEMU appends; and a FIFO that takes what is typed,
 * which has a reader as long as QEMU runs. No socket, as QEMU waits for a client that does not read
 * what is printed, and loses a byte when one leaves. CONSOLE_KEYS_OUT is what QEMU wants beside the
 * FIFO for what is printed: a link to /dev/null. */
#define CONSOLE_LOG "log"
#define CONSOLE_KEYS "keys.in"
#define CONSOLE_KEYS_OUT "keys.out"
#define CONSOLE_KEYS_BOTH "keys" /* as QEMU is told of the two */

/* Where the VM's container has its folder, and the stack those of all. */
#define CONSOLE_OF_VM "/run/console"

/* The last bytes of the log are kept, this many at least; before them it may have holes. */
#define CONSOLE_KEPT_BYTES ((size_t)1024 * 1024)

/* The folder's name, which outlives another name of the machine: "52-54-00-aa-bb-cc". Returns out.
 */
#define CONSOLE_NAME_SIZE MAC_TEXT_SIZE
const char *console_name(const struct mac *mac, char out[CONSOLE_NAME_SIZE]);

#endif
