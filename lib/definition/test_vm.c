/* One definition: what it means, and where exactly a bad one is wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/definition/test_vm_from.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic_file.h"
#include "lib/definition/field.h"
#include "lib/machine/vm_setting.h"
#include "lib/definition/mode.h"
#include "lib/definition/login.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x ann"
#define MAC "\"mac\":\"52:54:00:00:00:11\""
#define HEAD "{\"name\":\"a\"," MAC ",\n " /* the next field begins at 2:2 */

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* ---- good ones --------------------------------------------------------------------------------*/

static void smallest_gets_defaults(void **state)
{
	struct vm *vm = vm_from_with("{\"name\":\"web1\"," MAC "}", NULL);

	(void)state;
	assert_string_equal(vm->name, "web1");
	assert_string_equal(vm->hostname, "web1");
	assert_string_equal(vm->distro, "debian-13");
	assert_null(vm->more);
	assert_null(vm->role);
	assert_null(vm->uuid);
	assert_int_equal(vm->ip.s_addr, 0);
	assert_false(vm->has_ip6);
	assert_true(vm->pxeboot);
	assert_int_equal(vm->arch, VM_ARCH_AMD64);
	assert_int_equal(vm->firmware, VM_FIRMWARE_UEFI);
	assert_string_equal(boot_mode_name(vm->mode), "install");
	assert_int_equal(vm->after_install, VM_AFTER_REBOOT);
	assert_int_equal(vm->cpus, 2);
	assert_true(vm->memory_bytes == GIB);
	assert_int_equal(vm->disk_count, 1);
	assert_true(vm->disk_bytes[0] == 10 * GIB);
	vm_free(vm);
}

/* State is kept under it, and a VM has it: never another for the same machine. */
static void without_mac_it_is_made_of_what_tells_the_machine(void **state)
{
#define UUID_FIELD "\"uuid\":\"6F1C2A34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\""
	static const struct {
		const char *text, *mac;
		bool made;
	} rows[] = {
	    {"{\"name\":\"a\",\"serial\":\"CZ 1\"}", "52:c3:8b:10:91:73", true},
	    {"{\"name\":\"b\",\"mac\":\"\"," UUID_FIELD ",\"serial\":\"CZ 1\"}",
		"52:c3:8b:10:91:73", true},
	    {"{\"name\":\"a\"," UUID_FIELD "}", "52:75:e5:6c:30:b5", true},
	    {"{\"name\":\"a\"," MAC "," UUID_FIELD "}", "52:54:00:00:00:11", false},
	};
	char mac[MAC_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct vm *vm = vm_from(rows[i].text);
		assert_int_equal(vm->mac_made, rows[i].made);
		assert_string_equal(mac_format(&vm->mac, mac), rows[i].mac);
		vm_free(vm);
	}
}

static void every_field_is_read(void **state)
{
	struct vm *vm = vm_from_with(
	    "{\"name\":\"db-1\",\"mac\":\"52-54-00-AA-BB-CC\",\"ip\":\"192.168.100.12/24\","
	    "\"ipv6\":\"fd00::12/64\",\"subnet\":\"192.168.100.0/24\",\"subnetv6\":\"fd00::/64\","
	    "\"arch\":\"aarch64\",\"distro\":\"ubuntu-24.04\",\"hostname\":\"db.example.org\","
	    "\"role\":\"target\",\"cpus\":4,\"memory\":1536,\"disks\":[{\"size\":\"8GiB\"},"
	    "{\"match\":{\"serial\":\"x\"}},{\"size\":\"512m\"}],\"firmware\":\"uefi\","
	    "\"uuid\":\"6F1C2A34-5B6D-4E7F-8A9B-0C1D2E3F4A5B\",\"serial\":\"CZ 3021/A,(b)\","
	    "\"mode\":\"shell\",\"after_install\":\"kexec\",\"kernel_args\":\"quiet a.b=1,2\","
	    "\"ssh_keys\":[\"" KEY "\"],\"ssh_key\":\"" KEY "\\n\",\"pxeboot\":false,"
	    "\"kernel\":\"vmlinuz\",\"initrd\":\"initrd.img\",\"ssh_port\":2222,"
	    "\"docker_images_path\":\"/a\",\"vms_path\":\"/b\",\"pxe_boot_stack_tar\":\"c\","
	    "\"packages\":[\"nginx\",[\"curl\",\"8.0-1\"]],\"runcmd\":[\"a\\nb\",[\"ls\",\"-l\"]],"
	    "\"write_files\":[{\"path\":\"/etc/x\",\"content\":\"\\n\",\"permissions\":\"0600\"}],"
	    "\"users\":[\"default\",{\"name\":\"ann\",\"ssh_authorized_keys\":[\"" KEY "\"]}],"
	    "\"user_data\":\"#cloud-config\\nx: 1\\n\",\"network_config\":{\"version\":2},"
	    "\"storage\":{\"root\":{\"fs\":\"xfs\"},\"swap\":\"1G\"}}",
	    NULL);
	char mac[MAC_TEXT_SIZE];

	(void)state;
	assert_string_equal(mac_format(&vm->mac, mac), "52:54:00:aa:bb:cc");
	assert_int_equal(vm->ip.s_addr, inet_addr("192.168.100.12"));
	assert_int_equal(vm->ip_prefix, 24);
	assert_true(vm->has_ip6);
	assert_int_equal(vm->ip6_prefix, 64);
	assert_int_equal(vm->arch, VM_ARCH_ARM64);
	assert_string_equal(vm->distro, "ubuntu-24.04");
	assert_string_equal(vm->hostname, "db.example.org");
	assert_string_equal(vm->role, "target");
	assert_int_equal(vm->cpus, 4);
	assert_true(vm->memory_bytes == 1536 * MIB);
	assert_int_equal(vm->disk_count, 3);
	assert_true(vm->disk_bytes[0] == 8 * GIB);
	assert_true(vm->disk_bytes[1] == 10 * GIB);
	assert_true(vm->disk_bytes[2] == 512 * MIB);
	assert_true(vm->disk_bytes[3] == 0);
	assert_string_equal(vm->uuid, "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b");
	assert_string_equal(vm->serial, "CZ 3021/A,(b)");
	assert_string_equal(boot_mode_name(vm->mode), "shell");
	assert_int_equal(vm->after_install, VM_AFTER_KEXEC);
	assert_string_equal(vm->kernel_args, "quiet a.b=1,2");
	assert_false(vm->pxeboot);
	assert_string_equal(vm->kernel, "vmlinuz");
	assert_string_equal(vm->initrd, "initrd.img");

	assert_string_equal(json_string_value(json_object_get(vm->more, "ssh_key")), KEY);
	assert_int_equal(json_array_size(json_object_get(vm->more, "disks")), 3);
	assert_null(json_object_get(vm->more, "name"));
	vm_free(vm);
}

static void empty_means_absent(void **state)
{
	struct vm *vm = vm_from_with(
	    "{\"name\":\"a\"," MAC ",\"ip\":\"\",\"arch\":null,\"memory\":\"\",\"cpus\":null,"
	    "\"disks\":null,\"pxeboot\":null,\"users\":\"\",\"uuid\":\"\"}",
	    NULL);

	(void)state;
	assert_int_equal(vm->ip.s_addr, 0);
	assert_int_equal(vm->cpus, 2);
	assert_true(vm->memory_bytes == GIB);
	assert_int_equal(vm->disk_count, 1);
	assert_true(vm->pxeboot);
	assert_null(vm->uuid);
	assert_null(vm->more);
	vm_free(vm);
}

static void byte_order_mark_is_skipped(void **state)
{
	(void)state;
	vm_free(vm_from_with("\xef\xbb\xbf{\"name\":\"a\"," MAC "}\n", NULL));
}

static void file_replaces_default(void **state)
{
	static const char text[] =
	    "{\"cpus\":8,\"memory\":\"4G\",\"disks\":[{\"size\":\"20G\"},{\"size\":\"1G\"}],"
	    "\"packages\":[\"vim\"],\"arch\":\"arm64\"}";
	struct vm_where where;
	json_t *defaults;

	(void)state;
	assert_int_equal(vm_defaults_parse(text, strlen(text), &defaults, &where, NULL), 0);
	struct vm *vm = vm_from_with("{\"name\":\"a\"," MAC
				     ",\"cpus\":1,\"memory\":\"\",\"disks\":[{\"size\":\"2G\"}]}",
	    defaults);
	assert_int_equal(vm->cpus, 1);
	assert_true(vm->memory_bytes == 4 * GIB);
	assert_int_equal(vm->disk_count, 1);
	assert_true(vm->disk_bytes[0] == 2 * GIB);
	assert_int_equal(vm->arch, VM_ARCH_ARM64);
	json_decref(defaults); /* what came from there stays */
	const json_t *packages = json_object_get(vm->more, "packages");
	assert_string_equal(json_string_value(json_array_get(packages, 0)), "vim");
	assert_int_equal(json_array_size(json_object_get(vm->more, "disks")), 1);
	vm_free(vm);
}

/* ---- bad ones ---------------------------------------------------------------------------------*/

static const struct {
	const char *text;
	int line, column;
	const char *sentence; /* part of it */
} bad[] = {
    /* not JSON */
    {"", 1, 1, "empty"},
    {" \n\n", 1, 1, "empty"},
    {"{", 1, 2, "too early"},
    {"{\"name\":\"a\",\n \"mac\":\"52:", 2, 8, "too early"},
    {"{\"name\":\"a\",\n \"mac\":\n", 2, 8, "too early"},
    {"{\"name\":\"a\" \"mac\":1}", 1, 12, "a comma is missing"},
    {"{\"name\":\"a\",\n}", 1, 12, "no comma may stand"},
    {"{\"name\":\"a\",\n  x}", 2, 3, "write \"x\""},
    {"{\"cpus\":01}", 1, 9, "begins with a 0"},
    {"{'name':1}", 1, 2, "single quote"},
    {"{} x", 1, 4, "after the closing bracket"},
    {"{\"name\":\"a\"}\n{}", 2, 1, "after the closing bracket"},
    {"\n [1]", 2, 2, "must be an object"},
    {"\"x\"", 1, 1, "must be an object"},
    {"{\"name\":\"a\",\n \"name\":\"b\"}", 2, 2, "\"name\" is given twice"},
    {"{\"disks\":[{\"size\":\"1G\",\n\"size\":\"2G\"}]}", 2, 1, "\"size\" is given twice"},
    {"{\"a\\\"b\":1, \"a\\\"b\":2}", 1, 12, "given twice"},
    {"{\"cpus\":99999999999999999999}", 1, 9, "too large"},
    {"{\"name\":\"a\nb\"}", 1, 11, "a line ends inside a string"},
    {"{\"name\":\"a\tb\"}", 1, 11, "\\u0009"},
    {"{\"name\":\x01\"a\"}", 1, 9, "control character"},
    {"{\"role\":\"\xff\"}", 1, 10, "UTF-8"},
    {"{\"role\":\"\xc0\xaf\"}", 1, 10, "UTF-8"},
    {"{\"role\":\"\xed\xa0\x80\"}", 1, 10, "UTF-8"},
    {"{\"role\":\"\xc3\xa4\xc3\xa4\xff\"}", 1, 12, "UTF-8"},
    {"{\"role\":\"\\u0000\"}", 1, 9, "\\u0000"},
    /* required */
    {"{}", 0, 0, "\"name\" is missing"},
    {"{\"name\":\"a\"}", 0, 0,
	"\"mac\" is missing: add it, such as \"mac\": \"52:54:00:00:00:11\", or \"serial\" or \"uuid\""},
    {"{\"name\":\"a\",\"mac\":null,\"serial\":\"\"}", 0, 0, "\"mac\" is missing"},
    {"{\"name\":\"\"," MAC "}", 0, 0, "\"name\" is missing"},
    {"{\"name\":null," MAC "}", 0, 0, "\"name\" is missing"},
    /* name */
    {"{\"name\":1," MAC "}", 1, 9, "\"name\": must be a text"},
    {"{\"name\":\"Provisioner\"," MAC "}", 1, 9, "the stack's own name"},
    {"{\"name\":\"_a\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\".a\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"a.\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"a b\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"-a\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"a-\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"a/b\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"..\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"a$b\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"a\\\"b\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"a\\nb\"," MAC "}", 1, 9, "control character"},
    {"{\"name\":\"\\u00e4\"," MAC "}", 1, 9, "is not a name"},
    {"{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"," MAC "}", 1,
	9, "is not a name"},
    {"{\"na\\u006de\":\"-X\"," MAC "}", 1, 14, "is not a name"},
    /* mac */
    {"{\"name\":\"a\",\n  \"mac\" : \"52:54:00:00:00\"}", 2, 11, "not a MAC address"},
    {"{\"name\":\"a\",\"mac\":\"52:54:00:00:00:11\\n\"}", 1, 19, "control character"},
    {"{\"name\":\"a\",\"mac\":\"01:54:00:00:00:11\"}", 1, 19, "multicast"},
    {"{\"name\":\"a\",\"mac\":\"00:00:00:00:00:00\"}", 1, 19, "all-zero"},
    {"{\"name\":\"a\",\"mac\":[]}", 1, 19, "not a list"},
    /* addresses */
    {HEAD "\"ip\":\"192.168.1\"}", 2, 7, "not an IPv4 address"},
    {HEAD "\"ip\":\"192.168.1.1,x\"}", 2, 7, "not an IPv4 address"},
    {HEAD "\"ip\":\"127.0.0.1\"}", 2, 7, "no machine can have"},
    {HEAD "\"ip\":\"224.0.0.1\"}", 2, 7, "no machine can have"},
    {HEAD "\"ip\":\"0.0.0.0\"}", 2, 7, "no machine can have"},
    {HEAD "\"ip\":\"10.0.0.255/24\"}", 2, 7, "broadcast"},
    {HEAD "\"ip\":\"10.0.0.0/24\"}", 2, 7, "broadcast"},
    {HEAD "\"ip\":\"10.0.0.5\",\"subnet\":\"10.0.1.0/24\"}", 2, 7, "outside \"subnet\""},
    {HEAD "\"ip\":\"10.0.0.5/16\",\"subnet\":\"10.0.0.0/24\"}", 2, 7, "prefix length"},
    {HEAD "\"subnet\":\"10.0.1.0\"}", 2, 11, "no prefix length"},
    {HEAD "\"ipv6\":\"fd00::x\"}", 2, 9, "not an IPv6 address"},
    {HEAD "\"ipv6\":\"fe80::1\"}", 2, 9, "can be given"},
    {HEAD "\"ipv6\":\"ff02::1\"}", 2, 9, "can be given"},
    {HEAD "\"ipv6\":\"fd00::1\",\"subnetv6\":\"fd01::/64\"}", 2, 9, "outside \"subnetv6\""},
    /* the machine */
    {HEAD "\"arch\":\"i386\"}", 2, 9, "\"amd64\" or \"arm64\""},
    {HEAD "\"cpus\":0}", 2, 9, "out of range"},
    {HEAD "\"cpus\":-1}", 2, 9, "out of range"},
    {HEAD "\"cpus\":\"2\"}", 2, 9, "without quotes"},
    {HEAD "\"cpus\":1.5}", 2, 9, "whole number"},
    {HEAD "\"memory\":true}", 2, 11, "number of MiB"},
    {HEAD "\"memory\":\"1 G\"}", 2, 11, "not a size"},
    {HEAD "\"memory\":1}", 2, 11, "out of range"},
    {HEAD "\"memory\":-5}", 2, 11, "out of range"},
    {HEAD "\"memory\":\"1024\"}", 2, 11, "out of range"},
    {HEAD "\"memory\":\"99999T\"}", 2, 11, "out of range"},
    {HEAD "\"disks\":{}}", 2, 10, "must be a list"},
    {HEAD "\"disks\":[1]}", 2, 11, "\"disks[0]\": must be an object"},
    {HEAD "\"disks\":[{\"size\":\"1G\"},\n{\"size\":10}]}", 3, 9,
	"\"disks[1].size\": must be a size"},
    {HEAD "\"disks\":[{\"size\":\"10\"}]}", 2, 19, "with the unit"},
    {HEAD "\"disks\":[{\"match\":{\"serial\":[]}}]}", 2, 30, "\"disks[0].match.serial\""},
    {HEAD "\"disks\":[{\"match\":{\"transport\":\"ide\"}}]}", 2, 33,
	"\"disks[0].match.transport\": \"ide\" is not known"},
    {HEAD "\"disks\":[{\"match\":{}}]}", 2, 20, "\"disks[0].match\": says nothing"},
    {HEAD "\"disks\":[{},{},{},{},{},{},{},{},{}]}", 2, 35, "at most 8"},
    {HEAD "\"firmware\":\"efi\"}", 2, 13, "\"uefi\" or \"bios\""},
    {HEAD "\"firmware\":\"bios\",\"arch\":\"arm64\"}", 2, 13, "only with"},
    {HEAD "\"uuid\":\"6f1c2a34\"}", 2, 9, "not a UUID"},
    {HEAD "\"uuid\":\"00000000-0000-0000-0000-000000000000\"}", 2, 9, "whose vendor set no UUID"},
    {HEAD "\"uuid\":\"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\"}", 2, 9, "whose vendor set no UUID"},
    {HEAD "\"uuid\":\"03000200-0400-0500-0006-000700080009\"}", 2, 9, "whose vendor set no UUID"},
    {HEAD "\"serial\":\"Default string\"}", 2, 11, "whose vendor set no serial number"},
    {HEAD "\"serial\":\"To Be Filled By O.E.M.\"}", 2, 11, "whose vendor set no serial number"},
    {HEAD "\"serial\":\"\u00e4\"}", 2, 11, "serial number"},
    {HEAD "\"serial\":\" a\"}", 2, 11, "serial number"},
    {HEAD "\"hostname\":\"localhost\"}", 2, 13, "every system has for itself"},
    {HEAD "\"hostname\":\"LocalHost.localdomain\"}", 2, 13, "every system has for itself"},
    {HEAD "\"hostname\":\"ip6-allnodes\"}", 2, 13, "every system has for itself"},
    {HEAD "\"kernel_args\":\"quiet  initrd.mode=shell\"}", 2, 16, "must not set initrd.mode,"},
    {HEAD "\"kernel_args\":\"BOOTIF=01-52-54-00-00-00-12\"}", 2, 16, "must not set BOOTIF,"},
    {HEAD "\"kernel_args\":\"initrd=x\"}", 2, 16, "must not set initrd,"},
    {HEAD "\"hostname\":\"a..b\"}", 2, 13, "not a host name"},
    {HEAD "\"hostname\":\"a_b\"}", 2, 13, "not a host name"},
    {HEAD "\"hostname\":\"a.\"}", 2, 13, "not a host name"},
    {HEAD "\"role\":\"a\\u0085b\"}", 2, 9, "control character"},
    /* what it boots */
    {HEAD "\"distro\":\"../x\"}", 2, 11, "not an image name"},
    {HEAD "\"distro\":\"a/b\"}", 2, 11, "not an image name"},
    {HEAD "\"distro\":\"a b\"}", 2, 11, "not an image name"},
    {HEAD "\"mode\":\"pxe\"}", 2, 9, "write \"install\", \"local\""},
    {HEAD "\"after_install\":1}", 2, 18, "must be a text"},
    {HEAD "\"hooks\":[\"x\"]}", 2, 10, "must be an object"},
    {HEAD "\"hooks\":{\"post_install\":\"x\"}}", 2, 26, "must be a list of at most 16"},
    {HEAD "\"hooks\":{\"post_install\":[\"x\",1]}}", 2, 31, "must be a script"},
    {HEAD "\"pxeboot\":\"true\"}", 2, 12, "without quotes"},
    {HEAD "\"kernel\":\"a/b\"}", 2, 11, "no slash"},
    {HEAD "\"kernel\":\"..\"}", 2, 11, "no slash"},
    {HEAD "\"initrd\":\".hidden\"}", 2, 11, "no slash"},
    {HEAD "\"kernel_args\":\"a ${net0/mac}\"}", 2, 16, "character $"},
    {HEAD "\"kernel_args\":\"a\\\"b\"}", 2, 16, "character \""},
    {HEAD "\"kernel_args\":\"a\\\\b\"}", 2, 16, "character \\"},
    {HEAD "\"kernel_args\":\"a || b\"}", 2, 16, "character |"},
    {HEAD "\"kernel_args\":\"a;b\"}", 2, 16, "character ;"},
    {HEAD "\"kernel_args\":\"a\\nb\"}", 2, 16, "control character"},
    {HEAD "\"kernel_args\":\"\\u00e4\"}", 2, 16, "ASCII"},
    /* keys and cloud-init */
    {HEAD "\"ssh_key\":\"hello\"}", 2, 12, "not a public SSH key"},
    {HEAD "\"ssh_key\":\"ssh-rsa AAAA\"}", 2, 12, "not a public SSH key"},
    {HEAD "\"ssh_key\":\"ssh-rsa "
	  "AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x\"}",
	2, 12, "not a public SSH key"},
    {HEAD "\"ssh_key\":\"" KEY "\\n" KEY "\"}", 2, 12, "line break"},
    {HEAD "\"ssh_key\":\"-----BEGIN OPENSSH PRIVATE KEY-----\\nabc\"}", 2, 12, "private key"},
    {HEAD "\"ssh_keys\":[\"" KEY "\",\n\"x\"]}", 3, 1, "\"ssh_keys[1]\""},
    {HEAD "\"ssh_keys\":\"" KEY "\"}", 2, 13, "must be a list"},
    {HEAD "\"users\":[{\"gecos\":\"x\"}]}", 2, 11, "no \"name\""},
    {HEAD "\"users\":[{\"name\":\"a b\"}]}", 2, 19, "not a user name"},
    {HEAD "\"users\":[{\"name\":\"a\",\"ssh_authorized_keys\":[\"x\"]}]}", 2, 46,
	"not a public SSH key"},
    {HEAD "\"packages\":[\"-o\"]}", 2, 14, "not a package name"},
    {HEAD "\"packages\":[\"a;b\"]}", 2, 14, "not a package name"},
    {HEAD "\"write_files\":[{\"path\":\"etc\"}]}", 2, 25, "absolute path"},
    {HEAD "\"write_files\":[{\"content\":\"\"}]}", 2, 17, "no \"path\""},
    {HEAD "\"write_files\":[{\"path\":\"/a\",\"permissions\":420}]}", 2, 44, "octal"},
    {HEAD "\"write_files\":[{\"path\":\"/a\",\"permissions\":\"rw\"}]}", 2, 44, "octal"},
    {HEAD "\"runcmd\":[{}]}", 2, 12, "must be a command"},
    {HEAD "\"runcmd\":[[1]]}", 2, 13, "\"runcmd[0][0]\""},
    {HEAD "\"user_data\":\"hello\"}", 2, 14, "ignored by cloud-init"},
    {HEAD "\"user_data\":[]}", 2, 14, "cloud-config object"},
    {HEAD "\"network_config\":{}}", 2, 19, "no \"version\""},
    {HEAD "\"storage\":[]}", 2, 12, "must be an object"},
    {HEAD "\"storage\":{\"root\":{\"fs\":\"zfs\"}}}", 2, 26, "\"storage.root.fs\": \"zfs\""},
    {HEAD "\"storage\":{\"partitions\":[\n{\"mount\":\"/a\",\"size\":\"4G\"},\n"
	  "{\"mount\":\"var\",\"size\":\"4G\"}]}}",
	4, 10, "\"storage.partitions[1].mount\""},
    {HEAD "\"storage\":{\"swap\":\"rest\"}}", 2, 20, "cannot be \"rest\""},
    {HEAD "\"ssh_port\":65536}", 2, 13, "out of range"},
    /* positions count characters, also behind escapes and brackets in strings */
    {HEAD "\"role\":\"\xc3\xa4\xe2\x82\xac]}{\\\"\",\"cpus\":0}", 2, 26, "out of range"},
};

static void bad_is_refused_with_its_place(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vm_where where = {-1, -1};
		struct err e = ERR_INIT;
		struct vm *vm = NULL;
		int rc =
		    vm_parse(bad[i].text, strlen(bad[i].text), NULL, &vm, &where, NULL, NULL, &e);
		vm_free(vm);
		if (rc == -EINVAL && where.line == bad[i].line && where.column == bad[i].column &&
		    strstr(e.msg, bad[i].sentence) && !strchr(e.msg, '\n'))
			continue;
		print_error("%s\n  expected %d:%d: ...%s...\n  got rc=%d %d:%d: %s\n", bad[i].text,
		    bad[i].line, bad[i].column, bad[i].sentence, rc, where.line, where.column,
		    e.msg);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* ---- all that is wrong with one
 * ----------------------------------------------------------------*/

struct told {
	char text[2000];
	unsigned errors, warnings;
};

static void note(struct told *t, struct vm_where where, const char *text)
{
	size_t used = strlen(t->text);

	snprintf(
	    t->text + used, sizeof(t->text) - used, "%d:%d %s\n", where.line, where.column, text);
}

static void note_error(void *ctx, struct vm_where where, const char *text)
{
	((struct told *)ctx)->errors++;
	note(ctx, where, text);
}

static void note_a_warning(void *ctx, struct vm_where where, const char *text)
{
	((struct told *)ctx)->warnings++;
	note(ctx, where, text);
}

/* cloud-init gives keys to nobody else then, and makes no default user. */
static void somebody_has_keys(void **state)
{
	static const struct {
		const char *users, *holder;
	} rows[] = {
	    {"[{\"name\":\"ann\"}]", "ann"},
	    {"[\"ann\",\"bob\"]", "ann"},
	    {"[{\"name\":\"node\",\"system\":true},\"ann\"]", "ann"},
	    {"[{\"name\":\"node\",\"system\":false}]", "node"},
	    {"[{\"name\":\"node\",\"system\":true},\"default\"]", "default"},
	    {"[{\"name\":\"node\",\"system\":true}]", NULL},
	    {"[{\"name\":\"node\",\"no_create_home\":true},{\"name\":\"a\",\"system\":true}]",
		NULL},
	    {"[\"default\",{\"name\":\"ann\",\"ssh_redirect_user\":true}]", "default"},
	    {"[{\"name\":\"ann\",\"ssh_redirect_user\":true}]", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct told told = {.errors = 0};
		struct vm_listener listener = {note_a_warning, note_error, &told};
		struct err e = ERR_INIT;
		struct vm_where where;
		struct vm *vm = NULL;
		char text[400];

		int n = snprintf(text, sizeof(text),
		    "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\",\n\"users\":%s}",
		    rows[i].users);
		assert_int_equal(
		    vm_parse_all(text, (size_t)n, NULL, &vm, &where, &listener, &e), 0);
		json_t *users = json_loads(rows[i].users, 0, NULL);
		const json_t *holder = vm_key_holder(users);
		const char *name = json_string_value(
		    json_is_object(holder) ? json_object_get(holder, "name") : holder);
		if (rows[i].holder ? !name || strcmp(name, rows[i].holder) != 0 || told.warnings
				   : !!name || told.warnings != 1 ||
					 !strstr(told.text, "2:9 \"users\" has nobody"))
			fail_msg("%s: %s, %s", rows[i].users, name ? name : "nobody", told.text);
		json_decref(users);
		vm_free(vm);
	}
}

static void all_that_is_wrong_is_told(void **state)
{
	static const char text[] =
	    "{\"name\": \"-Web1\",\n"
	    " \"ip\": \"10.0.0.5\", \"subnet\": \"10.0.1.0/24\",\n"
	    " \"arch\": \"arm64\", \"firmware\": \"bios\",\n"
	    " \"memory\": \"1 GB\", \"cpus\": \"two\", \"colour\": 1,\n"
	    " \"disks\": [{\"size\": \"1X\"}, {\"match\": {\"serial\": 7, \"pick\": \"first\"}}, 7],\n"
	    " \"users\": [{\"name\": \"Ann\", \"lock_passwd\": 1}, {}],\n"
	    " \"hooks\": {\"post_install\": [\"\", \"x\", 3]},\n"
	    " \"packages\": [\"a b\", \"jq\", \"; rm\"],\n"
	    " \"write_files\": [{\"permissions\": 644}],\n"
	    " \"storage\": {\"root\": {\"fs\": \"ntfs\"}, \"swap\": \"2 gigs\",\n"
	    "  \"partitions\": [{\"mount\": \"var\", \"size\": \"1X\"}]}}";
	static const char *const wanted[] = {"2:8 \"ip\"", "3:31 \"firmware\"", "4:12 \"memory\"",
	    "4:28 \"cpus\"", "5:21 \"disks[0].size\"", "5:49 \"disks[1].match.serial\"",
	    "5:60 \"disks[1].match.pick\"", "5:71 \"disks[2]\"", "6:21 \"users[0].name\"",
	    "6:43 \"users[0].lock_passwd\"", "6:47 \"users[1]\"", "7:29 \"hooks.post_install[0]\"",
	    "7:38 \"hooks.post_install[2]\"", "8:15 \"packages[0]\"", "8:28 \"packages[2]\"",
	    "9:18 \"write_files[0]\"", "9:34 \"write_files[0].permissions\"",
	    "10:29 \"storage.root.fs\"", "10:46 \"storage.swap\"",
	    "11:28 \"storage.partitions[0].mount\"", "11:43 \"storage.partitions[0].size\"",
	    "4:35 \"colour\""};
	struct told told = {.errors = 0};
	struct vm_listener listener = {note_a_warning, note_error, &told};
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm = NULL;

	(void)state;
	assert_int_equal(
	    vm_parse_all(text, strlen(text), NULL, &vm, &where, &listener, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "\"mac\" is missing"));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!strstr(told.text, wanted[i]))
			fail_msg("not told: %s\nbut:\n%s", wanted[i], told.text);
	assert_non_null(strstr(told.text, "1:10 \"name\""));
	assert_int_equal(
	    told.errors, sizeof(wanted) / sizeof(*wanted)); /* with "name", less "colour" */
	assert_int_equal(told.warnings, 1);

	/* Every table entry that is wrong in one way is told once. */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&told, 0, sizeof(told));
		assert_int_equal(vm_parse_all(bad[i].text, strlen(bad[i].text), NULL, &vm, &where,
				     &listener, &e),
		    -EINVAL);
		if (told.errors > 1)
			fail_msg("%s\n%s\n%s", bad[i].text, e.msg, told.text);
	}
}

static void other_names_get_a_label(void **state)
{
	static const struct {
		const char *name, *label;
	} cases[] = {{"web1", "web1"}, {"Web", "web"}, {"My_VM.1", "my-vm-1"}, {"a.b", "a-b"},
	    {"A__b..c", "a--b--c"}, {"x_", "x"}, {"9", "9"}, {"ab_-_", "ab"}};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "{\"name\":\"%s\"," MAC "}", cases[i].name);
		struct vm *vm = vm_from_with(text, NULL);
		assert_string_equal(vm->name, cases[i].name);
		assert_string_equal(vm->label, cases[i].label);
		assert_string_equal(vm->hostname, cases[i].label);
		assert_true(vm_label_valid(vm->label));
		assert_int_equal(
		    vm_label_valid(vm->name), strcmp(cases[i].name, cases[i].label) == 0);
		vm_free(vm);
	}
}

/* pvmlab's tool leaves out what is false, and always writes a role. */
static void pxeboot_left_out_beside_a_role_is_false(void **state)
{
	static const struct {
		const char *fields, *defaults;
		bool pxeboot;
	} cases[] = {{"", NULL, true}, {",\"role\":\"target\"", NULL, false},
	    {",\"role\":\"target\",\"pxeboot\":true", NULL, true},
	    {",\"role\":\"target\",\"pxeboot\":false", NULL, false},
	    {",\"pxeboot\":false", NULL, false}, {",\"role\":\"\"", NULL, true},
	    {"", "{\"role\":\"web\"}", true}, {",\"role\":\"target\"", "{\"pxeboot\":true}", true}};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *defaults =
		    cases[i].defaults ? json_loads(cases[i].defaults, 0, NULL) : NULL;
		snprintf(text, sizeof(text), "{\"name\":\"a\"," MAC "%s}", cases[i].fields);
		struct vm *vm = vm_from_with(text, defaults);
		assert_int_equal(vm->pxeboot, cases[i].pxeboot);
		vm_free(vm);
		json_decref(defaults);
	}
}

static void nul_byte_is_refused(void **state)
{
	static const char text[] = "{\"name\":\"a\0b\"}";
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm;

	(void)state;
	assert_int_equal(
	    vm_parse(text, sizeof(text) - 1, NULL, &vm, &where, NULL, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "NUL"));
	assert_int_equal(where.column, 11);
}

static void size_and_depth_are_limited(void **state)
{
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm;
	char *text = malloc(VM_FILE_MAX_BYTES + 2);

	(void)state;
	memset(text, ' ', VM_FILE_MAX_BYTES + 1);
	memcpy(text, "{\"name\":\"a\"," MAC "}", strlen("{\"name\":\"a\"," MAC "}"));
	assert_int_equal(vm_parse(text, VM_FILE_MAX_BYTES, NULL, &vm, &where, NULL, NULL, &e), 0);
	vm_free(vm);
	assert_int_equal(
	    vm_parse(text, VM_FILE_MAX_BYTES + 1, NULL, &vm, &where, NULL, NULL, &e), -EINVAL);
	assert_int_equal(where.line, 0);
	assert_non_null(strstr(e.msg, "at most 65536"));

	for (int depth = 31; depth <= 40000; depth = depth == 31 ? 32 : 40000) {
		snprintf(text, 100, "{\"name\":\"a\"," MAC ",\"storage\":{\"x\":");
		size_t head = strlen(text);
		memset(text + head, '[', (size_t)depth - 1);
		int rc =
		    vm_parse(text, head + (size_t)depth - 1, NULL, &vm, &where, NULL, NULL, &e);
		assert_int_equal(rc, -EINVAL);
		if (depth > 31) {
			assert_non_null(strstr(e.msg, "deeper than 32"));
			assert_int_equal(where.column, (int)head + 31);
		}
		if (depth == 40000)
			break;
	}
	free(text);
}

struct warned {
	int count, line, column;
	char text[400];
};

static void note_warning(void *ctx, struct vm_where where, const char *text)
{
	struct warned *w = ctx;

	w->count++;
	w->line = where.line;
	w->column = where.column;
	snprintf(w->text, sizeof(w->text), "%s", text);
}

static void unknown_keys_are_warnings(void **state)
{
	static const struct {
		const char *text;
		int line, column;
		const char *sentence;
	} table[] = {
	    {HEAD "\"memroy\":1}", 2, 2, "did you mean \"memory\"?"},
	    {HEAD "\"Cpus\":1}", 2, 2, "did you mean \"cpus\"?"},
	    {HEAD "\"nonsense\":{\"a\":1}}", 2, 2, "\"nonsense\" is not a known field"},
	    {HEAD "\"disks\":[{\"size\":\"1G\",\n\"sise\":1}]}", 3, 1, "\"disks[0].sise\""},
	    {HEAD "\"users\":[{\"name\":\"ann\",\"nmae\":\"x\"}]}", 2, 25,
		"did you mean \"name\"?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct warned w = {0, 0, 0, ""};
		struct vm_where where;
		struct vm *vm = NULL;
		assert_int_equal(vm_parse(table[i].text, strlen(table[i].text), NULL, &vm, &where,
				     note_warning, &w, NULL),
		    0);
		assert_int_equal(w.count, 1);
		assert_int_equal(w.line, table[i].line);
		assert_int_equal(w.column, table[i].column);
		assert_non_null(strstr(w.text, table[i].sentence));
		assert_null(json_object_get(vm->more, "nonsense"));
		vm_free(vm);
	}
	struct warned none = {0, 0, 0, ""};
	struct vm_where where;
	struct vm *vm;
	static const char schema[] = "{\"$schema\":\"x\",\"name\":\"a\"," MAC "}";
	assert_int_equal(
	    vm_parse(schema, strlen(schema), NULL, &vm, &where, note_warning, &none, NULL), 0);
	assert_int_equal(none.count, 0);
	vm_free(vm);
}

static void defaults_are_checked(void **state)
{
	static const struct {
		const char *text;
		int line, column;
		const char *sentence;
	} table[] = {
	    {"{\"mac\":\"52:54:00:00:00:11\"}", 1, 8, "belongs to one machine"},
	    {"{\n\"uuid\":\"x\"}", 2, 8, "belongs to one machine"},
	    {"{\"cpu\":2}", 1, 2, "did you mean \"cpus\"?"},
	    {"{\"disks\":[{\"sise\":1}]}", 1, 12, "\"disks[0].sise\" is not a known field"},
	    {"{\"cpus\":0}", 1, 9, "out of range"},
	    {"{\"cpus\":1", 1, 10, "too early"},
	    {"{\"firmware\":\"bios\",\"arch\":\"arm64\"}", 1, 13, "only with"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct vm_where where;
		struct err e = ERR_INIT;
		json_t *out;
		assert_int_equal(
		    vm_defaults_parse(table[i].text, strlen(table[i].text), &out, &where, &e),
		    -EINVAL);
		assert_int_equal(where.line, table[i].line);
		assert_int_equal(where.column, table[i].column);
		assert_non_null(strstr(e.msg, table[i].sentence));
	}

	static const char several[] =
	    "{\"mac\":\"52:54:00:00:00:11\",\"cpu\":2,\"cpus\":0,\"memory\":\"x\"}";
	struct told told = {.errors = 0};
	struct vm_listener listener = {NULL, note_error, &told};
	struct vm_where where;
	struct err e = ERR_INIT;
	json_t *out;
	assert_int_equal(
	    vm_defaults_parse_all(several, strlen(several), &out, &where, &listener, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "\"cpu\""));
	assert_int_equal(told.errors, 3);
}

/* A default that fits alone and not with this file. */
static void clash_with_default_names_it(void **state)
{
	static const char text[] = "{\"name\":\"a\"," MAC ",\"firmware\":\"bios\"}";
	json_t *defaults = json_pack("{s:s}", "arch", "arm64");
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm;

	(void)state;
	assert_int_equal(
	    vm_parse(text, strlen(text), defaults, &vm, &where, NULL, NULL, &e), -EINVAL);
	assert_int_equal(where.column, 50);
	json_decref(defaults);
}

static void words_are_known(void **state)
{
	enum vm_arch arch;

	(void)state;
	assert_int_equal(vm_arch_parse("x86_64", &arch), 0);
	assert_int_equal(arch, VM_ARCH_AMD64);
	assert_int_equal(vm_arch_parse("arm64", &arch), 0);
	assert_int_equal(arch, VM_ARCH_ARM64);
	assert_int_equal(vm_arch_parse("", &arch), -EINVAL);
	assert_string_equal(arch_of(VM_ARCH_ARM64)->machine, "aarch64");
	assert_string_equal(vm_firmware_name(VM_FIRMWARE_BIOS), "bios");
	assert_string_equal(vm_after_name(VM_AFTER_POWEROFF), "poweroff");
}

/* Simple fields as text, and what a VM is told of: each setting is of a field. */
static void fields_have_texts(void **state)
{
	static const char *const table[][2] = {{"name", "a"}, {"cpus", "3"},
	    {"memory", "536870912"}, {"pxeboot", "false"}, {"mode", "local"}, {"arch", "arm64"},
	    {"role", NULL}, {"disks", NULL}, {"ssh_port", NULL}, {"nonsense", NULL}};
	char buf[VM_FIELD_TEXT_SIZE];
	struct vm *vm =
	    vm_from_with("{\"name\":\"a\"," MAC ",\"cpus\":3,\"memory\":\"512M\",\"pxeboot\":false,"
			 "\"mode\":\"local\",\"arch\":\"aarch64\",\"ssh_port\":1}",
		NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *text = vm_field_text(vm, table[i][0], buf);
		if (table[i][1])
			assert_string_equal(text, table[i][1]);
		else
			assert_null(text);
	}
	vm_free(vm);
	for (size_t i = 0; i < vm_setting_count; i++)
		if (vm_settings[i].field)
			assert_non_null(vm_field_find(vm_settings[i].field));
}

/* ---- what is made from the table --------------------------------------------------------------*/

static void write_or_compare(const char *path, const char *text, size_t len)
{
	char *have = NULL;
	size_t have_len = 0;

	if (getenv("VM_UPDATE")) {
		assert_true(atomic_file_replace(path, text, len, 0644, NULL) >= 0);
		return;
	}
	if (file_read(path, 1 << 20, &have, &have_len, NULL) < 0) {
		print_message("skipped: %s is not here (run from the top directory)\n", path);
		skip();
	}
	bool same = have_len == len && memcmp(have, text, len) == 0;
	free(have);
	if (!same)
		fail_msg("%s is out of date: make it again with VM_UPDATE=1 and this test", path);
}

/* Takes the schema over. */
static void compare_schema(const char *path, json_t *schema)
{
	assert_non_null(schema);
	char *text = json_dumps(schema, JSON_INDENT(2));
	size_t len = strlen(text);
	text = realloc(text, len + 2);
	memcpy(text + len, "\n", 2);
	json_decref(schema);
	write_or_compare(path, text, len + 1);
	free(text);
}

static void schema_file_is_current(void **state)
{
	json_t *schema = vm_schema();

	(void)state;
	assert_non_null(json_object_get(json_object_get(schema, "properties"), "after_install"));
	compare_schema("vms/vm.schema.json", schema);
	compare_schema("vms/profile.schema.json", vm_profile_schema());
}

static void reference_is_current(void **state)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(vm_reference_write(f, NULL), 0);
	assert_int_equal(fclose(f), 0);
	write_or_compare("vms/REFERENCE.md", text, len);
	free(text);
}

/* The example of every field is a good value. */
static void examples_are_valid(void **state)
{
	json_t *schema = vm_schema(), *field;
	const char *name;

	(void)state;
	json_object_foreach(json_object_get(schema, "properties"), name, field) {
		if (strcmp(name, "$schema") == 0)
			continue;
		json_t *vm_json = json_pack("{s:s,s:s}", "name", "a", "mac", "52:54:00:00:00:11");
		json_object_set(
		    vm_json, name, json_array_get(json_object_get(field, "examples"), 0));
		char *text = json_dumps(vm_json, 0);
		vm_free(vm_from_with(text, NULL));
		free(text);
		json_decref(vm_json);
	}
	json_decref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(smallest_gets_defaults),
	    cmocka_unit_test(without_mac_it_is_made_of_what_tells_the_machine),
	    cmocka_unit_test(every_field_is_read),
	    cmocka_unit_test(empty_means_absent),
	    cmocka_unit_test(byte_order_mark_is_skipped),
	    cmocka_unit_test(file_replaces_default),
	    cmocka_unit_test(bad_is_refused_with_its_place),
	    cmocka_unit_test(somebody_has_keys),
	    cmocka_unit_test(all_that_is_wrong_is_told),
	    cmocka_unit_test(other_names_get_a_label),
	    cmocka_unit_test(pxeboot_left_out_beside_a_role_is_false),
	    cmocka_unit_test(nul_byte_is_refused),
	    cmocka_unit_test(size_and_depth_are_limited),
	    cmocka_unit_test(unknown_keys_are_warnings),
	    cmocka_unit_test(defaults_are_checked),
	    cmocka_unit_test(clash_with_default_names_it),
	    cmocka_unit_test(words_are_known),
	    cmocka_unit_test(fields_have_texts),
	    cmocka_unit_test(schema_file_is_current),
	    cmocka_unit_test(reference_is_current),
	    cmocka_unit_test(examples_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
