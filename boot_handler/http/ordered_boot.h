/* ordered_boot.h - what a machine's next network boot is by its orders, as far as what that needs
 * is there: what cannot be had does not keep the machine from what it would boot else.
 */
#ifndef BOOT_HANDLER_HTTP_ORDERED_BOOT_H
#define BOOT_HANDLER_HTTP_ORDERED_BOOT_H

#include "boot_handler/http/services.h"
#include "boot_handler/state/order.h"
#include "lib/boot/boot.h"

/* The image whose kernel a machine of that architecture takes for the agent where no definition
 * says which fits: that of what machines are installed with here. Into `name`, which is borrowed;
 * NULL: there is none. */
const char *ordered_boot_agent_image(struct services *services, const struct vm_snapshot *snapshot,
    enum vm_arch arch, char name[IMAGE_NAME_SIZE]);

/* Completes what is known of the machine (f->vm, f->arch) by what was ordered; `agent_image` is
 * room for what `f` borrows. Returns what the boot is for. Any thread. */
enum order_due ordered_boot_find(struct services *services, const struct vm_snapshot *snapshot,
    const struct order_cards *cards, struct boot_facts *f, char agent_image[IMAGE_NAME_SIZE]);

#endif
