#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/definition/test_vm_from.h"
#include "lib/unattended/format.h"
#include "lib/unattended/stage4.h"

#define HEAD "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\""

static const char *lab = "lab";

static struct unattended_source source_of(const struct vm *vm)
{
	return (struct unattended_source){
	    .vm = vm, .base = "http://192.168.100.1", .nic = vm->mac, .domain = lab, .dns = ""};
}

static char *made(const char *format, const char *text)
{
	struct vm *vm = vm_from(text);
	struct unattended_source s = source_of(vm);
	struct err e = ERR_INIT;
	char *out = NULL;

	assert_int_equal(unattended_make(unattended_format_find(format), &s, &out, &e), 0);
	vm_free(vm);
	return out;
}

static char *stage4(const char *text)
{
	struct vm *vm = vm_from(text);
	struct unattended_source s = source_of(vm);
	struct err e = ERR_INIT;
	char *out = NULL;

	assert_int_equal(stage4_make(&s, &out, &e), 0);
	vm_free(vm);
	return out;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void preseed_says_the_definition(void **state)
{
	char *text = made("preseed", HEAD
	    ",\"hostname\":\"web1.example.org\",\"packages\":[\"nginx\",[\"jq\",\"1.6\"]],\"kernel_args\":\"quiet\","
	    "\"storage\":{\"root\":{\"fs\":\"xfs\"},\"swap\":\"1G\",\"partitions\":[{\"mount\":\"/var\",\"size\":\"20%\"}]}}");

	(void)state;
	has(text, "\nd-i netcfg/get_hostname string web1\n");
	has(text, "\nd-i netcfg/get_domain string example.org\n");
	has(text, "\nd-i pkgsel/include string openssh-server sudo nginx jq=1.6\n");
	has(text, "\nd-i debian-installer/add-kernel-opts string quiet\n");
	has(text, "\nd-i passwd/root-password-crypted password *\n");
	has(text, "\nd-i grub-installer/force-efi-extra-removable boolean true\n");
	has(text, " 1074 1074 1074 linux-swap method{ swap } format{ } . ");
	has(text, "'\"$((disk_bytes / 100000000 * 20))\"'");
	has(text,
	    " xfs method{ format } format{ } use_filesystem{ } filesystem{ xfs } mountpoint{ / } label{ root } . ");
	has(text,
	    " echo web1 >/target/etc/hostname && sed -i '/^127[.]0[.]1[.]1/d' /target/etc/hosts && echo 127.0.1.1 web1.example.org web1 >>/target/etc/hosts && wget -q -O /target/root/vmlab-stage4 http://192.168.100.1/stage4/52:54:00:00:00:11 && in-target");
	has(text, "http://192.168.100.1/done/52:54:00:00:00:11\n");
	free(text);
}

/* Of one label and of several, with the lab's domain or not, each installer's way: what the lease
 * says is nowhere asked. */
static void the_new_system_has_the_definitions_name(void **state)
{
	static const char lab63[] =
	    "a12345678901234567890123456789012345678901234567890123456789012";
	char text[200], line[300];
	char *preseed = made("preseed", HEAD "}"), *kickstart = made("kickstart", HEAD "}"),
	     *own = made("autoinstall", HEAD ",\"user_data\":{\"locale\":\"C\"}}"),
	     *said = made("autoinstall", HEAD ",\"user_data\":{\"fqdn\":\"a.b\"}}");

	(void)state;
	has(preseed, "\nd-i netcfg/get_hostname string web1\n");
	has(preseed, "\nd-i netcfg/hostname string web1\n");
	has(preseed, "\nd-i netcfg/get_domain string lab\n");
	has(preseed, " echo web1 >/target/etc/hostname && ");
	has(preseed, " echo 127.0.1.1 web1.lab web1 >>/target/etc/hosts && ");
	has(kickstart, " --hostname=web1.lab");
	has(own, "\"hostname\": \"web1\"");
	has(own, "\"fqdn\": \"web1.lab\"");
	has(own, "\"locale\": \"C\"");
	assert_null(strstr(said, "web1.lab"));
	free(preseed);
	free(kickstart);
	free(own);
	free(said);
	snprintf(text, sizeof(text), "%s,\"hostname\":\"%s\"}", HEAD, lab63);
	kickstart = made("kickstart", text);
	snprintf(line, sizeof(line), " --hostname=%s", lab63);
	has(kickstart, line);
	assert_null(strstr(kickstart, "012.lab"));
	free(kickstart);
	lab = "";
	preseed = made("preseed", HEAD "}");
	lab = "lab";
	has(preseed, "\nd-i netcfg/get_domain string\n");
	has(preseed, " echo 127.0.1.1 web1 >>/target/etc/hosts && ");
	free(preseed);
}

/* debconf-set-selections joins lines that end with a backslash. */
static void a_line_is_a_line(void **state)
{
	char *text = made("preseed", HEAD
	    ",\"disks\":[{\"match\":{\"serial\":\"it's\",\"model\":\"Samsung*[a-c] $(id)\",\"min_size\":\"1G\"}}]}");

	(void)state;
	assert_null(strstr(text, "\\\n"));
	has(text, "case \"$model\" in samsung*[a-c]' ''$''('id')')");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strncmp(line, "d-i ", 4) == 0 || line[0] == '#' ||
			    strncmp(line, "popularity-contest ", 19) == 0);
	free(text);
}

static void stage4_has_each_step_as_words(void **state)
{
	char *text = stage4(HEAD
	    ",\"hooks\":{\"post_install\":[\"#!/bin/sh\\necho 'a' >/x\\n\"]},\"runcmd\":[\"cd /srv\",[\"printf\",\"%s\\n\",\"a b\"]],"
	    "\"users\":[{\"name\":\"ann\",\"gecos\":\"Ann; $(id)\",\"groups\":\"adm, sudo\",\"sudo\":\"ALL=(ALL) ALL\"}],"
	    "\"write_files\":[{\"path\":\"/srv/a b\",\"content\":\"it's\\n\",\"permissions\":\"0o600\"}]}");

	(void)state;
	has(text, "\nstep 'hook 1' script '#!/bin/sh\necho '\\''a'\\'' >/x\n'\n");
	has(text, "\nstep 'user ann' user ann gecos='Ann; $(id)' groups=adm,sudo lock=yes\n");
	has(text, "\nstep 'its sudo rules' user_sudo ann 'ALL=(ALL) ALL'\n");
	has(text, "\nstep 'file 1' file '/srv/a b' 600 root:root write plain 'it'\\''s\n'\n");
	has(text, "\ntry 'runcmd 1' eval 'cd /srv'\ntry 'runcmd 2' command printf '%s\n' 'a b'\n");
	free(text);
}

static void the_lab_user_is_there_without_any(void **state)
{
	char *text = stage4(HEAD "}");

	(void)state;
	has(text, "step 'user lab' user lab gecos='Lab user' shell=/bin/bash lock=yes\n");
	has(text, "user_sudo lab 'ALL=(ALL) NOPASSWD:ALL'\n");
	free(text);
}

static void the_image_tells_the_format(void **state)
{
	(void)state;
	assert_ptr_equal(
	    unattended_format_of_image(NULL, "debian-installer-13"), &unattended_preseed);
	assert_ptr_equal(unattended_format_of_image("preseed", "mine"), &unattended_preseed);
	assert_null(unattended_format_of_image(NULL, "memtest"));
	assert_null(unattended_format_of_image("nonsense", "debian-installer-13"));
}

static enum machine_phase told(const char *program, const char *text, enum machine_phase now)
{
	const struct unattended_sign *sign =
	    unattended_sign_of(&unattended_preseed, program, text, now);

	return sign ? sign->phase : PHASE_REBOOT; /* which is nobody's */
}

static void a_line_of_the_installer_is_a_phase_that_has_not_been(void **state)
{
	static const char base[] = "INFO: Menu item 'bootstrap-base' selected";
	static const char failed[] =
	    "WARNING **: Configuring 'bootstrap-base' failed with error code 1";

	(void)state;
	assert_int_equal(told("main-menu", base, PHASE_NONE), PHASE_ROOTFS);
	assert_int_equal(told("main-menu", base, PHASE_PARTITION), PHASE_ROOTFS);
	assert_int_equal(told("main-menu", base, PHASE_ROOTFS), PHASE_REBOOT);
	assert_int_equal(told("main-menu", base, PHASE_BOOTLOADER), PHASE_REBOOT);
	assert_int_equal(told("partman", base, PHASE_NONE), PHASE_REBOOT);
	assert_int_equal(
	    told("main-menu", "INFO: Menu item 'x' selected", PHASE_NONE), PHASE_REBOOT);
	assert_int_equal(told("main-menu", failed, PHASE_NONE), PHASE_NONE);
	assert_int_equal(told("main-menu", failed, PHASE_BOOTLOADER), PHASE_NONE);
	assert_int_equal(
	    told("main-menu",
		"INFO: Menu item 'choose-mirror' succeeded but requested to be left unconfigured.",
		PHASE_CONFIG),
	    PHASE_NONE);
	assert_int_equal(
	    told("anna", "WARNING **: package retrieval failed", PHASE_CONFIG), PHASE_NONE);
	assert_int_equal(told("in-target", "vmlab: hook 1", PHASE_BOOTLOADER), PHASE_HOOKS);
	assert_int_equal(told("in-target", "vmlab: hook 2", PHASE_HOOKS), PHASE_REBOOT);
	assert_int_equal(
	    told("in-target", "vmlab: stopped: hook 2 failed with status 3", PHASE_HOOKS),
	    PHASE_NONE);
	assert_int_equal(
	    told("in-target", "vmlab: runcmd 1 failed with status 3", PHASE_HOOKS), PHASE_REBOOT);
	assert_int_equal(
	    told("log-output", "no disk to install on is here", PHASE_CONFIG), PHASE_NONE);
	assert_null(unattended_sign_of(&unattended_autoinstall, "main-menu", base, PHASE_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(preseed_says_the_definition),
	    cmocka_unit_test(the_new_system_has_the_definitions_name),
	    cmocka_unit_test(a_line_is_a_line),
	    cmocka_unit_test(stage4_has_each_step_as_words),
	    cmocka_unit_test(the_lab_user_is_there_without_any),
	    cmocka_unit_test(the_image_tells_the_format),
	    cmocka_unit_test(a_line_of_the_installer_is_a_phase_that_has_not_been),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
