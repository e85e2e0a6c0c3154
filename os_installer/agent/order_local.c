#include "os_installer/agent/order.h"
#include "os_installer/base/ending.h"

extern const struct order order_local;

/* The server has the disk follow at the next network boot. */
static void end(void)
{
	machine_end(VM_AFTER_REBOOT);
}

const struct order order_local = {.end = end};
