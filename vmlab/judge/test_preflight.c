/* What is known before anything starts: definitions and images against what is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "vmlab/judge/preflight.h"

#define IMAGE                                                                                      \
	"{\"rootfs\":{\"format\":\"tar.zst\",\"unpacked_bytes\":311374150,\"entries\":12201},"     \
	"\"kernel\":{\"size_bytes\":11745216},\"modules\":{\"size_bytes\":4670678},"               \
	"\"provides\":[\"cloud-init\",\"grub-x86_64-efi\"]}"
#define WITH_RENDERERS(list)                                                                       \
	"{\"rootfs\":{\"format\":\"tar.zst\",\"unpacked_bytes\":311374150,\"entries\":12201},"     \
	"\"kernel\":{\"size_bytes\":11745216},\"modules\":{\"size_bytes\":4670678},"               \
	"\"provides\":[\"cloud-init\",\"grub-x86_64-efi\"],\"network_renderers\":[" list "]}"
#define CUT_IMAGE                                                                                  \
	"{\"rootfs\":{\"file\":\"r\",\"size_bytes\":5,\"unpacked_bytes\":9,\"entries\":1}}"
#define DISK_IMAGE                                                                                 \
	"{\"rootfs\":{\"format\":\"raw.zst\",\"unpacked_bytes\":3221225472},"                      \
	"\"kernel\":{\"size_bytes\":11745216},\"modules\":{\"size_bytes\":4670678}}"

/* Manifests are written to a folder: what is judged comes the way it comes in use. */
struct fixture {
	char dir[64];
	struct lab lab;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/test_preflight.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->lab.images_dir = f->dir;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[100];

	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	int r = system(command);
	free(f);
	return r;
}

static void put(const struct fixture *f, const char *path, const char *text)
{
	char full[200], command[400];

	snprintf(full, sizeof(full), "%s/%s", f->dir, path);
	snprintf(command, sizeof(command), "mkdir -p $(dirname %s)", full);
	assert_int_equal(system(command), 0);
	FILE *out = fopen(full, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* "field: sentence" of each finding, '!' before the fatal ones. */
static char *judge(const struct fixture *f, const char *fields, unsigned host_cpus)
{
	struct subject s = SUBJECT_INIT;
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm = NULL;
	struct preflight found;
	char text[800], *said = NULL;
	size_t len;

	snprintf(text, sizeof(text), "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\"%s}", fields);
	if (vm_parse(text, strlen(text), NULL, &vm, &where, NULL, NULL, &e) < 0 ||
	    subject_load(&f->lab, vm, &s, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	s.host_cpus = host_cpus;
	s.host_memory_bytes = UINT64_C(8) << 30;
	preflight_check(&s, &found);
	FILE *out = open_memstream(&said, &len);
	for (size_t i = 0; i < found.count; i++)
		fprintf(out, "%s%s: %s\n", found.finding[i].fatal ? "!" : "",
		    found.finding[i].field, found.finding[i].text);
	fclose(out);
	subject_clear(&s);
	vm_free(vm);
	return said;
}

static void put_sparse(const struct fixture *f, const char *file, off_t size)
{
	char path[300];

	put(f, file, "");
	snprintf(path, sizeof(path), "%s/%s", f->lab.images_dir, file);
	assert_int_equal(truncate(path, size), 0);
}

static void test_findings(void **state)
{
	static const struct {
		const char *fields, *said[3];
	} cases[] = {
	    {"", {NULL}},
	    {",\"role\":\"web\"", {"role: it boots its disk and is not installed"}},
	    {",\"role\":\"web\",\"pxeboot\":true", {NULL}},
	    {",\"pxeboot\":false", {NULL}},
	    {",\"memory\":\"512M\",\"disks\":[{\"size\":\"2G\"}]", {NULL}},
	    {",\"memory\":\"128M\"", {"!memory: 128 MiB of memory are too little"}},
	    {",\"memory\":\"128M\",\"mode\":\"shell\"", {"!memory: "}},
	    {",\"memory\":\"128M\",\"mode\":\"local\"", {NULL}},
	    {",\"distro\":\"debain-13\",\"mode\":\"shell\"",
		{"distro: there is no image debain-13 for amd64, so it waits: "}},
	    {",\"memory\":\"9G\"",
		{"memory: 9 GiB of memory are more than this machine has, 8 GiB"}},
	    {",\"disks\":[{\"size\":\"600M\"}]", {"!disks: "}},
	    {",\"disks\":[{\"match\":{\"model\":\"Samsung*\"}}]", {NULL}},
	    {",\"disks\":[{\"match\":{\"model\":\"Samsung*\",\"min_size\":\"400G\"}}],"
	     "\"storage\":{\"partitions\":[{\"mount\":\"/srv\",\"size\":\"100G\"}]}",
		{"disks: as a VM it gets a disk of 10 GiB"}},
	    {",\"disks\":[{\"match\":{\"min_size\":\"400G\"}}]", {"disks: as a VM"}},
	    {",\"disks\":[{\"match\":{\"max_size\":\"600M\"}}]", {"!disks: "}},
	    {",\"disks\":[{\"size\":\"600M\",\"match\":{\"min_size\":\"400M\"}}]", {"!disks: "}},
	    {",\"distro\":\"debain-13\",\"memory\":\"64M\"", {"distro: ", "!memory: 64 MiB"}},
	    {",\"distro\":\"debain-13\",\"memory\":\"256M\"", {"distro: "}},
	    {",\"disks\":[]", {"!disks: it has no disk"}},
	    {",\"cpus\":5", {"cpus: 5 processors are more than this machine has, 4"}},
	    {",\"memory\":\"128M\",\"firmware\":\"bios\"", {"firmware: "}},
	    {",\"memory\":\"96M\",\"firmware\":\"bios\"", {"firmware: ", "memory: 96 MiB"}},
	    {",\"firmware\":\"bios\"", {"firmware: the image debian-13 has no grub-i386-pc"}},
	    {",\"arch\":\"arm64\"",
		{"distro: there is no image debian-13 for arm64, so it waits: build it with: vmlab "
		 "image build debian-13 --arch arm64"}},
	    {",\"distro\":\"debain-13\"",
		{"distro: there is no image debain-13 for amd64, so it waits: did you mean "
		 "debian-13? Then correct distro in the definition\n"}},
	    {",\"distro\":\"debain-13\",\"mode\":\"local\"", {NULL}},
	    {",\"arch\":\"arm64\",\"serial\":\"a1b2c3d4\",\"mode\":\"shell\",\"memory\":\"64M\"",
		{"serial: there is no image raspberrypi, so this Raspberry Pi finds nothing to "
		 "boot here: build it with: vmlab image build raspberrypi --arch arm64\n"}},
	    {",\"arch\":\"arm64\",\"serial\":\"a1b2c3d4\"",
		{"serial: 8 hexadecimal digits are a Raspberry Pi's, and its firmware can do "
		 "nothing with \"mode\": \"install\"",
		    "distro: there is no image debian-13 for arm64"}},
	    {",\"arch\":\"arm64\",\"serial\":\"a1b2c3d4\",\"mode\":\"local\"", {NULL}},
	    {",\"serial\":\"a1b2c3d4\"", {NULL}},
	    {",\"distro\":\"whole\"", {NULL}},
	    {",\"distro\":\"cut\"",
		{"distro: the image cut for amd64 cannot be used, so it waits: its file r has 3 "
		 "bytes, the manifest says 5; "}},
	    {",\"distro\":\"gone\"",
		{"distro: the image gone for amd64 cannot be used, so it waits: its file r is "
		 "missing; "}},
	    {",\"network_config\":{\"version\":2,\"bonds\":{\"bond0\":{\"interfaces\":[]}}}",
		{NULL}},
	    {",\"distro\":\"plain\",\"network_config\":{\"version\":2,\"bonds\":{\"bond0\":{\"interfaces\":[]}}}",
		{"network_config: the image plain cannot set up bonds"}},
	    {",\"distro\":\"plain\",\"network_config\":{\"network\":{\"version\":2,\"ethernets\":{\"e\":"
	     "{\"dhcp4\":true,\"routes\":[{\"to\":\"default\",\"via\":\"192.168.100.1\"}]}}}}",
		{"network_config: the image plain cannot set up a route to default"}},
	    {",\"distro\":\"plain\",\"network_config\":{\"version\":1,\"config\":[{\"type\":\"vlan\","
	     "\"name\":\"v\",\"vlan_link\":\"e\",\"vlan_id\":5}]}",
		{"network_config: the image plain cannot set up vlans"}},
	    {",\"distro\":\"plain\",\"network_config\":{\"version\":2,\"ethernets\":{\"e\":{\"dhcp4\":true}}}",
		{NULL}},
	    {",\"distro\":\"planned\",\"network_config\":{\"version\":2,\"bridges\":{\"br0\":{}}}",
		{NULL}},
	    {",\"distro\":\"whole\",\"disks\":[{\"size\":\"2G\"}]", {"!disks: "}},
	    {",\"pxeboot\":false,\"kernel\":\"k\",\"initrd\":\"i\"",
		{"initrd: initrd i is not there, so it waits: put it in images/debian-13/amd64"}},
	    {",\"pxeboot\":false,\"kernel\":\"nok\",\"initrd\":\"i\"",
		{"kernel: kernel nok is not there", "initrd: "}},
	    {",\"mode\":\"menu\"", {NULL}},
	    {",\"mode\":\"menu\",\"menu_default\":\"install\"", {NULL}},
	    {",\"mode\":\"menu\",\"menu_default\":\"off\"",
		{"menu_default: its menu begins with the disk in place of off: there is no boot image off for amd64"}},
	    {",\"mode\":\"menu\",\"menu_default\":\"rescue\"",
		{"menu_default: its menu begins with the disk in place of rescue: there is no boot image rescue for amd64: "}},
	    {",\"mode\":\"menu\",\"menu_default\":\"tool\"", {NULL}},
	    {",\"mode\":\"menu\",\"menu_default\":\"tool:unattended\"",
		{"the image tool cannot be taken: it says nothing of an installation without questions"}},
	    {",\"mode\":\"menu\",\"menu_default\":\"whole\"",
		{"the image whole cannot be taken: it is one that is installed, not booted"}},
	    {",\"menu_default\":\"rescue\"", {NULL}},
	    {",\"mode\":\"boot\",\"image\":\"tool\",\"memory\":\"128M\"",
		{"image: the image tool for amd64 cannot be used"}},
	    {",\"mode\":\"boot\",\"image\":\"tool\",\"memory\":\"9G\"",
		{"image: the image tool for amd64",
		    "memory: 9 GiB of memory are more than this machine has, 8 GiB"}},
	    {",\"mode\":\"boot\",\"image\":\"large\",\"memory\":\"256M\"",
		{"memory: 256 MiB of memory are too little for the image large, which needs about 320 MiB: "}},
	    {",\"mode\":\"boot\",\"image\":\"large\",\"memory\":\"320M\"", {NULL}},
	    {",\"mode\":\"boot\",\"image\":\"debian-installer-13\",\"memory\":\"256M\"",
		{"image: there is no image debian-installer-13",
		    "memory: 256 MiB of memory are too little for the image debian-installer-13, which needs about 752 MiB: "}},
	    {",\"mode\":\"boot\",\"image\":\"debian-installer-13\",\"memory\":\"1G\"",
		{"image: there is no image debian-installer-13"}},
	    {",\"pxeboot\":false", {NULL}},
	    {",\"distro\":\"pulled\",\"kernel\":\"vmlinuz-6\",\"initrd\":\"i\"", {NULL}},
	    {",\"distro\":\"pulled\",\"pxeboot\":false,\"kernel\":\"vmlinuz-6\",\"initrd\":\"i\"",
		{"initrd: initrd i is not there, so it waits: put it in images/pulled/amd64"}},
	    {",\"distro\":\"pulled\",\"arch\":\"arm64\"",
		{"distro: there is no image pulled for arm64"}},
	    {",\"memory\":\"64M\",\"disks\":[{\"size\":\"64M\"}],\"cpus\":512",
		{"!disks: ", "!memory: ", "cpus: "}},
	};
	const struct fixture *f = *state;

	put(f, "debian-13/amd64/manifest.json", IMAGE);
	put(f, "debian-13/amd64/k", "");
	put(f, "pulled/x86_64/rootfs.tar.gz", "x");
	put(f, "pulled/x86_64/vmlinuz-6", "");
	put(f, "whole/amd64/manifest.json", DISK_IMAGE);
	put(f, "tool/amd64/manifest.json",
	    "{\"format\":1,\"kind\":\"boot\",\"distro\":\"tool\",\"arch\":\"amd64\",\"boot\":{\"kernel\":{\"file\":\"k\","
	    "\"size_bytes\":5,\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}}}");
	put_sparse(f, "large/amd64/k", 12 << 20);
	put_sparse(f, "large/amd64/i", 39 << 20);
	put(f, "large/amd64/manifest.json",
	    "{\"format\":1,\"kind\":\"boot\",\"distro\":\"large\",\"arch\":\"amd64\",\"boot\":{\"kernel\":{\"file\":\"k\","
	    "\"size_bytes\":12582912,\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"},"
	    "\"initrds\":[{\"file\":\"i\",\"size_bytes\":40894464,\"sha256\":"
	    "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}]}}");
	put(f, "cut/amd64/manifest.json", CUT_IMAGE);
	put(f, "cut/amd64/r", "abc");
	put(f, "gone/amd64/manifest.json", CUT_IMAGE);
	put(f, "plain/amd64/manifest.json", WITH_RENDERERS("\"networkd\""));
	put(f, "planned/amd64/manifest.json", WITH_RENDERERS("\"netplan\",\"networkd\""));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_free_ char *said = judge(f, cases[i].fields, 4);
		size_t lines = 0, wanted = 0;
		for (const char *p = said; (p = strchr(p, '\n')); p++)
			lines++;
		for (size_t k = 0; k < 3 && cases[i].said[k]; k++, wanted++)
			if (!strstr(said, cases[i].said[k]))
				fail_msg("%s: \"%s\" is not in:\n%s", cases[i].fields,
				    cases[i].said[k], said);
		if (lines != wanted)
			fail_msg("%s: %zu findings, wanted %zu:\n%s", cases[i].fields, lines,
			    wanted, said);
	}
}

/* What it says is needed is enough, and a little less is not. */
static void test_limits_are_exact(void **state)
{
	const struct fixture *f = *state;
	char fields[200];

	put(f, "debian-13/amd64/manifest.json", IMAGE);
	_cleanup_free_ char *low = judge(f, ",\"memory\":\"64M\"", 4);
	const char *needs = strstr(low, "which needs ");
	assert_non_null(needs);
	int mib = atoi(needs + strlen("which needs "));
	snprintf(fields, sizeof(fields), ",\"memory\":\"%dM\"", mib);
	_cleanup_free_ char *enough = judge(f, fields, 4);
	assert_string_equal(enough, "");
	snprintf(fields, sizeof(fields), ",\"memory\":\"%dM\"", mib - 17);
	_cleanup_free_ char *less = judge(f, fields, 4);
	assert_non_null(strstr(less, "!memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_findings, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_limits_are_exact, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
