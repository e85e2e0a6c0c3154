#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/documents/boot.h"
#include "lib/base/atomic_file.h"

#define DATA "boot_handler/testdata/"

static struct vm *parse(const char *json)
{
	struct vm_where where;
	struct err e = ERR_INIT;
	struct vm *vm = NULL;

	if (vm_parse(json, strlen(json), NULL, &vm, &where, NULL, NULL, &e) < 0)
		fail_msg("%s: %s", json, e.msg);
	return vm;
}

#define ID "\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\""

/* ---- the decision ------------------------------------------------------------------------ */

struct row {
	const char *fields;
	enum machine_state state;
	bool local;
	bool reinstall;
	bool has_image;
	enum vm_arch arch;
	enum boot_decision want;
};

static const struct row table[] = {
    {"", MACHINE_DECLARED, false, false, true, VM_ARCH_AMD64, BOOT_INSTALL},
    {"", MACHINE_DECLARED, false, false, true, VM_ARCH_NOT_SAID, BOOT_INSTALL},
    {"", MACHINE_DECLARED, false, false, false, VM_ARCH_AMD64, BOOT_NO_IMAGE},
    {"", MACHINE_BOOTING, false, false, true, VM_ARCH_AMD64, BOOT_INSTALL},
    {"", MACHINE_INSTALLING, false, false, true, VM_ARCH_AMD64, BOOT_INSTALL},
    {"", MACHINE_INSTALLED, false, false, true, VM_ARCH_AMD64, BOOT_LOCAL},
    {"", MACHINE_INSTALLED, false, false, false, VM_ARCH_AMD64, BOOT_LOCAL},
    {"", MACHINE_READY, false, false, true, VM_ARCH_AMD64, BOOT_LOCAL},
    {"", MACHINE_FAILED, false, false, true, VM_ARCH_AMD64, BOOT_FAILED},
    {"", MACHINE_FAILED, false, false, false, VM_ARCH_AMD64, BOOT_FAILED},
    {"", MACHINE_FAILED, true, false, true, VM_ARCH_AMD64, BOOT_LOCAL},
    {"", MACHINE_DECLARED, true, false, true, VM_ARCH_AMD64, BOOT_LOCAL},
    {"", MACHINE_DECLARED, false, true, true, VM_ARCH_AMD64, BOOT_INSTALL},
    {"", MACHINE_FAILED, false, true, true, VM_ARCH_AMD64, BOOT_INSTALL},
    {"", MACHINE_READY, false, true, false, VM_ARCH_AMD64, BOOT_NO_IMAGE},
    {"", MACHINE_DECLARED, false, false, true, VM_ARCH_ARM64, BOOT_WRONG_ARCH},
    {"", MACHINE_DECLARED, false, false, true, VM_ARCH_OTHER, BOOT_WRONG_ARCH},
    {"", MACHINE_READY, false, false, true, VM_ARCH_ARM64, BOOT_LOCAL},
    {",\"arch\":\"arm64\"", MACHINE_DECLARED, false, false, true, VM_ARCH_ARM64, BOOT_INSTALL},
    {",\"mode\":\"local\"", MACHINE_DECLARED, false, false, true, VM_ARCH_AMD64, BOOT_LOCAL},
    {",\"mode\":\"local\"", MACHINE_DECLARED, false, true, true, VM_ARCH_AMD64, BOOT_LOCAL},
    {",\"mode\":\"shell\"", MACHINE_READY, false, false, true, VM_ARCH_AMD64, BOOT_SHELL},
    {",\"mode\":\"shell\"", MACHINE_READY, true, false, false, VM_ARCH_AMD64, BOOT_NO_IMAGE},
    {",\"pxeboot\":false", MACHINE_DECLARED, false, false, true, VM_ARCH_AMD64, BOOT_LOCAL},
    {",\"pxeboot\":false,\"kernel\":\"vmlinuz\",\"initrd\":\"initrd.img\"", MACHINE_DECLARED, false,
	false, false, VM_ARCH_AMD64, BOOT_KERNEL},
    {",\"kernel\":\"vmlinuz\",\"initrd\":\"initrd.img\"", MACHINE_DECLARED, false, false, true,
	VM_ARCH_AMD64, BOOT_INSTALL},
};

static void decisions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct row *row = &table[i];
		struct boot_memory memory = {row->state, row->local, row->reinstall, 1, false};
		char json[300];

		snprintf(json, sizeof(json), "{" ID "%s}", row->fields);
		struct vm *vm = parse(json);
		enum boot_decision got = boot_decide(vm, memory, row->has_image, row->arch);
		if (got != row->want)
			fail_msg("row %zu: got %d, want %d", i, (int)got, (int)row->want);
		vm_free(vm);
	}
	assert_int_equal(
	    boot_decide(NULL, (struct boot_memory){0}, true, VM_ARCH_AMD64), BOOT_UNKNOWN);
}

/* ---- scripts ----------------------------------------------------------------------------- */

static const struct boot_urls urls = {"http://192.168.100.1", "/initrds"};

/* GOLDEN_UPDATE=1 writes the files anew; read the difference before keeping it. */
static void compare(const char *name, const struct boot_script *script)
{
	char buf[BOOT_SCRIPT_MAX];
	struct err e = ERR_INIT;
	char path[200];
	char *want = NULL;
	size_t len;

	size_t n = boot_script_write(script, buf);
	assert_int_equal(strlen(buf), n);
	snprintf(path, sizeof(path), DATA "%s.ipxe", name);
	if (getenv("GOLDEN_UPDATE"))
		assert_true(atomic_file_replace(path, buf, n, 0644, &e) >= 0);
	if (file_read(path, 65536, &want, &len, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(buf, want);
	free(want);
}

static void golden(void **state)
{
	struct mac other = {{0x52, 0x54, 0, 0, 0, 0x99}};
	struct vm *vm = parse("{" ID "}");
	struct vm *arm = parse("{" ID ",\"arch\":\"arm64\",\"kernel_args\":\"quiet a=b\"}");
	struct vm *own = parse("{" ID ",\"pxeboot\":false,\"kernel\":\"k\",\"initrd\":\"i\"}");
	struct boot_script s = {.urls = &urls, .vm = vm, .mac = &vm->mac, .attempt = 3};

	(void)state;
	s.decision = BOOT_INSTALL;
	compare("install-amd64", &s);
	s.decision = BOOT_SHELL;
	compare("shell-amd64", &s);
	s.decision = BOOT_LOCAL;
	compare("local", &s);
	s.decision = BOOT_NO_IMAGE;
	s.missing = "there is no manifest.json";
	s.advice = "build it with: vmlab image build debian-13 --arch amd64";
	compare("no-image", &s);
	s.decision = BOOT_WRONG_ARCH;
	compare("wrong-arch", &s);
	s.decision = BOOT_FAILED;
	s.error_phase = PHASE_ROOTFS;
	s.error_reason = "hash differs\n#!ipxe\nshell ${x} || exit; `id` \xc3\xa4";
	compare("failed", &s);
	s.vm = arm;
	s.mac = &other; /* found by its UUID: boots from another interface */
	s.decision = BOOT_INSTALL;
	compare("install-arm64", &s);
	s.vm = own;
	s.decision = BOOT_KERNEL;
	compare("kernel", &s);
	s.vm = NULL;
	s.decision = BOOT_UNKNOWN;
	compare("unknown", &s);
	s.mac = NULL;
	compare("unknown-no-mac", &s);
	vm_free(vm);
	vm_free(arm);
	vm_free(own);
}

/* Whatever a definition carries, iPXE must not interpret it. */
static void hostile_kernel_args(void **state)
{
	static const char *const bad[] = {
	    "a=${x}", "|| shell", "&& shell", "; shell", "# x", "a\nshell", "a\tb", "\xc3\xa4"};
	struct vm *vm = parse("{" ID "}");
	struct boot_script s = {.urls = &urls, .vm = vm, .mac = &vm->mac, .decision = BOOT_INSTALL};
	char buf[BOOT_SCRIPT_MAX];
	char *huge = malloc(5001);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vm->kernel_args = (char *)bad[i];
		boot_script_write(&s, buf);
		assert_null(strstr(buf, bad[i]));
		assert_non_null(strstr(buf, "cannot be passed on"));
		assert_non_null(strstr(buf, "goto again"));
	}
	memset(huge, 'a', 5000);
	huge[5000] = '\0';
	vm->kernel_args = huge;
	boot_script_write(&s, buf);
	assert_non_null(strstr(buf, "cannot be passed on"));
	vm->kernel_args = NULL;
	free(huge);
	vm_free(vm);
}

static void url_rules(void **state)
{
	(void)state;
	assert_true(boot_url_valid("http://192.168.100.1"));
	assert_true(boot_url_valid("https://lab.example:8443/pxe"));
	assert_true(boot_url_valid("http://[fd56::1]:80"));
	assert_false(boot_url_valid("http://"));
	assert_false(boot_url_valid("http://a/"));
	assert_false(boot_url_valid("ftp://a"));
	assert_false(boot_url_valid("http://a b"));
	assert_false(boot_url_valid("http://${x}"));
	assert_false(boot_url_valid("http://a\n"));
	assert_true(boot_path_valid("/initrds"));
	assert_false(boot_path_valid("initrds"));
	assert_false(boot_path_valid("/"));
	assert_false(boot_path_valid("/a b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decisions),
	    cmocka_unit_test(golden),
	    cmocka_unit_test(hostile_kernel_args),
	    cmocka_unit_test(url_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
