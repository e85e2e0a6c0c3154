/* What a recorded state means as time goes by: waiting, stalled, or what it says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/boot/boot.h"
#include "lib/boot/test_expected.h"
#include "boot_handler/state/outlook.h"

#define S INT64_C(1000)
#define NOW (100000 * S)

static struct vm vm = {.name = (char *)"web1", .distro = (char *)"debian-13", .pxeboot = true};

struct row {
	enum machine_state state;
	enum machine_phase phase;
	int64_t moved_s; /* ago */
	unsigned asks;
	bool no_image, no_cloud_init;
	const char *wanted, *stage, *reason;
};

static const struct row table[] = {
    {MACHINE_DECLARED, 0, 9999, 0, false, false, "declared", NULL, ""},
    {MACHINE_DECLARED, 0, 0, 0, true, false, "waiting", "no image",
	"no image debian-13 for amd64: gone"},
    {MACHINE_BOOTING, 0, 299, 1, false, false, "booting", NULL, ""},
    {MACHINE_BOOTING, 0, 300, 1, false, false, "stalled", "boot", "boot has not got on for 5 min"},
    {MACHINE_BOOTING, 0, 40, 3, false, false, "booting", NULL, ""},
    {MACHINE_BOOTING, 0, 40, 4, false, false, "stalled", "boot",
	"iPXE came back 4 times in 40 s and the installer has not started"},
    {MACHINE_BOOTING, 0, 29, 400, false, false, "booting", NULL, ""},
    {MACHINE_BOOTING, 0, 9999, 9, true, false, "waiting", "no image", "debian-13"},
    {MACHINE_INSTALLING, PHASE_NETWORK, 180, 9, false, false, "stalled", "network", "3 min"},
    {MACHINE_INSTALLING, PHASE_ROOTFS, 299, 9, false, false, "installing", NULL, ""},
    {MACHINE_INSTALLING, PHASE_ROOTFS, 300, 9, false, false, "stalled", "rootfs", "5 min"},
    {MACHINE_INSTALLING, PHASE_ROOTFS, 2, 9, true, false, "installing", NULL, ""},
    {MACHINE_INSTALLING, PHASE_HOOKS, 7200, 9, true, false, "stalled", "hooks",
	"hooks has not got on for 2 h"},
    {MACHINE_INSTALLING, PHASE_HOOKS, 3599, 1, false, false, "installing", NULL, ""},
    {MACHINE_INSTALLING, PHASE_HOOKS, 7200, 1, false, false, "stalled", "hooks", "2 h"},
    {MACHINE_INSTALLED, 0, 3599, 0, false, false, "installed", NULL, ""},
    {MACHINE_INSTALLED, 0, 3600, 0, false, false, "stalled", "first-boot", "60 min"},
    {MACHINE_INSTALLED, 0, 36000, 0, false, true, "installed", NULL, ""},
    {MACHINE_INSTALLED, 0, 1, 0, true, false, "installed", NULL, ""},
    {MACHINE_READY, 0, 90000, 0, true, false, "ready", NULL, ""},
    {MACHINE_FAILED, PHASE_ROOTFS, 90000, 9, false, false, "failed", NULL, ""},
};

static struct outlook look(
    const struct row *r, const struct outlook_limits *limits, const char *asked)
{
	struct machine_row row = {.state = r->state,
	    .phase = r->phase,
	    .moved_at_ms = NOW - r->moved_s * S,
	    .changed_at_ms = NOW - r->moved_s * S,
	    .asks = r->asks,
	    .attempt = 1,
	    .asked = asked};
	struct image_facts image = {.complete = !r->no_image,
	    .cloud_init = !r->no_cloud_init,
	    .missing = {"gone", "build it"}};
	struct outlook out;

	outlook_make(
	    &(struct outlook_facts){
		.vm = &vm, .row = &row, .image = &image, .limits = limits, .now_ms = NOW},
	    &out);
	return out;
}

static void test_table(void **state)
{
	struct outlook_limits limits;

	(void)state;
	outlook_limits_default(&limits);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct row *r = &table[i];
		struct outlook out = look(r, &limits, NULL);
		if (strcmp(out.state, r->wanted) != 0 || !out.stage != !r->stage ||
		    (r->stage && strcmp(out.stage, r->stage) != 0) ||
		    !strstr(out.reason, r->reason))
			fail_msg("row %zu: %s %s \"%s\"", i, out.state, out.stage, out.reason);
		if (r->stage && !out.hint[0])
			fail_msg("row %zu has no hint", i);
		if (!strcmp(r->wanted, "stalled") && !strstr(out.hint, "vmlab console web1"))
			fail_msg("row %zu: %s", i, out.hint);
		if (strstr(out.reason, "and the image"))
			fail_msg("row %zu: %s", i, out.reason);
	}
}

/* Its folder was removed in the middle of the installation. */
static void test_image_removed(void **state)
{
	static const struct row late = {
	    MACHINE_INSTALLING, PHASE_ROOTFS, 90000, 9, true, false, NULL, NULL, NULL};
	struct outlook_limits limits;

	(void)state;
	outlook_limits_default(&limits);
	struct outlook out = look(&late, &limits, NULL);
	assert_string_equal(out.state, "stalled");
	assert_string_equal(
	    out.reason, "rootfs has not got on for 25 h, and the image debian-13 for amd64: gone");
	assert_string_equal(out.hint, "build it");
}

static void test_who_does_not_report(void **state)
{
	static const struct row late = {
	    MACHINE_INSTALLED, 0, 90000, 0, false, false, NULL, NULL, NULL};
	struct outlook_limits limits;

	(void)state;
	outlook_limits_default(&limits);
	assert_string_equal(look(&late, &limits, NULL).state, "stalled");
	vm.after_install = VM_AFTER_POWEROFF;
	assert_string_equal(look(&late, &limits, NULL).state, "installed");
	vm.after_install = VM_AFTER_KEXEC;
	assert_string_equal(look(&late, &limits, NULL).state, "stalled");
	vm.after_install = VM_AFTER_REBOOT;
	vm.pxeboot = false;
	assert_string_equal(look(&late, &limits, NULL).state, "installed");
	vm.pxeboot = true;
}

/* What another system's installer does in a phase, its screen tells. One that tells its steps is to
 * begin as soon as ours, the others get an hour from one word to the next. */
static void test_unattended(void **state)
{
	static const struct {
		const char *image;
		enum machine_state state;
		enum machine_phase phase;
		int64_t moved_s;
		const char *stage;
	} others[] = {
	    {"debian-installer-13", MACHINE_BOOTING, 0, 299, NULL},
	    {"debian-installer-13", MACHINE_BOOTING, 0, 300, "boot"},
	    {"debian-installer-13", MACHINE_INSTALLING, PHASE_CONFIG, 120, "config"},
	    {"ubuntu-24.04", MACHINE_BOOTING, 0, 3599, NULL},
	    {"ubuntu-24.04", MACHINE_BOOTING, 0, 3600, "installer"},
	    {"ubuntu-24.04", MACHINE_INSTALLING, PHASE_PARTITION, 3599, NULL},
	    {"ubuntu-24.04", MACHINE_INSTALLING, PHASE_PARTITION, 3600, "installer"},
	    {"studio", MACHINE_BOOTING, 0, 3600, "installer"},
	};
	static const struct row late = {
	    MACHINE_INSTALLING, PHASE_CONFIG, 90000, 1, false, false, NULL, NULL, NULL};
	struct outlook_limits limits;
	unsigned mode = 0, before = vm.mode;

	(void)state;
	outlook_limits_default(&limits);
	assert_non_null(strstr(look(&late, &limits, NULL).hint, "does not get its configuration"));
	while (boot_mode_at(mode) != &boot_mode_boot)
		mode++;
	vm.mode = mode;
	vm.more = json_pack("{s:b}", "unattended", 1);
	vm.image = (char *)"debian-installer-13";
	assert_non_null(strstr(look(&late, &limits, NULL).hint, "may stand at a question"));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct row r = {others[i].state, others[i].phase, others[i].moved_s, 1, false,
		    false, NULL, NULL, NULL};
		vm.image = (char *)others[i].image;
		struct outlook out = look(&r, &limits, "boot");
		if (!out.stage != !others[i].stage ||
		    (out.stage && strcmp(out.stage, others[i].stage) != 0))
			fail_msg("case %zu: %s %s", i, out.state, out.stage);
		assert_true(!out.stage || strstr(out.hint, "vmlab console web1"));
	}
	vm.image = NULL;
	json_decref(vm.more);
	vm.more = NULL;
	vm.mode = before;
}

/* Of what is chosen at a menu only our own installer has to come up within a time. */
static void test_menu(void **state)
{
	static const struct row booting = {
	    MACHINE_BOOTING, 0, 90000, 1, false, false, NULL, NULL, NULL};
	struct outlook_limits limits;
	unsigned mode = 0;

	(void)state;
	outlook_limits_default(&limits);
	while (boot_mode_at(mode) != &boot_mode_menu)
		mode++;
	vm.mode = mode;
	assert_string_equal(look(&booting, &limits, "install").state, "stalled");
	assert_string_equal(look(&booting, &limits, "boot").state, "booting");
	assert_string_equal(look(&booting, &limits, "menu").state, "booting");
	assert_string_equal(look(&booting, &limits, NULL).state, "booting");
	vm.mode = 0;
}

static void test_boots(void **state)
{
	static const struct row installed = {
	    MACHINE_INSTALLED, 0, 9, 0, false, false, NULL, NULL, NULL};
	static const struct row silent = {
	    MACHINE_INSTALLED, 0, 9, 0, false, true, NULL, NULL, NULL};
	static const struct row late = {
	    MACHINE_INSTALLED, 0, 90000, 0, false, false, NULL, NULL, NULL};
	static const struct row ready = {MACHINE_READY, 0, 9, 0, false, false, NULL, NULL, NULL};
	struct outlook_limits limits;

	(void)state;
	outlook_limits_default(&limits);
	assert_false(look(&installed, &limits, "install").boots);
	assert_true(look(&installed, &limits, "local").boots);
	vm.after_install = VM_AFTER_KEXEC;
	assert_true(look(&installed, &limits, "install").boots);
	assert_false(look(&silent, &limits, "install").boots);
	assert_false(look(&late, &limits, "install").boots);
	assert_false(look(&ready, &limits, "install").boots);
	vm.after_install = VM_AFTER_POWEROFF;
	assert_false(look(&installed, &limits, "install").boots);
	vm.after_install = VM_AFTER_REBOOT;
}

static void test_wrong_arch(void **state)
{
	static const struct row fresh = {MACHINE_DECLARED, 0, 1, 0, false, false, NULL, NULL, NULL};
	struct outlook_limits limits;

	(void)state;
	outlook_limits_default(&limits);
	struct outlook out = look(&fresh, &limits, "wrong-arch");
	assert_string_equal(out.state, "waiting");
	assert_string_equal(out.stage, "wrong arch");
	assert_string_equal(look(&fresh, &limits, "install").state, "declared");
}

/* "pxeboot": false with files of its own: nothing else is known of such a machine. */
static void test_own_kernel(void **state)
{
	static const struct own_kernel_gap gap = {
	    "initrd", "initrd i is not there", "put it there"};
	static const struct {
		enum machine_state state;
		const char *asked;
		const char *wanted;
	} cases[] = {{MACHINE_DECLARED, NULL, "waiting"}, {MACHINE_DECLARED, "no-image", "waiting"},
	    {MACHINE_DECLARED, "kernel", "declared"}, {MACHINE_READY, NULL, "ready"},
	    {MACHINE_READY, "local", "ready"}, {MACHINE_READY, "no-image", "waiting"}};
	struct vm own = vm;
	struct outlook_limits limits;
	struct image_facts image = {.complete = false};

	(void)state;
	outlook_limits_default(&limits);
	own.pxeboot = false;
	own.kernel = own.initrd = (char *)"i";
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct machine_row row = {.state = cases[i].state, .asked = cases[i].asked};
		struct outlook out;
		struct outlook_facts facts = {.vm = &own,
		    .row = &row,
		    .image = &image,
		    .limits = &limits,
		    .now_ms = NOW,
		    .own = &gap};
		outlook_make(&facts, &out);
		assert_string_equal(out.state, cases[i].wanted);
		if (strcmp(cases[i].wanted, "waiting") != 0)
			continue;
		assert_string_equal(out.stage, "no initrd");
		assert_string_equal(out.reason, "initrd i is not there");
		facts.own = NULL;
		outlook_make(&facts, &out);
		assert_string_equal(out.state, machine_state_name(cases[i].state));
	}
}

/* The command line says the same before the server knows it: vmlab/cmd/test_vmlab.c. */
static void test_expected(void **state)
{
	static const struct own_kernel_gap gap = {"kernel", "", ""};
	struct outlook_limits limits;

	(void)state;
	outlook_limits_default(&limits);
	for (size_t i = 0; i < sizeof(boot_expected) / sizeof(*boot_expected); i++) {
		const struct boot_expected *x = &boot_expected[i];
		struct machine_row row = {.state = MACHINE_DECLARED};
		struct image_facts image = {.complete = x->has_needed};
		struct vm_where where;
		struct err e = ERR_INIT;
		struct vm *defined = NULL;
		struct outlook out;
		char text[300];

		snprintf(text, sizeof(text), "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\"%s}",
		    x->fields);
		assert_int_equal(
		    vm_parse(text, strlen(text), NULL, &defined, &where, NULL, NULL, &e), 0);
		struct outlook_facts facts = {.vm = defined,
		    .row = &row,
		    .image = &image,
		    .limits = &limits,
		    .now_ms = NOW,
		    .own = x->has_needed ? NULL : &gap,
		    .noreboot = x->noreboot};
		outlook_make(&facts, &out);
		const char *ends = boot_end_name(out.ends);
		if (strcmp(out.does, x->does) != 0 || strcmp(ends ? ends : "-", x->ends) != 0)
			fail_msg("%s: %s %s", x->fields, out.does, ends);
		vm_free(defined);
	}
}

/* Whatever is recorded of it: an order, or its mode, has brought it to the agent. */
static void test_agent(void **state)
{
	static const struct {
		enum machine_state state;
		const char *asked;
		int64_t asked_s, came_s, heard_s; /* ago; 0: never, or not any more */
		bool begun, installs;
		const char *wanted, *stage;
	} cases[] = {
	    {MACHINE_READY, "local", 900, 0, 0, false, false, "ready", NULL},
	    {MACHINE_READY, "local", 900, 0, 30, false, false, "agent", NULL},
	    {MACHINE_INSTALLED, "agent", 299, 0, 0, false, false, "agent", NULL},
	    {MACHINE_INSTALLED, "agent", 300, 0, 0, false, false, "stalled", "boot"},
	    {MACHINE_INSTALLED, "agent", 9000, 8990, 8990, false, false, "agent", NULL},
	    {MACHINE_INSTALLED, "agent", 9000, 8990, 0, true, false, "agent", NULL},
	    {MACHINE_INSTALLED, "agent", 9000, 8990, 0, false, false, "installed", NULL},
	    {MACHINE_READY, "local", 900, 8990, 0, true, false, "ready", NULL},
	    {MACHINE_DECLARED, "agent", 9000, 8990, 8990, false, false, "agent", NULL},
	    {MACHINE_INSTALLING, "install", 20, 8990, 8990, true, true, "installing", NULL},
	    {MACHINE_FAILED, "agent", 9000, 8990, 8990, false, false, "failed", NULL},
	    {MACHINE_FAILED, "agent", 9000, 0, 0, false, false, "failed", NULL},
	};
	struct outlook_limits limits;
	struct image_facts image = {.complete = true, .cloud_init = true};

	(void)state;
	outlook_limits_default(&limits);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct machine_row row = {.state = cases[i].state,
		    .asked = cases[i].asked,
		    .changed_at_ms = NOW - 9999 * S,
		    .moved_at_ms = NOW - 10 * S,
		    .asked_at_ms = NOW - cases[i].asked_s * S,
		    .agent_at_ms = cases[i].came_s ? NOW - cases[i].came_s * S : 0};
		struct outlook out;
		outlook_make(
		    &(struct outlook_facts){.vm = &vm,
			.row = &row,
			.image = &image,
			.limits = &limits,
			.now_ms = NOW,
			.agent_since_ms = cases[i].heard_s ? NOW - cases[i].heard_s * S : 0,
			.order_begun = cases[i].begun,
			.order_installs = cases[i].installs},
		    &out);
		if (strcmp(out.state, cases[i].wanted) != 0 || !out.stage != !cases[i].stage ||
		    (out.stage && strcmp(out.stage, cases[i].stage) != 0))
			fail_msg("case %zu: %s %s", i, out.state, out.stage);
	}
}

/* What was ordered is what its next boot does, and where that ends. */
static void test_ordered(void **state)
{
	static const struct {
		enum order_due due;
		bool has_image, netboot_off;
		const char *does, *ends;
	} cases[] = {
	    {ORDER_DUE_NOTHING, true, false, "install", "ready"},
	    {ORDER_DUE_AGENT, true, false, "agent", "started"},
	    {ORDER_DUE_AGENT, false, false, "agent", "started"},
	    {ORDER_DUE_IMAGE, false, false, "boot", "started"},
	    {ORDER_DUE_DISK, false, false, "local", "answers"},
	    {ORDER_DUE_AGENT, true, true, "off", "answers"},
	};
	struct outlook_limits limits;

	(void)state;
	outlook_limits_default(&limits);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct machine_row row = {.netboot_off = cases[i].netboot_off};
		struct image_facts image = {.complete = cases[i].has_image};
		struct outlook out;
		outlook_make(&(struct outlook_facts){.vm = &vm,
				 .row = &row,
				 .image = &image,
				 .limits = &limits,
				 .now_ms = NOW,
				 .due = cases[i].due},
		    &out);
		assert_string_equal(out.does, cases[i].does);
		assert_string_equal(boot_end_name(out.ends), cases[i].ends);
	}
}

static void test_limits(void **state)
{
	static const char *const wrong[] = {"boot", "boot=", "boot=x", "=5", "boot=-1", "rooftfs=3",
	    "boot=1 ", "boot=9999999", "x=1"};
	struct outlook_limits limits;
	struct err e = ERR_INIT;

	(void)state;
	outlook_limits_default(&limits);
	assert_int_equal(outlook_limits_parse(NULL, &limits, &e), 0);
	assert_int_equal(outlook_limits_parse("", &limits, &e), 0);
	assert_int_equal(limits.seconds[0], 300);
	assert_int_equal(outlook_limits_parse("boot=2,rootfs=0,first-boot=7", &limits, &e), 0);
	assert_int_equal(limits.seconds[0], 2);
	assert_int_equal(limits.seconds[PHASE_ROOTFS], 0);
	assert_int_equal(limits.seconds[OUTLOOK_STAGES - 1], 7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(outlook_limits_parse(wrong[i], &limits, &e), -EINVAL);
	/* 0: for ever. */
	static const struct row slow = {
	    MACHINE_INSTALLING, PHASE_ROOTFS, 90000, 1, false, false, NULL, NULL, NULL};
	assert_string_equal(look(&slow, &limits, NULL).state, "installing");
	for (int i = 0; i < OUTLOOK_STAGES; i++)
		assert_true(limits.seconds[i] >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_image_removed),
	    cmocka_unit_test(test_who_does_not_report),
	    cmocka_unit_test(test_unattended),
	    cmocka_unit_test(test_menu),
	    cmocka_unit_test(test_boots),
	    cmocka_unit_test(test_wrong_arch),
	    cmocka_unit_test(test_own_kernel),
	    cmocka_unit_test(test_expected),
	    cmocka_unit_test(test_agent),
	    cmocka_unit_test(test_ordered),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
