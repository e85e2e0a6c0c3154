/* test_vmlab.c - the pure cores of vmlab: arguments, progress, goals, tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"
#include "lib/base/argv.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/container.h"
#include "vmlab/cmd/define.h"
#include "vmlab/follow/follow.h"
#include "lib/boot/test_expected.h"
#include "lib/definition/test_vm_from.h"
#include "vmlab/follow/goal.h"
#include "vmlab/lab/host.h"
#include "lib/base/human.h"
#include "vmlab/lab/keys.h"
#include "vmlab/lab/lab_name.h"
#include "vmlab/lab/lab_volume.h"
#include "vmlab/lab/problems.h"
#include "lib/follow/progress.h"
#include "vmlab/lab/resume.h"
#include "vmlab/cmd/ssh.h"
#include "vmlab/lab/start.h"
#include "vmlab/follow/table.h"
#include "vmlab/lab/vm_uuid.h"
#include "lib/base/test_capture.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x"

static json_t *json_from(const char *text)
{
	json_error_t e;
	json_t *o = json_loads(text, 0, &e);

	if (!o)
		fail_msg("%s: %s", e.text, text);
	return o;
}

static void lab_for_test(struct lab *lab)
{
	struct lab_options options = {
	    .name = "lab7", .vms_dir = "/srv/v,m\"s", .images_dir = "/srv/images"};
	struct err e = ERR_INIT;

	unsetenv("VMLAB_PORT");
	unsetenv("VMLAB_CIDR");
	unsetenv("VMLAB_DOMAIN");
	setenv("VMLAB_REACH", "internet,10.1.2.0/24", 1);
	setenv("VMLAB_STRANGERS", "local", 1);
	unsetenv("VMLAB_STACK_IMAGE");
	unsetenv("VMLAB_VM_IMAGE");
	setenv("VMLAB_HOME", "/root/lab home", 1);
	*lab = (struct lab)LAB_INIT;
	if (lab_init(lab, &options, &e) < 0)
		fail_msg("%s", e.msg);
}

static bool has(const struct argv *a, const char *item)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], item) == 0)
			return true;
	return false;
}

/* ---- human ----------------------------------------------------------------------------------- */

static void test_human_numbers(void **state)
{
	static const struct {
		int64_t ms;
		const char *duration, *age;
	} times[] = {{-5, "0.0 s", "0 s"}, {4249, "4.2 s", "4 s"}, {59949, "59.9 s", "59 s"},
	    {59950, "1 min 00 s", "59 s"}, {125000, "2 min 05 s", "2 min"},
	    {12000000, "3 h 20 min", "3 h"}, {432000000, "5 days", "5 days"}};
	char buf[HUMAN_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		assert_string_equal(human_duration(times[i].ms, buf), times[i].duration);
		assert_string_equal(human_age(times[i].ms, buf), times[i].age);
	}
}

static void test_human_clean(void **state)
{
	char *text = NULL;

	(void)state;
	CAPTURE(text, human_print_clean(f, "a\033[31mred\033[0m\r\033]0;title\ab\tc\x01\xc2\x9b"
					   "d\033"));
	assert_string_equal(text, "aredb\tc??d");
	free(text);
	CAPTURE(text, human_print_lines(f, "one\ntwo\r\n\033[Kthree\n\n", "> ", 2));
	assert_string_equal(text, "> two\n> three\n");
	free(text);
	CAPTURE(text, human_print_lines(f, "one\ntwo", "", 0));
	assert_string_equal(text, "one\ntwo\n");
	free(text);
	CAPTURE(text, human_print_lines(f, "\n", "", 3));
	assert_string_equal(text, "");
	free(text);
}

static void test_duration(void **state)
{
	int64_t ms = 0;

	(void)state;
	assert_int_equal(command_duration("90", &ms), 0);
	assert_int_equal(ms, 90000);
	assert_int_equal(command_duration("2m", &ms), 0);
	assert_int_equal(ms, 120000);
	assert_int_equal(command_duration("1h", &ms), 0);
	assert_int_equal(ms, 3600000);
	assert_int_equal(command_duration("", &ms), -EINVAL);
	assert_int_equal(command_duration("-1", &ms), -EINVAL);
	assert_int_equal(command_duration("3x", &ms), -EINVAL);
	assert_int_equal(command_duration("3mm", &ms), -EINVAL);
	assert_int_equal(command_duration("99999999999999999999", &ms), -EINVAL);
}

/* ---- containers ------------------------------------------------------------------------------ */

static const struct container_names stack_names = {"lab7-stack", "lab7-net", "lab7-state", NULL};
static const struct container_names vm_names = {"lab7-vm-web1", "lab7-net", "lab7-disk-web1", NULL};

static void test_two_readings(void **state)
{
	static const struct {
		const char *lab, *name;
		bool two;
	} cases[] = {{"x", "x-vm-web1", false}, {"x", "x-disk-web1", false}, {"x", "x-net", false},
	    {"x-vm", "x-vm-stack", true}, {"x-vm", "x-vm-net", true}, {"x", "x-vm-vm-a", true},
	    {"x-vm", "x-vm-vm-a", true}, {"x", "x-vm-a-net", true}, {"x-vm-a", "x-vm-a-net", true},
	    {"x", "x-disk-a-state", true}, {"x", "x-disk-disk-a", true},
	    {"x-disk", "x-disk-disk-a", true}, {"vmlab-a", "vmlab-a-vm-web-vm-1", true},
	    {"x-net", "x-net-net", false}, {"x", "x-vm-A_b.c", false}, {"x", "x-vm-A-vm-b", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (lab_name_has_two_readings(cases[i].name, cases[i].lab) != cases[i].two)
			fail_msg("%s of %s", cases[i].name, cases[i].lab);
}

static void test_stack_args(void **state)
{
	static const char *const wanted[] = {"run", "--detach", "lab7-stack",
	    "--label=vmlab.lab=lab7", "--label=vmlab.role=stack", "--label=vmlab.vms=/srv/v,m\"s",
	    "--network=container:lab7-net", "--cap-drop=ALL", "--cap-add=NET_ADMIN",
	    "--cap-add=NET_RAW", "--cap-add=KILL", "--security-opt=no-new-privileges",
	    "--read-only", "--tmpfs=/run", "--pids-limit=200", "--memory=512m",
	    "--log-opt=max-size=16m", "--env=LAB_CIDR=192.168.100.1/24",
	    "--env=LAB_DOMAIN=pvmlab.local", "--env=LAB_REACH=internet,10.1.2.0/24",
	    "--env=STRANGERS=local", "--label=vmlab.strangers=local",
	    "--mount=type=bind,\"src=/srv/v,m\"\"s\",dst=/vms,readonly",
	    "--mount=type=bind,\"src=/srv/images\",dst=/srv/images,readonly",
	    "--mount=type=volume,src=lab7-state,dst=/state",
	    "--label=vmlab.dir=/root/lab home/labs/lab7",
	    "--mount=type=bind,\"src=/root/lab home/labs/lab7\",dst=/run/operator",
	    "--mount=type=bind,\"src=/root/lab home/labs/lab7/console\",dst=/run/consoles/vms,readonly",
	    "--mount=type=bind,\"src=/root/lab home/authorized_keys\","
	    "dst=/etc/vmlab/authorized_keys,readonly"};
	_cleanup_argv_ struct argv a = ARGV_INIT, net = ARGV_INIT;
	struct lab lab;

	(void)state;
	lab_for_test(&lab);
	container_stack_args(&lab, &stack_names, &a);
	assert_false(a.failed);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!has(&a, wanted[i]))
			fail_msg("%s is missing", wanted[i]);
	assert_string_equal(a.items[a.count - 1], LAB_STACK_IMAGE);
	container_net_args(&lab, "lab7-net", false, &net);
	for (size_t i = 0; i < net.count; i++)
		assert_true(strncmp(net.items[i], "--publish", 9) != 0);
	for (size_t i = 0; i < a.count; i++)
		assert_null(strstr(a.items[i], "OPERATOR_LISTEN"));
	lab.port = 7480;
	_cleanup_argv_ struct argv tcp = ARGV_INIT, tcp_net = ARGV_INIT;
	container_stack_args(&lab, &stack_names, &tcp);
	container_net_args(&lab, "lab7-net", false, &tcp_net);
	assert_true(has(&tcp, "--env=OPERATOR_LISTEN=0.0.0.0:8080"));
	assert_true(has(&tcp_net, "--publish=127.0.0.1:7480:8080"));
	assert_true(has(&net, "--sysctl=net.ipv4.ip_forward=1"));
	assert_true(has(&net, "--cap-drop=ALL"));
	assert_false(has(&net, "--sysctl=net.ipv6.conf.all.forwarding=1"));
	assert_string_equal(net.items[net.count - 1], "infinity");
	lab_clear(&lab);
}

static void test_vm_args(void **state)
{
	static const char *const wanted[] = {"lab7-vm-web1", "--label=vmlab.role=vm",
	    "--label=vmlab.vm=web1", "--interactive", "--tty", "--network=container:lab7-net",
	    "--cap-drop=ALL", "--cap-add=NET_ADMIN", "--cap-add=CHOWN", "--read-only",
	    "--security-opt=no-new-privileges", "--pids-limit=206", "--memory=2048m",
	    "--device=/dev/net/tun", "--mount=type=volume,src=lab7-disk-web1,dst=/disks",
	    "--mount=type=bind,\"src=/root/lab home/labs/lab7/console/52-54-00-aa-bb-cc\","
	    "dst=/run/console",
	    "--env=VM_NAME=web1", "--env=VM_MAC=52:54:00:aa:bb:cc", "--env=VM_ARCH=arm64",
	    "--env=VM_CPUS=3", "--env=VM_MEMORY_MIB=512",
	    "--env=VM_DISKS_BYTES=8589934592 1073741824", "--env=VM_DISK_BUS=nvme",
	    "--env=VM_FIRMWARE=uefi", "--env=VM_SERIAL=S 1,a;b%", "--env=VM_ACCEL=tcg",
	    "--env=VM_UUID=9f625fb2-b999-530b-a309-58af86aa84ac",
	    "--label=vmlab.spec=mac=52:54:00:aa:bb:cc;arch=arm64;cpus=3;memory=512 MiB;"
	    "disks=8589934592 1073741824;firmware=uefi;secure_boot=false;"
	    "uuid=9f625fb2-b999-530b-a309-58af86aa84ac;serial=S 1,a%3Bb%25",
	    "--env=VM_NIC_ROM=ipxe", "--env=VM_BRIDGE=lab0"};
	struct container_vm_options options = {
	    .kvm = false, .accel = "tcg", .nic_rom = "ipxe", .disk_bus = "nvme"};
	_cleanup_argv_ struct argv a = ARGV_INIT, kvm = ARGV_INIT;
	struct lab lab;

	(void)state;
	lab_for_test(&lab);
	struct vm *vm =
	    vm_from("{\"name\":\"web1\",\"mac\":\"52-54-00-AA-BB-CC\",\"arch\":\"aarch64\","
		    "\"cpus\":3,\"memory\":\"512M\",\"serial\":\"S 1,a;b%\","
		    "\"disks\":[{\"size\":\"8G\"},{\"size\":\"1G\"}]}");
	container_vm_args(&lab, &vm_names, vm, &options, &a);
	assert_false(a.failed);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!has(&a, wanted[i]))
			fail_msg("%s is missing", wanted[i]);
	assert_false(has(&a, "--device=/dev/kvm"));
	assert_string_equal(a.items[a.count - 1], LAB_VM_IMAGE);
	options.kvm = true;
	container_vm_args(&lab, &vm_names, vm, &options, &kvm);
	assert_true(has(&kvm, "--device=/dev/kvm"));
	assert_true(has(&kvm, "--memory=1024m"));
	vm_free(vm);
	lab_clear(&lab);
}

/* Two labs, and names that would run into each other without something between them. */
static void test_vm_uuid(void **state)
{
	static const struct {
		const char *lab, *vm, *uuid;
	} cases[] = {
	    {"lab7", "web1",
		"9f625fb2-b999-530b-a309-58af86aa84ac"}, /* uuid5 of Python's uuid module */
	    {"lab7", "web2", "1f284192-b160-55e2-b039-b7175748f5be"},
	    {"lab", "7-web1", "cbfce92d-486e-53dc-ab37-b63ef7a2c55b"},
	    {"lab-7", "web1", "4507e43b-d721-5d70-8ae9-af0477a2894b"},
	};
	char uuid[UUID_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		vm_uuid_derive(cases[i].lab, cases[i].vm, uuid);
		assert_string_equal(uuid, cases[i].uuid);
	}
}

static void test_spec_diff(void **state)
{
	static const struct {
		const char *old, *fresh, *diff;
	} cases[] = {
	    {"cpus=1;memory=2", "cpus=1;memory=2", ""},
	    {"cpus=1;memory=2", "cpus=2;memory=3", "cpus, memory"},
	    {"", "cpus=2", "cpus"},
	    {"memory=2;cpus=1", "cpus=1;memory=2", ""},
	    {"xcpus=1", "cpus=1", "cpus"},
	    {"cpus=12", "cpus=1", "cpus"},
	    {"cpus=1", "cpus=1;secure_boot=false", ""}, /* from before there was that */
	    {"cpus=1", "cpus=1;secure_boot=true", "secure_boot"},
	    {"secure_boot=true", "secure_boot=false", "secure_boot"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *diff = container_spec_diff(cases[i].old, cases[i].fresh);
		assert_string_equal(diff, cases[i].diff);
		free(diff);
	}
}

static void test_start_decide(void **state)
{
	static const struct {
		const char *spec, *image, *network;
		bool running, replace_running;
		enum start_action action;
	} cases[] = {
	    {"s", "i", "container:n", true, false, START_KEEP},
	    {"x", "i", "container:n", true, false, START_KEEP_CHANGED},
	    {"s", "x", "container:n", true, false, START_KEEP},
	    {"s", "x", "container:n", true, true, START_RECREATE},
	    {"x", "i", "container:n", true, true, START_RECREATE},
	    {"s", "i", "container:x", true, false, START_RECREATE},
	    {"s", "i", "container:n", false, false, START_START},
	    {"x", "i", "container:n", false, false, START_RECREATE},
	    {"s", "x", "container:n", false, false, START_RECREATE},
	    {"s", "i", "container:x", false, false, START_RECREATE},
	    {"s", "i", "bridge", false, false, START_RECREATE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct container c = {.spec = cases[i].spec,
		    .image = cases[i].image,
		    .network = cases[i].network,
		    .running = cases[i].running};
		struct start_wish wish = {.spec = "s",
		    .image_id = "i",
		    .net_id = "n",
		    .replace_running = cases[i].replace_running};
		if (start_decide(&c, &wish) != cases[i].action)
			fail_msg("case %zu", i);
	}
	struct start_wish wish = {.spec = "s", .image_id = "i"};
	assert_int_equal(start_decide(NULL, &wish), START_CREATE);
}

static void test_container_list(void **state)
{
	_cleanup_container_list_ struct container_list list = CONTAINER_LIST_INIT;
	struct err e = ERR_INIT;

	(void)state;
	json_t *doc = json_from(
	    "[{\"Id\":\"n1\",\"Name\":\"/"
	    "l-net\",\"State\":{\"Status\":\"running\",\"Running\":true},"
	    "\"Config\":{\"Labels\":{\"vmlab.role\":\"net\",\"vmlab.port\":\"7000\"}}},"
	    "{\"Id\":\"v1\",\"Name\":\"/l-vm-a\",\"State\":{\"Status\":\"exited\",\"ExitCode\":3},"
	    "\"HostConfig\":{\"NetworkMode\":\"container:n1\"},"
	    "\"Config\":{\"Labels\":{\"vmlab.role\":\"vm\",\"vmlab.vm\":\"a\"}}},"
	    "{\"Name\":7,\"Config\":{\"Labels\":null}}]");
	assert_int_equal(container_list_parse(doc, &list, &e), 0);
	assert_int_equal(list.count, 3);
	const struct container *net = container_list_role(&list, "net");
	assert_non_null(net);
	assert_true(net->running);
	assert_string_equal(net->name, "l-net");
	const struct container *vm = container_list_vm(&list, "a");
	assert_non_null(vm);
	assert_int_equal(vm->exit_code, 3);
	assert_string_equal(vm->network, "container:n1");
	assert_null(container_list_vm(&list, "b"));

	struct lab lab;
	lab_for_test(&lab);
	assert_int_equal(lab_adopt(&lab, &list, &e), 0);
	assert_int_equal(lab.port, 7000);
	lab_clear(&lab);
}

static void test_lab_names(void **state)
{
	struct lab_options bad[] = {
	    {.name = "../x"}, {.name = "A"}, {.port = "0"}, {.port = "7x"}, {.port = "automatic"}};

	(void)state;
	setenv("VMLAB_HOME", "/h", 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct lab lab = LAB_INIT;
		struct err e = ERR_INIT;
		assert_int_equal(lab_init(&lab, &bad[i], &e), -EINVAL);
		assert_true(*e.msg);
		lab_clear(&lab);
	}
}

static void test_was_running(void **state)
{
	static const struct {
		struct container c;
		const char *saved;
		bool was;
	} cases[] = {
	    {{.id = "aa11", .status = "exited", .exit_code = 255}, NULL, true},
	    {{.id = "aa11", .status = "exited", .exit_code = 0}, NULL, false},
	    {{.id = "aa11", .status = "exited", .exit_code = 137}, "", false},
	    {{.id = "aa11", .status = "exited", .exit_code = 0}, "bb22\naa11\n", true},
	    {{.id = "aa11", .status = "exited", .exit_code = 0}, "bb22\n", false},
	    {{.id = "", .status = "exited", .exit_code = 0}, "bb22\n", false},
	    {{.id = "aa11", .status = "created", .exit_code = 255}, NULL, false},
	    {{.id = "aa11", .status = "running", .running = true}, "aa11\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (resume_was_running(&cases[i].c, cases[i].saved) != cases[i].was)
			fail_msg("case %zu", i);
}

static void test_lab_default_names(void **state)
{
	static const struct {
		const char *vms, *name;
	} cases[] = {
	    {"/home/me/web/vms", "vmlab-web"},
	    {"/home/me/web/definitions", "vmlab-web"},
	    {"/home/me/My Lab (2)/vms", "vmlab-my-lab-2"},
	    {"/srv/vmlab/vms", "vmlab"},
	    {"/srv/vmlab-two/vms", "vmlab-two"},
	    {"/srv/vmlab2/vms", "vmlab-vmlab2"},
	    {"/vms", "vmlab-lab"},
	    {"/srv/---/vms", "vmlab-lab"},
	    {"/srv/\xd0\xbb\xd0\xb0\xd0\xb1/vms", "vmlab-lab"},
	    {"/srv/a__b/vms", "vmlab-a-b"},
	    {"/srv/-a-/vms", "vmlab-a"},
	    {"/srv/an-extraordinarily-long-name-of-a-folder/vms",
		"vmlab-an-extraordinarily-long-nam"},
	};
	char name[LAB_NAME_SIZE], other[LAB_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		lab_name_make(cases[i].vms, NULL, name);
		assert_string_equal(name, cases[i].name);
		assert_true(lab_name_valid(name));
		lab_name_make(cases[i].vms, cases[i].vms, other);
		assert_true(lab_name_valid(other));
		assert_int_equal(strlen(other), strlen(name) + 7);
		assert_memory_equal(other, name, strlen(name));
	}
	lab_name_make("/a/web/vms", "/a/web/vms", name);
	lab_name_make("/b/web/vms", "/b/web/vms", other);
	assert_string_not_equal(name, other);
}

/* ---- goals ----------------------------------------------------------------------------------- */

#define SAYS(does, ends) "{\"expected\":{\"does\":\"" does "\",\"ends\":" ends "}}"

static void test_goals(void **state)
{
	static const struct {
		const char *vm; /* as the API has it */
		struct goal_facts facts;
		enum goal_kind kind;
		enum boot_end end;
	} cases[] = {
	    {SAYS("install", "\"ready\""), {.has_image = true}, GOAL_FOLLOW, BOOT_END_READY},
	    {SAYS("install", "\"installed\""), {.state = NULL}, GOAL_FOLLOW, BOOT_END_INSTALLED},
	    {SAYS("no-image", "\"ready\""), {.state = "waiting"}, GOAL_NO_IMAGE, 0},
	    /* Put there just now. */
	    {SAYS("no-image", "\"ready\""), {.has_image = true}, GOAL_FOLLOW, BOOT_END_READY},
	    {SAYS("failed", "\"ready\""), {.state = "failed"}, GOAL_FOLLOW, BOOT_END_READY},
	    {SAYS("shell", "\"started\""), {.state = NULL}, GOAL_FOLLOW, BOOT_END_STARTED},
	    {SAYS("local", "\"answers\""), {.state = "ready"}, GOAL_FOLLOW, BOOT_END_ANSWERS},
	    {SAYS("local", "\"answers\""), {.state = "ready", .was_running = true}, GOAL_FOLLOW,
		BOOT_END_READY},
	    {SAYS("local", "\"answers\""), {.was_running = true}, GOAL_UNKNOWN, 0},
	    {SAYS("local", "\"ready\""), {.was_running = true}, GOAL_FOLLOW, BOOT_END_READY},
	    {SAYS("kernel", "null"), {.has_image = true}, GOAL_UNKNOWN, 0},
	    {SAYS("agent", "\"started\""), {.state = "ready"}, GOAL_FOLLOW, BOOT_END_STARTED},
	    {SAYS("install", "\"ready\""), {.state = "agent", .was_running = true}, GOAL_FOLLOW,
		BOOT_END_STARTED},
	    {SAYS("local", "\"ready\""), {.state = "agent"}, GOAL_FOLLOW, BOOT_END_READY},
	    {SAYS("later", "\"some word of a newer server\""), {.state = NULL}, GOAL_UNKNOWN, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct goal_facts facts = cases[i].facts;
		enum boot_end end = 0;
		json_t *vm = json_from(cases[i].vm);
		assert_true(goal_told(vm, &facts.expected));
		if (goal_decide(&facts, &end) != cases[i].kind || end != cases[i].end)
			fail_msg("case %zu", i);
		json_decref(vm);
	}
	json_t *old = json_from("{\"state\":\"ready\"}");
	struct goal_expected none;
	assert_false(goal_told(old, &none) || goal_told(NULL, &none));
	json_decref(old);
}

/* The server says the same of a machine that it has just seen: boot_handler/state/test_outlook.c.
 */
static void test_goals_defined(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(boot_expected) / sizeof(*boot_expected); i++) {
		const struct boot_expected *x = &boot_expected[i];
		char text[300];
		snprintf(text, sizeof(text), "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\"%s}",
		    x->fields);
		struct vm *vm = vm_from(text);
		struct goal_expected got = goal_defined(vm, x->has_needed, x->noreboot);
		const char *ends = boot_end_name(got.ends);
		if (strcmp(got.does, x->does) != 0 || strcmp(ends ? ends : "-", x->ends) != 0)
			fail_msg("%s: %s %s", x->fields, got.does, ends);
		assert_int_equal(goal_is_disk(&got), strcmp(x->does, "local") == 0);
		vm_free(vm);
	}
}

#define STALLED(stage, since)                                                                      \
	"{\"state\":\"stalled\",\"outlook\":{\"stage\":\"" stage "\",\"since\":\"" since           \
	"\",\"limit_s\":300}}"

/* A machine that tells of each boot was not ready since it was started, 500 s after 1970. */
#define TELLS(at)                                                                                  \
	"{\"state\":\"ready\",\"changed_at\":\"" at "\",\"cloud_init\":{\"boot_id\":\"a\"}}"

static void test_judge(void **state)
{
	static const struct {
		enum boot_end goal;
		const char *state;
		enum follow_outcome outcome;
	} cases[] = {
	    {BOOT_END_READY, "{\"state\":\"installed\"}", FOLLOW_GOING},
	    {BOOT_END_READY, "{\"state\":\"ready\"}", FOLLOW_ARRIVED},
	    {BOOT_END_READY, "{\"state\":\"failed\"}", FOLLOW_FAILED},
	    {BOOT_END_READY, "{}", FOLLOW_GOING},
	    {BOOT_END_INSTALLED, "{\"state\":\"installed\"}", FOLLOW_ARRIVED},
	    {BOOT_END_INSTALLED, "{\"state\":\"installing\"}", FOLLOW_GOING},
	    {BOOT_END_ANSWERS, "{\"state\":\"ready\"}", FOLLOW_GOING},
	    {BOOT_END_STARTED, "{\"state\":\"failed\"}", FOLLOW_GOING},
	    {BOOT_END_READY, "{\"state\":\"waiting\"}", FOLLOW_GOING},
	    {BOOT_END_READY, STALLED("boot", "1970-01-01T00:10:00.000Z"), FOLLOW_FAILED},
	    {BOOT_END_READY, STALLED("boot", "1970-01-01T00:01:00.000Z"), FOLLOW_GOING},
	    {BOOT_END_STARTED, STALLED("boot", "1970-01-01T00:10:00.000Z"), FOLLOW_GOING},
	    {BOOT_END_READY, STALLED("first-boot", "1970-01-01T00:10:00.000Z"), FOLLOW_FAILED},
	    {BOOT_END_INSTALLED, STALLED("first-boot", "1970-01-01T00:10:00.000Z"), FOLLOW_ARRIVED},
	    {BOOT_END_INSTALLED, STALLED("config", "1970-01-01T00:10:00.000Z"), FOLLOW_FAILED},
	    {BOOT_END_INSTALLED, STALLED("installer", "1970-01-01T00:10:00.000Z"), FOLLOW_FAILED},
	    {BOOT_END_READY, TELLS("1970-01-01T00:08:19Z"), FOLLOW_GOING},
	    {BOOT_END_READY, TELLS("1970-01-01T00:08:21Z"), FOLLOW_ARRIVED},
	    {BOOT_END_INSTALLED, TELLS("1970-01-01T00:08:19Z"), FOLLOW_ARRIVED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct follow_vm vm = {
		    .goal = cases[i].goal, .has_container = true, .begin_ms = 500000};
		json_t *o = json_from(cases[i].state);
		if (follow_judge(&vm, o, 700000) != cases[i].outcome)
			fail_msg("case %zu", i);
		json_decref(o);
	}
}

/* Told to boot the agent it has arrived once that says so, and not before. */
static void test_judge_agent(void **state)
{
	static const struct {
		const char *state, *started;
		enum boot_end goal;
		enum follow_outcome outcome;
	} cases[] = {
	    {"{\"state\":\"agent\"}", NULL, BOOT_END_STARTED, FOLLOW_GOING},
	    {"{\"state\":\"ready\"}", NULL, BOOT_END_STARTED, FOLLOW_GOING},
	    {"{\"state\":\"agent\"}", "in the agent", BOOT_END_STARTED, FOLLOW_ARRIVED},
	    {STALLED("boot", "1970-01-01T00:10:00.000Z"), NULL, BOOT_END_STARTED, FOLLOW_FAILED},
	    {"{\"state\":\"agent\",\"recorded\":\"ready\"}", NULL, BOOT_END_READY, FOLLOW_GOING},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct follow_vm vm = {.goal = cases[i].goal,
		    .begin_ms = 500000,
		    .to_agent = true,
		    .started = cases[i].started};
		json_t *o = json_from(cases[i].state);
		if (follow_judge(&vm, o, 700000) != cases[i].outcome)
			fail_msg("case %zu", i);
		json_decref(o);
	}
}

/* ---- progress -------------------------------------------------------------------------------- */

static void test_progress_fill(void **state)
{
	json_t *o = json_from("{\"text\":\"a\\u001b\",\"data\":{\"celsius\":-3}}");
	char *text = NULL;

	(void)state;
	CAPTURE(text, progress_fill(f, "{text}: {celsius} C, {none}{text", o));
	assert_string_equal(text, "a: -3 C, a");
	free(text);
	json_decref(o);
}

static void test_progress_event(void **state)
{
	static const struct {
		const char *event, *text;
	} cases[] = {
	    {"{\"kind\":\"dhcp\",\"text\":\"10.0.0.1\"}", "DHCP: 10.0.0.1"},
	    {"{\"kind\":\"ipxe\",\"text\":\"install\"}", "iPXE: loads the installer"},
	    {"{\"kind\":\"ipxe\",\"text\":\"local\"}", "iPXE: boots from disk"},
	    {"{\"kind\":\"ipxe\",\"text\":\"new\\u001b[2J\"}", "iPXE: new"},
	    {"{\"kind\":\"phase\",\"phase\":\"rootfs\",\"text\":\"x\"}", "installer: rootfs"},
	    {"{\"kind\":\"state\",\"text\":\"ready\"}", "ready"},
	    {"{\"kind\":\"cloud-init\",\"text\":\"modules-final: runcmd\"}",
		"cloud-init: modules-final: runcmd"},
	    {"{\"kind\":\"state\",\"text\":\"booting\"}", ""},
	    {"{\"kind\":\"dhcp-offer\",\"text\":\"10.0.0.1\"}", ""},
	    {"{\"kind\":\"other\"}", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *o = json_from(cases[i].event);
		char *text = NULL;
		bool worth = false;
		CAPTURE(text, worth = progress_event(f, o, false));
		assert_string_equal(text, cases[i].text);
		assert_int_equal(worth, *cases[i].text != '\0');
		free(text);
		json_decref(o);
	}
}

#define ROOTFS                                                                                     \
	"{\"name\":\"web1\",\"state\":\"installing\",\"phase\":\"rootfs\",\"bytes\":69206016,"     \
	"\"total_bytes\":155189248,\"rate_bytes_per_s\":33554432,\"eta_s\":3}"

static void test_progress_texts(void **state)
{
	static const struct {
		const char *vm, *brief, *detail;
	} cases[] = {
	    {ROOTFS, "installing: rootfs 44 %",
		"rootfs 44 %, 66 MiB of 148 MiB, 32 MiB/s, 3 s left"},
	    {"{\"state\":\"installing\",\"phase\":\"plan\",\"total_bytes\":0,\"eta_s\":null}",
		"installing: plan", "installing: plan"},
	    {"{\"state\":\"failed\",\"error\":{\"phase\":\"format\"}}", "failed: format",
		"failed: format"},
	    {"{\"state\":\"waiting\",\"outlook\":{\"stage\":\"no image\"}}", "waiting: no image",
		"waiting: no image"},
	    {"{\"state\":\"stalled\",\"phase\":\"rootfs\",\"outlook\":{\"stage\":\"rootfs\"}}",
		"stalled: rootfs", "stalled: rootfs"},
	    {"{\"state\":\"ready\",\"phase\":\"reboot\",\"error\":null}", "ready", "ready"},
	    {"{\"state\":\"ready\",\"cloud_init\":{\"errors\":[\"e\"]}}", "ready, with errors",
		"ready, with errors"},
	    {"{\"state\":\"ready\",\"cloud_init\":{\"recoverable_errors\":{\"WARNING\":[\"w\"]}}}",
		"ready, with warnings", "ready, with warnings"},
	    {"{\"state\":\"declared\",\"told\":\"menu\"}", "menu", "menu"},
	    {"{\"state\":\"declared\",\"told\":\"wait\"}", "waiting", "waiting"},
	    {"{\"state\":\"agent\",\"told\":\"agent\",\"agent\":{}}", "agent: waits for orders",
		"agent: waits for orders"},
	    {"{\"state\":\"declared\",\"told\":\"boot\"}", "in its boot image",
		"in its boot image"},
	    {"{\"state\":\"declared\",\"told\":null}", "declared", "declared"},
	    {"{\"state\":\"declared\",\"told\":\"local\"}", "declared", "declared"},
	    {"{\"state\":\"ready\",\"told\":\"menu\"}", "menu (ready)", "menu (ready)"},
	    {"{\"state\":\"ready\",\"told\":\"shell\"}", "ready", "ready"},
	    {"{\"state\":\"failed\",\"told\":\"wait\",\"error\":{\"phase\":\"format\"}}",
		"failed: format", "failed: format"},
	    {"{\"state\":\"waiting\",\"told\":\"wait\",\"outlook\":{\"stage\":\"no image\"}}",
		"waiting: no image", "waiting: no image"},
	    {"{\"state\":\"installed\",\"cloud_init\":{\"status\":\"booting\"}}",
		"installed: booting", "installed: booting"},
	    {"{\"state\":\"installed\",\"cloud_init\":{\"stage\":\"modules-final: runcmd\"}}",
		"installed: modules-final: runcmd", "installed: modules-final: runcmd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *o = json_from(cases[i].vm);
		char *text = NULL;
		CAPTURE(text, progress_state(f, o));
		assert_string_equal(text, cases[i].brief);
		free(text);
		CAPTURE(text, progress_detail(f, o));
		assert_string_equal(text, cases[i].detail);
		free(text);
		json_decref(o);
	}
}

static void test_status_line(void **state)
{
	json_t *web = json_from(ROOTFS),
	       *db = json_from("{\"name\":\"db1\",\"state\":\"booting\"}");
	struct progress_item items[] = {
	    {.vm = web, .stage = "rootfs", .stage_ms = 100},
	    {.vm = db, .stage = "firmware", .stage_ms = 3900},
	};
	char *text = NULL;

	(void)state;
	CAPTURE(text, progress_status_line(f, items, 2, 80));
	assert_string_equal(text, "web1  rootfs 44 %  |  db1  firmware 3 s");
	free(text);
	CAPTURE(text, progress_status_line(f, items, 1, 80));
	assert_string_equal(text, "web1  rootfs 44 %, 66 MiB of 148 MiB, 32 MiB/s, 3 s left");
	free(text);
	CAPTURE(text, progress_status_line(f, items, 2, 9));
	assert_string_equal(text, "web1  roo");
	free(text);
	json_decref(web);
	json_decref(db);
}

static void test_failure(void **state)
{
	json_t *o =
	    json_from("{\"name\":\"web1\",\"error\":{\"phase\":\"plan\",\"reason\":\"too small\","
		      "\"hint\":\"give it 4G\"},\"log\":\"a\\nb\\nc\\n\"}");
	char *text = NULL;

	(void)state;
	CAPTURE(text, progress_failure(f, o, 2));
	assert_string_equal(text, "web1 failed to install\n"
				  "  phase   plan\n"
				  "  reason  too small\n"
				  "  hint    give it 4G\n"
				  "  the installer's last lines:\n"
				  "    b\n"
				  "    c\n");
	free(text);
	CAPTURE(text, progress_installer_log(f, o));
	assert_string_equal(text, "web1 failed to install\n"
				  "  phase   plan\n"
				  "  reason  too small\n"
				  "  hint    give it 4G\n"
				  "  the installer's last lines:\n"
				  "a\nb\nc\n");
	free(text);
	json_object_set_new(o, "error", json_null());
	json_object_set_new(o, "state", json_string("ready"));
	CAPTURE(text, progress_installer_log(f, o));
	assert_string_equal(text, "a\nb\nc\n");
	free(text);
	json_object_set_new(o, "state", json_string("booting"));
	CAPTURE(text, progress_installer_log(f, o));
	assert_string_equal(text,
	    "web1 is booting; these are the last lines of the install before\n"
	    "a\nb\nc\n");
	free(text);
	json_decref(o);
}

/* ---- ls -------------------------------------------------------------------------------------- */

static void test_table(void **state)
{
	json_t *vms = json_from(
	    "[{\"name\":\"db1\",\"state\":\"ready\",\"ip\":\"10.0.0.2\",\"arch\":\"arm64\","
	    "\"distro\":"
	    "\"debian-13\",\"container\":\"exited\",\"power\":\"stopped\",\"changed_at\":\"1970-01-01T00:00:00Z\"},"
	    "{\"name\":\"new1\",\"state\":null,\"ip\":null,\"container\":null},"
	    "{\"name\":\"web1\",\"state\":\"failed\",\"container\":\"running\",\"power\":\"on\",\"error\":{"
	    "\"phase\":\"plan\","
	    "\"reason\":\"too\\nsmall\"}}]");
	struct table table = {.now_ms = 120000};
	char *text = NULL;

	table_usual(&table, false);

	(void)state;
	CAPTURE(text, table_print(f, &table, vms));
	assert_string_equal(text,
	    "NAME  STATE            IP        ARCH   DISTRO     AGE    ERROR\n"
	    "db1   stopped (ready)  10.0.0.2  arm64  debian-13  2 min\n"
	    "new1  -                -         -      -          -\n"
	    "web1  failed: plan     -         -      -          -      too?small\n");
	free(text);
	json_decref(vms);

	/* A failure's text is never cut. */
	char reason[901];
	memset(reason, 'r', 900);
	reason[900] = '\0';
	vms = json_pack(
	    "[{s:s, s:s, s:{s:s}}]", "name", "web1", "state", "failed", "error", "reason", reason);
	CAPTURE(text, table_print(f, &table, vms));
	assert_non_null(strstr(text, reason));
	free(text);
	json_decref(vms);
}

static void test_narrow_table(void **state)
{
	json_t *vms = json_from(
	    "[{\"name\":\"web1\",\"state\":\"installed\",\"ip\":\"10.0.0.2\",\"changed_at\":\"1970-01-01T00:00:00Z\","
	    "\"cloud_init\":{\"status\":\"running\",\"stage\":\"modules-config: check-cache\"}},"
	    "{\"name\":\"db1\",\"state\":\"ready\",\"ip\":\"10.0.0.3\",\"power\":\"stopped\"}]");
	struct table table = {.now_ms = 120000, .width = 50};
	char *text = NULL;

	(void)state;
	table_usual(&table, false);
	CAPTURE(text, table_print(f, &table, vms));
	assert_string_equal(text, "NAME  STATE                      IP        AGE\n"
				  "web1  installed: modules-config  10.0.0.2  2 min\n"
				  "db1   stopped (ready)            10.0.0.3  -\n");
	free(text);
	table.width = 41;
	CAPTURE(text, table_print(f, &table, vms));
	assert_string_equal(text, "NAME  STATE                      IP\n"
				  "web1  installed: modules-config  10.0.0.2\n"
				  "db1   stopped (ready)            10.0.0.3\n");
	free(text);
	table.width = 40;
	CAPTURE(text, table_print(f, &table, vms));
	assert_string_equal(text, "NAME  STATE\n"
				  "web1  installed: modules-config\n"
				  "db1   stopped (ready)\n");
	free(text);
	json_decref(vms);
}

/* ---- keys, ssh ------------------------------------------------------------------------------- */

static void test_known_hosts(void **state)
{
	json_t *keys = json_pack("[s, s, s, s, s, i]", KEY " root@web1\n", "ssh-ed25519 short",
	    "@cert-authority * " KEY, KEY "\nevil " KEY, "ssh-dss AAAA", 7);

	(void)state;
	char *text = keys_render_known_hosts("web1.lab7.vmlab", keys);
	assert_string_equal(text, "web1.lab7.vmlab " KEY "\nweb1.lab7.vmlab " KEY "\n");
	free(text);
	json_decref(keys);
	keys = json_array();
	assert_null(keys_render_known_hosts("x", keys));
	json_decref(keys);
	assert_null(keys_render_known_hosts("x", NULL));
}

static void test_keys_on_disk(void **state)
{
	char home[] = "/tmp/test_vmlab.XXXXXX", command[200];
	struct lab lab = LAB_INIT;
	struct err e = ERR_INIT;
	struct stat st;
	bool created;

	(void)state;
	if (!process_available("ssh-keygen"))
		skip();
	assert_non_null(mkdtemp(home));
	lab.home = strdup(home);
	lab.name = strdup("lab7");
	assert_int_equal(keys_ensure(&lab, &created, &e), 0);
	assert_true(created);
	assert_int_equal(keys_ensure(&lab, &created, &e), 0);
	assert_false(created);
	json_t *keys = json_pack("[s]", KEY);
	assert_int_equal(keys_remember_host(&lab, "web1", keys, &e), 0);
	json_decref(keys);
	char *path = keys_known_hosts_path(&lab, "web1");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	keys_forget_host(&lab, "web1");
	assert_int_equal(stat(path, &st), -1);
	free(path);
	lab_clear(&lab);
	snprintf(command, sizeof(command), "rm -r %s", home);
	assert_int_equal(system(command), 0);
}

static void test_ssh_words(void **state)
{
	static const struct {
		const char *words[8];
		int options_end, name, command_begin;
		bool unverified, has_user;
	} cases[] = {
	    {{"ssh", "web1"}, 1, 1, 2, false, false},
	    {{"ssh", "web1", "ls", "-l"}, 1, 1, 2, false, false},
	    {{"ssh", "web1", "--", "ls", "--", "x"}, 1, 1, 3, false, false},
	    {{"ssh", "-L", "1:h:2", "web1"}, 3, 3, 4, false, false},
	    {{"ssh", "-l", "root", "web1"}, 3, 3, 4, false, true},
	    {{"ssh", "-lroot", "-tt", "web1"}, 3, 3, 4, false, true},
	    {{"ssh", "-tL", "1:h:2", "--", "web1"}, 3, 4, 5, false, false},
	    {{"ssh", "--unverified", "-v", "web1"}, 3, 3, 4, true, false},
	};
	struct ssh_words w;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int argc = 0;
		while (cases[i].words[argc])
			argc++;
		assert_int_equal(ssh_words_parse(argc, (char **)cases[i].words, &w, &e), 0);
		if (w.options_end != cases[i].options_end || w.name != cases[i].name ||
		    w.command_begin != cases[i].command_begin ||
		    w.unverified != cases[i].unverified || w.has_user != cases[i].has_user)
			fail_msg("case %zu", i);
	}
	char *none[] = {"ssh", "-L", NULL}, *empty[] = {"ssh", NULL};
	assert_int_equal(ssh_words_parse(2, none, &w, &e), -EINVAL);
	assert_int_equal(ssh_words_parse(1, empty, &w, &e), -EINVAL);
}

static void test_ssh_args(void **state)
{
	static const char *const wanted[] = {"-F",
	    "-oProxyCommand='/usr/bin/docker' exec -i lab7-net nc -q0 10.0.0.2 22",
	    "-oHostKeyAlias=web1.lab7.vmlab", "-oIdentityFile=\"/root/lab home/id_ed25519\"",
	    "-oUserKnownHostsFile=\"/root/lab home/known_hosts/lab7/web1\"",
	    "-oStrictHostKeyChecking=yes", "-llab", "web1", "id", "-u"};
	struct ssh_target t = {
	    .client = "/usr/bin/docker", .name = "web1", .user = "lab", .ip = "10.0.0.2"};
	char *argv[] = {"ssh", "web1", "id", "-u", NULL};
	_cleanup_argv_ struct argv a = ARGV_INIT, none = ARGV_INIT;
	struct ssh_words w;
	struct err e = ERR_INIT;
	struct lab lab;

	(void)state;
	lab_for_test(&lab);
	assert_int_equal(ssh_words_parse(4, argv, &w, &e), 0);
	assert_int_equal(ssh_args(&lab, &t, &w, argv, 4, &a, &e), 0);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!has(&a, wanted[i]))
			fail_msg("%s is missing", wanted[i]);
	t.ip = "10.0.0.2; reboot";
	assert_int_equal(ssh_args(&lab, &t, &w, argv, 4, &none, &e), -EINVAL);
	t.ip = "10.0.0.2";
	t.user = "-oProxyCommand=x";
	assert_int_equal(ssh_args(&lab, &t, &w, argv, 4, &none, &e), -EINVAL);
	t.user = NULL;
	assert_int_equal(ssh_args(&lab, &t, &w, argv, 4, &none, &e), -EAGAIN);
	t.nobody = true;
	assert_int_equal(ssh_args(&lab, &t, &w, argv, 4, &none, &e), -EACCES);
	assert_non_null(strstr(e.msg, "nobody can log in to web1"));
	t.nobody = false;
	t.user = "lab";
	t.client = "/tmp/it's/docker";
	assert_int_equal(ssh_args(&lab, &t, &w, argv, 4, &none, &e), -EINVAL);
	lab_clear(&lab);
}

/* ---- new, problems, host --------------------------------------------------------------------- */

static void test_taken(void **state)
{
	static const struct {
		const char *text, *field;
	} others[] = {
	    {"{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"ip\":\"10.0.0.1\"}", NULL},
	    {"{\"name\":\"db1\"}", "name"},
	    {"{\"mac\":\"52-54-00-AA-00-02\"}", "mac"}, /* the same in other words */
	    {"{\"ip\":\"10.0.0.2/24\",\"cpus\":\"broken\"}", "ip"},
	    {"{\"ip\":\"10.0.0.2\"", NULL}, /* says nothing yet */
	    {"", NULL},
	};
	struct define_words words = {.name = "db1", .mac = "52:54:00:aa:00:02", .ip = "10.0.0.2"};
	struct define_claims claims;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(define_claims_of(&words, &claims, &e), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		const char *field = define_taken(&claims, others[i].text, strlen(others[i].text));
		if (others[i].field)
			assert_string_equal(field, others[i].field);
		else
			assert_null(field);
	}
	words.ip = "10.0.0.x";
	assert_int_equal(define_claims_of(&words, &claims, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "--ip"));
}

static void test_define(void **state)
{
	uint32_t used[] = {0xc0a8640a, 0xc0a8640b};
	struct cidr4 net = {.prefix = 24}, tiny = {.prefix = 29}, small = {.prefix = 27};
	struct mac mac = define_mac(0xff010203);
	char text[MAC_TEXT_SIZE];

	(void)state;
	inet_pton(AF_INET, "192.168.100.1", &net.addr);
	small.addr = tiny.addr = net.addr;
	assert_int_equal(define_free_ip(&net, NULL, 0), 0xc0a8640a);
	assert_int_equal(define_free_ip(&net, used, 2), 0xc0a8640c);
	assert_int_equal(define_free_ip(&small, NULL, 0), 0xc0a86402);
	assert_int_equal(define_free_ip(&tiny, NULL, 0), 0);
	assert_string_equal(mac_format(&mac, text), "52:54:00:01:02:03");

	uint32_t all[128];
	for (uint32_t i = 0; i < 128; i++)
		all[i] = 0xc0a86400 + i;
	assert_int_equal(define_free_ip(&net, all, 128), 0);

	struct define_words words = {.name = "db1",
	    .mac = text,
	    .ip = "192.168.100.12",
	    .arch = "arm64",
	    .distro = "debian-13",
	    .cpus = "4",
	    .memory = "2G",
	    .disk = "20G",
	    .more = json_pack("{s:o, s:o}", "pxeboot", vm_field_value("pxeboot", "false", NULL),
		"role", vm_field_value("role", "db", NULL))};
	char *doc = define_render(&words);
	json_decref(words.more);
	struct vm *vm = vm_from(doc);
	assert_string_equal(vm->name, "db1");
	assert_int_equal(vm->cpus, 4);
	assert_int_equal(vm->memory_bytes, UINT64_C(2) << 30);
	assert_int_equal(vm->disk_bytes[0], UINT64_C(20) << 30);
	assert_int_equal(vm->arch, VM_ARCH_ARM64);
	assert_false(vm->pxeboot);
	assert_string_equal(vm->role, "db");
	assert_null(vm_field_value("cpus", "two", NULL));
	assert_null(vm_field_value("pxeboot", "yes", NULL));
	assert_null(vm_field_value("disks", "[]", NULL));
	assert_null(vm_field_value("colour", "red", NULL));
	vm_free(vm);
	free(doc);
}

static void test_problem(void **state)
{
	char *text = NULL;

	(void)state;
	CAPTURE(
	    text, problem_print(f, "vms", "a.json", (struct vm_where){3, 7}, false, "bad\n\"x\""));
	assert_string_equal(text, "vms/a.json:3:7: bad?\"x\"\n");
	free(text);
	CAPTURE(text, problem_print(f, NULL, "a.json", (struct vm_where){0, 0}, true, "odd"));
	assert_string_equal(text, "a.json: warning: odd\n");
	free(text);
}

static void test_cpuinfo(void **state)
{
	(void)state;
	assert_true(
	    host_cpuinfo_virtualises("processor: 0\nflags\t\t: fpu vmx sse\n", VM_ARCH_AMD64));
	assert_true(host_cpuinfo_virtualises("flags : a svm", VM_ARCH_AMD64));
	assert_false(host_cpuinfo_virtualises(
	    "flags : a svm_lock xsvm vmxx\nvmx flags : vmx\n", VM_ARCH_AMD64));
	assert_false(host_cpuinfo_virtualises(NULL, VM_ARCH_AMD64));
	assert_true(host_cpuinfo_virtualises("", VM_ARCH_ARM64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_taken),
	    cmocka_unit_test(test_human_numbers),
	    cmocka_unit_test(test_human_clean),
	    cmocka_unit_test(test_duration),
	    cmocka_unit_test(test_two_readings),
	    cmocka_unit_test(test_stack_args),
	    cmocka_unit_test(test_vm_args),
	    cmocka_unit_test(test_vm_uuid),
	    cmocka_unit_test(test_spec_diff),
	    cmocka_unit_test(test_start_decide),
	    cmocka_unit_test(test_container_list),
	    cmocka_unit_test(test_lab_names),
	    cmocka_unit_test(test_lab_default_names),
	    cmocka_unit_test(test_was_running),
	    cmocka_unit_test(test_goals),
	    cmocka_unit_test(test_goals_defined),
	    cmocka_unit_test(test_judge),
	    cmocka_unit_test(test_judge_agent),
	    cmocka_unit_test(test_progress_event),
	    cmocka_unit_test(test_progress_fill),
	    cmocka_unit_test(test_progress_texts),
	    cmocka_unit_test(test_status_line),
	    cmocka_unit_test(test_failure),
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_narrow_table),
	    cmocka_unit_test(test_known_hosts),
	    cmocka_unit_test(test_keys_on_disk),
	    cmocka_unit_test(test_ssh_words),
	    cmocka_unit_test(test_ssh_args),
	    cmocka_unit_test(test_define),
	    cmocka_unit_test(test_problem),
	    cmocka_unit_test(test_cpuinfo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
