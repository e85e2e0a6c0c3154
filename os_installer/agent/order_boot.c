#include "os_installer/agent/order.h"
#include "os_installer/base/ending.h"

/* The server has the image follow at the next network boot. */
static void end(void)
{
	machine_end(VM_AFTER_REBOOT);
}

extern const struct order order_boot;
const struct order order_boot = {.end = end};
