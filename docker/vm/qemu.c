#include "docker/vm/qemu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/machine/console.h"

#define FIRMWARE "/usr/share/vmlab/firmware"
#define DISKS "/disks"
#define RUN "/run/vm"
#define SERIAL_MAX 64
/* The lab's card is the first to boot, disks follow. */
#define DISK_BOOTINDEX 2

/* ---- KVM or emulation ---------------------------------------------------------------------------
 */

static void say_obstacle(
    const struct machine *m, const struct vm_host *host, char *why, size_t size)
{
	const char *const *flags = m->arch->is->kvm_flags;

	if (m->arch != host->arch)
		snprintf(why, size, "the machine is %s and this host is %s", m->arch->is->name,
		    host->arch ? host->arch->is->name : "other");
	else if (host->kvm == KVM_ABSENT)
		snprintf(why, size, "there is no /dev/kvm in this container");
	else if (host->kvm == KVM_CLOSED)
		snprintf(why, size, "/dev/kvm may not be opened");
	else if (flags[0] && !host->kvm_flag)
		snprintf(why, size, "the CPU shows neither %s nor %s", flags[0], flags[1]);
}

int qemu_choose_accel(
    const struct machine *m, const struct vm_host *host, struct qemu_accel *accel, struct err *e)
{
	*accel = (struct qemu_accel){0};
	if (m->accel == ACCEL_TCG) {
		snprintf(accel->why, sizeof(accel->why), "VM_ACCEL=tcg");
		return 0;
	}
	say_obstacle(m, host, accel->why, sizeof(accel->why));
	accel->kvm = m->accel == ACCEL_KVM || !*accel->why;
	if (accel->kvm && (m->arch != host->arch || host->kvm == KVM_ABSENT))
		return err_set(e, EINVAL, "VM_ACCEL=kvm, but %s: use tcg or auto", accel->why);
	return 0;
}

/* ---- the command --------------------------------------------------------------------------------
 */

static void add_machine(const struct machine *m, const struct qemu_accel *accel, struct argv *a)
{
	argv_addf(a, "qemu-system-%s", m->arch->is->machine);
	argv_add(a, "-name");
	argv_addf(a, "%s,process=vm-%s", m->name, m->name);
	argv_adds(a, "-nodefaults", "-no-user-config", "-display", "none", "-sandbox",
	    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-smp");
	argv_addf(a, "%u", m->cpus);
	argv_add(a, "-m");
	argv_addf(a, "%u", m->memory_mib);
	argv_add(a, "-machine");
	/* Without a screen the BIOS writes to the serial console. */
	argv_addf(a, "%s%s", m->secure_boot ? m->arch->secure_machine : m->arch->machine,
	    m->bios ? ",graphics=off" : "");
	argv_adds(a, "-cpu", accel->kvm ? "host" : m->arch->tcg_cpu);
	argv_adds(a, "-accel", accel->kvm ? "kvm" : "tcg,thread=multi,tb-size=512");
	if (m->arch->global)
		argv_adds(a, "-global", m->arch->global);
	if (m->secure_boot)
		argv_adds(a, "-global", "driver=cfi.pflash01,property=secure,value=on");
}

static void add_firmware(const struct machine *m, struct argv *a)
{
	char flash[MACHINE_FLASH_SIZE];

	machine_flash(m, flash);
	if (!m->bios) {
		argv_add(a, "-drive");
		if (m->arch->flash_bytes)
			argv_add(a, "if=pflash,format=raw,unit=0,readonly=on,file=" RUN "/code.fd");
		else
			argv_addf(a,
			    "if=pflash,format=raw,unit=0,readonly=on,file=" FIRMWARE "/%s-code.fd",
			    flash);
		argv_add(a, "-drive");
		argv_addf(a, "if=pflash,format=raw,unit=1,file=" DISKS "/%s-vars.fd", flash);
		argv_adds(a, "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n");
		if (m->http)
			argv_adds(a, "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n");
	}
	argv_adds(a, "-boot", "menu=off,splash-time=0");
}

/* A value of several: a lone comma would end it. */
static void double_commas(const char *value, char out[static 2 * SERIAL_MAX + 1])
{
	size_t at = 0;

	for (; *value && at + 2 < 2 * SERIAL_MAX + 1; value++) {
		if (*value == ',')
			out[at++] = ',';
		out[at++] = *value;
	}
	out[at] = '\0';
}

static void add_identity(const struct machine *m, struct argv *a)
{
	const char *uuid = machine_setting(m, "VM_UUID");
	char serial[2 * SERIAL_MAX + 1];

	double_commas(machine_setting(m, "VM_SERIAL"), serial);
	if (*uuid)
		argv_adds(a, "-uuid", uuid);
	argv_add(a, "-smbios");
	argv_addf(a, "type=1,manufacturer=vmlab,product=vm%s%s%s%s", *uuid ? ",uuid=" : "", uuid,
	    *serial ? ",serial=" : "", serial);
}

/* The last card comes first, so that who takes the first card he finds takes a wrong one. */
static void add_nics(const struct machine *m, unsigned mtu, struct argv *a)
{
	for (unsigned i = m->nic_count; i-- > 0;) {
		const char *id = i == 0 ? "lab" : "second";
		argv_add(a, "-netdev");
		argv_addf(a, "tap,id=%s,fd=%u", id, FIRST_TAP_FD + i);
		argv_add(a, "-device");
		if (i == 0)
			argv_addf(a, "virtio-net-pci,netdev=%s,mac=%s,bootindex=1,host_mtu=%u%s",
			    id, m->nics[i].mac, mtu, m->nic_rom || m->bios ? "" : ",romfile=");
		else
			argv_addf(
			    a, "virtio-net-pci,netdev=%s,mac=%s,romfile=", id, m->nics[i].mac);
	}
}

static void add_disk_file(size_t n, const char *filter, struct argv *a)
{
	if (!*filter) {
		argv_add(a, "-drive");
		argv_addf(a,
		    "if=none,id=disk%zu,file=" DISKS
		    "/disk%zu.qcow2,format=qcow2,cache=writeback,discard=unmap",
		    n, n);
		return;
	}
	argv_add(a, "-blockdev");
	argv_addf(a,
	    "driver=qcow2,node-name=plain,discard=unmap,file.driver=file,file.filename=" DISKS
	    "/disk%zu.qcow2",
	    n);
	argv_add(a, "-blockdev");
	if (strcmp(filter, "log") == 0)
		argv_addf(a,
		    "driver=blklogwrites,node-name=disk%zu,file=plain,log.driver=file,log.filename=" DISKS
		    "/disk%zu.log",
		    n, n);
	else
		argv_addf(a, "driver=blkdebug,node-name=disk%zu,image=plain,config=%s", n, filter);
}

static void add_disk(const struct machine *m, size_t n, struct argv *a)
{
	const char *filter = n == 0 ? machine_setting(m, "VM_DISK_FILTER") : "";
	char port[32] = "", lun[32] = "";

	add_disk_file(n, filter, a);
	if (m->disk_bus->numbered)
		snprintf(port, sizeof(port), "%zu", n);
	if (m->disk_bus->lun)
		snprintf(lun, sizeof(lun), ",lun=%zu", n);
	argv_add(a, "-device");
	argv_addf(a, "%s%s,drive=disk%zu,serial=VMLAB-%zu%s%s,bootindex=%zu", m->disk_bus->device,
	    port, n, n, lun, *filter ? ",rerror=report,werror=report" : "", n + DISK_BOOTINDEX);
}

/* A hub gives what is printed to both and takes what is typed from either. */
static void add_console(const struct vm_host *host, struct argv *a)
{
	if (host->console)
		argv_adds(a, "-chardev",
		    "stdio,id=terminal,signal=off,logfile=" CONSOLE_OF_VM "/" CONSOLE_LOG
		    ",logappend=on",
		    "-chardev", "pipe,id=keys,path=" CONSOLE_OF_VM "/" CONSOLE_KEYS_BOTH,
		    "-chardev", "hub,id=console,chardevs.0=terminal,chardevs.1=keys");
	else
		argv_adds(a, "-chardev", "stdio,id=console,signal=off");
	argv_adds(a, "-serial", "chardev:console");
}

void qemu_command(const struct machine *m, const struct vm_host *host,
    const struct qemu_accel *accel, struct argv *a)
{
	const char *controller = disk_bus_controller(m->disk_bus, m->arch);
	const char *clock = machine_setting(m, "VM_CLOCK");

	add_machine(m, accel, a);
	add_firmware(m, a);
	add_identity(m, a);
	add_nics(m, host->mtu, a);
	if (*clock) {
		argv_add(a, "-rtc");
		argv_addf(a, "base=%s", clock);
	}
	argv_adds(a, "-object", "rng-random,id=rng,filename=/dev/urandom", "-device",
	    "virtio-rng-pci,rng=rng");
	if (controller)
		argv_adds(a, "-device", controller);
	for (size_t n = 0; n < m->disk_count; n++)
		add_disk(m, n, a);
	add_console(host, a);
	argv_adds(a, "-chardev", "socket,id=monitor,path=" RUN "/monitor.sock,server=on,wait=off",
	    "-mon", "chardev=monitor", "-qmp", "unix:" RUN "/qmp.sock,server=on,wait=off");
}
