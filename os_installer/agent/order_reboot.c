#include "os_installer/agent/order.h"
#include "os_installer/base/ending.h"

extern const struct order order_reboot;

static void end(void)
{
	machine_end(VM_AFTER_REBOOT);
}

const struct order order_reboot = {.end = end};
