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
#include "docker/vm/machine.h"

#define NAME "VM_NAME=web1"
#define MAC "VM_MAC=52:54:00:aa:bb:cc"

static int parse(char *setting, struct machine *m, struct err *e)
{
	char *environment[] = {setting, (char *)NAME, (char *)MAC, (char *)"VM_NAMES=x", NULL};

	return machine_parse(environment, m, e);
}

static const struct {
	const char *name, *fine[6], *wrong[10], *give;
} settings[] = {
    {"VM_NAME", {"a", "web1", "A.b_c-d_", "0"}, {"-a", "a-", "a b", ".a", "a\n", "a,b", "\xc3\xa4"},
	"a name such as web1"},
    {"VM_MAC", {"52:54:00:aa:bb:cc", "02:00:00:AB:cd:EF"},
	{"52:54:00:aa:bb", "52-54-00-aa-bb-cc", "52:54:00:aa:bb:cg", "52:54:00:aa:bb:cc:dd",
	    " 52:54:00:aa:bb:cc"},
	"an address such as 52:54:00:00:00:01"},
    {"VM_ARCH", {"", "amd64", "arm64"}, {"x86_64", "AMD64", "sparc64", "amd64 ", "amd"}, ARCH_OR},
    {"VM_CPUS", {"", "1", "16", "999"}, {"0", "01", "1000", "-1", "1.5", "two"},
	"a number of CPUs"},
    {"VM_MEMORY_MIB", {"", "10", "2048", "9999999"}, {"9", "0512", "10000000", "2G"},
	"a number of MiB"},
    {"VM_DISKS_BYTES",
	{"", "100000", "8589934592 1073741824", "1000000   1000000", "9999999999999999999"},
	{"8G", "99999", " 100000", "100000 ", "100000,100000", "100000\t100000", "100000\n100000",
	    "10000000000000000000"},
	"sizes in bytes"},
    {"VM_DISK_BUS", {"", "virtio", "scsi", "sata", "nvme"}, {"ide", "SCSI", "usb"},
	"virtio, scsi, sata or nvme"},
    {"VM_FIRMWARE", {"", "uefi", "bios"}, {"UEFI", "efi", "uefi,bios"}, "uefi or bios"},
    {"VM_SECURE_BOOT", {"", "false", "true"}, {"yes", "1", "TRUE"}, "false or true"},
    {"VM_UUID",
	{"", "0f0e0d0c-0b0a-4908-8706-050403020100", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"},
	{"0f0e0d0c0b0a49088706050403020100", "0f0e0d0c-0b0a-4908-8706-05040302010", "{0f0e0d0c}",
	    "x"},
	"a UUID"},
    {"VM_SERIAL",
	{"", "1", "VMware-56 4d, (rev;2) 100%", "a,\"b\"='c' $(d)",
	    "1234567890123456789012345678901234567890123456789012345678901234"},
	{" a", "a ", "a\tb", "a\nb", "\x7f", "\xc3\xa4",
	    "12345678901234567890123456789012345678901234567890123456789012345"},
	"at most 64 printable ASCII characters with no blank at either end"},
    {"VM_ACCEL", {"", "auto", "kvm", "tcg"}, {"yes", "kvm:tcg", "TCG"}, "auto, kvm or tcg"},
    {"VM_BRIDGE", {"", "lab0", "br-1.2_x", "123456789012345"},
	{"../lab0", "-x", "1234567890123456", "a b"}, "an interface name"},
    {"VM_NICS", {"", "1", "2"}, {"0", "3", "22", "two"}, "1 or 2"},
    {"VM_CLOCK", {"", "1970-01-01T00:00:00", "2036-02-07T06:28:16"},
	{"now", "1970-01-01", "1970-01-01 00:00:00", "1970-01-01T00:00:00Z",
	    "1970-01-01T00:00:00,clock=vm"},
	"a date and time"},
    {"VM_DISK_FILTER", {"", "log", "/disks/rules"}, {"rules", "/a,b", "/a b", "/", "log2"},
	"log or a file's path"},
    {"VM_NIC_ROM", {"", "firmware", "ipxe", "http"}, {"none", "iPXE"}, "firmware, ipxe or http"},
    {"VM_STOP_TIMEOUT", {"", "0", "60", "0900", "9999"}, {"10000", "-1", "60s"},
	"a number of seconds"},
    {"VM_STUCK_TIMEOUT", {"", "0", "120", "99999"}, {"100000", "1e3", "never"},
	"a number of seconds"},
};

static void test_settings(void **state)
{
	struct machine m;

	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		char setting[300], wanted[600];
		struct err e = ERR_INIT;
		for (size_t n = 0; n < 6 && settings[i].fine[n]; n++) {
			snprintf(setting, sizeof(setting), "%s=%s", settings[i].name,
			    settings[i].fine[n]);
			if (parse(setting, &m, &e) != 0)
				fail_msg("%s: %s", setting, e.msg);
		}
		for (size_t n = 0; n < 10 && settings[i].wrong[n]; n++) {
			snprintf(setting, sizeof(setting), "%s=%s", settings[i].name,
			    settings[i].wrong[n]);
			if (parse(setting, &m, &e) != -EINVAL)
				fail_msg("%s is taken", setting);
			/* As err.h cleans what others wrote. */
			struct err same = ERR_INIT;
			err_set(&same, EINVAL, "%s='%s' is not valid: give %s", settings[i].name,
			    settings[i].wrong[n], settings[i].give);
			snprintf(wanted, sizeof(wanted), "%.599s", same.msg);
			assert_string_equal(e.msg, wanted);
		}
	}
}

static void test_every_byte_of_a_serial(void **state)
{
	struct machine m;
	struct err e;

	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		char inside[] = {
		    'V', 'M', '_', 'S', 'E', 'R', 'I', 'A', 'L', '=', 'a', (char)c, 'b', 0};
		assert_int_equal(parse(inside, &m, &e), c >= 0x20 && c < 0x7f ? 0 : -EINVAL);
		inside[10] = (char)c;
		inside[11] = 'a';
		assert_int_equal(parse(inside, &m, &e), c > 0x20 && c < 0x7f ? 0 : -EINVAL);
	}
}

static void test_required(void **state)
{
	char *none[] = {NULL}, *no_mac[] = {(char *)NAME, NULL},
	     *empty[] = {(char *)"VM_NAME=", (char *)MAC, NULL};
	struct machine m;
	struct err e;

	(void)state;
	assert_int_equal(machine_parse(none, &m, &e), -EINVAL);
	assert_string_equal(e.msg, "VM_NAME='' is not valid: give a name such as web1");
	assert_int_equal(machine_parse(empty, &m, &e), -EINVAL);
	assert_string_equal(e.msg, "VM_NAME='' is not valid: give a name such as web1");
	assert_int_equal(machine_parse(no_mac, &m, &e), -EINVAL);
	assert_string_equal(
	    e.msg, "VM_MAC='' is not valid: give an address such as 52:54:00:00:00:01");
}

static void test_bios(void **state)
{
	char *arm[] = {
	    (char *)NAME, (char *)MAC, (char *)"VM_ARCH=arm64", (char *)"VM_FIRMWARE=bios", NULL};
	char *pc[] = {(char *)NAME, (char *)MAC, (char *)"VM_FIRMWARE=bios", NULL};
	char *http[] = {
	    (char *)NAME, (char *)MAC, (char *)"VM_FIRMWARE=bios", (char *)"VM_NIC_ROM=http", NULL};
	struct machine m;
	struct err e;

	(void)state;
	assert_int_equal(machine_parse(arm, &m, &e), -EINVAL);
	assert_string_equal(e.msg, "arm64 machines have no BIOS: set VM_FIRMWARE=uefi");
	assert_int_equal(machine_parse(http, &m, &e), -EINVAL);
	assert_string_equal(
	    e.msg, "a BIOS has no HTTP Boot: set VM_NIC_ROM=ipxe, or VM_FIRMWARE=uefi");
	assert_int_equal(machine_parse(pc, &m, &e), 0);
	assert_true(m.bios);
}

static void test_parsed(void **state)
{
	char *environment[] = {(char *)NAME, (char *)"VM_MAC=02:00:00:AB:cd:EF",
	    (char *)"VM_ARCH=arm64", (char *)"VM_CPUS=16", (char *)"VM_MEMORY_MIB=512",
	    (char *)"VM_DISKS_BYTES=100000   200000 300000", (char *)"VM_DISK_BUS=sata",
	    (char *)"VM_ACCEL=tcg", (char *)"VM_NICS=2", (char *)"VM_NIC_ROM=ipxe", NULL};
	struct machine m;
	struct err e;

	(void)state;
	assert_int_equal(machine_parse(environment, &m, &e), 0);
	assert_string_equal(m.name, "web1");
	assert_string_equal(m.arch->is->name, "arm64");
	assert_int_equal(m.cpus, 16);
	assert_int_equal(m.memory_mib, 512);
	assert_int_equal(m.disk_count, 3);
	assert_ptr_equal(m.disk_bus, disk_bus_find("sata"));
	assert_int_equal(m.accel, ACCEL_TCG);
	assert_true(m.nic_rom);
	assert_false(m.bios);
	assert_int_equal(m.nic_count, 2);
	assert_string_equal(m.nics[0].mac, "02:00:00:AB:cd:EF");
	assert_string_equal(m.nics[0].tap, "tap020000abcdef");
	assert_string_equal(m.nics[1].mac, "56:00:00:AB:cd:EF");
	assert_string_equal(m.nics[1].tap, "tap20000abcdef");
}

static void print_is(char *const *environment, const char *wanted)
{
	_cleanup_free_ char *text = NULL;
	struct machine m;
	struct err e;
	size_t len;

	assert_int_equal(machine_parse(environment, &m, &e), 0);
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	machine_print(&m, f);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(text, wanted);
}

static void test_print(void **state)
{
	char *plain[] = {(char *)NAME, (char *)MAC, NULL};
	char *full[] = {(char *)NAME, (char *)MAC, (char *)"VM_ARCH=arm64", (char *)"VM_NICS=2",
	    (char *)"VM_SERIAL=a,\"b\"=' $x", (char *)"VM_DISKS_BYTES=100000  200000", NULL};

	(void)state;
	print_is(plain,
	    "VM_NAME=web1\nVM_MAC=52:54:00:aa:bb:cc\nVM_ARCH=amd64\nVM_CPUS=1\nVM_MEMORY_MIB=2048\n"
	    "VM_DISKS_BYTES=\nVM_DISK_BUS=virtio\nVM_FIRMWARE=uefi\nVM_SECURE_BOOT=false\nVM_UUID=\nVM_SERIAL=\nVM_ACCEL=auto\n"
	    "VM_BRIDGE=lab0\nVM_NICS=1\nVM_CLOCK=\nVM_DISK_FILTER=\nVM_NIC_ROM=firmware\nVM_STOP_TIMEOUT=60\n"
	    "VM_STUCK_TIMEOUT=120\nVM_TAPS=tap525400aabbcc\nVM_PORTS=tap525400aabbcc 52:54:00:aa:bb:cc\n"
	    "VM_FLASH=amd64\nVM_FLASH_BYTES=0\nVM_PM1_PORT=0x602\n");
	print_is(full,
	    "VM_NAME=web1\nVM_MAC=52:54:00:aa:bb:cc\nVM_ARCH=arm64\nVM_CPUS=1\nVM_MEMORY_MIB=2048\n"
	    "VM_DISKS_BYTES=100000  200000\nVM_DISK_BUS=virtio\nVM_FIRMWARE=uefi\nVM_SECURE_BOOT=false\nVM_UUID=\n"
	    "VM_SERIAL=a,\"b\"=' $x\nVM_ACCEL=auto\nVM_BRIDGE=lab0\nVM_NICS=2\nVM_CLOCK=\nVM_DISK_FILTER=\n"
	    "VM_NIC_ROM=firmware\nVM_STOP_TIMEOUT=60\nVM_STUCK_TIMEOUT=120\n"
	    "VM_TAPS=tap525400aabbcc tap25400aabbcc\n"
	    "VM_PORTS=tap525400aabbcc 52:54:00:aa:bb:cc tap25400aabbcc 56:54:00:aa:bb:cc\n"
	    "VM_FLASH=arm64\nVM_FLASH_BYTES=67108864\nVM_PM1_PORT=\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_settings),
	    cmocka_unit_test(test_every_byte_of_a_serial),
	    cmocka_unit_test(test_required),
	    cmocka_unit_test(test_bios),
	    cmocka_unit_test(test_parsed),
	    cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
