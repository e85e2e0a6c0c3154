/* Scripts as boot_handler makes them, read by a machine that has no iPXE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/boot/loader.h"
#include "lib/boot/stranger.h"
#include "vmlab/simulate/ipxe_answer.h"

#define BASE "http://192.168.100.1"

static const struct boot_urls urls = {BASE, "/initrds"};

static void read_plan(const struct boot_plan *plan, struct ipxe_answer *out)
{
	static char text[BOOT_SCRIPT_MAX + 1];
	struct boot_facts facts = {.urls = &urls, .arch = VM_ARCH_AMD64};
	struct err e = ERR_INIT;

	size_t len = boot_loader_find("ipxe")->render(plan, &facts, text);
	text[len] = '\0';
	if (ipxe_answer_read(text, len, out, &e) < 0)
		fail_msg("%s\n%s", e.msg, text);
}

static void a_kernel_with_all_its_files(void **state)
{
	struct boot_plan plan = {.verb = BOOT_KERNEL,
	    .line = {"web1 installs debian-13, attempt 1"},
	    .lines = 1,
	    .kernel = "/images/debian-13/amd64/vmlinuz",
	    .words = "ip=dhcp config_url=" BASE "/config/52:54:00:aa:bb:01 initrd.mode=install",
	    .initrd = {"/initrds/amd64/initrd.zst", "/images/debian-13/amd64/modules.cpio.zst"},
	    .initrds = 2};
	struct ipxe_answer a;

	(void)state;
	read_plan(&plan, &a);
	assert_int_equal(a.verb, IPXE_KERNEL);
	assert_int_equal(a.files, 3);
	assert_string_equal(a.file[0], BASE "/images/debian-13/amd64/vmlinuz");
	assert_string_equal(a.file[2], BASE "/images/debian-13/amd64/modules.cpio.zst");
	assert_string_equal(a.config_url, BASE "/config/52:54:00:aa:bb:01");
	assert_string_equal(a.says, "web1 installs debian-13, attempt 1");
}

static void every_other_verb(void **state)
{
	static const struct {
		enum boot_verb told;
		enum ipxe_verb read;
	} verbs[] = {{BOOT_DISK, IPXE_DISK}, {BOOT_WAIT, IPXE_WAIT}, {BOOT_NEXT, IPXE_OTHER}};
	struct ipxe_answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		struct boot_plan plan = {.verb = verbs[i].told};
		read_plan(&plan, &a);
		assert_int_equal(a.verb, verbs[i].read);
		assert_int_equal(a.files, 0);
	}
	struct boot_plan chain = {
	    .verb = BOOT_CHAIN, .script = "/images/tool/amd64/boot.ipxe", .words = ""};
	read_plan(&chain, &a);
	assert_int_equal(a.verb, IPXE_OTHER);
}

static void what_is_no_script_is_refused(void **state)
{
	struct ipxe_answer a;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(ipxe_answer_read("<html>", 6, &a, &e), -71);
	static char many[4096] = "#!ipxe\nkernel http://a/b || goto failed\n";
	for (int i = 0; i < 20; i++)
		strcat(many, "initrd http://a/c || goto failed\n");
	assert_int_equal(ipxe_answer_read(many, strlen(many), &a, &e), -71);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_kernel_with_all_its_files),
	    cmocka_unit_test(every_other_verb),
	    cmocka_unit_test(what_is_no_script_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
