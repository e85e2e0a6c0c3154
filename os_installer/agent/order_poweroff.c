#include "os_installer/agent/order.h"
#include "os_installer/base/ending.h"

extern const struct order order_poweroff;

static void end(void)
{
	machine_end(VM_AFTER_POWEROFF);
}

const struct order order_poweroff = {.end = end};
