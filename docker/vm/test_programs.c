/* test_programs.c - the programs of the VM's image, started as its scripts start them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/test_program.h"

#define QEMU "docker/vm/qemu-command "
#define TAP "docker/vm/with-tap "

static void machine(const char *bridge)
{
	setenv("VM_NAME", "web1", 1);
	setenv("VM_MAC", "52:54:00:00:00:11", 1);
	setenv("VM_ARCH", "amd64", 1);
	setenv("VM_MEMORY_MIB", "768", 1);
	setenv("VM_DISKS_BYTES", "8589934592", 1);
	setenv("VM_ACCEL", "tcg", 1);
	setenv("VM_BRIDGE", bridge, 1);
}

static void qemu_command_checks_the_settings(void **state)
{
	(void)state;
	machine("lo");
	expect_program(0, "52:54:00:00:00:11", QEMU "settings");
	expect_program(2, "usage: qemu-command settings|start", QEMU);
	expect_program(2, "usage:", QEMU "stop");
	setenv("VM_MAC", "52:54", 1);
	expect_program(1, "run-vm: cannot start web1: ", QEMU "settings");
	unsetenv("VM_NAME");
	expect_program(1, "run-vm: cannot start the machine: ", QEMU "settings");
}

/* What is printed ends with NUL each: the line for the log, then program and arguments. */
static void qemu_command_is_made_for_this_host(void **state)
{
	int status;

	(void)state;
	machine("lo");
	char *text = program_says(__FILE__, QEMU "start", &status);
	assert_int_equal(status, 0);
	assert_string_equal(
	    text, "web1: amd64 uefi, 1 CPUs, 768 MiB, 1 disks, accel tcg (VM_ACCEL=tcg)");
	assert_non_null(strstr(text + strlen(text) + 1, "qemu-system-x86_64"));
	free(text);
	machine("none");
	expect_program(1, "web1: the MTU of the bridge none cannot be read", QEMU "start");
	machine("lo");
	setenv("VM_ACCEL", "kvm", 1);
	setenv("VM_ARCH", access("/lib64/ld-linux-x86-64.so.2", F_OK) == 0 ? "arm64" : "amd64", 1);
	expect_program(1, "run-vm: cannot start web1: ", QEMU "start");
}

static void with_tap_becomes_its_command(void **state)
{
	(void)state;
	setenv("VM_NAME", "web1", 1);
	expect_program(0, "hello there", TAP "-- /bin/echo hello there");
	expect_program(7, NULL, TAP "-- /bin/sh -c exit${IFS}7");
	expect_program(2, "usage: with-tap NAME... -- COMMAND", TAP);
	expect_program(2, "usage: with-tap NAME... -- COMMAND", TAP "--");
	expect_program(1, "run-vm: cannot start web1: /no/such cannot be started (No such file",
	    TAP "-- /no/such");
	/* Without the device or without the right, whichever this machine lacks. */
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		expect_program(
		    1, "run the container with --device /dev/net/tun", TAP "t0 -- /bin/true");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(qemu_command_checks_the_settings),
	    cmocka_unit_test(qemu_command_is_made_for_this_host),
	    cmocka_unit_test(with_tap_becomes_its_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
