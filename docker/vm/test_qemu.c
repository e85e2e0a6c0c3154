#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "docker/vm/qemu.h"

#define SETTINGS_MAX 8

/* ---- KVM or emulation ---------------------------------------------------------------------------
 */

struct accel_case {
	const char *arch, *wanted, *host; /* VM_ARCH, VM_ACCEL, this host's architecture */
	enum kvm_device kvm;
	bool flag;
	const char *accel; /* "kvm", "tcg", or the sentence that refuses it */
	const char *why;
};

static const struct accel_case accel_cases[] = {
    {"amd64", "auto", "amd64", KVM_OPEN, true, "kvm", ""},
    {"amd64", "auto", "amd64", KVM_OPEN, false, "tcg", "the CPU shows neither vmx nor svm"},
    {"amd64", "auto", "amd64", KVM_CLOSED, true, "tcg", "/dev/kvm may not be opened"},
    {"amd64", "auto", "amd64", KVM_ABSENT, true, "tcg", "there is no /dev/kvm in this container"},
    {"amd64", "auto", "arm64", KVM_OPEN, true, "tcg",
	"the machine is amd64 and this host is arm64"},
    {"amd64", "auto", NULL, KVM_OPEN, true, "tcg", "the machine is amd64 and this host is other"},
    {"arm64", "auto", "arm64", KVM_OPEN, false, "kvm", ""},
    {"arm64", "auto", "arm64", KVM_CLOSED, false, "tcg", "/dev/kvm may not be opened"},
    {"arm64", "auto", "arm64", KVM_ABSENT, false, "tcg", "there is no /dev/kvm in this container"},
    {"arm64", "auto", "amd64", KVM_OPEN, true, "tcg",
	"the machine is arm64 and this host is amd64"},
    {"amd64", "kvm", "amd64", KVM_OPEN, true, "kvm", ""},
    {"amd64", "kvm", "amd64", KVM_OPEN, false, "kvm", "the CPU shows neither vmx nor svm"},
    {"amd64", "kvm", "amd64", KVM_CLOSED, true, "kvm", "/dev/kvm may not be opened"},
    {"amd64", "kvm", "amd64", KVM_ABSENT, true,
	"VM_ACCEL=kvm, but there is no /dev/kvm in this container: use tcg or auto", NULL},
    {"amd64", "kvm", "arm64", KVM_OPEN, true,
	"VM_ACCEL=kvm, but the machine is amd64 and this host is arm64: use tcg or auto", NULL},
    {"arm64", "kvm", NULL, KVM_ABSENT, true,
	"VM_ACCEL=kvm, but the machine is arm64 and this host is other: use tcg or auto", NULL},
    {"arm64", "kvm", "arm64", KVM_OPEN, false, "kvm", ""},
    {"amd64", "tcg", "amd64", KVM_OPEN, true, "tcg", "VM_ACCEL=tcg"},
    {"arm64", "tcg", "amd64", KVM_ABSENT, true, "tcg", "VM_ACCEL=tcg"},
};

static void test_accel(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accel_cases) / sizeof(*accel_cases); i++) {
		const struct accel_case *c = &accel_cases[i];
		char arch[20], wanted[20];
		char *environment[] = {
		    arch, wanted, (char *)"VM_NAME=web1", (char *)"VM_MAC=52:54:00:aa:bb:cc", NULL};
		struct vm_host host = {
		    c->host ? qemu_arch_find(c->host) : NULL, c->kvm, c->flag, 1500, false};
		struct err e = ERR_INIT;
		struct qemu_accel accel;
		struct machine m;

		snprintf(arch, sizeof(arch), "VM_ARCH=%s", c->arch);
		snprintf(wanted, sizeof(wanted), "VM_ACCEL=%s", c->wanted);
		assert_int_equal(machine_parse(environment, &m, &e), 0);
		if (!c->why) {
			assert_int_equal(qemu_choose_accel(&m, &host, &accel, &e), -EINVAL);
			assert_string_equal(e.msg, c->accel);
			continue;
		}
		assert_int_equal(qemu_choose_accel(&m, &host, &accel, &e), 0);
		assert_string_equal(accel.kvm ? "kvm" : "tcg", c->accel);
		assert_string_equal(accel.why, c->why);
	}
}

/* ---- the command --------------------------------------------------------------------------------
 */

static bool shares_console;

static void make(const char *const settings[], bool kvm, unsigned mtu, struct argv *argv)
{
	char *environment[SETTINGS_MAX + 3] = {
	    (char *)"VM_NAME=web1", (char *)"VM_MAC=52:54:00:aa:bb:cc"};
	struct vm_host host = {.mtu = mtu, .console = shares_console};
	struct qemu_accel accel = {.kvm = kvm};
	struct err e = ERR_INIT;
	struct machine m;

	for (size_t i = 0; i < SETTINGS_MAX && settings[i]; i++)
		environment[i + 2] = (char *)settings[i];
	if (machine_parse(environment, &m, &e) != 0)
		fail_msg("%s", e.msg);
	qemu_command(&m, &host, &accel, argv);
	assert_false(argv->failed);
}

/* Option and value after the program, "-display none -m 512 …", a space between any two. */
static char *joined(const struct argv *argv)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	for (size_t i = 0; i < argv->count; i++)
		fprintf(f, "%s%s", i ? " " : "", argv->items[i]);
	assert_int_equal(fclose(f), 0);
	return text;
}

#define SANDBOX "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny "
#define BARE "-name web1,process=vm-web1 -nodefaults -no-user-config -display none " SANDBOX
#define TCG "-accel tcg,thread=multi,tb-size=512 "
#define RNG "-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng "
#define CONSOLE                                                                                         \
	"-chardev stdio,id=console,signal=off -serial chardev:console "                                 \
	"-chardev socket,id=monitor,path=/run/vm/monitor.sock,server=on,wait=off -mon chardev=monitor " \
	"-qmp unix:/run/vm/qmp.sock,server=on,wait=off"

static const struct {
	const char *settings[SETTINGS_MAX];
	bool kvm;
	const char *command;
} whole[] = {
    {{NULL}, false,
	"qemu-system-x86_64 " BARE
	"-smp 1 -m 2048 -machine q35,vmport=off,smm=off -cpu max,-svm " TCG
	"-global ICH9-LPC.disable_s3=1 "
	"-drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/vmlab/firmware/amd64-code.fd "
	"-drive if=pflash,format=raw,unit=1,file=/disks/amd64-vars.fd "
	"-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n -boot menu=off,splash-time=0 "
	"-smbios type=1,manufacturer=vmlab,product=vm -netdev tap,id=lab,fd=3 "
	"-device virtio-net-pci,netdev=lab,mac=52:54:00:aa:bb:cc,bootindex=1,host_mtu=1500,romfile= " RNG
	    CONSOLE},
    {{"VM_ARCH=arm64", "VM_CPUS=4", "VM_DISKS_BYTES=100000", "VM_DISK_BUS=sata"}, true,
	"qemu-system-aarch64 " BARE
	"-smp 4 -m 2048 -machine virt,gic-version=max -cpu host -accel kvm "
	"-drive if=pflash,format=raw,unit=0,readonly=on,file=/run/vm/code.fd "
	"-drive if=pflash,format=raw,unit=1,file=/disks/arm64-vars.fd "
	"-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n -boot menu=off,splash-time=0 "
	"-smbios type=1,manufacturer=vmlab,product=vm -netdev tap,id=lab,fd=3 "
	"-device virtio-net-pci,netdev=lab,mac=52:54:00:aa:bb:cc,bootindex=1,host_mtu=1500,romfile= " RNG
	"-device ich9-ahci,id=ide "
	"-drive if=none,id=disk0,file=/disks/disk0.qcow2,format=qcow2,cache=writeback,discard=unmap "
	"-device ide-hd,bus=ide.0,drive=disk0,serial=VMLAB-0,bootindex=2 " CONSOLE},
    {{"VM_FIRMWARE=bios", "VM_MEMORY_MIB=512", "VM_NICS=2", "VM_CLOCK=1970-01-01T00:00:00",
	 "VM_UUID=0f0e0d0c-0b0a-4908-8706-050403020100", "VM_SERIAL=a,b"},
	false,
	"qemu-system-x86_64 " BARE
	"-smp 1 -m 512 -machine q35,vmport=off,smm=off,graphics=off -cpu max,-svm " TCG
	"-global ICH9-LPC.disable_s3=1 -boot menu=off,splash-time=0 "
	"-uuid 0f0e0d0c-0b0a-4908-8706-050403020100 "
	"-smbios type=1,manufacturer=vmlab,product=vm,uuid=0f0e0d0c-0b0a-4908-8706-050403020100,serial=a,,b "
	"-netdev tap,id=second,fd=4 -device virtio-net-pci,netdev=second,mac=56:54:00:aa:bb:cc,romfile= "
	"-netdev tap,id=lab,fd=3 -device virtio-net-pci,netdev=lab,mac=52:54:00:aa:bb:cc,bootindex=1,host_mtu=1500 "
	"-rtc base=1970-01-01T00:00:00 " RNG CONSOLE},
};

static void test_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
		_cleanup_argv_ struct argv argv = ARGV_INIT;
		make(whole[i].settings, whole[i].kvm, 1500, &argv);
		_cleanup_free_ char *text = joined(&argv);
		assert_string_equal(text, whole[i].command);
	}
}

/* Parts that a setting, alone or with another, puts in; a part with '!' before it is absent. */
static const struct {
	const char *settings[SETTINGS_MAX];
	bool kvm;
	unsigned mtu;
	const char *parts[5];
} branches[] = {
    {{"VM_ARCH=amd64"}, true, 1500, {"-cpu host -accel kvm -global ICH9-LPC.disable_s3=1 "}},
    {{"VM_ARCH=arm64"}, false, 1500,
	{"-cpu max,pauth-impdef=on,lpa2=off -accel tcg,", "!-global", "file=/run/vm/code.fd "}},
    {{"VM_NIC_ROM=ipxe"}, false, 1500, {"host_mtu=1500 -object"}},
    {{"VM_NIC_ROM=ipxe", "VM_ARCH=arm64"}, false, 9000, {"host_mtu=9000 -object"}},
    {{"VM_NIC_ROM=http"}, false, 1500,
	{"name=opt/org.tianocore/IPv4PXESupport,string=n -boot", ",romfile= "}},
    {{"VM_NIC_ROM=firmware"}, false, 1500, {"!IPv4PXESupport"}},
    {{"VM_FIRMWARE=bios"}, false, 1400,
	{"host_mtu=1400 -object", "!pflash", "!fw_cfg", ",graphics=off "}},
    {{"VM_FIRMWARE=bios", "VM_NIC_ROM=ipxe"}, false, 1500, {"host_mtu=1500 -object"}},
    {{"VM_FIRMWARE=bios"}, true, 1500, {"smm=off,graphics=off -cpu host"}},
    {{"VM_SECURE_BOOT=true"}, false, 1500,
	{"-machine q35,vmport=off,smm=on -cpu",
	    "-global ICH9-LPC.disable_s3=1 -global driver=cfi.pflash01,property=secure,value=on ",
	    "readonly=on,file=/usr/share/vmlab/firmware/amd64-secure-code.fd ",
	    "unit=1,file=/disks/amd64-secure-vars.fd "}},
    {{"VM_NICS=1"}, false, 1500, {"!fd=4", "!id=second"}},
    {{"VM_UUID="}, false, 1500, {"!-uuid", "product=vm -netdev"}},
    {{"VM_SERIAL=,"}, false, 1500, {"product=vm,serial=,, -netdev"}},
    {{"VM_SERIAL=,,a,,,b"}, false, 1500, {"serial=,,,,a,,,,,,b -netdev"}},
    {{"VM_SERIAL=a b=c \"d\" 'e' \\"}, false, 1500, {"serial=a b=c \"d\" 'e' \\ -netdev"}},
    {{"VM_CLOCK=2036-02-07T06:28:16"}, false, 1500, {"-rtc base=2036-02-07T06:28:16 "}},
    {{"VM_CLOCK="}, false, 1500, {"!-rtc"}},
    {{"VM_DISK_BUS=scsi"}, false, 1500,
	{"-device virtio-scsi-pci,id=scsi -chardev", "!-drive if=none"}},
    {{"VM_DISKS_BYTES=100000 200000", "VM_DISK_BUS=virtio"}, false, 1500,
	{"-device virtio-blk-pci,drive=disk0,serial=VMLAB-0,bootindex=2 ",
	    "-device virtio-blk-pci,drive=disk1,serial=VMLAB-1,bootindex=3 ", "!ahci", "!scsi",
	    "!disk2"}},
    {{"VM_DISKS_BYTES=100000 200000", "VM_DISK_BUS=scsi"}, false, 1500,
	{"-device scsi-hd,bus=scsi.0,drive=disk0,serial=VMLAB-0,lun=0,bootindex=2 ",
	    "-device scsi-hd,bus=scsi.0,drive=disk1,serial=VMLAB-1,lun=1,bootindex=3 "}},
    {{"VM_DISKS_BYTES=100000 200000", "VM_DISK_BUS=sata"}, false, 1500,
	{"-device ide-hd,bus=ide.0,drive=disk0,serial=VMLAB-0,bootindex=2 ",
	    "-device ide-hd,bus=ide.1,drive=disk1,serial=VMLAB-1,bootindex=3 ", "!ahci"}},
    {{"VM_DISKS_BYTES=100000", "VM_DISK_BUS=nvme", "VM_ARCH=arm64"}, false, 1500,
	{"-device nvme,drive=disk0,serial=VMLAB-0,bootindex=2 "}},
    {{"VM_DISKS_BYTES=100000 200000", "VM_DISK_FILTER=log"}, false, 1500,
	{"-blockdev driver=qcow2,node-name=plain,discard=unmap,file.driver=file,file.filename=/disks/disk0.qcow2 "
	 "-blockdev driver=blklogwrites,node-name=disk0,file=plain,log.driver=file,log.filename=/disks/disk0.log "
	 "-device virtio-blk-pci,drive=disk0,serial=VMLAB-0,rerror=report,werror=report,bootindex=2 -drive if=none,id=disk1,",
	    "serial=VMLAB-1,bootindex=3"}},
    {{"VM_DISKS_BYTES=100000", "VM_DISK_FILTER=/disks/rules", "VM_DISK_BUS=scsi"}, false, 1500,
	{"-blockdev driver=blkdebug,node-name=disk0,image=plain,config=/disks/rules -device scsi-hd,",
	    "serial=VMLAB-0,lun=0,rerror=report,werror=report,bootindex=2"}},
    {{"VM_DISK_FILTER=log"}, false, 1500, {"!-blockdev", "!report"}},
};

/* What is printed goes to the terminal, its log and whoever is at the socket. */
static void test_console(void **state)
{
	_cleanup_argv_ struct argv argv = ARGV_INIT;

	(void)state;
	shares_console = true;
	make((const char *const[]){NULL}, false, 1500, &argv);
	shares_console = false;
	_cleanup_free_ char *text = joined(&argv);
	assert_non_null(strstr(text,
	    " -chardev stdio,id=terminal,signal=off,logfile=/run/console/log,logappend=on"
	    " -chardev pipe,id=keys,path=/run/console/keys"
	    " -chardev hub,id=console,chardevs.0=terminal,chardevs.1=keys -serial chardev:console "));
}

static void test_branches(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(branches) / sizeof(*branches); i++) {
		_cleanup_argv_ struct argv argv = ARGV_INIT;
		make(branches[i].settings, branches[i].kvm, branches[i].mtu, &argv);
		_cleanup_free_ char *text = joined(&argv);
		for (size_t n = 0; n < 5 && branches[i].parts[n]; n++) {
			const char *part = branches[i].parts[n];
			if (*part == '!' ? strstr(text, part + 1) != NULL
					 : strstr(text, part) == NULL)
				fail_msg("%s: \"%s\" in: %s", branches[i].settings[0], part, text);
		}
	}
}

/* ---- serials ------------------------------------------------------------------------------------
 */

/* The value of the last key as QEMU reads it: ",," is a comma, ',' ends a value. NULL when it is
 * not `key`. */
static char *qemu_reads(const char *option, const char *key)
{
	char *last = NULL, *at;
	const char *p = option;

	do {
		free(last);
		last = at = calloc(1, strlen(option) + 1);
		assert_non_null(at);
		for (; *p && (*p != ',' || p[1] == ','); p += *p == ',' ? 2 : 1)
			*at++ = *p;
	} while (*p++);
	if (strncmp(last, key, strlen(key)) != 0) {
		free(last);
		return NULL;
	}
	memmove(last, last + strlen(key), strlen(last) - strlen(key) + 1);
	return last;
}

static const char *after(const struct argv *argv, const char *option)
{
	for (size_t i = 0; i + 1 < argv->count; i++)
		if (strcmp(argv->items[i], option) == 0)
			return argv->items[i + 1];
	return NULL;
}

static void test_serials(void **state)
{
	static const char alphabet[] = ",,,,  =\"'\\;%$`(){}[]<>|&*?#~!^@:./-_+aZ09";
	char setting[80] = "VM_SERIAL=";
	char *serial = setting + strlen(setting);
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		_cleanup_argv_ struct argv argv = ARGV_INIT;
		size_t len = 1 + round % 64;
		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245u + 12345u;
			serial[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		serial[len] = '\0';
		if (*serial == ' ' || serial[len - 1] == ' ')
			continue;
		make((const char *const[]){setting, NULL}, false, 1500, &argv);
		_cleanup_free_ char *read = qemu_reads(after(&argv, "-smbios"), "serial=");
		assert_non_null(read);
		assert_string_equal(read, serial);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accel),
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_branches),
	    cmocka_unit_test(test_console),
	    cmocka_unit_test(test_serials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
