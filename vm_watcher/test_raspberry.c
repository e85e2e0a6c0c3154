/* The folders of Raspberry Pis: what is in them, and when they come and go. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/test_folder.h"
#include "lib/boot/raspberry.h"
#include "lib/boot/test_eeprom.h"
#include "vm_watcher/raspberry.h"

#define PI(name, last, serial, mode)                                                               \
	"{\"name\":\"" name "\",\"mac\":\"dc:a6:32:00:00:" last                                    \
	"\",\"arch\":\"arm64\",\"serial\":\"" serial "\",\"mode\":\"" mode "\"}"

static int make(const char *machines, struct err *e)
{
	struct vm_store_options o = {.dir = at("vms"), .no_inotify = true};
	struct leases leases = {0};
	struct raspberry_place place = {.root = at("tftp"), .images = at("images")};
	struct vm_store *store;

	inet_pton(AF_INET, "192.168.100.1", &place.server);
	assert_int_equal(leases_read_machines(&leases, machines), 0);
	if (vm_store_open(&o, &store, e) < 0)
		fail_msg("%s", e->msg);
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	int rc = raspberry_folders(&place, snap, &leases, e);
	vm_snapshot_unref(snap);
	vm_store_close(store);
	leases_clear(&leases);
	return rc;
}

static void make_good(const char *machines)
{
	struct err e = ERR_INIT;

	if (make(machines, &e) < 0)
		fail_msg("%s", e.msg);
}

static bool is_there(const char *name)
{
	return access(at(name), F_OK) == 0;
}

static void assert_holds(const char *name, const char *text)
{
	_cleanup_free_ char *got = NULL;
	struct err e = ERR_INIT;
	size_t len;

	if (file_read(at(name), 4096, &got, &len, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(got, text);
}

static int begin(void **state)
{
	if (make_folder(state) < 0 || mkdir(at("tftp"), 0755) < 0 ||
	    mkdir(at("tftp/raspberrypi"), 0755) < 0 || mkdir(at("tftp/initrds"), 0755) < 0 ||
	    mkdir(at("tftp/initrds/arm64"), 0755) < 0)
		return -1;
	put("tftp/initrds/arm64/initrd.zst", "initrd");
	put("tftp/raspberrypi/start4.elf", "firmware");
	put("tftp/raspberrypi/vmlinuz", "kernel");
	put("tftp/boot.ipxe", "of another");
	return 0;
}

static void each_has_its_own(void **state)
{
	(void)state;
	put("vms/a.json", PI("a", "0a", "A1B2C3D4", "shell"));
	put("vms/b.json", PI("b", "0b", "00c0ffee", "shell"));
	put("vms/vm.json", "{\"name\":\"vm\",\"mac\":\"52:54:00:00:00:01\",\"mode\":\"shell\"}");
	make_good("");
	assert_holds("tftp/a1b2c3d4/start4.elf", "firmware");
	assert_holds("tftp/a1b2c3d4/vmlinuz", "kernel");
	assert_holds("tftp/a1b2c3d4/initrd.zst", "initrd");
	assert_holds("tftp/00c0ffee/cmdline.txt",
	    "ip=dhcp BOOTIF=01-dc-a6-32-00-00-0b console=tty0 console=ttyS1,115200"
	    " config_url=http://192.168.100.1/config/dc:a6:32:00:00:0b initrd.mode=shell"
	    " panic=30 quiet\n");
	assert_false(is_there("tftp/a1b2c3d4/fixup4.dat")); /* a link to what the image has not */
	struct stat st;
	assert_int_equal(lstat(at("tftp/a1b2c3d4/fixup4.dat"), &st), 0);
}

/* By its mode, by order, and with its definition; other folders stay. */
static void they_come_and_go(void **state)
{
	(void)state;
	make_good("a - - 0 - off\n");
	assert_false(is_there("tftp/a1b2c3d4"));
	assert_true(is_there("tftp/00c0ffee"));
	make_good("");
	assert_true(is_there("tftp/a1b2c3d4/start4.elf"));
	put("vms/a.json", PI("a", "0a", "A1B2C3D4", "local"));
	put("vms/b.json", PI("b", "0b", "00c0ffee", "off"));
	make_good("");
	assert_false(is_there("tftp/a1b2c3d4"));
	assert_false(is_there("tftp/00c0ffee"));
	put("vms/a.json", PI("a", "0a", "A1B2C3D4", "shell"));
	unlink(at("vms/b.json"));
	make_good("");
	assert_holds("tftp/a1b2c3d4/start4.elf", "firmware");
	unlink(at("vms/a.json"));
	make_good("");
	assert_false(is_there("tftp/a1b2c3d4"));
	assert_holds("tftp/boot.ipxe", "of another");
	assert_holds("tftp/raspberrypi/vmlinuz", "kernel");
}

/* One that cannot be served keeps none of the others from it. */
static void two_of_one_board(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	put("vms/a.json", PI("a", "0a", "A1B2C3D4", "shell"));
	put("vms/b.json", PI("b", "0b", "10000000a1b2c3d4", "shell"));
	put("vms/c.json", PI("c", "0c", "00c0ffee", "shell"));
	assert_int_equal(make("", &e), -EEXIST);
	assert_string_equal(
	    e.msg, "a and b have the serial number of the same board: correct one of them");
	assert_true(is_there("tftp/00c0ffee/start4.elf"));
	_cleanup_free_ char *text = NULL;
	size_t len;
	assert_int_equal(file_read(at("tftp/a1b2c3d4/cmdline.txt"), 4096, &text, &len, &e), 0);
	assert_non_null(strstr(text, "01-dc-a6-32-00-00-0a"));
}

/* While it is wished for, and whole: the signature goes first and comes last. */
static void an_update_is_there_while_it_is_wished_for(void **state)
{
	static const char config[] = "[all]\nBOOT_ORDER=0xf21\n";
	const struct eeprom_shape shape = {.soc = "2711", .config = config, .len = strlen(config)};
	_cleanup_free_ uint8_t *image = eeprom_make(&shape);
	_cleanup_free_ char *update = NULL, *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	(void)state;
	unlink(at("vms/a.json"));
	unlink(at("vms/b.json"));
	put("vms/c.json", PI("c", "0c", "00c0ffee", "agent"));
	assert_int_equal(make("c - - 0 - - 2711:first:1790000000\n", &e), -ENOENT);
	assert_non_null(strstr(e.msg, "there is no images/_raspberry/2711/pieeprom.bin"));
	assert_true(is_there("tftp/00c0ffee/start4.elf"));
	assert_false(is_there("tftp/00c0ffee/pieeprom.sig"));
	assert_int_equal(mkdir(at("images"), 0755), 0);
	assert_int_equal(mkdir(at("images/2711"), 0755), 0);
	assert_true(
	    atomic_file_replace(at("images/2711/pieeprom.bin"), image, 512 * 1024, 0644, &e) >= 0);
	make_good("c - - 0 - - 2711:first:1790000000\na - - 0 - - -\n");
	assert_int_equal(
	    file_read(at("tftp/00c0ffee/pieeprom.upd"), 1 << 20, &update, &len, &e), 0);
	assert_int_equal(len, 512 * 1024);
	_cleanup_free_ char *edited = eeprom_config_of((uint8_t *)update);
	assert_string_equal(edited, "[all]\nBOOT_ORDER=0xf12\n");
	assert_int_equal(file_read(at("tftp/00c0ffee/pieeprom.sig"), 4096, &text, &len, &e), 0);
	assert_non_null(strstr(text, "\nts: 1790000000\n"));
	make_good("c - - 0 - - -\n");
	assert_false(is_there("tftp/00c0ffee/pieeprom.sig"));
	assert_false(is_there("tftp/00c0ffee/pieeprom.upd"));
	make_good("c - - 0 - - 2711:last:1790000001\n");
	assert_true(is_there("tftp/00c0ffee/pieeprom.sig"));
	put("images/2711/pieeprom.bin", "cut");
	assert_int_equal(make("c - - 0 - - 2711:last:1790000001\n", &e), -EINVAL);
	assert_false(is_there("tftp/00c0ffee/pieeprom.sig"));
	assert_true(is_there("tftp/00c0ffee/start4.elf"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_has_its_own),
	    cmocka_unit_test(they_come_and_go),
	    cmocka_unit_test(two_of_one_board),
	    cmocka_unit_test(an_update_is_there_while_it_is_wished_for),
	};

	return cmocka_run_group_tests(tests, begin, remove_folder);
}
