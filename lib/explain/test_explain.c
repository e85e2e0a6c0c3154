/* Each rule with the facts that make it the first broken link; what is no fault; the JSON and what
 * people read of it; consoles as firmware, iPXE and kernels write them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/test_capture.h"
#include "lib/definition/disk_choice.h"
#include "lib/explain/console.h"
#include "lib/explain/explain.h"
#include "lib/plan/plan.h"

#define S INT64_C(1000)
#define NOW (1800000000 * S)
#define AGO(s) (NOW - (s) * S)

static struct explain_facts f;

static void begin(enum machine_state state)
{
	memset(&f, 0, sizeof(f));
	snprintf(f.name, sizeof(f.name), "web1");
	f.now_ms = NOW;
	explain_see(&f, EXPLAIN_STACK, 0, NULL, NULL, NULL);
	explain_see(&f, EXPLAIN_DEFINITION, 0, "web1.json", NULL, NULL);
	explain_see(&f, EXPLAIN_IMAGE, 0, "debian-13", NULL, NULL);
	explain_see(&f, EXPLAIN_STATE, AGO(600), machine_state_name(state), NULL, NULL);
}

#define SEE(sign, ago, about, from, what)                                                          \
	explain_see(&f, EXPLAIN_##sign, AGO(ago), about, from, what)

/* A machine on its way: as far as `steps` goes, the last of them `ago` seconds before now. */
static void walk(int steps, int ago)
{
	static const struct {
		enum explain_sign sign;
		const char *about, *from;
	} way[] = {{EXPLAIN_POWER, NULL, NULL}, {EXPLAIN_DISCOVER, NULL, "dnsmasq"},
	    {EXPLAIN_OFFER, "192.168.100.10", "dnsmasq"},
	    {EXPLAIN_ADDRESS, "192.168.100.10", "dnsmasq"},
	    {EXPLAIN_TFTP, "ipxe-x86_64.efi", "192.168.100.10"},
	    {EXPLAIN_TFTP, "autoexec.ipxe", "192.168.100.10"},
	    {EXPLAIN_ASKED, "install", "192.168.100.10"},
	    {EXPLAIN_FETCH, "initrd", "192.168.100.10"},
	    {EXPLAIN_PHASE, "network", "192.168.100.10"}};

	for (int i = 0; i < steps; i++)
		explain_see(&f, way[i].sign, AGO(ago + 2 * (steps - 1 - i)), way[i].about,
		    way[i].from, NULL);
}

enum { NOTHING, POWERED, DISCOVERED, OFFERED, ADDRESSED, LOADED, SCRIPTED, ASKED, FETCHED, BEGUN };

static void failed(const char *phase, const char *what)
{
	begin(MACHINE_FAILED);
	walk(BEGUN, 30);
	SEE(FAILED, 10, phase, "192.168.100.10", what);
	snprintf(f.seen[EXPLAIN_FAILED].hint, EXPLAIN_TEXT_SIZE, "do it");
}

static void stalled(enum machine_state state, int steps, const char *stage)
{
	begin(state);
	walk(steps, 1000);
	SEE(STALLED, 10, stage, NULL, "it has not got on for 5 min");
	snprintf(f.seen[EXPLAIN_STALLED].hint, EXPLAIN_TEXT_SIZE, "look");
}

static void console(enum machine_state state, int steps, const char *text)
{
	_cleanup_free_ char *copy = strdup(text);

	begin(state);
	walk(steps, 5);
	explain_console(&f, copy);
}

/* ---- a fault a rule ---------------------------------------------------------------------- */

#define WITH(fn, sign, text)                                                                       \
	static void fn(void)                                                                       \
	{                                                                                          \
		begin(MACHINE_DECLARED);                                                           \
		SEE(sign, 5, "web1", NULL, text);                                                  \
	}

WITH(no_engine, NO_ENGINE, "there is no container engine")
WITH(stack_down, STACK_DOWN, "its container has ended with status 1")
WITH(api_silent, API_SILENT, "connection refused")
WITH(service_down, SERVICE_DOWN, "dnsmasq: timed out")
WITH(not_ready, NOT_READY, "the folder of images cannot be read")
WITH(stranger, STRANGER, "it shows serial ABC")
WITH(claimed, CLAIMED, "\"mac\" 52:54:00:00:00:01 belongs to db1.json already")
WITH(file_refused, FILE_REFUSED, "web1.json:3:5: \"cpus\" is no number")
WITH(file_broken, FILE_BROKEN, "web1.json:3:5: \"cpus\" is no number")
WITH(hopeless, HOPELESS, "\"disks\": it has no disk to install on")
WITH(image_other_arch, IMAGE_OTHER_ARCH, "no image debian-13 for arm64")
WITH(image_cut, IMAGE_CUT, "its file rootfs.tar.zst has 5 bytes, the manifest says 9")
WITH(image_absent, IMAGE_ABSENT, "no image debian-13 for amd64")
WITH(own_file, OWN_FILE, "kernel is missing")
WITH(vm_killed, VM_KILLED, "status 137")
WITH(vm_crashed, VM_CRASHED, "status 1: qemu-system-x86_64: cannot set up guest memory")
WITH(vm_stopped, VM_STOPPED, "it ended with status 0")
WITH(vm_absent, VM_ABSENT, NULL)

static void wrong_arch(void)
{
	begin(MACHINE_BOOTING);
	walk(ASKED, 5);
	SEE(WRONG_ARCH, 5, NULL, NULL, "it is arm64");
}

static void netboot_off(void)
{
	begin(MACHINE_DECLARED);
	walk(ADDRESSED, 30);
	SEE(NETBOOT_OFF, 0, NULL, "operator", NULL);
}

static void no_discover(void)
{
	begin(MACHINE_DECLARED);
	walk(POWERED, 61);
}

static void discover_vain(void)
{
	begin(MACHINE_DECLARED);
	walk(DISCOVERED, 5);
	SEE(DISCOVER_VAIN, 5, NULL, "dnsmasq", "no address available");
}

static void address_in_use(void)
{
	begin(MACHINE_DECLARED);
	walk(ADDRESSED, 10);
	SEE(DECLINE, 5, NULL, "dnsmasq", "it does not take 192.168.100.10");
}

static void nak_of_another(void)
{
	begin(MACHINE_DECLARED);
	walk(OFFERED, 5);
	SEE(NAK, 2, NULL, "dnsmasq", "it is refused 10.0.0.9: wrong server-ID");
}

static void nak(void)
{
	begin(MACHINE_DECLARED);
	walk(DISCOVERED, 40);
	SEE(NAK, 20, NULL, "dnsmasq", "it is refused 10.0.0.9: wrong network");
}

static void offer_not_taken(void)
{
	begin(MACHINE_DECLARED);
	walk(OFFERED, 16);
}

static void other_address(void)
{
	begin(MACHINE_DECLARED);
	walk(OFFERED, 5);
	SEE(ASKED, 1, "install", "10.0.0.9", NULL);
}

static void address_differs(void)
{
	begin(MACHINE_READY);
	SEE(DIFFERS, 0, NULL, NULL,
	    "\"ip\" declares 192.168.100.11 and the machine has 192.168.100.10");
}

/* As dnsmasq writes it, among what is said of others. */
static void tftp_failed(void)
{
	char log[] = "dnsmasq-dhcp[7]: DHCPACK(lab0) 192.168.100.10 52:54:00:00:00:01\n"
		     "dnsmasq-tftp[7]: failed sending /srv/tftp/undionly.kpxe to 192.168.100.1\n"
		     "dnsmasq-tftp[7]: failed sending /srv/tftp/ipxe-x86_64.efi to 192.168.100.10\n"
		     "10.0.0.1 192.168.100.10\n";

	begin(MACHINE_DECLARED);
	walk(ADDRESSED, 10);
	explain_stack_log(&f, log);
	assert_int_equal(f.seen[EXPLAIN_TFTP_FAILED].count, 1);
}

static void secure_boot(void)
{
	console(MACHINE_DECLARED, LOADED,
	    "BdsDxe: failed to load Boot0001 \"UEFI PXEv4 (MAC:525400123456)\": Access Denied\r\n");
}

/* The screens of OVMF, and of iPXE as a card's ROM under SeaBIOS, where TFTP is dropped. */
static void tftp_timeout(void)
{
	console(MACHINE_DECLARED, ADDRESSED,
	    ">>Start PXE over IPv4.\r\n  Station IP address is 192.168.100.142\r\n\r\n"
	    "  NBP filename is ipxe-x86_64.efi\r\n  NBP filesize is 0 Bytes\r\n"
	    "  PXE-E18: Server response timeout.\r\n");
}

static void firmware_gave_up(void)
{
	console(MACHINE_DECLARED, DISCOVERED, "  PXE-E16: No valid offer received.\n");
}

static void nothing_booted(void)
{
	console(MACHINE_DECLARED, ADDRESSED, "No bootable device.\n");
}

static void loader_not_fetched(void)
{
	begin(MACHINE_DECLARED);
	walk(ADDRESSED, 21);
}

/* Its firmware asks for an address again for what it tries next. */
static void loader_silent(void)
{
	begin(MACHINE_DECLARED);
	walk(LOADED, 31);
	SEE(ADDRESS, 26, "192.168.100.10", "dnsmasq", NULL);
}

/* On iPXE's screen, where HTTP is dropped. It asks for an address again before it tries again. */
static void script_unreached(void)
{
	console(MACHINE_DECLARED, NOTHING,
	    "http://192.168.100.1/ipxe.... [connecting]\b\b\b\b\b\b\b\b\b\b\b\b            "
	    "\b\b\b\b\b\b\b\b\b\b\b\b. Connection timed out (https://ipxe.org/4c0a6092)\r\n"
	    "No answer from http://192.168.100.1/ipxe: asking again in 5 seconds (m: menu)");
	walk(SCRIPTED, 71);
	SEE(ADDRESS, 14, "192.168.100.10", "dnsmasq", NULL);
}

static void refused(void)
{
	begin(MACHINE_BOOTING);
	walk(ASKED, 10);
	SEE(REFUSED, 5, NULL, "192.168.100.99", "its configuration is for 192.168.100.10 alone");
}

static void kernel_missing(void)
{
	begin(MACHINE_BOOTING);
	walk(ASKED, 10);
	SEE(FETCH_FAILED, 5, NULL, "192.168.100.10", "/images/x/vmlinuz, status 404");
}

static void ipxe_memory(void)
{
	console(MACHINE_BOOTING, ASKED,
	    "http://192.168.100.1/initrds/amd64/initrd.zst... Not enough space (https://ipxe.org/31232006)\n");
	assert_int_equal(f.seen[EXPLAIN_CONSOLE_MEMORY].count, 1);
	console(MACHINE_BOOTING, ASKED, /* OVMF with 128 MiB */
	    "http://192.168.100.1/images/debian-13/amd64/modules.cpio.zst... ok\r\n"
	    "EFI stub: ERROR: Failed to decompress kernel\r\n"
	    "EFI stub: ERROR: efi_stub_entry() failed!\r\n"
	    "Could not boot: Error 0x7f048289 (https://ipxe.org/7f048289)\r\n"
	    "vmlab: loading failed, asking again in 10 s\r\n");
}

static void ipxe_error(void)
{
	console(MACHINE_BOOTING, ASKED, "Connection reset (https://ipxe.org/0f0a6095)\n");
}

static void kernel_panic(void)
{
	console(MACHINE_BOOTING, FETCHED,
	    "[    1.2] Kernel panic - not syncing: System is deadlocked on memory\n");
}

static void installer_memory(void)
{
	console(MACHINE_INSTALLING, BEGUN, "Out of memory: Killed process 99 (os-installer)\n");
}

static void boot_loop(void)
{
	begin(MACHINE_BOOTING);
	walk(FETCHED, 5);
	SEE(LOOP, 5, NULL, NULL,
	    "iPXE came back 4 times in 40 s and the installer has not started");
}

static void kernel_not_fetched(void)
{
	begin(MACHINE_BOOTING);
	walk(ASKED, 31);
}

static void kernel_silent(void)
{
	begin(MACHINE_BOOTING);
	walk(FETCHED, 121);
}

static void boot_stalled(void)
{
	stalled(MACHINE_BOOTING, NOTHING, "boot");
	SEE(ASKED, 900, "boot", "192.168.100.10", NULL);
}

static void network_failed(void)
{
	failed("network", "no answer");
}
static void network_stalled(void)
{
	stalled(MACHINE_INSTALLING, BEGUN, "network");
}
static void config_failed(void)
{
	failed("config", "the configuration is for arm64, this machine is amd64");
}
static void config_stalled(void)
{
	stalled(MACHINE_INSTALLING, BEGUN, "config");
}

/* The installer's own sentences, of which rules know some. */
static const char *plan_says(const struct disk *disks, size_t count, const char *match)
{
	static struct err e;
	struct storage storage;
	struct disk_match wanted;
	struct json_path bad;
	struct plan plan;
	json_t *json = match ? json_loads(match, 0, NULL) : NULL;

	e = (struct err)ERR_INIT;
	storage_default(&storage);
	struct plan_request q = {.storage = &storage,
	    .unpacked_bytes = UINT64_C(1) << 30,
	    .match = json ? &wanted : NULL};
	if (json)
		assert_int_equal(disk_match_parse(json, &wanted, &bad, &e), 0);
	assert_true(plan_make(&q, disks, count, &plan, &e) < 0);
	json_decref(json);
	return e.msg;
}

static const struct disk small = {
    .name = "vda", .path = "/dev/vda", .sector_bytes = 512, .size_bytes = 100 << 20};

static void no_disk(void)
{
	failed("plan", plan_says(NULL, 0, NULL));
}
static void no_disk_matches(void)
{
	failed("plan", plan_says(&small, 1, "{\"serial\": \"other\"}"));
}
static void disk_too_small(void)
{
	failed("plan", plan_says(&small, 1, NULL));
}
static void image_damaged(void)
{
	failed("rootfs",
	    "http://192.168.100.1/x does not match its manifest: bytes 0 to 9 have the wrong SHA-256");
}
static void hook_failed(void)
{
	failed("hooks", "hooks.post_install ended with status 3");
	SEE(LOG, 10, NULL, NULL, "cp: cannot stat 'x' / status 3");
}
static void install_failed(void)
{
	failed("format", "mkfs.ext4 ended with status 1");
}
static void install_stalled(void)
{
	stalled(MACHINE_INSTALLING, BEGUN, "rootfs");
}

static void disk_marked(void)
{
	begin(MACHINE_INSTALLED);
	walk(BEGUN, 20);
	SEE(INSTALLED, 10, NULL, NULL, NULL);
	SEE(MARKED, 0, NULL, NULL, "already installed: /dev/vda says so");
}

static void no_boot_device(void)
{
	console(MACHINE_INSTALLED, BEGUN, "BdsDxe: No bootable option or device was found.\n");
}
static void no_root(void)
{
	console(MACHINE_INSTALLED, BEGUN, "Gave up waiting for root file system device.\n");
}
static void system_panic(void)
{
	console(MACHINE_READY, BEGUN, "Kernel panic - not syncing: Fatal exception\n");
}

static void came_back(void)
{
	begin(MACHINE_INSTALLED);
	walk(BEGUN, 300);
	SEE(INSTALLED, 250, NULL, NULL, NULL);
	for (int i = 2; i >= 0; i--)
		SEE(CAME_BACK, i * 60, "local", "192.168.100.10", NULL);
}

/* From a disk that an order filled, 700 s ago: where it is since. */
static void sent_to_disk(void)
{
	begin(MACHINE_INSTALLED);
	walk(ASKED, 900);
	SEE(AGENT, 890, NULL, "192.168.100.10", NULL);
	SEE(INSTALLED, 710, NULL, NULL, NULL);
	SEE(DEPLOYED, 710, "deployed", NULL, NULL);
	SEE(CAME_BACK, 700, "local", "192.168.100.10", NULL);
	SEE(HEARD, 700, NULL, NULL, NULL);
}
static void returned(void)
{
	sent_to_disk();
	SEE(RETURNED, 650, "agent", "192.168.100.10", NULL);
	SEE(AGENT, 640, NULL, "192.168.100.10", NULL);
}

static void cloud_init_failed(void)
{
	begin(MACHINE_READY);
	SEE(CLOUD_INIT_ERRORS, 5, NULL, NULL, "runcmd failed");
}
static void no_ready_call(void)
{
	stalled(MACHINE_INSTALLED, BEGUN, "first-boot");
}

static void order(enum explain_sign sign, const char *what)
{
	begin(MACHINE_READY);
	explain_see(&f, sign, AGO(90), "memtest", NULL, what)->count = 7;
}
static void order_failed(void)
{
	order(EXPLAIN_ORDER_FAILED, "bits differ");
}
static void agent_silent(void)
{
	order(EXPLAIN_ORDER_SILENT, "it was last heard of 90 s ago");
}
static void order_waits(void)
{
	order(EXPLAIN_ORDER_WAITS, "its agent is not running");
}

static const struct {
	const char *rule;
	void (*make)(void);
	const char *sentence; /* a part of it */
} cases[] = {
    {"no-engine", no_engine, "no container engine can be reached: there is no"},
    {"stack-down", stack_down, "status 1"},
    {"api-silent", api_silent, "boot_handler does not answer: connection refused"},
    {"service-down", service_down, "dnsmasq: timed out"},
    {"not-ready", not_ready, "images cannot be read"},
    {"no-definition", stranger, "serial ABC"},
    {"claimed", claimed, "belongs to db1.json"},
    {"definition-refused", file_refused, "web1.json:3:5"},
    {"definition-broken", file_broken, "last good version of it is in force: web1.json:3:5"},
    {"hopeless", hopeless, "it has no disk to install on"},
    {"image-other-arch", image_other_arch, "for arm64"},
    {"image-cut", image_cut, "has 5 bytes"},
    {"image-missing", image_absent, "for amd64"},
    {"own-file-missing", own_file, "kernel is missing"},
    {"vm-killed", vm_killed, "137"},
    {"vm-crashed", vm_crashed, "guest memory"},
    {"vm-stopped", vm_stopped, "status 0"},
    {"vm-absent", vm_absent, "never started"},
    {"no-discover", no_discover, "no DHCP request"},
    {"discover-vain", discover_vain, "no address available"},
    {"address-in-use", address_in_use, "192.168.100.10"},
    {"other-server", nak_of_another, "wrong server-ID"},
    {"address-refused", nak, "wrong network"},
    {"offer-not-taken", offer_not_taken, "192.168.100.10 1 times"},
    {"other-address", other_address, "192.168.100.10 and calls from 10.0.0.9"},
    {"address-differs", address_differs, "declares 192.168.100.11"},
    {"netboot-off", netboot_off, "is off"},
    {"tftp-failed", tftp_failed, "failed sending /srv/tftp/ipxe-x86_64.efi"},
    {"secure-boot", secure_boot, "Secure Boot is on"},
    {"tftp-timeout", tftp_timeout, "does not come by TFTP: PXE-E18: Server response timeout."},
    {"firmware-gave-up", firmware_gave_up, "PXE-E16: No valid offer"},
    {"nothing-booted", nothing_booted, "No bootable device"},
    {"loader-not-fetched", loader_not_fetched, "192.168.100.10 21 s ago"},
    {"loader-silent", loader_silent, "ipxe-x86_64.efi 31 s ago"},
    {"script-unreached", script_unreached, "iPXE runs"},
    {"wrong-arch", wrong_arch, "it is arm64"},
    {"refused", refused, "alone"},
    {"kernel-missing", kernel_missing, "status 404"},
    {"ipxe-memory", ipxe_memory, "Error 0x7f048289"},
    {"ipxe-error", ipxe_error, "ipxe.org/0f0a6095"},
    {"kernel-panic", kernel_panic, "deadlocked on memory"},
    {"installer-memory", installer_memory, "os-installer"},
    {"boot-loop", boot_loop, "4 times"},
    {"kernel-not-fetched", kernel_not_fetched, "(install)"},
    {"kernel-silent", kernel_silent, "2 min ago"},
    {"boot-stalled", boot_stalled, "5 min"},
    {"network-failed", network_failed, "no answer"},
    {"network-stalled", network_stalled, "5 min"},
    {"config-failed", config_failed, "for arm64"},
    {"config-stalled", config_stalled, "5 min"},
    {"no-disk", no_disk, "no disk to install on"},
    {"no-disk-matches", no_disk_matches, "disks[0].match"},
    {"disk-too-small", disk_too_small, "too small"},
    {"image-damaged", image_damaged, "wrong SHA-256"},
    {"hook-failed", hook_failed, "status 3"},
    {"install-failed", install_failed, "failed in format: mkfs.ext4"},
    {"disk-marked", disk_marked, "/dev/vda says so"},
    {"install-stalled", install_stalled, "5 min"},
    {"no-boot-device", no_boot_device, "No bootable option"},
    {"no-root", no_root, "Gave up waiting"},
    {"system-panic", system_panic, "Fatal exception"},
    {"came-back", came_back, "3 times"},
    {"returned", returned, "came back over the network"},
    {"stays-away", sent_to_disk, "11 min ago, and nothing"},
    {"cloud-init-failed", cloud_init_failed, "runcmd failed"},
    {"no-ready-call", no_ready_call, "5 min"},
    {"order-failed", order_failed, "order 7, memtest, has failed: bits differ"},
    {"agent-silent", agent_silent, "order 7, memtest, was begun"},
    {"order-waits", order_waits, "its agent is not running"},
};

#define CASES (sizeof(cases) / sizeof(*cases))

static void test_each_fault_is_named_by_its_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		cases[i].make();
		const struct explain_rule *rule = explain_broken(&f);
		if (!rule || strcmp(rule->id, cases[i].rule) != 0)
			fail_msg("%s: found %s", cases[i].rule, rule ? rule->id : "nothing");
		json_t *json = explain_json(&f);
		const json_t *broken = json_object_get(json, "broken");
		const char *sentence = json_string_value(json_object_get(broken, "sentence"));
		const char *hint = json_string_value(json_object_get(broken, "hint"));
		if (!strstr(sentence, cases[i].sentence))
			fail_msg("%s: %s", cases[i].rule, sentence);
		if (strpbrk(sentence, "{}") || strpbrk(hint, "{}"))
			fail_msg(
			    "%s: a word is not filled: %s / %s", cases[i].rule, sentence, hint);
		json_decref(json);
	}
}

static void test_no_rule_without_a_fault(void **state)
{
	const struct explain_rule *rule;
	enum explain_link link = 0;

	(void)state;
	for (size_t i = 0; (rule = explain_rule_at(i)); i++) {
		size_t of = 0;
		for (size_t k = 0; k < CASES; k++)
			of += strcmp(cases[k].rule, rule->id) == 0;
		if (of != 1)
			fail_msg("%s has %zu cases", rule->id, of);
		if (rule->link < link)
			fail_msg("%s stands behind a later link", rule->id);
		link = rule->link;
	}
	assert_true(CASES >= 25);
}

/* ---- no faults ----------------------------------------------------------------------------- */

static void assert_whole(const char *where)
{
	const struct explain_rule *rule = explain_broken(&f);
	json_t *json = explain_json(&f);

	if (rule)
		fail_msg("%s", rule->id);
	assert_true(json_is_true(json_object_get(json, "ok")));
	assert_string_equal(json_string_value(json_object_get(json, "where")), where);
	json_decref(json);
}

static void test_each_step_of_a_good_way_is_no_fault(void **state)
{
	static const char *const where[] = {"nothing was heard of it", "it was switched on",
	    "it asks for an address", "it asks for an address", "it has the address 192.168.100.10",
	    "its loader starts: it has fetched ipxe-x86_64.efi",
	    "its loader starts: it has fetched autoexec.ipxe"};

	(void)state;
	for (int steps = POWERED; steps <= SCRIPTED; steps++) {
		begin(MACHINE_DECLARED);
		walk(steps, 1);
		assert_whole(where[steps]);
	}
	begin(MACHINE_BOOTING);
	walk(ASKED, 1);
	assert_whole("it boots: it was told install");
	begin(MACHINE_BOOTING);
	walk(FETCHED, 60);
	assert_whole("it boots: it has fetched initrd");
	SEE(ADDRESS, 40, "192.168.100.10", NULL, NULL); /* the installer's own */
	assert_whole("it boots: it has fetched initrd");
	begin(MACHINE_DECLARED); /* an offer may be told after it was taken */
	walk(ADDRESSED, 9);
	SEE(OFFER, 9, "192.168.100.10", "dhcp", NULL);
	f.now_ms += 3 * S;
	assert_string_equal(explain_broken(&f)->id, "loader-not-fetched");
	begin(MACHINE_INSTALLING);
	walk(BEGUN, 1);
	assert_whole("it is being installed: network");
}

static void test_what_was_seen_since_a_machine_was_sent_to_its_disk_is_told(void **state)
{
	(void)state;
	sent_to_disk();
	f.now_ms = AGO(640);
	assert_whole(
	    "it is installed, and was sent to its disk 60 s ago; nothing was heard of it since");
	SEE(DISCOVER, 645, NULL, "dnsmasq", NULL);
	assert_whole(
	    "it is installed, was sent to its disk 60 s ago, and asks for an address since");
	SEE(ADDRESS, 644, "192.168.100.10", "dnsmasq", NULL);
	assert_whole(
	    "it is installed, was sent to its disk 60 s ago, and got 192.168.100.10 since");
	f.now_ms = NOW;
	assert_whole(
	    "it is installed, was sent to its disk 11 min ago, and got 192.168.100.10 since");
	returned();
	SEE(CLOUD_INIT, 600, "init", "192.168.100.10", NULL); /* sent there once more */
	assert_null(explain_broken(&f));
	sent_to_disk(); /* what is there was installed by an installer, and need not call */
	f.seen[EXPLAIN_DEPLOYED].count = 0;
	assert_null(explain_broken(&f));
	begin(MACHINE_INSTALLED); /* it was started anew, into its agent */
	SEE(INSTALLED, 710, NULL, NULL, NULL);
	SEE(AGENT, 640, NULL, "192.168.100.10", NULL);
	assert_whole("it is installed, and its agent has called since");
}

static void test_of_a_stack_that_is_down_nothing_further_is_known(void **state)
{
	(void)state;
	begin(MACHINE_DECLARED);
	f.seen[EXPLAIN_STACK].count = 0;
	SEE(STACK_DOWN, 1, NULL, NULL, "its container was stopped");
	SEE(POWER, 600, NULL, NULL, NULL);
	SEE(VM_ABSENT, 1, NULL, NULL, NULL);
	json_t *json = explain_json(&f);
	assert_string_equal(explain_broken(&f)->id, "stack-down");
	assert_int_equal(json_array_size(json_object_get(json, "also")), 0);
	json_decref(json);
}

static void test_a_ready_machine_may_be_as_old_as_it_likes(void **state)
{
	(void)state;
	begin(MACHINE_READY);
	walk(BEGUN, 90000);
	SEE(INSTALLED, 89000, NULL, NULL, NULL);
	SEE(READY, 88000, NULL, NULL, NULL);
	SEE(ADDRESS, 1200, "192.168.100.10", NULL, NULL); /* renewed */
	assert_whole("it is ready");
}

static void test_a_console_tells_of_its_last_boot_alone(void **state)
{
	static const struct {
		const char *text;
		const char *rule; /* NULL: none */
	} consoles[] = {
	    {"Connection reset (https://ipxe.org/0f0a6095)\niPXE initialising devices...ok\n",
		NULL},
	    {"No bootable device.\n\033[2J\033[01;01HSeaBIOS (version 1.16)\n", NULL},
	    {"PXE-E18: Server response timeout.\niPXE initialising devices...ok\n"
	     "Not enough \033[0mspace (https://ipxe.org/31232006)\n",
		"ipxe-memory"},
	    {"Kernel \033[1mpanic - not syncing\n", "kernel-panic"},
	    {"the word panic alone\nPXE\n", NULL},
	    /* iPXE under SeaBIOS, TFTP dropped; its banner is broken at the same width. */
	    {"iPXE initialising devices...\r\r\n\033[0;1miPXE 1.21.1+git20250501.dad20602+dfsg-1\033[0m"
	     " -- Open Source Network Boot Firmware -- \r\r\n\033[0;36mhttps://ipxe.org\r\r\n\033[0m"
	     "Next server: 192.168.100.1\r\r\nFilename: boot.ipxe\r\r\n"
	     "tftp://192.168.100.1/boot.ipxe.................. Connection timed out (https://i\r\r\n"
	     "pxe.org/4c126035)\r\r\nNo more network devices\r\r\n",
		"tftp-timeout"},
	    {"http://192.168.100.1/ipxe... Connection timed out (https://ipxe.org/4c126035)\n",
		"ipxe-error"},
	    /* OVMF with Secure Boot: after the network it tries the disk. */
	    {">>Start PXE over IPv4.\r\nBdsDxe: failed to load Boot0002 \"UEFI PXEv4\": Access Denied\r\n"
	     "\r\n>>Start HTTP Boot over IPv4....\r\n  Error: Remote boot cancelled.\r\n"
	     "BdsDxe: No bootable option or device was found.\r\n",
		"secure-boot"},
	    /* 160 MiB, which do for the kernel: the system comes up without its modules. */
	    {"\033c\033[?7l\033[2J[    5.924609] Initramfs unpacking failed: write error\r\r\n"
	     "initrd: Linux 6.12.118+deb13-cloud-amd64, x86_64\r\r\n"
	     "initrd: no modules for kernel 6.12.118+deb13-cloud-amd64: only built-in drivers will work\r\n"
	     "initrd: still waiting for a network card with the address 52:54:00:e2:5a:05 (30 s)\r\n",
		"installer-memory"},
	    {"Could not boot: Error 0x7f048289 (https://ipxe.org/7f048289)\r\n"
	     "initrd: Linux 6.12.118+deb13-cloud-amd64, x86_64\r\n",
		NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(consoles) / sizeof(*consoles); i++) {
		console(MACHINE_BOOTING, ASKED, consoles[i].text);
		const struct explain_rule *rule = explain_broken(&f);
		if (consoles[i].rule ? !rule || strcmp(rule->id, consoles[i].rule) != 0 : !!rule)
			fail_msg("%s: %s", consoles[i].text, rule ? rule->id : "nothing");
	}
}

/* ---- the document ---------------------------------------------------------------------------- */

static void test_facts_survive_their_json_and_others_are_added(void **state)
{
	static struct explain_facts other;

	(void)state;
	hook_failed();
	json_t *json = explain_json(&f);
	memset(&other, 0, sizeof(other));
	other.now_ms = NOW;
	snprintf(other.name, sizeof(other.name), "web1");
	explain_see(&other, EXPLAIN_VM_STOPPED, AGO(1), NULL, "docker", "it ended with status 0");
	explain_facts_take(&other, json_object_get(json, "facts"));
	assert_string_equal(explain_broken(&other)->id, "vm-stopped");
	other.seen[EXPLAIN_VM_STOPPED].count = 0;
	json_t *again = explain_json(&other);
	assert_true(json_equal(json, again));
	json_decref(again);
	json_decref(json);
	explain_facts_take(&other, json_null());
	assert_string_equal(explain_broken(&other)->id, "hook-failed");
}

static const char *print(bool chain)
{
	static char *text;
	size_t size;
	json_t *json = explain_json(&f);

	free(text);
	FILE *m = open_memstream(&text, &size);
	explain_print(m, json, chain);
	fclose(m);
	json_decref(json);
	return text;
}

static void test_people_read_link_evidence_and_what_to_do(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	hook_failed();
	assert_string_equal(print(false),
	    "web1: disk: a script of its definition's \"hooks\" failed: hooks.post_install ended with status 3\n"
	    "  seen     2027-01-15 07:59:50 its installer reported: hooks.post_install ended with status 3 (192.168.100.10)\n"
	    "  seen     2027-01-15 07:59:50 its installer's log ends: cp: cannot stat 'x' / status 3\n"
	    "  do       correct the script; `vmlab logs --installer web1` has all of what it said, then `vmlab reinstall web1`\n");
	explain_see(&f, EXPLAIN_FILE_BROKEN, 0, NULL, NULL, "web1.json:3:5: no\033 number");
	const char *text = print(true);
	assert_non_null(strstr(text, "web1: definition: its file is wrong"));
	assert_non_null(strstr(text, "no? number"));
	assert_non_null(strstr(text, "also: disk: a script"));
	assert_non_null(strstr(text, "\n  definition  broken"));
	assert_non_null(strstr(text, "\n  disk        broken"));
	assert_non_null(strstr(text, "\n  first-boot  -\n"));
	assert_null(strstr(text, " \n"));
}

static void test_what_was_before_the_trouble_is_not_of_this_boot(void **state)
{
	(void)state;
	begin(MACHINE_DECLARED);
	walk(FETCHED, 9000);
	SEE(POWER, 100, NULL, NULL, NULL);
	assert_string_equal(explain_broken(&f)->id, "no-discover");
	const char *text = print(true);
	assert_non_null(strstr(text, "\n  power       ok"));
	assert_non_null(strstr(text, "\n  dhcp        broken"));
	assert_non_null(strstr(text, "\n  kernel      -"));
	assert_null(strstr(text, "also: "));
	f.seen[EXPLAIN_POWER].at_ms = AGO(10);
	assert_null(explain_broken(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_fault_is_named_by_its_rule),
	    cmocka_unit_test(test_no_rule_without_a_fault),
	    cmocka_unit_test(test_each_step_of_a_good_way_is_no_fault),
	    cmocka_unit_test(test_what_was_seen_since_a_machine_was_sent_to_its_disk_is_told),
	    cmocka_unit_test(test_of_a_stack_that_is_down_nothing_further_is_known),
	    cmocka_unit_test(test_a_ready_machine_may_be_as_old_as_it_likes),
	    cmocka_unit_test(test_a_console_tells_of_its_last_boot_alone),
	    cmocka_unit_test(test_facts_survive_their_json_and_others_are_added),
	    cmocka_unit_test(test_people_read_link_evidence_and_what_to_do),
	    cmocka_unit_test(test_what_was_before_the_trouble_is_not_of_this_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
