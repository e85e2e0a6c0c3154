/* test_commands.c - the command as people type it, from the first definition to the last disk, on
 * an engine that is not there (testdata/docker) and a boot_handler that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/base/test_program.h"

#define VMLAB "vmlab/vmlab "

#define WEB1                                                                                       \
	"{\"name\": \"web1\", \"mac\": \"52:54:00:00:00:11\", \"ip\": \"192.168.100.11\", "        \
	"\"distro\": \"debian-13\", \"disks\": [{\"size\": \"8G\"}]}"
#define WEB2                                                                                       \
	"{\"name\": \"web2\", \"mac\": \"52:54:00:00:00:12\", \"ip\": \"192.168.100.12\", "        \
	"\"distro\": \"debian-13\", \"disks\": [{\"size\": \"8G\"}]}"

#define SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FILE_OF(name) "{\"file\": \"" name "\", \"size_bytes\": 5, \"sha256\": \"" SHA "\"}"

static const char manifest[] =
    "{\"format\": 1, \"distro\": \"debian-13\", \"arch\": \"amd64\", \"created\": \"2025-11-20T10:00:00Z\","
    " \"kernel_version\": \"6.12.0-test\", \"kernel\": " FILE_OF(
	"vmlinuz") ","
		   " \"modules\": " FILE_OF(
		       "modules.cpio.zst") ", \"rootfs\": {\"file\": \"rootfs.tar.zst\", \"size_bytes\": 5,"
					   " \"sha256\": \"" SHA
					   "\", \"format\": \"tar.zst\", \"unpacked_bytes\": 900000, \"entries\": 10,"
					   " \"chunk_bytes\": 4194304, \"chunks\": [\"" SHA "\"]}}";

static char folder[] = "/tmp/test_commands.XXXXXX";

static void make_folder(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void path_in_folder(const char *variable, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	setenv(variable, path, 1);
}

static void add_image(void)
{
	static const char *const files[] = {"vmlinuz", "modules.cpio.zst", "rootfs.tar.zst"};
	char name[80];

	make_folder("images/debian-13");
	make_folder("images/debian-13/amd64");
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "images/debian-13/amd64/%s", files[i]);
		file_says(folder, name, "12345");
	}
	file_says(folder, "images/debian-13/amd64/manifest.json", manifest);
}

static int set_up(void **state)
{
	static const char *const folders[] = {"engine", "vms", "images", "home"};
	char path[PATH_MAX];

	(void)state;
	strcpy(strrchr(folder, '.'), ".XXXXXX");
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		make_folder(folders[i]);
	path_in_folder("ENGINE_DIR", "engine");
	path_in_folder("VMLAB_VMS", "vms");
	path_in_folder("VMLAB_HOME", "home");
	unsetenv("VMLAB_IMAGES");
	setenv("VMLAB_LAB", "lab7", 1);
	setenv("VMLAB_CIDR", "192.168.100.1/24", 1);
	setenv("TERM", "dumb", 1);
	program_path(__FILE__, "boot_handler/boot_handler", path);
	setenv("ENGINE_BOOT_HANDLER", path, 1);
	char *client = realpath("vmlab/testdata/docker", NULL);
	assert_non_null(client);
	setenv("VMLAB_ENGINE", client, 1);
	free(client);
	file_says(folder, "vms/web1.json", WEB1);
	add_image();
	return 0;
}

/* Whatever a test left running. */
static int tear_down(void **state)
{
	int status;

	(void)state;
	file_says(folder, "engine/fails", "");
	free(program_says(__FILE__, VMLAB "down", &status));
	folder_remove(folder);
	return 0;
}

#define vmlab(status, sentence, words) expect_program(status, sentence, VMLAB words)

static void asked(const char *words, bool wanted)
{
	char *text = file_text(folder, "engine/asked");

	if ((strstr(text, words) != NULL) != wanted)
		fail_msg(
		    "the engine was %s \"%s\":\n%s", wanted ? "not asked" : "asked", words, text);
	free(text);
	file_says(folder, "engine/asked", "");
}

/* Each line of `words` is an event of that kind, and there is one. */
static void assert_events(const char *kind, const char *words)
{
	int status;
	char *text = program_says(__FILE__, words, &status), *rest = text;
	size_t count = 0;

	assert_int_equal(status, 0);
	for (char *line; (line = strsep(&rest, "\n")) && *line; count++) {
		json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		const char *is = json_string_value(json_object_get(event, "kind"));
		if (!is || strcmp(is, kind) != 0)
			fail_msg("%s: %s", words, line);
		json_decref(event);
	}
	assert_true(count > 0);
	free(text);
}

static void events_are_chosen(void)
{
	assert_events("state", VMLAB "events --json --kind state web1");
	assert_events("phase", VMLAB "events --json --kind phase --since 1h --severity info -n 3");
	assert_events("phase-end", VMLAB "events --json --all --kind phase-end web1");
	vmlab(0, "there are no such events of web1", "events --severity error web1");
	vmlab(0, "there are no such events of any machine", "events --until 2001-01-31");
	vmlab(0, "installer", "events 52:54:00:00:00:11");
	vmlab(1, "there is no machine \"52:54:00:ff:ff:ff\"", "events 52:54:00:ff:ff:ff");
}

static void from_up_to_down(void **state)
{
	(void)state;
	vmlab(0, "web1 is up. Log in with: vmlab ssh web1", "up web1");
	asked("run --detach --name lab7-vm-web1 --label=vmlab.lab=lab7", true);
	vmlab(0, "ready already", "up web1");
	asked("run --detach", false);
	vmlab(0, "192.168.100.11", "ls");
	vmlab(0, "\"state\": \"ready\"", "ls --json");
	vmlab(0, "8 GiB", "ls --columns name,state,disks");
	vmlab(0, "web1", "ls -q");
	vmlab(0, "How long each stage took", "events web1");
	vmlab(0, "rootfs", "events");
	events_are_chosen();
	vmlab(0, "ready already", "wait");
	vmlab(0, "its screen", "logs web1");
	vmlab(0, "serving", "logs");
	vmlab(2, "this is for a terminal; `vmlab logs -f web1`", "console web1");
	vmlab(0, "gets an address and no loader from now on", "netboot web1 off");
	vmlab(0, "\"netboot\": false", "ls --json");
	vmlab(1, "vmlab netboot web1 on first", "reinstall -y --later web1");
	vmlab(1, "\"nobody\"", "netboot nobody off");
	vmlab(0, "boots from the network again", "netboot web1 on");
	vmlab(0, "no webhook is there", "webhook ls");
	vmlab(0, "secret: ", "webhook add ci http://127.0.0.1:9/x --filter severity=warning");
	vmlab(1, "there is a webhook", "webhook add ci http://127.0.0.1:9/");
	vmlab(1, "has to begin with http:// or https://", "webhook add other file:///etc/passwd");
	vmlab(1, "there is no parameter \"severty\" here",
	    "webhook add other http://a/ --filter severty=warning");
	vmlab(1, "no connection to the receiver", "webhook test ci");
	vmlab(0, "no connection to the receiver", "webhook list");
	vmlab(0, "\"filter\": \"severity=warning\"", "webhook ls --json");
	vmlab(0, "is told nothing more", "webhook rm ci");
	vmlab(1, "there is no webhook \"ci\"", "webhook rm ci");
	vmlab(0, "web1 is down, its disk kept", "down web1");
	asked("stop lab7-vm-web1", true);
	vmlab(0, "stopped", "ls");
	vmlab(0, "web1: started again", "start web1");
	vmlab(0, "ready", "wait --for ready --timeout 60 web1");
	vmlab(0, "is up", "restart web1");
	vmlab(0, "lab \"lab7\" is down after", "down");
	asked("rm --force --volumes lab7-vm-web1 lab7-stack lab7-net", true);
	vmlab(0, "lab \"lab7\" is not up", "down");
	vmlab(0, "lab \"lab7\" is down: `vmlab up` starts it", "ls");
	vmlab(1, "lab \"lab7\" is down: `vmlab up` starts it", "events");
	/* The disk is there: what was installed boots again. */
	vmlab(0, "web1 is up", "up");
	vmlab(1, "Remove the disks of all VMs of the lab", "down --volumes");
	vmlab(0, "disks and state removed", "down --volumes -y");
	asked("volume rm --force", true);
}

static void a_failed_install_says_why_and_is_tried_again_on_order(void **state)
{
	(void)state;
	file_says(folder, "engine/machines", "fails");
	vmlab(1, "rootfs has the wrong SHA-256", "up web1");
	vmlab(0, "failed", "ls web1");
	vmlab(0, "line two", "logs --installer web1");
	file_says(folder, "engine/machines", "");
	vmlab(0, "will be installed anew when it next boots", "reinstall -y --later web1");
	vmlab(0, "ready", "reinstall -y --wait web1");
	asked("restart lab7-vm-web1", true);
	vmlab(0, "container and disk are gone; its definition stays", "rm -y web1");
	vmlab(0, "declared", "ls");
}

static void what_does_not_get_there_is_given_up(void **state)
{
	(void)state;
	file_says(folder, "engine/machines", "silent");
	vmlab(1, "not there, gave up waiting after 1.0 s", "up --timeout 1");
	vmlab(1, "\"arrived\": false", "up --json --timeout 1");
	vmlab(1, "gave up waiting", "wait --for installed --timeout 1 web1");
	vmlab(0, "Follow with `vmlab wait`", "up --no-wait");
}

static void a_definition_that_changes_is_told(void **state)
{
	(void)state;
	vmlab(0, "Follow with", "up --no-wait");
	file_says(folder, "vms/web1.json",
	    "{\"name\": \"web1\", \"mac\": \"52:54:00:00:00:11\", \"distro\": \"debian-13\", \"cpus\": 3, "
	    "\"disks\": [{\"size\": \"16G\"}]}");
	vmlab(0, "web1: runs with its old cpus, disks", "up --no-wait");
	vmlab(0, NULL, "down web1");
	vmlab(0, "disk 0 grows from 8 GiB to 16 GiB", "up --no-wait");
	/* Under another name it would be a second machine with the same card. */
	file_says(folder, "vms/other.json",
	    "{\"name\": \"other\", \"mac\": \"52:54:00:00:00:11\", \"distro\": \"debian-13\"}");
	vmlab(1, "52:54:00:00:00:11", "up --no-wait other");
	file_says(folder, "vms/bad.json", "{\"name\": \"bad\", \"mac\": \"52\"}");
	vmlab(1, "bad.json:1:", "up --no-wait");
	vmlab(0, "bad.json:1:", "ls");
	vmlab(1, "lab \"lab7\" has no VM \"nobody\" (defined: web1)", "down nobody");
	vmlab(1, "is no VM name", "rm -y a/b");
}

static void what_cannot_start_is_said(void **state)
{
	(void)state;
	file_says(folder, "engine/fails",
	    "run --detach --name lab7-stack: docker: no space left on device");
	vmlab(1, "no space left on device", "up");
	file_says(folder, "engine/fails",
	    "version: permission denied while trying to connect to the daemon");
	vmlab(1, "may not talk to the container engine", "up");
	file_says(folder, "engine/fails", "version: Cannot connect to the Docker daemon");
	vmlab(1, "reaches no container engine", "ls");
	file_says(
	    folder, "engine/fails", "run --detach --name lab7-net: port is already allocated");
	file_says(folder, "engine/asked", "");
	file_says(folder, "engine/state.json", "");
	expect_program(
	    1, "port 7480 on 127.0.0.1 is taken by another program", VMLAB "--port 7480 up");
	file_says(folder, "engine/fails", "");
	setenv("VMLAB_STACK_IMAGE", "missing:1", 1);
	vmlab(1, "the container image missing:1, as VMLAB_STACK_IMAGE says, is not loaded", "up");
	vmlab(1, "load missing:1, or unset VMLAB_STACK_IMAGE", "doctor");
	unsetenv("VMLAB_STACK_IMAGE");
	setenv("VMLAB_CIDR", "172.17.0.1/24", 1);
	vmlab(1, "172.17.0.0/16", "up");
	vmlab(1, NULL, "doctor");
	setenv("VMLAB_ENGINE", "/no/such/docker", 1);
	vmlab(1, "/no/such/docker", "up");
}

static void the_doctor_looks_at_all(void **state)
{
	(void)state;
	expect_program(
	    access("/dev/net/tun", F_OK) == 0 ? 0 : 1, "version 27.5.0-test", VMLAB "doctor");
	expect_program(
	    access("/dev/net/tun", F_OK) == 0 ? 0 : 1, "\"checks\"", VMLAB "doctor --json");
	vmlab(2, "doctor: ", "doctor --nonsense");
}

static void a_lab_whose_machine_was_started_anew_is_resumed(void **state)
{
	(void)state;
	file_says(folder, "vms/web2.json", WEB2);
	vmlab(0, "web2: amd64", "up --no-wait");
	vmlab(0, "web2 is down", "down web2");
	vmlab(0, "3 containers will be started again", "resume --save");
	assert_int_equal(system("$VMLAB_ENGINE power-cut"), 0);
	vmlab(0, "stopped", "ls web1");
	vmlab(0, "lab7", "resume");
	asked("start lab7-vm-web1", true);
	vmlab(0, "web1", "ls web1");
	vmlab(2, "there is no option --all", "resume --all");
}

static void usage_is_explained(void **state)
{
	static const struct {
		int status;
		const char *words, *says;
	} cases[] = {
	    {2, "", "usage: vmlab [GLOBAL OPTION...] COMMAND"},
	    {0, "--help", "From small JSON files"},
	    {0, "--version", "vmlab "},
	    {0, "help", "A first VM:"},
	    {0, "help up", "--no-wait"},
	    {2, "help nonsense", "unknown command nonsense"},
	    {2, "nonsense", "unknown command nonsense"},
	    {2, "--nonsense", "there is no option --nonsense"},
	    {2, "--lab", "a value is missing after --lab"},
	    {2, "ls --vms", "an option lacks its value"},
	    {0, "ls --help", "--columns LIST"},
	    {1, "-C /no/such ls", "/no/such: No such file"},
	    {2, "--lab A_B ls", "lab name \"A_B\" cannot be used"},
	    {2, "--port 99999 ls", "port \"99999\" is neither auto nor a number"},
	    {2, "up --accel fast", "--accel is auto, "},
	    {2, "up --nic-rom x", "--nic-rom is "},
	    {2, "up --disk-bus ide", "--disk-bus is "},
	    {2, "up --timeout soon", "\"soon\" is no duration"},
	    {2, "up --nonsense", "--nonsense"},
	    {2, "ls --watch", "--watch is for a terminal"},
	    {2, "ls --columns nonsense", "nonsense"},
	    {2, "events -n 0", "-n takes a number from 1 to 1000"},
	    {2, "events a b", "one NAME, or none for all"},
	    {2, "events --kind dhcp,ipex", "there is no kind of event \"ipex\", but ipxe is one"},
	    {2, "events --severity high", "--severity takes debug, info, warning or error"},
	    {2, "events --since tomorrow", "\"tomorrow\" is no time: write "},
	    {2, "events -f --until 12:00", "--follow has no end"},
	    {2, "dashboard --port auto", "--port takes a number from 1 to 65535"},
	    {2, "start", "it takes names of VMs and no options"},
	    {2, "restart --now", "--no-wait as the last word"},
	    {2, "rm", "which VM?"},
	    {2, "reinstall", "which VM?"},
	    {2, "reinstall --timeout x web1", "is no duration"},
	    {2, "netboot web1", "a VM's name, and on or off"},
	    {2, "netboot web1 maybe", "a VM's name, and on or off"},
	    {2, "webhook", "say add, ls, rm or test"},
	    {2, "webhook add ci", "a NAME and a URL"},
	    {2, "webhook rm a/b", "a webhook's NAME has letters"},
	    {2, "webhook ls --nonsense", "--nonsense"},
	    {2, "wait --for ever", "--for"},
	    {2, "console", "vmlab console"},
	    {2, "ssh", "vmlab ssh"},
	    {0, "__man", "vmlab-up"},
	    {0, "__man vmlab", ".TH"},
	    {0, "__man vmlab-up", ".TH"},
	    {2, "__man vmlab-nonsense", "there is no manual page"},
	    {0, "__complete re", "reinstall"},
	    {0, "__complete console w", "web1"},
	    {1, "__complete -C x", NULL},
	    {0, "schema", "\"$schema\""},
	    {0, "reference", "web1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_program(cases[i].status, cases[i].says, VMLAB "%s", cases[i].words);
}

static void machine_asks(const char *query)
{
	char command[600];

	snprintf(command, sizeof(command),
	    "ENGINE_LAB=lab7 $VMLAB_ENGINE asks '/ipxe?%s' >/dev/null", query);
	assert_int_equal(system(command), 0);
}

static void strangers_are_listed_adopted_and_ignored(void **state)
{
	(void)state;
	vmlab(1, "lab \"lab7\" is down: `vmlab up` starts it", "machines");
	vmlab(0, NULL, "up --no-wait");
	machine_asks(
	    "mac=52:54:00:00:00:77&serial=CZ-123%2F4&arch=x86_64&platform=efi"
	    "&manufacturer=Maker&product=Box%1b%5b2J&uuid=0f0e0d0c-0b0a-4908-8706-050403020100");
	machine_asks(
	    "mac=52:54:00:00:00:78&arch=arm64&manufacturer=%e6%97%a5%e6%9c%ac%e9%9b%bb%e6%b0%97&product=B%c3%bcro");
	machine_asks(
	    "mac=52:54:00:00:00:79&serial=SAME-1&uuid=1f0e0d0c-0b0a-4908-8706-050403020100");
	machine_asks(
	    "mac=52:54:00:00:00:7a&serial=SAME-1&uuid=2f0e0d0c-0b0a-4908-8706-050403020100");
	vmlab(0, "52:54:00:00:00:77", "machines");
	vmlab(0, "Maker         Box?[2J", "machines");
	vmlab(0, "日本電気      Büro ", "machines");
	vmlab(0, "\"kind\": \"declared\"", "machines --json");
	vmlab(1, "52:54:00:00:00:77 has told no inventory yet", "machines show 52:54:00:00:00:77");
	vmlab(1, "web1 has told no inventory yet", "machines show web1 --json");
	vmlab(1, "no definition has a machine \"nobody\", and no other has shown that",
	    "machines show nobody");
	vmlab(2, "`vmlab machines show NAME` what it is made of", "machines web1");
	vmlab(1, "is no machine's name, MAC address, serial number or UUID",
	    "ignore 0123456789012345678901234567890123456789012345678901234567890123456789");
	vmlab(1, "no machine without a definition has shown \"nobody\"", "ignore nobody");
	vmlab(1, "is web1, which has a definition", "ignore 52:54:00:00:00:11");
	vmlab(0, "52:54:00:00:00:78 is ignored", "ignore 52:54:00:00:00:78");
	vmlab(0, "1 ignored: `vmlab machines --all` shows them", "machines");
	vmlab(0, "ignored", "machines -a");
	vmlab(0, "is listed again", "ignore --undo 52-54-00-00-00-78");
	vmlab(1, "machines show \"SAME-1\": name the one that is meant by its MAC", "adopt SAME-1");
	vmlab(1, "no machine has shown \"nobody\"", "adopt nobody");
	vmlab(1, "is web1, which has a definition already", "adopt 52:54:00:00:00:11");
	vmlab(1, "web1.json exists already", "adopt 52:54:00:00:00:77 web1");
	vmlab(1, "is no VM name", "adopt 52:54:00:00:00:77 Web_2");
	vmlab(2, "the machine's MAC address, serial number or UUID", "adopt");
	vmlab(2, "there is no option --nonsense", "adopt --nonsense x");
	/* Without what was asked for, a machine might be erased. */
	vmlab(2, "not UTF-8", "adopt 52:54:00:00:00:7a node2 --profile \xff");
	vmlab(2, "not UTF-8", "adopt 52:54:00:00:00:7a node2 --set distro=\xff");
	vmlab(
	    2, "--profile takes the name of a profile", "adopt 52:54:00:00:00:7a node2 --profile=");
	vmlab(2, "--profile takes the name of a profile", "adopt --all --profile=");
	vmlab(0, "MAC|SERIAL|UUID [NAME]", "adopt --help");
	vmlab(0, "MAC|SERIAL|UUID [--undo]", "ignore --help");
	vmlab(0, "show NAME|MAC|SERIAL|UUID", "machines --help");
	vmlab(2, "one MAC address, serial number or UUID, please", "ignore");
	vmlab(1, "not UTF-8", "new node2 --memory \xff");
	vmlab(2, "name is given as NAME", "adopt 52:54:00:00:00:7a node2 --set name=node3");
	vmlab(2, "it takes no names", "machines \x1b[31m");
	vmlab(0, "does what this says when it next asks", "adopt cz-123/4 --set mode=local");
	file_comes_to_say(folder, "vms/cz-123-4.json", "\"mac\": \"52:54:00:00:00:77\"", true);
	file_comes_to_say(folder, "vms/cz-123-4.json", "\"serial\": \"CZ-123/4\"", true);
	vmlab(0, "no error", "validate");
	vmlab(0, "52:54:00:00:00:79", "adopt 52:54:00:00:00:79");
	file_comes_to_say(folder, "vms/same-1.json", "1f0e0d0c", true);
	/* A serial number that two machines show is in no definition. */
	file_comes_to_say(folder, "vms/same-1.json", "SAME-1", false);
	vmlab(1, "same-1.json exists already", "adopt 52:54:00:00:00:7a");
	vmlab(1, "nonesuch", "adopt 52:54:00:00:00:7a node2 --profile nonesuch");
	make_folder("vms/_profiles");
	file_says(folder, "vms/_profiles/small.json", "{\"mode\": \"local\"}");
	file_says(folder, "vms/_profiles/fits.json",
	    "{\"match\": {\"serial\": \"FIT-*\"}, \"name\": \"fit-{mac}\", \"mode\": \"local\"}");
	file_says(folder, "vms/_profiles/arms.json", "{\"match\": {\"arch\": \"arm64\"}}");
	machine_asks("mac=52:54:00:00:00:7b&serial=FIT-2&arch=arm64");
	vmlab(0, "it matches the profiles arms and fits", "machines");
	/* One without a definition that only one fits, and which gives no name. */
	machine_asks("serial=ARM-1&arch=arm64");
	vmlab(0, "arm-1.json", "adopt ARM-1");
	file_comes_to_say(folder, "vms/arm-1.json", "\"profile\": \"arms\"", true);
	file_comes_to_say(folder, "vms/arm-1.json", "\"mac\"", false);
	vmlab(0, "node2.json", "adopt 52:54:00:00:00:7a node2 --profile small");
	file_comes_to_say(folder, "vms/node2.json", "\"profile\": \"small\"", true);
	vmlab(0, "no error", "validate");
}

static void forget_file(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(unlink(path), 0);
}

/* It asks until it is one. */
static void becomes_a_stranger(const char *mac)
{
	char query[40], *text = NULL;
	bool listed = false;
	int status;

	snprintf(query, sizeof(query), "mac=%s", mac);
	for (int i = 0; i < 100 && !listed; i++) {
		machine_asks(query);
		text = program_says(__FILE__, VMLAB "machines", &status);
		listed = strstr(text, "stranger") != NULL;
		free(text);
	}
	assert_true(listed);
}

/* A machine that runs, whose definition goes, and which is adopted under another name. */
static void an_adopted_machine_has_both_names(void **state)
{
	(void)state;
	vmlab(0, "web1 is up", "up web1");
	forget_file("vms/web1.json");
	becomes_a_stranger("52:54:00:00:00:11");
	vmlab(0, "rack7.json", "adopt 52:54:00:00:00:11 rack7");
	file_says(folder, "engine/asked", "");
	vmlab(0, "rack7\n", "ls -q");
	vmlab(0, "\"started_as\": \"web1\"", "ls --json rack7");
	vmlab(0, "\"started_as\": \"web1\"", "ls --json web1");
	vmlab(0, "8 GiB", "ls --columns name,disks rack7");
	vmlab(0, "its screen", "logs rack7");
	vmlab(0, "its screen", "logs web1");
	vmlab(0, "rack7", "start rack7");
	vmlab(0, "rack7", "start web1");
	vmlab(0, "rack7", "wait --timeout 60 web1");
	vmlab(0, "installer", "events web1");
	asked("stop", false);
	vmlab(0, "starts it from that", "down rack7");
	vmlab(0, "rack7: ", "start web1");
	vmlab(0, "rack7: ", "restart web1 --no-wait");
	asked("lab7-disk-rack7", false);
	vmlab(0, "is down after", "down");
	vmlab(0, "rack7: amd64", "up --no-wait rack7");
	asked("src=lab7-disk-web1", true);
	vmlab(0, "will be installed anew when it next boots", "reinstall -y --later rack7");
	vmlab(0,
	    "rack7 is down, its disk kept, which is called as it was when it was started, web1",
	    "down rack7");
	asked("stop lab7-vm-web1", true);
	vmlab(0, "stopped", "ls rack7");
	vmlab(0, "rack7 is not running", "down rack7");
	vmlab(0, "web1 is not running", "down web1");
	vmlab(0, "rack7: container and disk are gone; its definition stays", "rm -y rack7");
	char *text = file_text(folder, "engine/asked");
	assert_non_null(strstr(text, "rm --force --volumes lab7-vm-web1"));
	assert_non_null(strstr(text, "volume rm --force lab7-disk-web1"));
	free(text);
	file_says(folder, "vms/web2.json", WEB2);
	vmlab(0, "web2: amd64", "up --no-wait web2");
	forget_file("vms/web2.json");
	file_says(folder, "engine/asked", "");
	vmlab(1, "web2 has no definition", "restart web2");
	vmlab(1, "which says what to start", "start web2");
	asked("stop", false);
	vmlab(0, "container and disk are gone; it has no definition", "rm -y web2");
	file_says(folder, "vms/asks.json",
	    "{\"name\": \"asks\", \"mac\": \"52:54:00:00:00:32\", \"mode\": \"menu\"}");
	vmlab(1, "is installed by whoever chooses that at its menu", "reinstall -y asks");
	vmlab(0, "its definition is there: asks.json", "events asks");
}

static void definitions_are_made_and_judged(void **state)
{
	(void)state;
	vmlab(0, "1 definition, no error", "validate");
	vmlab(0, "web1", "plan web1");
	vmlab(0, "web1", "unattended --format kickstart web1");
	vmlab(1, "preseed, kickstart and autoinstall", "unattended --format x web1");
	vmlab(0, "/report/", "unattended --stage4 web1");
	vmlab(2, "name one VM", "unattended");
	vmlab(1, "is called nobody: `vmlab new nobody` makes one", "plan nobody");
	vmlab(0, "vms/db1.json", "new db1");
	vmlab(1, "db1", "new db1");
	vmlab(0, NULL, "new db2 --memory 2G --cpus 2 --disk 20G --ip 192.168.100.77");
	file_comes_to_say(folder, "vms/db2.json", "192.168.100.77", true);
	vmlab(1, NULL, "new db3 --ip 10.0.0.1");
	vmlab(2, "new", "new");
	vmlab(0, "3 definitions, no error", "validate");
	file_says(folder, "vms/bad.json",
	    "{\"name\": \"bad\", \"mac\": \"52:54:00:00:00:19\", \"memory\": 12}");
	vmlab(1, "bad.json:1:", "validate");
	expect_program(1, "bad.json:1:", VMLAB "validate %s/vms/bad.json", folder);
	expect_program(0, NULL, VMLAB "validate %s/vms/web1.json", folder);
	vmlab(0, "debian-13", "image ls");
	vmlab(0, "\"debian-13\"", "image ls --json");
	vmlab(2, "image", "image");
	vmlab(2, "nonsense", "image nonsense");
	vmlab(1, "nobody", "image rm -y nobody");
	vmlab(0, "removed debian-13/amd64", "image rm -y debian-13");
}

/* Without a name for it a lab is its folder's, wherever that goes; another folder that is called
 * the same has another one. */
static void a_lab_is_its_folders(void **state)
{
	char from[PATH_MAX], to[PATH_MAX];

	(void)state;
	unsetenv("VMLAB_LAB");
	unsetenv("VMLAB_VMS");
	for (size_t i = 0; i < 2; i++) {
		make_folder(i ? "two" : "one");
		make_folder(i ? "two/site" : "one/site");
		make_folder(i ? "two/site/vms" : "one/site/vms");
	}
	expect_program(0, "defines no VM yet", VMLAB "-C %s/one/site up", folder);
	asked("--label=vmlab.lab=vmlab-site ", true);
	expect_program(0, "lab \"vmlab-site\"", VMLAB "-C %s/one/site down", folder);
	expect_program(0, NULL, VMLAB "-C %s/one/site up", folder);
	setenv("VMLAB_CIDR", "192.168.101.1/24", 1);
	expect_program(0, "defines no VM yet", VMLAB "-C %s/two/site up", folder);
	asked("--label=vmlab.lab=vmlab-site-", true);
	expect_program(0, "vmlab-site-", VMLAB "-C %s/two/site ls --json", folder);
	unsetenv("VMLAB_CIDR");
	snprintf(from, sizeof(from), "%s/one/site", folder);
	snprintf(to, sizeof(to), "%s/moved", folder);
	assert_int_equal(rename(from, to), 0);
	expect_program(0, "\"lab\": \"vmlab-site\"", VMLAB "-C %s/moved ls --json", folder);
	expect_program(0, "is down after", VMLAB "-C %s/moved down --volumes -y", folder);
	expect_program(0, "is down after", VMLAB "-C %s/two/site down --volumes -y", folder);
	expect_program(0, "is not up", VMLAB "-C %s/moved down", folder);
}

/* A program of that name, which says what it was asked. */
static void log_in(void **state)
{
	char path[PATH_MAX + 100];

	(void)state;
	make_folder("bin");
	file_says(folder, "bin/ssh", "#!/bin/sh\necho \"ssh: $*\"\n");
	snprintf(path, sizeof(path), "%s/bin/ssh", folder);
	assert_int_equal(chmod(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/bin:%s", folder, getenv("PATH"));
	setenv("PATH", path, 1);
	vmlab(1, "lab \"lab7\" is not up: `vmlab up web1`", "ssh web1");
	vmlab(0, "web1 is up", "up web1");
	vmlab(0, "StrictHostKeyChecking", "ssh web1 true");
	vmlab(0, " -L 8000:localhost:80 ", "ssh -L 8000:localhost:80 web1");
	vmlab(0, "web1", "ssh --unverified web1 id");
	vmlab(0, "Logs in with the lab's key", "ssh --help");
	vmlab(1, "lab \"lab7\" has no VM \"nobody\"", "ssh nobody");
	vmlab(0, NULL, "down web1");
	vmlab(1, "web1 is stopped: `vmlab up web1` starts it", "ssh web1");
}

static void images_are_made_of_what_there_is(void **state)
{
	(void)state;
	path_in_folder("VMLAB_IMAGES", "images");
	file_says(folder, "no.tar", "no archive");
	expect_program(1, "no.tar", VMLAB "image import mine --arch amd64 %s/no.tar", folder);
	expect_program(1, "/no/such", VMLAB "image import mine --arch amd64 /no/such");
	expect_program(1, "Is a directory", VMLAB "image import mine --arch amd64 %s", folder);
	vmlab(2, "import needs a name and a tarball", "image import");
	vmlab(2, "--arch is ", "image import mine --arch riscv x.tar");
	vmlab(2, "vmlab image: ", "image build");
	vmlab(2, "vmlab image: ", "image build debian-13 --nonsense");
	vmlab(0, "debian-13", "image build --help");
	vmlab(0, "image import", "image import --help");
	vmlab(1, "Remove", "image rm debian-13");
	vmlab(2, "add needs one name", "image add --arch amd64 --kernel k");
	vmlab(2, "add needs what is booted", "image add tool --arch amd64");
	vmlab(2, "add needs what is booted", "image add tool --arch amd64 --kernel k --iso i");
	vmlab(2, "add needs --arch", "image add tool --iso i");
	vmlab(2, "--initrd goes with --kernel", "image add tool --arch amd64 --iso i --initrd r");
	vmlab(
	    2, "--args is for --kernel and --efi", "image add tool --arch amd64 --iso i --args a");
	vmlab(2, "an image's name has", "image add Tool --arch amd64 --iso i");
	vmlab(1, "nothing.iso", "image add tool --arch amd64 --iso nothing.iso");
	vmlab(1, "cannot be called \"shell\"", "image add shell --arch amd64 --iso nothing.iso");
	vmlab(1, "cannot be called \"again\"", "image add again --arch amd64 --iso nothing.iso");
	file_says(folder, "boot.txt", "#!ipxe\nshell\n");
	expect_program(1, "boot.txt is no ISO image",
	    VMLAB "image add tool --arch amd64 --iso %s/boot.txt", folder);
	expect_program(1, "boot.txt is no kernel of Linux for amd64",
	    VMLAB "image add tool --arch amd64 --kernel %s/boot.txt", folder);
	expect_program(1, "--args must not hold the character $",
	    VMLAB "image add tool --arch amd64 --kernel %s/boot.txt --args a=${b}", folder);
	vmlab(0, "debian-13", "image ls");
	expect_program(0, "\"image\": \"tool+1\"",
	    VMLAB "image add tool+1 --arch arm64 --script %s/boot.txt", folder);
	vmlab(0, "boots: script", "image ls");
	vmlab(0, "\"kind\": \"boot\"", "image ls --json");
	char *first = file_text(folder, "images/tool+1/arm64/manifest.json");
	file_says(folder, "boot.txt", "#!ipxe\nexit\n");
	expect_program(1, "there is an image tool+1 for arm64 already: --replace",
	    VMLAB "image add tool+1 --arch arm64 --script %s/boot.txt", folder);
	file_comes_to_say(folder, "images/tool+1/arm64/manifest.json", first, true);
	file_comes_to_say(folder, "images/tool+1/arm64/boot.ipxe", "shell", true);
	expect_program(0, "image ready",
	    VMLAB "image add tool+1 --arch arm64 --replace --script %s/boot.txt", folder);
	file_comes_to_say(folder, "images/tool+1/arm64/boot.ipxe", "exit", true);
	expect_program(
	    0, "image ready", VMLAB "image add tool+1 --arch amd64 --script %s/boot.txt", folder);
	free(first);
	char linked[PATH_MAX];
	snprintf(linked, sizeof(linked), "%s/images/linked", folder);
	assert_int_equal(symlink(folder, linked), 0);
	expect_program(1, "is a link, and machines are served nothing behind one",
	    VMLAB "image add linked --arch amd64 --script %s/boot.txt", folder);
	assert_int_equal(unlink(linked), 0);
	vmlab(0,
	    "IMAGE      ARCH   ROOTFS  UNPACKED  KERNEL         CREATED\n"
	    "debian-13  amd64     5 B",
	    "image ls");
	expect_program(0, "image ready",
	    VMLAB "image add a-tool-with-quite-a-long-name --arch arm64 --script %s/boot.txt",
	    folder);
	vmlab(0, "IMAGE                          ARCH ", "image ls");
	vmlab(0, "debian-13                      amd64 ", "image ls");
	vmlab(0, "removed tool+1/amd64", "image rm --arch amd64 tool+1");
	vmlab(0, "removed tool+1/arm64", "image rm tool+1");
	vmlab(0, "image add", "image add --help");
	vmlab(1, "only for debian-13, debian-12, debian-installer-13", "image build debian-1");
	vmlab(2, "not for a boot image", "image build memtest86+ --include vim");
	vmlab(1, "for amd64 only", "image build memtest86+ --arch arm64");
	vmlab(0, "\"name\": \"web1\"", "plan --json web1");
	vmlab(0, "\"problems\"", "validate --json");
	file_says(folder, "vms/bad.json", "{\"name\": \"bad\", \"mac\": 1}");
	vmlab(1, "\"line\": 1", "validate --json");
	vmlab(1, "bad.json:1:", "plan bad");
}

/* What is seen of machines that are not installed by us, and what is not there to be shown. */
static void states_and_empty_lists(void **state)
{
	(void)state;
	file_says(folder, "vms/atmenu.json",
	    "{\"name\": \"atmenu\", \"mac\": \"52:54:00:00:00:21\", \"mode\": \"menu\"}");
	file_says(folder, "vms/standing.json",
	    "{\"name\": \"standing\", \"mac\": \"52:54:00:00:00:22\", \"mode\": \"wait\", \"firmware\": \"bios\"}");
	file_says(folder, "vms/live.json",
	    "{\"name\": \"live\", \"mac\": \"52:54:00:00:00:23\", \"mode\": \"boot\", \"image\": \"rescue-cd\"}");
	vmlab(0, "live  declared  rescue-cd", "ls --columns name,state,distro live");
	vmlab(0, NULL, "up --no-wait web1");
	machine_asks("mac=52:54:00:00:00:21&arch=x86_64");
	machine_asks("mac=52:54:00:00:00:22&arch=x86_64");
	vmlab(0, "atmenu  menu   debian-13", "ls --columns name,state,distro atmenu");
	vmlab(0, "standing  waiting", "ls --columns name,state standing");
	vmlab(0, "\"told\": \"menu\"", "ls --json atmenu");
	vmlab(0, "live  waiting: no image  rescue-cd", "ls --columns name,state,distro live");
	vmlab(0, "menu ", "machines");
	vmlab(0, "pcbios", "machines");
	vmlab(0, NULL, "down");
	forget_file("vms/web1.json");
	forget_file("vms/atmenu.json");
	forget_file("vms/standing.json");
	forget_file("vms/live.json");
	vmlab(0, NULL, "up");
	vmlab(0, "no VM is defined in ", "ls");
	vmlab(0, "no machine is defined and none has asked yet", "machines");
	machine_asks("mac=52:54:00:00:00:24");
	vmlab(0, "is ignored", "ignore 52:54:00:00:00:24");
	vmlab(0, "1 ignored: `vmlab machines --all` shows them", "machines");
}

#define OF_DI                                                                                      \
	"{\"name\": \"di\", \"mac\": \"52:54:00:00:00:31\", \"mode\": \"boot\", \"image\": \"debian-installer-13\", "

static void what_has_no_effect_is_told(void **state)
{
	(void)state;
	file_says(folder, "vms/di.json",
	    OF_DI
	    "\"unattended\": true, \"disks\": [{\"size\": \"20G\"}], \"storage\": {\"swap\": \"2G\", \"partitions\": [{\"mount\": \"/srv\", \"size\": \"5G\"}]}}");
	vmlab(
	    0, "di: debian-installer-13 by its own installer, with a generated preseed", "plan di");
	vmlab(0, "/srv", "plan di");
	vmlab(0, "\"mount\": \"/srv\"", "plan --json di");
	file_says(folder, "vms/di.json", OF_DI "\"unattended\": \"rack.cfg\"}");
	make_folder("vms/_unattended");
	file_says(
	    folder, "vms/_unattended/rack.cfg", "d-i a/b string {{nme}}\nd-i a/c string {{x}}\n");
	vmlab(0, "as your own file says, _unattended/rack.cfg in vms/: there is no layout",
	    "plan di");
	vmlab(1, "_unattended/rack.cfg:1:16: {{nme}} is no field", "validate di");
	vmlab(1, "_unattended/rack.cfg:2:16: {{x}} is no field", "validate di");
	file_says(folder, "vms/di.json", OF_DI "\"unattended\": \"true\"}");
	vmlab(1, "write true without quotes", "validate di");
	file_says(folder, "vms/di.json", OF_DI "\"menu_default\": \"shell\", \"menu_timeout\": 3}");
	vmlab(0, "\"menu_default\" has no effect with \"mode\": \"boot\"", "validate di");
	vmlab(0, "\"menu_timeout\" has no effect with \"mode\": \"boot\"", "validate di");
	vmlab(0, "is not installed: its definition says \"mode\": \"boot\"", "plan di");
	file_says(folder, "vms/di.json",
	    "{\"name\": \"di\", \"mac\": \"52:54:00:00:00:31\",\n\"mode\": \"off\",\n\"image\": \"x\"}");
	vmlab(
	    0, "di.json:3:10: warning: \"image\" has no effect with \"mode\": \"off\"", "validate");
	file_says(folder, "vms/di.json", OF_DI "\"unattended\": true, \"role\": \"x\"}");
	vmlab(0, "its definition says \"role\" and no \"pxeboot\": true", "plan di");
	vmlab(0, "\"role\": it boots its disk and is not installed", "validate di");
	vmlab(0, "write \"pxeboot\": true, \"mode\": \"boot\"", "validate di");
	file_says(folder, "vms/wrongname.json", WEB2);
	vmlab(0, "1 definition, no error", "validate web2");
	forget_file("vms/wrongname.json");
	file_says(folder, "vms/di.json",
	    "{\"name\": \"di\", \"mac\": \"52:54:00:00:00:31\",\n\"mode\": \"off\",\n\"image\": \"x\"}");
	make_folder("vms/_profiles");
	file_says(folder, "vms/_profiles/rack.json",
	    "{\"distro\": \"debain-13\",\n\"name\": \"n-{serial}\"}");
	vmlab(0,
	    "_profiles/rack.json:1:12: warning: \"distro\": there is no image debain-13 for amd64",
	    "validate");
	vmlab(0, "_profiles/rack.json:2:9: warning: \"name\" has no effect without \"match\"",
	    "validate");
	expect_program(
	    0, "there is no image debain-13", VMLAB "validate %s/vms/_profiles/rack.json", folder);
	file_says(folder, "vms/_profiles/rack.json", "{\"image\": \"x\", \"menu_timeout\": 3}");
	vmlab(0, "2 definitions, no error", "validate");
	file_says(folder, "vms/_profiles/rack.json", "{\"image\": \"x\", \"mode\": \"wait\"}");
	vmlab(0, "\"image\" has no effect with \"mode\": \"wait\"", "validate");
	file_says(folder, "vms/_profiles/rack.json", "{\"cpu\": 3}");
	vmlab(1, "\"cpu\" is not a known field: did you mean \"cpus\"?", "validate");
	file_says(folder, "vms/_profiles/rack.json", "{\"match\": {\"serail\": \"x\"}}");
	vmlab(1, "did you mean \"serial\"?", "validate");
}

/* From each of the places that a value can come from. */
static void a_definition_is_shown_with_where_it_comes_from(void **state)
{
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s/vms/_profiles", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	file_says(folder, "vms/_defaults.json", "{\"memory\": \"768M\", \"cpus\": 7}");
	file_says(folder, "vms/_profiles/big.json", "{\n\"cpus\": 8,\n\"distro\": \"debian-12\"}");
	file_says(folder, "vms/_profiles/old.json", "{\"distro\": \"debian-11\"}");
	file_says(folder, "vms/shown.json",
	    "{\"name\": \"shown\", \"mac\": \"52:54:00:00:00:19\",\n\"profile\": [\"old\", \"big\"]}");
	vmlab(0, "shown.json:2\n", "show shown");
	vmlab(0, "\"cpus\": 8,", "show shown");
	vmlab(0, "_profiles/big.json:2\n", "show shown");
	vmlab(0, "_profiles/big.json:3\n", "show shown");
	vmlab(0, "_defaults.json:1\n", "show shown");
	vmlab(0, "\"firmware\": \"uefi\",", "show shown");
	vmlab(0, "\"file\": \"_profiles/big.json\"", "show --json shown");
	vmlab(0, "\"source\": \"built-in\"", "show --json shown");
	file_says(folder, "vms/wide.json",
	    "{\"name\": \"wide\", \"mac\": \"52:54:00:00:00:1a\", \"distro\": \"an-image-with-a-name-of-some-length-13\","
	    " \"hostname\": \"a\"}");
	vmlab(0,
	    "  \"name\": \"wide\",                                      wide.json:1\n"
	    "  \"mac\": \"52:54:00:00:00:1a\",                          wide.json:1\n",
	    "show wide");
	vmlab(0, "  \"distro\": \"an-image-with-a-name-of-some-length-13\",  wide.json:1\n",
	    "show wide");
	vmlab(1, "is called nobody: `vmlab new nobody` makes one", "show nobody");
	vmlab(2, "one NAME, please", "show");
	file_says(folder, "vms/_profiles/big.json", "{\"cpu\": 8}");
	vmlab(1, "\"big\" cannot be used: correct _profiles/big.json first", "show shown");
	expect_program(
	    1, "did you mean \"cpus\"", VMLAB "validate %s/vms/_profiles/big.json", folder);
}

static void machines_are_ordered(void **state)
{
	(void)state;
	vmlab(2, "it takes names, --, and an order", "order web1");
	vmlab(2, "\"format\" is no order: there are", "order web1 -- format");
	vmlab(2, "netbot is no argument of local", "order web1 -- local netbot=off");
	vmlab(2, "is no argument: write NAME=VALUE", "order web1 -- local off");
	vmlab(2, "\"never\" is no duration", "order web1 --deadline never -- local");
	vmlab(2, "\"8d\" is no duration: write 90s, 5m or 2h, 168h at most",
	    "order web1 --deadline 8d -- local");
	vmlab(2, "--deadline 0 is out of range: write 1s to 168h",
	    "order web1 --deadline 0 -- local");
	vmlab(2, "--deadline 0s is out of range", "order web1 --deadline 0s -- local");
	vmlab(2, "--deadline 169h is out of range", "order web1 --deadline 169h -- local");
	vmlab(0, "starts it anew, once from its disk", "order web1 -- help");
	vmlab(0, "starts it anew, once from its disk", "order -- help");
	vmlab(1, "lab \"lab7\" is down", "order web1 -- inventory");
	vmlab(0, "web1 is up", "up web1");
	vmlab(0, "was ordered nothing yet", "orders web1");
	vmlab(1, "nobody", "order nobody -- inventory");
	vmlab(1, "\"a?[31m\" is no machine's name, MAC address", "order a\x1b[31m -- inventory");
	vmlab(0,
	    "web1: order 1, inventory waits: its agent is not running: it starts at web1's next",
	    "order web1 --no-wait --deadline 90s -- inventory");
	vmlab(0, "\"deadline_s\": 90", "orders web1 --json");
	vmlab(0, "inventory ordered", "ls");
	vmlab(0, "order 1 of web1 and what follows it in its list are taken back",
	    "order cancel web1 1");
	vmlab(0, "cancelled", "orders web1");
	vmlab(1, "order 1 is over", "order cancel web1 1");
	vmlab(0, NULL, "order resume --no-wait web1 1");
	vmlab(0, "waiting", "orders web1");
	vmlab(0, NULL, "order output web1 1");
	vmlab(1, "web1 has no order 7: `vmlab orders web1` lists them", "order output web1 7");
	vmlab(1, "\"x\" is no order", "order cancel web1 x");
	/* What waits is what the next boot is for, and `up` waits for that. */
	vmlab(0, "web1 is in the agent: vmlab orders web1 shows what it does", "restart web1");
	vmlab(0, "agent: inventory ordered", "ls");
	vmlab(0, "\"recorded\": \"", "ls --json web1");
	vmlab(1, "it is in the agent, which does what it is ordered", "wait --timeout 1s web1");
}

static void workflows_are_judged_and_run(void **state)
{
	(void)state;
	make_folder("vms/_workflows");
	file_says(folder, "vms/_workflows/check.json",
	    "{\"orders\": [{\"action\": \"inventory\"},\n {\"action\": \"reboot\"}]}");
	file_says(folder, "vms/_workflows/bad.json",
	    "{\"orders\": [{\"action\": \"inventory\"},\n {\"action\": \"local\",\n  \"args\": {\"netboot\": \"of\"}}]}");
	vmlab(0, "check.json: 2 orders, all well", "workflow validate check");
	vmlab(1, "bad.json:3:23: orders[1].args.netboot \"of\" is not known",
	    "workflow validate check bad");
	vmlab(1, "none.json", "workflow validate none");
	static const char *const no_object[] = {
	    "hello", "[{\"action\": \"inventory\"}]", " 7\n", "", "null"};
	for (size_t i = 0; i < sizeof(no_object) / sizeof(*no_object); i++) {
		file_says(folder, "vms/_workflows/odd.json", no_object[i]);
		vmlab(1,
		    "this must be an object with the list of orders: write {\"orders\": [{\"action\": \"inventory\"}]}",
		    "workflow validate odd");
	}
	file_says(folder, "vms/_workflows/odd.json", "{\"orders\": [], }");
	vmlab(1, "odd.json:1:14: no comma may stand", "workflow validate odd");
	vmlab(2, "it takes run FILE --on MACHINES", "workflow check");
	vmlab(2, "on which machines?", "workflow run check");
	vmlab(2, "--parallel takes a number", "workflow run check --on all --parallel 0");
	vmlab(0, "web1 is up", "up web1");
	vmlab(1, "bad.json:3:23:", "workflow run bad --on all");
	vmlab(1, "no declared machine is \"db*\"", "workflow run check --on db*");
	vmlab(0, "web1: order 2, reboot waits", "workflow run check --on web*,!web2 --no-wait");
	vmlab(0, "reboot", "orders web1");
	vmlab(0, "\"maxItems\": 16", "schema workflow");
}

/* From the host alone, and by what the server tells. */
static void a_broken_link_is_explained(void **state)
{
	(void)state;
	vmlab(2, "one NAME, please", "explain");
	vmlab(1, "web1: stack: the stack does not run: lab \"lab7\" is down", "explain web1");
	vmlab(1, "nobody", "explain nobody");
	vmlab(0, "web1 is up", "up web1");
	vmlab(0, "web1: nothing is broken: it is ready", "explain web1");
	vmlab(0, "first-boot  ok", "explain web1");
	vmlab(0, "\"ok\": true", "explain --json web1");
	vmlab(1, "nobody", "explain nobody");
	vmlab(0, NULL, "down web1");
	vmlab(1, "web1: power: its VM is off: it ended with status 0", "explain web1");
	vmlab(1, "\"rule\": \"vm-stopped\"", "explain --json web1");
	file_says(folder, "vms/web1.json", "{\"name\": \"web1\", \"cpus\": \"x\"}");
	vmlab(1, "web1: definition: its file is wrong, and the last good", "explain web1");
}

int main(void)
{
#define LAB(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    LAB(from_up_to_down),
	    LAB(a_failed_install_says_why_and_is_tried_again_on_order),
	    LAB(what_does_not_get_there_is_given_up),
	    LAB(a_definition_that_changes_is_told),
	    LAB(what_cannot_start_is_said),
	    LAB(the_doctor_looks_at_all),
	    LAB(a_lab_whose_machine_was_started_anew_is_resumed),
	    LAB(usage_is_explained),
	    LAB(strangers_are_listed_adopted_and_ignored),
	    LAB(an_adopted_machine_has_both_names),
	    LAB(definitions_are_made_and_judged),
	    LAB(states_and_empty_lists),
	    LAB(what_has_no_effect_is_told),
	    LAB(a_definition_is_shown_with_where_it_comes_from),
	    LAB(a_lab_is_its_folders),
	    LAB(log_in),
	    LAB(machines_are_ordered),
	    LAB(a_broken_link_is_explained),
	    LAB(workflows_are_judged_and_run),
	    LAB(images_are_made_of_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
