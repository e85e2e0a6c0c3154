/* The watched folder, with real files: changes, broken files, conflicts in any order. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/test_file.h"
#include "lib/store/store.h"

#define RESCAN_MS 150

/* ---- a folder for each test -------------------------------------------------------------------*/

struct lab {
	char root[64];
	char dir[80];
	struct vm_store *store;
	const struct vm_snapshot *snap;
};

static int lab_new_in(void **state, const char *where)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	snprintf(lab->root, sizeof(lab->root), "%s/test_vm_store.XXXXXX", where);
	assert_non_null(mkdtemp(lab->root));
	snprintf(lab->dir, sizeof(lab->dir), "%s/vms", lab->root);
	assert_int_equal(mkdir(lab->dir, 0755), 0);
	*state = lab;
	return 0;
}

static int lab_new(void **state)
{
	return lab_new_in(state, "/tmp");
}

/* A file system whose changes inotify tells, wherever the test runs. */
static int lab_new_local(void **state)
{
	return lab_new_in(state, "/dev/shm");
}

static int lab_free(void **state)
{
	struct lab *lab = *state;
	char command[100];

	vm_snapshot_unref(lab->snap);
	vm_store_close(lab->store);
	snprintf(command, sizeof(command), "rm -rf '%s'", lab->root);
	int rc = system(command);
	free(lab);
	return rc;
}

static void put_vm(
    const struct lab *lab, const char *file, const char *name, int mac, const char *more)
{
	char text[400];

	snprintf(text, sizeof(text), "{\"name\":\"%s\",\n \"mac\":\"52:54:00:00:00:%02x\"%s}", name,
	    mac, more);
	write_in(lab->dir, file, text);
}

static void drop_file(const struct lab *lab, const char *name)
{
	assert_int_equal(unlink(file_in(lab->dir, name)), 0);
}

static void take_snapshot(struct lab *lab)
{
	vm_snapshot_unref(lab->snap);
	lab->snap = vm_store_snapshot(lab->store);
}

static void open_as(struct lab *lab, struct vm_store_options o)
{
	static struct cidr4 net;
	struct err e = ERR_INIT;

	assert_int_equal(cidr4_parse("192.168.100.1/24", true, &net, &e), 0);
	o.dir = lab->dir;
	o.lab = &net;
	o.rescan_ms = RESCAN_MS;
	if (vm_store_open(&o, &lab->store, &e) < 0)
		fail_msg("%s", e.msg);
	take_snapshot(lab);
}

static void open_with(struct lab *lab, bool no_inotify)
{
	open_as(lab, (struct vm_store_options){.no_inotify = no_inotify});
}

static void open_store(struct lab *lab)
{
	open_with(lab, false);
}

/* Waits for the next snapshot. */
static void changed(struct lab *lab)
{
	struct err e = ERR_INIT;

	if (vm_store_wait(lab->store, 3000, &e) != 1)
		fail_msg("no change was noticed: %s", e.msg);
	take_snapshot(lab);
}

/* Two rescans pass and nothing new is published. */
static void unchanged(struct lab *lab)
{
	struct err e = ERR_INIT;

	assert_int_equal(vm_store_wait(lab->store, RESCAN_MS * 2 + 50, &e), 0);
}

/* As changed(), also when what was done made no difference. */
static void settled(struct lab *lab)
{
	struct err e = ERR_INIT;

	assert_true(vm_store_wait(lab->store, RESCAN_MS * 2 + 20, &e) >= 0);
	take_snapshot(lab);
}

static int mac_of(const struct lab *lab, const char *name)
{
	const struct vm *vm = vm_snapshot_by_name(lab->snap, name);

	return vm ? vm->mac.octet[5] : -1;
}

static const struct vm_problem *problem_of(const struct lab *lab, const char *file)
{
	for (size_t i = 0; i < vm_snapshot_problem_count(lab->snap); i++)
		if (strcmp(vm_snapshot_problem_at(lab->snap, i)->file, file) == 0)
			return vm_snapshot_problem_at(lab->snap, i);
	return NULL;
}

static void expect_problem(
    const struct lab *lab, const char *file, const char *part, bool last_good)
{
	const struct vm_problem *p = problem_of(lab, file);

	if (!p)
		fail_msg("%s has no problem", file);
	if (!strstr(p->text, part))
		fail_msg("%s: \"%s\" does not say \"%s\"", file, p->text, part);
	assert_int_equal(p->serving_last_good, last_good);
	assert_false(p->warning);
}

/* ---- rescans that leave the files alone
 * ---------------------------------------------------------*/

static void open_seldom_scanned(struct lab *lab)
{
	open_as(lab, (struct vm_store_options){.scan_pause_ms = 60000});
}

static void seldom_scanned_folder_is_still_watched(void **state)
{
	struct lab *lab = *state;
	char elsewhere[100];

	put_vm(lab, "a.json", "web1", 1, "");
	open_seldom_scanned(lab);
	put_vm(lab, "a.json", "web1", 2, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 2);
	unchanged(lab);
	snprintf(elsewhere, sizeof(elsewhere), "%s/old", lab->root);
	assert_int_equal(rename(lab->dir, elsewhere), 0);
	assert_int_equal(mkdir(lab->dir, 0755), 0);
	put_vm(lab, "a.json", "web1", 3, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 3);
}

/* A program that keeps its file open. */
static void what_a_writer_holds_open_is_seen(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	open_seldom_scanned(lab);
	FILE *f = fopen(file_in(lab->dir, "a.json"), "r+");
	assert_non_null(f);
	fputs("{\"name\":\"web1\",\n \"mac\":\"52:54:00:00:00:02\"}", f);
	assert_int_equal(fflush(f), 0);
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 2);
	fclose(f);
}

/* A write through another name or behind a link gives this folder no event. */
static void changes_behind_links_are_seen(void **state)
{
	struct lab *lab = *state;
	char target[100];

	snprintf(target, sizeof(target), "%s/target.json", lab->root);
	put_vm(lab, "../target.json", "web1", 1, "");
	assert_int_equal(link(target, file_in(lab->dir, "a.json")), 0);
	open_seldom_scanned(lab);
	put_vm(lab, "../target.json", "web1", 2, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 2);
	drop_file(lab, "a.json");
	changed(lab);
	assert_int_equal(symlink(target, file_in(lab->dir, "a.json")), 0);
	changed(lab);
	put_vm(lab, "../target.json", "web1", 3, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 3);
}

/* ---- opening, finding -------------------------------------------------------------------------*/

static void folder_is_indexed(void **state)
{
	struct lab *lab = *state;
	struct err e = ERR_INIT;
	struct mac mac;

	put_vm(lab, "b.json", "web2", 2, ",\"serial\":\"S1\"");
	put_vm(lab, "a.json", "web1", 1, ",\"uuid\":\"6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\"");
	write_in(lab->dir, ".hidden.json", "{");
	write_in(lab->dir, "_other.json", "{");
	write_in(lab->dir, "vm.schema.json", "{");
	write_in(lab->dir, "notes.txt", "{");
	write_in(lab->dir, "web2.noreboot", "");
	open_store(lab);

	assert_int_equal(vm_snapshot_count(lab->snap), 2);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
	assert_int_equal(vm_snapshot_generation(lab->snap), 1);
	assert_string_equal(vm_snapshot_at(lab->snap, 0)->name, "web1");
	assert_int_equal(mac_parse("52:54:00:00:00:02", 17, &mac, &e), 0);
	const struct vm *vm = vm_snapshot_by_mac(lab->snap, &mac);
	assert_non_null(vm);
	assert_string_equal(vm->name, "web2");
	assert_string_equal(vm_snapshot_file(lab->snap, vm), "b.json");
	assert_true(vm_snapshot_noreboot(lab->snap, vm));
	assert_ptr_equal(vm_snapshot_by_serial(lab->snap, "S1"), vm);
	assert_ptr_equal(vm_snapshot_by_serial(lab->snap, "s1"), vm);
	vm = vm_snapshot_by_uuid(lab->snap, "6F1C2A34-5B6D-4E7F-8A9B-0C1D2E3F4A5B");
	assert_non_null(vm);
	assert_string_equal(vm->name, "web1");
	assert_false(vm_snapshot_noreboot(lab->snap, vm));

	mac.octet[5] = 9;
	assert_null(vm_snapshot_by_mac(lab->snap, &mac));
	assert_null(vm_snapshot_by_name(lab->snap, "web3"));
	assert_null(vm_snapshot_by_uuid(lab->snap, ""));
	assert_null(vm_snapshot_by_serial(lab->snap, ""));
}

static struct in6_addr address(const char *text)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1)
		return ip4_mapped(four);
	assert_int_equal(inet_pton(AF_INET6, text, &six), 1);
	return six;
}

static const char *declaring(const struct lab *lab, const char *text)
{
	struct in6_addr wanted = address(text);
	const struct vm *vm = vm_snapshot_declaring(lab->snap, &wanted);

	return vm ? vm->name : "";
}

static bool is_anothers(const struct lab *lab, const char *vm, const char *text)
{
	struct in6_addr wanted = address(text);

	return vm_snapshot_is_anothers(lab->snap, vm_snapshot_by_name(lab->snap, vm), &wanted);
}

static void addresses_and_labels_are_indexed(void **state)
{
	static const char shared[] =
	    ",\"network_config\":{\"version\":2,\"bridges\":{\"br0\":{\"addresses\":"
	    "[\"172.17.0.1/16\",\"172.17.0.1/24\"],\"nameservers\":{\"addresses\":[\"9.9.9.9\"]}}}}";
	struct lab *lab = *state;
	char file[20], name[20];

	put_vm(lab, "a.json", "Web_1", 1, ",\"ip\":\"192.168.100.10\",\"ipv6\":\"fd00::a\"");
	put_vm(lab, "b.json", "web2", 2,
	    ",\"network_config\":{\"version\":1,\"config\":[{\"type\":"
	    "\"physical\",\"name\":\"e0\",\"subnets\":[{\"type\":\"static\",\"address\":\"192.168.100.20/24\"},"
	    "{\"type\":\"static6\",\"address\":\"fd00::20/64\"}]},{\"type\":\"nameserver\",\"address\":\"192.168.100.53\"}]}");
	for (int i = 3; i < 60; i++) { /* each has the same one inside: nothing grows with that */
		snprintf(file, sizeof(file), "n%d.json", i);
		snprintf(name, sizeof(name), "n%d", i);
		put_vm(lab, file, name, i, shared);
	}
	open_store(lab);
	assert_string_equal(declaring(lab, "192.168.100.10"), "Web_1");
	assert_string_equal(declaring(lab, "fd00::a"), "Web_1");
	assert_string_equal(declaring(lab, "192.168.100.20"), ""); /* set, not declared */
	assert_string_equal(declaring(lab, "::"), "");
	assert_string_equal(declaring(lab, "0.0.0.0"), "");
	assert_false(is_anothers(lab, "Web_1", "192.168.100.10"));
	assert_true(is_anothers(lab, "web2", "192.168.100.10"));
	assert_true(is_anothers(lab, "web2", "fd00::a"));
	assert_true(is_anothers(lab, "Web_1", "192.168.100.20"));
	assert_true(is_anothers(lab, "Web_1", "fd00::20"));
	assert_false(is_anothers(lab, "web2", "192.168.100.20"));
	assert_false(is_anothers(lab, "Web_1", "192.168.100.53"));
	assert_false(is_anothers(lab, "Web_1", "9.9.9.9"));
	for (int i = 3; i < 60; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_true(is_anothers(lab, name, "172.17.0.1"));
	}
	const struct vm *vm = vm_snapshot_by_label(lab->snap, "web-1");
	assert_non_null(vm);
	assert_string_equal(vm->name, "Web_1");
	assert_ptr_equal(
	    vm_snapshot_by_label(lab->snap, "web2"), vm_snapshot_by_name(lab->snap, "web2"));
	assert_null(vm_snapshot_by_label(lab->snap, "web_1"));
}

static void empty_folder_is_fine(void **state)
{
	struct lab *lab = *state;
	struct mac mac = {{2, 0, 0, 0, 0, 1}};

	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 0);
	assert_null(vm_snapshot_by_mac(lab->snap, &mac));
	unchanged(lab);
}

static void missing_folder_is_an_error(void **state)
{
	struct lab *lab = *state;
	struct err e = ERR_INIT;
	struct vm_store_options o = {.dir = "/no/such/folder"};

	assert_int_equal(vm_store_open(&o, &lab->store, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "/no/such/folder"));
	lab->store = NULL;
}

/* ---- changes ----------------------------------------------------------------------------------*/

static void change_and_remove(struct lab *lab)
{
	put_vm(lab, "a.json", "web1", 1, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 1);
	put_vm(lab, "a.json", "web1", 7, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 7);
	write_in(lab->dir, "web1.noreboot", "");
	changed(lab);
	assert_true(vm_snapshot_noreboot(lab->snap, vm_snapshot_at(lab->snap, 0)));
	drop_file(lab, "web1.noreboot");
	changed(lab);
	assert_false(vm_snapshot_noreboot(lab->snap, vm_snapshot_at(lab->snap, 0)));
	drop_file(lab, "a.json");
	changed(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 0);
	unchanged(lab);
}

static void changes_are_seen(void **state)
{
	open_store(*state);
	change_and_remove(*state);
}

static void changes_are_seen_without_inotify(void **state)
{
	open_with(*state, true);
	change_and_remove(*state);
}

/* Same size, and so soon after that a coarse time stamp cannot tell. */
static void quick_second_change_is_seen(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	open_with(lab, true);
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	struct stat st;
	assert_int_equal(stat(file_in(lab->dir, "a.json"), &st), 0);
	put_vm(lab, "a.json", "web1", 2, "");
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, file_in(lab->dir, "a.json"), times, 0), 0);
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 2);
}

static void touch_is_no_change(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	write_in(lab->dir, "bad.json", "{");
	open_store(lab);
	assert_int_equal(utimensat(AT_FDCWD, file_in(lab->dir, "a.json"), NULL, 0), 0);
	write_in(lab->dir, "bad.json", "{");
	write_in(lab->dir, "unrelated.txt", "x");
	unchanged(lab);
}

static void rename_into_place_is_seen(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	open_store(lab);
	static const char text[] = "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:05\"}";
	assert_int_equal(
	    atomic_file_replace(file_in(lab->dir, "a.json"), text, strlen(text), 0644, NULL), 0);
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 5);
}

/* As in a Kubernetes configmap: files are links through a link that is switched at once. */
static void switched_links_are_seen(void **state)
{
	struct lab *lab = *state;
	char old_dir[120], new_dir[120];

	snprintf(old_dir, sizeof(old_dir), "%s/one", lab->root);
	snprintf(new_dir, sizeof(new_dir), "%s/two", lab->root);
	assert_int_equal(mkdir(old_dir, 0755), 0);
	assert_int_equal(mkdir(new_dir, 0755), 0);
	put_vm(lab, "../one/a.json", "web1", 1, "");
	put_vm(lab, "../two/a.json", "web1", 2, "");
	assert_int_equal(symlink("../one", file_in(lab->dir, "..data")), 0);
	assert_int_equal(symlink("..data/a.json", file_in(lab->dir, "a.json")), 0);
	open_store(lab);
	assert_int_equal(mac_of(lab, "web1"), 1);
	assert_int_equal(symlink("../two", file_in(lab->dir, "..tmp")), 0);
	char from[200];
	snprintf(from, sizeof(from), "%s", file_in(lab->dir, "..tmp"));
	assert_int_equal(rename(from, file_in(lab->dir, "..data")), 0);
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 2);
}

static void burst_is_one_snapshot(void **state)
{
	struct lab *lab = *state;
	char file[32], name[32];

	open_store(lab);
	for (int i = 0; i < 100; i++) {
		snprintf(file, sizeof(file), "vm%d.json", i);
		snprintf(name, sizeof(name), "vm%d", i);
		put_vm(lab, file, name, i + 1, "");
	}
	changed(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 100);
	assert_int_equal(vm_snapshot_generation(lab->snap), 2);
}

static void old_snapshot_stays_as_it_was(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	open_store(lab);
	const struct vm_snapshot *old = vm_store_snapshot(lab->store);
	const struct vm *vm = vm_snapshot_by_name(old, "web1");
	put_vm(lab, "a.json", "web1", 2, "");
	changed(lab);
	drop_file(lab, "a.json");
	changed(lab);
	assert_int_equal(vm->mac.octet[5], 1);
	assert_ptr_equal(vm_snapshot_by_name(old, "web1"), vm);
	vm_snapshot_unref(old);
}

/* ---- broken files -----------------------------------------------------------------------------*/

static void broken_file_keeps_last_good(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	put_vm(lab, "b.json", "web2", 2, "");
	open_store(lab);
	write_in(lab->dir, "a.json", "{\"name\":\"web1\",\n \"mac\":");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 1);
	assert_int_equal(mac_of(lab, "web2"), 2);
	expect_problem(lab, "a.json", "too early", true);
	assert_int_equal(problem_of(lab, "a.json")->where.line, 2);
	unchanged(lab);
	put_vm(lab, "a.json", "web1", 3, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 3);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

static void odd_files_never_block(void **state)
{
	struct lab *lab = *state;
	static char huge[VM_FILE_MAX_BYTES + 2];

	memset(huge, ' ', VM_FILE_MAX_BYTES + 1);
	write_in(lab->dir, "huge.json", huge);
	write_in(lab->dir, "empty.json", "");
	assert_int_equal(mkfifo(file_in(lab->dir, "fifo.json"), 0644), 0);
	assert_int_equal(mkdir(file_in(lab->dir, "dir.json"), 0755), 0);
	assert_int_equal(symlink("nothing", file_in(lab->dir, "link.json")), 0);
	assert_int_equal(symlink("loop.json", file_in(lab->dir, "loop.json")), 0);
	put_vm(lab, "good.json", "web1", 1, "");
	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 1);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 6);
	expect_problem(lab, "huge.json", "at most 65536", false);
	expect_problem(lab, "empty.json", "empty", false);
	expect_problem(lab, "fifo.json", "not a regular file", false);
	expect_problem(lab, "dir.json", "not a regular file", false);
	expect_problem(lab, "link.json", "link to nothing", false);
	expect_problem(lab, "loop.json", "cannot be examined", false);
	unchanged(lab);
	drop_file(lab, "link.json");
	put_vm(lab, "link.json", "web2", 2, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web2"), 2);
}

static void unreadable_file_keeps_last_good(void **state)
{
	struct lab *lab = *state;

	if (geteuid() == 0) {
		print_message("skipped: root may read every file\n");
		skip();
	}
	put_vm(lab, "a.json", "web1", 1, "");
	open_store(lab);
	assert_int_equal(chmod(file_in(lab->dir, "a.json"), 0), 0);
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 1);
	expect_problem(lab, "a.json", "cannot be read", true);
}

static void address_must_lie_in_the_lab(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "a", 1, ",\n  \"ip\":\"10.0.0.1\"");
	put_vm(lab, "b.json", "b", 2, ",\n  \"ip\":\"192.168.100.1\"");
	put_vm(lab, "c.json", "c", 3, ",\n  \"ip\":\"192.168.100.255\"");
	put_vm(lab, "d.json", "d", 4, ",\n  \"ip\":\"192.168.100.9\"");
	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 1);
	expect_problem(lab, "a.json", "outside the lab's network 192.168.100.1/24", false);
	assert_int_equal(problem_of(lab, "a.json")->where.line, 3);
	assert_int_equal(problem_of(lab, "a.json")->where.column, 8);
	expect_problem(lab, "b.json", "provisioner's own", false);
	expect_problem(lab, "c.json", "broadcast", false);
}

static unsigned problems_of(const struct lab *lab, const char *file)
{
	unsigned count = 0;

	for (size_t i = 0; i < vm_snapshot_problem_count(lab->snap); i++)
		count += strcmp(vm_snapshot_problem_at(lab->snap, i)->file, file) == 0;
	return count;
}

static void address_is_judged_beside_other_mistakes(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "a", 1, ",\n  \"ip\":\"10.0.0.1\",\"cpus\":0");
	put_vm(lab, "b.json", "b", 2, ",\"ip\":\"10.0.0.300\",\"cpus\":0");
	put_vm(lab, "c.json", "c", 3, ",\"ip\":\"10.0.0.255/24\",\"cpus\":0");
	put_vm(lab, "d.json", "d", 4, ",\"ip\":\"192.168.100.9\",\"cpus\":0");
	open_store(lab);
	assert_int_equal(problems_of(lab, "a.json"), 2);
	assert_int_equal(problems_of(lab, "b.json"), 2);
	assert_int_equal(problems_of(lab, "c.json"), 2);
	assert_int_equal(problems_of(lab, "d.json"), 1);
}

static void unknown_key_is_a_warning(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "a", 1, ",\"cpu\":1");
	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 1);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 1);
	assert_true(problem_of(lab, "a.json")->warning);
	put_vm(lab, "a.json", "a", 1, "");
	changed(lab);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

/* ---- conflicts --------------------------------------------------------------------------------*/

static void newcomer_is_refused(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "z.json", "web1", 1, "");
	open_store(lab);
	put_vm(lab, "a.json", "web2", 1, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 1);
	assert_int_equal(mac_of(lab, "web2"), -1);
	expect_problem(lab, "a.json", "z.json", false);
	assert_int_equal(problem_of(lab, "a.json")->where.line, 2);
	assert_int_equal(problem_of(lab, "a.json")->where.column, 8);
	assert_null(problem_of(lab, "z.json"));
	unchanged(lab);

	drop_file(lab, "z.json"); /* the holder goes: the newcomer gets it */
	changed(lab);
	assert_int_equal(mac_of(lab, "web2"), 1);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

static void every_claim_is_unique(void **state)
{
	static const char *const more[] = {",\"ip\":\"192.168.100.7\"", ",\"ipv6\":\"fd00::7\"",
	    ",\"uuid\":\"6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\"", ",\"serial\":\"S1\"",
	    ",\"serial\":\"abc-1\""};
	static const char *const again[] = {NULL, NULL,
	    ",\"uuid\":\"6F1C2A34-5B6D-4E7F-8A9B-0C1D2E3F4A5B\"", NULL, ",\"serial\":\"ABC-1\""};
	struct lab *lab = *state;

	open_store(lab);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		put_vm(lab, "a.json", "a", 1, more[i]);
		changed(lab);
		put_vm(lab, "b.json", "b", 2, again[i] ? again[i] : more[i]);
		changed(lab);
		assert_int_equal(vm_snapshot_count(lab->snap), 1);
		expect_problem(lab, "b.json", "belongs to a.json", false);
		put_vm(lab, "b.json", "b", 2, "");
		changed(lab);
		assert_int_equal(vm_snapshot_count(lab->snap), 2);
		drop_file(lab, "b.json");
		changed(lab);
	}
	put_vm(lab, "b.json", "a", 2, "");
	changed(lab);
	expect_problem(lab, "b.json", "\"name\" a belongs to a.json", false);
}

#define STATIC(address)                                                                            \
	",\n \"network_config\":{\"version\":2,\"ethernets\":{\"e\":{\"addresses\":[\"" address    \
	"\"]}}}"

/* What a machine sets by itself is its own as what the lab gives it is; outside the lab's network
 * that is nobody's business. */
static void static_addresses_are_claimed(void **state)
{
	static const struct {
		const char *first, *second, *problem;
	} rows[] = {
	    {",\"ip\":\"192.168.100.7\"", STATIC("192.168.100.7/24"),
		"\"network_config\" 192.168.100.7 belongs to a.json"},
	    {STATIC("192.168.100.7/24"), ",\n \"ip\":\"192.168.100.7\"",
		"\"ip\" 192.168.100.7 belongs to a.json"},
	    {STATIC("192.168.100.7/24"), STATIC("192.168.100.7/25"),
		"\"network_config\" 192.168.100.7 belongs to a.json"},
	    {STATIC("10.0.0.7/24"), STATIC("10.0.0.7/24"), NULL},
	    {STATIC("192.168.100.7/24") ",\"ip\":\"192.168.100.7\"", STATIC("192.168.100.8/24"),
		NULL},
	};
	struct lab *lab = *state;

	open_store(lab);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_vm(lab, "a.json", "a", 1, rows[i].first);
		changed(lab);
		put_vm(lab, "b.json", "b", 2, rows[i].second);
		changed(lab);
		assert_int_equal(vm_snapshot_count(lab->snap), rows[i].problem ? 1 : 2);
		if (rows[i].problem) {
			expect_problem(lab, "b.json", rows[i].problem, false);
			assert_int_equal(problem_of(lab, "b.json")->where.line, 3);
			drop_file(lab, "a.json"); /* the holder goes: the newcomer gets it */
			changed(lab);
			assert_int_equal(vm_snapshot_count(lab->snap), 1);
			assert_null(problem_of(lab, "b.json"));
		} else {
			drop_file(lab, "a.json");
			changed(lab);
		}
		drop_file(lab, "b.json");
		changed(lab);
	}
	put_vm(lab, "a.json", "a", 1, STATIC("192.168.100.1/24"));
	changed(lab);
	expect_problem(lab, "a.json",
	    "\"network_config\": 192.168.100.1 is the provisioner's own address", false);
}

/* From the start on, in whatever order they are read, neither is used. */
static void static_addresses_in_dispute(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "a", 1, ",\"ip\":\"192.168.100.7\"");
	put_vm(lab, "b.json", "b", 2, STATIC("192.168.100.7/24"));
	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 0);
	expect_problem(
	    lab, "a.json", "\"ip\" 192.168.100.7 is claimed by both a.json and b.json", false);
	expect_problem(lab, "b.json",
	    "\"network_config\" 192.168.100.7 is claimed by both b.json and a.json", false);
}

static void names_that_become_one_host_name_collide(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "My_VM", 1, "");
	open_store(lab);
	assert_int_equal(mac_of(lab, "My_VM"), 1);
	put_vm(lab, "b.json", "my.vm", 2, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "my.vm"), -1);
	expect_problem(lab, "b.json",
	    "\"name\" my.vm becomes the host name my-vm, and so does My_VM of a.json: give one",
	    false);
}

static void provisioner_is_skipped_with_a_note(void **state)
{
	struct lab *lab = *state;

	/* Its address is the stack's own; and nothing in it has to be right. */
	put_vm(lab, "p.json", "prov", 1, ",\"role\":\"provisioner\",\"ip\":\"192.168.100.1\"");
	put_vm(lab, "q.json", "-", 2, ",\"role\":\"provisioner\"");
	put_vm(lab, "a.json", "web1", 3, "");
	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 1);
	for (int i = 0; i < 2; i++) {
		const struct vm_problem *p = problem_of(lab, i ? "q.json" : "p.json");
		assert_non_null(p);
		assert_true(p->warning);
		assert_non_null(strstr(p->text, "skipped"));
	}
	put_vm(lab, "a.json", "web1", 3, ",\"role\":\"provisioner\"");
	changed(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 0);
	put_vm(lab, "a.json", "web1", 3, ",\"role\":\"target\"");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 3);
	assert_null(problem_of(lab, "a.json"));
}

static void colliders_at_start_are_all_refused(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	put_vm(lab, "b.json", "web2", 1, "");
	put_vm(lab, "c.json", "web2", 3, ""); /* collides with b by name */
	put_vm(lab, "d.json", "web4", 4, "");
	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 1);
	expect_problem(lab, "a.json", "b.json", false);
	expect_problem(lab, "b.json", "claimed by both", false);
	expect_problem(lab, "c.json", "b.json", false);

	put_vm(lab, "e.json", "web5", 1, ""); /* a newcomer does not get what is in dispute */
	changed(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 1);
	expect_problem(lab, "e.json", "claimed by both", false);

	put_vm(lab, "b.json", "web9", 9, "");
	changed(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 4);
	assert_int_equal(mac_of(lab, "web1"), 1);
	assert_int_equal(mac_of(lab, "web2"), 3);
	assert_int_equal(mac_of(lab, "web9"), 9);
	expect_problem(lab, "e.json", "belongs to a.json", false);
}

static void numbers_in_place_of_a_mac_collide_by_their_own_name(void **state)
{
	static const char *const rows[][3] = {
	    {"\"serial\":\"S1\"", "\"serial\" S1", "\"serial\":\"S1\""},
	    {"\"serial\":\"abc-1\"", "\"serial\" ABC-1", "\"serial\":\"ABC-1\""},
	    {"\"uuid\":\"6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\"",
		"\"uuid\" 6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
		"\"uuid\":\"6F1C2A34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\""},
	};
	struct lab *lab = *state;
	char text[200];

	open_store(lab);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(text, sizeof(text), "{\"name\":\"a\",%s}", rows[i][0]);
		write_in(lab->dir, "a.json", text);
		changed(lab);
		snprintf(text, sizeof(text), "{\"name\":\"b\",%s}", rows[i][2]);
		write_in(lab->dir, "b.json", text);
		changed(lab);
		expect_problem(lab, "b.json", rows[i][1], false);
		drop_file(lab, "b.json");
		drop_file(lab, "a.json");
		changed(lab);
	}
}

static void collider_at_start_may_go(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	put_vm(lab, "b.json", "web2", 1, "");
	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 0);
	drop_file(lab, "a.json");
	changed(lab);
	assert_int_equal(mac_of(lab, "web2"), 1);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

/* ---- memory of who was first
 * -------------------------------------------------------------------*/

/* A second store on the same folder that knows what the first one holds: the stack's other program,
 * the stack after a restart, or the command line. */
static const struct vm_snapshot *see_after(
    const struct lab *lab, const struct vm_snapshot *first, struct vm_store **store)
{
	char *holders = first ? vm_holders_text(first) : NULL;
	struct vm_store_options options = {.dir = lab->dir, .holders = holders, .no_inotify = true};
	struct err e = ERR_INIT;

	if (vm_store_open(&options, store, &e) < 0)
		fail_msg("%s", e.msg);
	free(holders);
	return vm_store_snapshot(*store);
}

static const struct vm_snapshot *see_as_another(const struct lab *lab, struct vm_store **store)
{
	return see_after(lab, lab->snap, store);
}

static void holder_keeps_its_claim_over_a_restart(void **state)
{
	struct lab *lab = *state;
	struct vm_store *other;

	put_vm(lab, "web1.json", "web1", 1, ",\"ip\":\"192.168.100.7\"");
	open_store(lab);
	put_vm(lab, "a-copy.json", "copy", 1, "");
	put_vm(lab, "b-copy.json", "b", 3, ",\"ip\":\"192.168.100.7\"");
	put_vm(lab, "same.json", "web1", 4, "");
	changed(lab);
	put_vm(
	    lab, "web1.json", "web1", 1, ",\"ip\":\"192.168.100.7\",\"cpus\":3"); /* younger now */
	changed(lab);
	const struct vm_snapshot *seen = see_as_another(lab, &other);
	assert_int_equal(vm_snapshot_count(seen), 1);
	assert_int_equal(vm_snapshot_by_name(seen, "web1")->cpus, 3);
	assert_int_equal(vm_snapshot_problem_count(seen), 3);
	for (size_t i = 0; i < 3; i++)
		assert_non_null(
		    strstr(vm_snapshot_problem_at(seen, i)->text, "belongs to web1.json already"));
	vm_snapshot_unref(seen);
	vm_store_close(other);
}

static void memory_of_a_file_that_is_gone_holds_nothing(void **state)
{
	struct lab *lab = *state;
	struct vm_store *other;

	put_vm(lab, "web1.json", "web1", 1, "");
	put_vm(lab, "web2.json", "web2", 2, "");
	open_store(lab);
	drop_file(lab, "web1.json");
	put_vm(lab, "web2.json", "web2", 1, ""); /* while the store does not look */
	const struct vm_snapshot *seen = see_as_another(lab, &other);
	assert_int_equal(vm_snapshot_by_name(seen, "web2")->mac.octet[5], 1);
	assert_int_equal(vm_snapshot_problem_count(seen), 0);
	vm_snapshot_unref(seen);
	vm_store_close(other);
}

static void foreign_memory_is_ignored(void **state)
{
	struct lab *lab = *state;
	struct vm_store_options options = {
	    .dir = lab->dir, .holders = "\n\nrubbish\n12\n0123456789abcdefg\nffffffffffffffff"};
	struct vm_store *other;
	struct err e = ERR_INIT;

	put_vm(lab, "a.json", "web1", 1, "");
	put_vm(lab, "b.json", "web2", 1, "");
	assert_int_equal(vm_store_open(&options, &other, &e), 0);
	const struct vm_snapshot *seen = vm_store_snapshot(other);
	assert_int_equal(vm_snapshot_count(seen), 0);
	vm_snapshot_unref(seen);
	vm_store_close(other);
}

/* What a file of the stack's has in force counts, not what stands in it now. */
static void memory_stands_for_a_last_good_definition(void **state)
{
	struct lab *lab = *state;
	struct vm_store *other;

	put_vm(lab, "web1.json", "web1", 1, "");
	open_store(lab);
	write_in(lab->dir, "web1.json", "{\"name\":");
	put_vm(lab, "web2.json", "web2", 1, "");
	changed(lab);
	expect_problem(lab, "web2.json", "belongs to web1.json already", false);
	const struct vm_snapshot *seen = see_as_another(lab, &other);
	assert_int_equal(vm_snapshot_count(seen), 0);
	assert_non_null(
	    strstr(vm_snapshot_problem_at(seen, 1)->text, "belongs to web1.json already"));
	/* To whom that one hands it on: after another restart, or the command line beside it. */
	struct vm_store *third;
	const struct vm_snapshot *last = see_after(lab, seen, &third);
	assert_int_equal(vm_snapshot_count(last), 0);
	assert_non_null(
	    strstr(vm_snapshot_problem_at(last, 1)->text, "belongs to web1.json already"));
	vm_snapshot_unref(last);
	vm_store_close(third);
	vm_snapshot_unref(seen);
	drop_file(lab, "web1.json");
	struct err e = ERR_INIT;
	assert_int_equal(vm_store_wait(other, 3000, &e), 1);
	seen = vm_store_snapshot(other);
	assert_non_null(vm_snapshot_by_name(seen, "web2"));
	char *holders = vm_holders_text(seen), *again = vm_holders_text(lab->snap);
	assert_int_not_equal(strlen(holders), 0);
	assert_null(strstr(holders, again)); /* what is over is not handed on */
	free(holders);
	free(again);
	vm_snapshot_unref(seen);
	vm_store_close(other);
}

/* What a file held that is in force with other claims now is not handed on beside what is. */
static void memory_of_what_was_given_up_is_not_handed_on(void **state)
{
	struct lab *lab = *state;
	struct vm_store *second, *third;

	put_vm(lab, "web1.json", "web1", 1, "");
	put_vm(lab, "bad.json", "bad", 9, "");
	open_store(lab);
	write_in(lab->dir, "bad.json", "{\"name\":");
	put_vm(lab, "web1.json", "web1", 2, ""); /* while the store does not look */
	put_vm(lab, "web2.json", "web2", 1, "");
	const struct vm_snapshot *seen = see_as_another(lab, &second);
	assert_int_equal(vm_snapshot_by_name(seen, "web2")->mac.octet[5], 1);
	put_vm(lab, "web1.json", "web1", 1, "");
	put_vm(lab, "web3.json", "web3", 9, "");
	const struct vm_snapshot *last = see_after(lab, seen, &third);
	assert_int_equal(vm_snapshot_count(last), 1);
	assert_int_equal(vm_snapshot_by_name(last, "web2")->mac.octet[5], 1);
	vm_snapshot_unref(last);
	vm_store_close(third);
	vm_snapshot_unref(seen);
	vm_store_close(second);
}

/* In whatever order files come, change and go: who opens the folder now serves what the one serves
 * that saw it all, and refuses the rest of the same files. */
static void others_judge_alike_in_any_order(void **state)
{
	struct lab *lab = *state;
	unsigned seed = 20;

	open_with(lab, true);
	for (unsigned step = 0; step < 40; step++) {
		seed = seed * 1664525u + 1013904223u;
		char file[20], name[20], more[60];
		snprintf(file, sizeof(file), "f%u.json", seed >> 8 & 3);
		snprintf(name, sizeof(name), "n%u", seed >> 10 & 3);
		snprintf(more, sizeof(more), ",\"ip\":\"192.168.100.%u\",\"serial\":\"S%u\"",
		    10 + (seed >> 16 & 3), seed >> 20 & 7);
		if ((seed >> 27) % 5 == 0)
			unlink(file_in(lab->dir, file));
		else
			put_vm(lab, file, name, (int)(seed >> 13 & 3) + 1, more);
		settled(lab);

		struct vm_store *other;
		const struct vm_snapshot *seen = see_as_another(lab, &other);
		for (size_t i = 0; i < vm_snapshot_count(seen); i++) {
			const struct vm *vm = vm_snapshot_at(seen, i);
			const struct vm *first = vm_snapshot_by_name(lab->snap, vm->name);
			if (!first || strcmp(vm_snapshot_file(lab->snap, first),
					  vm_snapshot_file(seen, vm)) != 0)
				fail_msg("step %u: %s serves %s only for who came later", step,
				    vm_snapshot_file(seen, vm), vm->name);
		}
		for (size_t i = 0; i < vm_snapshot_problem_count(lab->snap); i++) {
			const char *refused = vm_snapshot_problem_at(lab->snap, i)->file;
			bool also = false;
			for (size_t j = 0; j < vm_snapshot_problem_count(seen); j++)
				also |= strcmp(vm_snapshot_problem_at(seen, j)->file, refused) == 0;
			if (!also)
				fail_msg("step %u: %s is refused by the first only", step, refused);
		}
		assert_int_equal(
		    vm_snapshot_problem_count(seen), vm_snapshot_problem_count(lab->snap));
		vm_snapshot_unref(seen);
		vm_store_close(other);
	}
}

/* Both programs see the same files, perhaps in another order: the older one wins in both. */
static void newcomers_are_ordered_by_age(void **state)
{
	struct lab *lab = *state;

	open_with(lab, true); /* no inotify: both come in one batch */
	put_vm(lab, "z.json", "web1", 1, "");
	struct timespec pause = {.tv_nsec = 30 * 1000 * 1000};
	nanosleep(&pause, NULL);
	put_vm(lab, "a.json", "web2", 1, "");
	changed(lab);
	if (vm_snapshot_count(lab->snap) == 0 || !problem_of(lab, "a.json"))
		changed(lab); /* a rescan fell between the two */
	assert_int_equal(mac_of(lab, "web1"), 1);
	expect_problem(lab, "a.json", "belongs to z.json", false);
}

static void edit_into_a_conflict_keeps_last_good(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	put_vm(lab, "b.json", "web2", 2, "");
	open_store(lab);
	put_vm(lab, "b.json", "web2", 1, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web2"), 2);
	expect_problem(lab, "b.json", "belongs to a.json", true);
	put_vm(lab, "a.json", "web1", 5, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 5);
	assert_int_equal(mac_of(lab, "web2"), 1);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

static void two_files_may_trade(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	put_vm(lab, "b.json", "web2", 2, "");
	open_store(lab);
	put_vm(lab, "a.json", "web1", 2, "");
	put_vm(lab, "b.json", "web2", 1, "");
	changed(lab);
	if (vm_snapshot_problem_count(lab->snap))
		changed(lab); /* the batch was cut in two */
	assert_int_equal(mac_of(lab, "web1"), 2);
	assert_int_equal(mac_of(lab, "web2"), 1);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

/* b loses against a, and c only against b: c must not be lost with it. */
static void refused_rival_blocks_nobody(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "a", 1, "");
	open_with(lab, true);
	put_vm(lab, "b.json", "b", 1, ",\"serial\":\"S2\"");
	put_vm(lab, "c.json", "c", 3, ",\"serial\":\"S2\"");
	changed(lab);
	if (mac_of(lab, "c") < 0)
		changed(lab);
	assert_int_equal(mac_of(lab, "c"), 3);
	expect_problem(lab, "b.json", "belongs to a", false);
}

/* Any order of events ends in the same: nobody shares, and nobody waits for nothing. */
static void random_edits_keep_the_rules(void **state)
{
	struct lab *lab = *state;
	unsigned seed = 42;

	open_with(lab, true);
	for (int step = 0; step < 40; step++) {
		for (int edits = rand_r(&seed) % 4; edits >= 0; edits--) {
			char file[32], name[32];
			snprintf(file, sizeof(file), "f%d.json", rand_r(&seed) % 6);
			snprintf(name, sizeof(name), "n%d", rand_r(&seed) % 6);
			int what = rand_r(&seed) % 5;
			if (what == 0)
				unlink(file_in(lab->dir, file));
			else if (what == 1)
				write_in(lab->dir, file, "{");
			else
				put_vm(lab, file, name, 1 + rand_r(&seed) % 6, "");
		}
		struct err e = ERR_INIT;
		assert_true(vm_store_wait(lab->store, RESCAN_MS + 30, &e) >= 0);
		take_snapshot(lab);
		for (size_t i = 0; i < vm_snapshot_count(lab->snap); i++) {
			const struct vm *vm = vm_snapshot_at(lab->snap, i);
			assert_ptr_equal(vm_snapshot_by_mac(lab->snap, &vm->mac), vm);
			assert_ptr_equal(vm_snapshot_by_name(lab->snap, vm->name), vm);
		}
	}
	for (int i = 0; i < 6; i++) { /* make peace */
		char file[32], name[32];
		snprintf(file, sizeof(file), "f%d.json", i);
		snprintf(name, sizeof(name), "n%d", i);
		put_vm(lab, file, name, 1 + i, "");
	}
	struct err e = ERR_INIT;
	for (int i = 0; i < 4; i++)
		assert_true(vm_store_wait(lab->store, RESCAN_MS + 30, &e) >= 0);
	take_snapshot(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 6);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

/* ---- defaults ---------------------------------------------------------------------------------*/

static unsigned cpus_of(const struct lab *lab, const char *name)
{
	return vm_snapshot_by_name(lab->snap, name)->cpus;
}

static void defaults_reach_every_vm(void **state)
{
	struct lab *lab = *state;

	write_in(lab->dir, "_defaults.json", "{\"cpus\":3}");
	put_vm(lab, "a.json", "a", 1, "");
	put_vm(lab, "b.json", "b", 2, ",\"cpus\":7");
	open_store(lab);
	assert_int_equal(cpus_of(lab, "a"), 3);
	assert_int_equal(cpus_of(lab, "b"), 7);
	write_in(lab->dir, "_defaults.json", "{\"cpus\":4}");
	changed(lab);
	assert_int_equal(cpus_of(lab, "a"), 4);
	write_in(lab->dir, "_defaults.json", "{\"cpus\":");
	changed(lab);
	assert_int_equal(cpus_of(lab, "a"), 4);
	expect_problem(lab, "_defaults.json", "too early", true);
	drop_file(lab, "_defaults.json");
	changed(lab);
	assert_int_equal(cpus_of(lab, "a"), 2);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

static void bad_defaults_at_start_hold_everything_back(void **state)
{
	struct lab *lab = *state;

	write_in(lab->dir, "_defaults.json", "{\"cpu\":3}");
	put_vm(lab, "a.json", "a", 1, "");
	open_store(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 0);
	expect_problem(lab, "_defaults.json", "no definition is used", false);
	/* What is wrong with others is not hidden by that. */
	put_vm(lab, "b.json", "b", 2, ",\"memory\":true");
	changed(lab);
	expect_problem(lab, "b.json", "MiB", false);
	assert_int_equal(vm_snapshot_count(lab->snap), 0);
	drop_file(lab, "b.json");
	write_in(lab->dir, "_defaults.json", "{\"cpus\":3}");
	changed(lab);
	assert_int_equal(cpus_of(lab, "a"), 3);
	assert_int_equal(vm_snapshot_problem_count(lab->snap), 0);
}

/* A store that opens while the file is broken goes on with what the one before had. */
static void remembered_defaults_hold(void **state)
{
	static const char *const broken[] = {
	    "{\"memry\":\"1G\"}", "{", "{\"cpus\":99999999}", "[]"};
	struct lab *lab = *state;
	const struct vm_snapshot *seen;
	struct vm_store *other;

	write_in(lab->dir, "_defaults.json", "{\"cpus\":3,\"runcmd\":[\"a\\nb\"]}");
	put_vm(lab, "a.json", "a", 1, "");
	open_store(lab);
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		write_in(lab->dir, "_defaults.json", broken[i]);
		seen = see_as_another(lab, &other);
		assert_int_equal(vm_snapshot_count(seen), 1);
		assert_int_equal(vm_snapshot_by_name(seen, "a")->cpus, 3);
		assert_int_equal(vm_snapshot_problem_count(seen), 1);
		assert_true(vm_snapshot_problem_at(seen, 0)->serving_last_good);
		vm_snapshot_unref(seen);
		vm_store_close(other);
	}
	drop_file(lab, "_defaults.json");
	seen = see_as_another(lab, &other);
	assert_int_equal(vm_snapshot_by_name(seen, "a")->cpus, 2);
	vm_snapshot_unref(seen);
	vm_store_close(other);
	changed(lab);
	write_in(lab->dir, "_defaults.json", "{");
	seen = see_as_another(lab, &other);
	assert_int_equal(vm_snapshot_count(seen), 0);
	vm_snapshot_unref(seen);
	vm_store_close(other);
}

/* ---- the folder itself ------------------------------------------------------------------------*/

static void vanished_folder_keeps_everything(struct lab *lab)
{
	char away[100];
	struct err e = ERR_INIT;

	snprintf(away, sizeof(away), "%s/away", lab->root);
	assert_int_equal(rename(lab->dir, away), 0);
	assert_true(vm_store_wait(lab->store, 3000, &e) < 0);
	assert_non_null(strstr(e.msg, lab->dir));
	assert_int_equal(mkdir(lab->dir, 0755), 0); /* what an unmount leaves behind */
	assert_true(vm_store_wait(lab->store, 3000, &e) < 0);
	assert_non_null(strstr(e.msg, "stay in force"));
	take_snapshot(lab);
	assert_int_equal(mac_of(lab, "web1"), 1);
	assert_int_equal(rmdir(lab->dir), 0);
	assert_int_equal(rename(away, lab->dir), 0);
	/* That it is back is told though nothing in it has changed. */
	time_t began = time(NULL);
	assert_int_equal(vm_store_wait(lab->store, 60000, &e), 0);
	assert_true(time(NULL) - began < 20);
	put_vm(lab, "a.json", "web1", 2, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 2);
}

static void folder_may_go_and_come_back(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	open_store(lab);
	vanished_folder_keeps_everything(lab);
}

static void folder_may_come_back_without_inotify(void **state)
{
	struct lab *lab = *state;

	put_vm(lab, "a.json", "web1", 1, "");
	open_with(lab, true);
	vanished_folder_keeps_everything(lab);
}

static void replaced_folder_is_watched(void **state)
{
	struct lab *lab = *state;
	char away[100];

	put_vm(lab, "a.json", "web1", 1, "");
	put_vm(lab, "b.json", "web2", 2, "");
	open_store(lab);
	snprintf(away, sizeof(away), "%s/away", lab->root);
	assert_int_equal(rename(lab->dir, away), 0);
	assert_int_equal(mkdir(lab->dir, 0755), 0);
	put_vm(lab, "a.json", "web1", 3, "");
	changed(lab);
	assert_int_equal(vm_snapshot_count(lab->snap), 1);
	assert_int_equal(mac_of(lab, "web1"), 3);
	put_vm(lab, "a.json", "web1", 4, "");
	changed(lab);
	assert_int_equal(mac_of(lab, "web1"), 4);
}

/* ---- threads ----------------------------------------------------------------------------------*/

static void *wake_soon(void *store)
{
	struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	nanosleep(&pause, NULL);
	vm_store_wake(store);
	return NULL;
}

static void wake_ends_the_wait(void **state)
{
	struct lab *lab = *state;
	struct err e = ERR_INIT;
	pthread_t thread;

	open_store(lab);
	assert_int_equal(pthread_create(&thread, NULL, wake_soon, lab->store), 0);
	assert_int_equal(vm_store_wait(lab->store, -1, &e), 0);
	pthread_join(thread, NULL);
	vm_store_wake(lab->store); /* before the wait counts too */
	assert_int_equal(vm_store_wait(lab->store, -1, &e), 0);
}

static void *read_snapshots(void *store)
{
	for (int i = 0; i < 20000; i++) {
		const struct vm_snapshot *snap = vm_store_snapshot(store);
		for (size_t n = 0; n < vm_snapshot_count(snap); n++)
			if (vm_snapshot_at(snap, n)->name[0] != 'v')
				return store;
		vm_snapshot_unref(snap);
	}
	return NULL;
}

static void readers_run_beside_changes(void **state)
{
	struct lab *lab = *state;
	pthread_t threads[2];
	struct err e = ERR_INIT;
	void *bad;

	put_vm(lab, "a.json", "vm", 1, "");
	open_store(lab);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_snapshots, lab->store), 0);
	for (int i = 0; i < 20; i++) {
		put_vm(lab, "a.json", "vm", 2 + i, "");
		assert_true(vm_store_wait(lab->store, 40, &e) >= 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, lab_new, lab_free)
#define TEST_LOCAL(f) cmocka_unit_test_setup_teardown(f, lab_new_local, lab_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(folder_is_indexed),
	    TEST(addresses_and_labels_are_indexed),
	    TEST(empty_folder_is_fine),
	    TEST(missing_folder_is_an_error),
	    TEST(changes_are_seen),
	    TEST(changes_are_seen_without_inotify),
	    TEST(quick_second_change_is_seen),
	    TEST(touch_is_no_change),
	    TEST(rename_into_place_is_seen),
	    TEST(switched_links_are_seen),
	    TEST(burst_is_one_snapshot),
	    TEST(old_snapshot_stays_as_it_was),
	    TEST(broken_file_keeps_last_good),
	    TEST(odd_files_never_block),
	    TEST(unreadable_file_keeps_last_good),
	    TEST(address_must_lie_in_the_lab),
	    TEST(address_is_judged_beside_other_mistakes),
	    TEST(unknown_key_is_a_warning),
	    TEST(newcomer_is_refused),
	    TEST(every_claim_is_unique),
	    TEST(static_addresses_are_claimed),
	    TEST(static_addresses_in_dispute),
	    TEST(names_that_become_one_host_name_collide),
	    TEST(provisioner_is_skipped_with_a_note),
	    TEST(numbers_in_place_of_a_mac_collide_by_their_own_name),
	    TEST(colliders_at_start_are_all_refused),
	    TEST(collider_at_start_may_go),
	    TEST(holder_keeps_its_claim_over_a_restart),
	    TEST(memory_of_a_file_that_is_gone_holds_nothing),
	    TEST(foreign_memory_is_ignored),
	    TEST(memory_stands_for_a_last_good_definition),
	    TEST(memory_of_what_was_given_up_is_not_handed_on),
	    TEST(others_judge_alike_in_any_order),
	    TEST(newcomers_are_ordered_by_age),
	    TEST(edit_into_a_conflict_keeps_last_good),
	    TEST(two_files_may_trade),
	    TEST(refused_rival_blocks_nobody),
	    TEST(random_edits_keep_the_rules),
	    TEST(defaults_reach_every_vm),
	    TEST(bad_defaults_at_start_hold_everything_back),
	    TEST(remembered_defaults_hold),
	    TEST(folder_may_go_and_come_back),
	    TEST(folder_may_come_back_without_inotify),
	    TEST(replaced_folder_is_watched),
	    TEST_LOCAL(seldom_scanned_folder_is_still_watched),
	    TEST_LOCAL(what_a_writer_holds_open_is_seen),
	    TEST_LOCAL(changes_behind_links_are_seen),
	    TEST(wake_ends_the_wait),
	    TEST(readers_run_beside_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
