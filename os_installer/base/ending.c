#include "os_installer/base/ending.h"

#include <errno.h>
#include <linux/reboot.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "lib/base/log.h"

void machine_end(enum vm_after after)
{
	sync();
	if (after == VM_AFTER_KEXEC) {
		reboot(LINUX_REBOOT_CMD_KEXEC);
		log_warn("kexec failed, rebooting: %s", strerror(errno));
	}
	if (after != VM_AFTER_POWEROFF)
		reboot(LINUX_REBOOT_CMD_RESTART);
	else
		reboot(LINUX_REBOOT_CMD_POWER_OFF);
	log_error("cannot end the machine: %s", strerror(errno));
}
