#include <errno.h>

#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "os_installer/agent/named_disk.h"
#include "os_installer/agent/order.h"
#include "os_installer/base/ending.h"
#include "os_installer/bootloader/kexec.h"
#include "os_installer/bootloader/started.h"

#define DIRECTORY "/run/os-installer-target"

static int load(struct order_run *o, const struct installed *system, struct err *e)
{
	_cleanup_free_ char *words = NULL;
	struct kernel kernel;
	int r = kernel_find(system->tree, &kernel, e);

	if (r < 0 || (r = started_cmdline(system->tree, &kernel, system->root_uuid, &words, e)) < 0)
		return r;
	log_info("kexec into %s of %s: %s", kernel.path, system->device, words);
	order_figure(o, "kernel", json_string(kernel.path));
	order_figure(o, "arguments", json_string(words));
	return kexec_load(
	    system->tree, kernel.path, kernel.initramfs[0] ? kernel.initramfs : NULL, words, e);
}

/* What is read stays with the kernel until the machine ends. */
static int run(struct order_run *o, struct err *e)
{
	struct installed system;

	order_progress(o, "load", 0, 0);
	int r = order_system(o, DIRECTORY, &system, e);
	if (r < 0)
		return r;
	r = load(o, &system, e);
	if (r < 0)
		order_hint(
		    o, "the orders \"local\" and \"reboot\" start the system by the firmware");
	struct err why = ERR_INIT;
	if (installed_unmount(&system, &why) < 0 && r == 0)
		r = err_set(e, why.code, "%s", why.msg);
	return r;
}

static void end(void)
{
	machine_end(VM_AFTER_KEXEC);
}

extern const struct order order_kexec;
const struct order order_kexec = {.run = run, .end = end};
