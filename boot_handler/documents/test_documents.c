/* The documents machines read: the installer's configuration and cloud-init's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/documents/cloudinit.h"
#include "boot_handler/documents/config.h"
#include "boot_handler/sources/image.h"
#include "lib/definition/test_vm_from.h"

#define KEY_BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x"
#define KEY(name) "ssh-ed25519 " KEY_BLOB " " name
#define ID "\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\""
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE_OF(file) "{\"file\":\"" file "\",\"size_bytes\":5,\"sha256\":\"" SHA "\""

static struct image_manifest image_of(void)
{
	static const char text[] =
	    "{\"format\":1,\"distro\":\"debian-13\",\"arch\":\"amd64\",\"kernel_version\":\"6.12.1\","
	    "\"kernel\":" FILE_OF("vmlinuz") "},\"modules\":" FILE_OF(
		"modules.cpio.zst") "},"
				    "\"rootfs\":" FILE_OF(
					"r.tgz") ",\"unpacked_bytes\":9,\"entries\":1,"
						 "\"chunk_bytes\":65536,\"chunks\":[\"" SHA
						 "\"],\"later\":1}}";
	struct image_manifest image;
	struct image_where where;
	struct err e = ERR_INIT;

	if (image_manifest_parse(
		text, strlen(text), "debian-13", VM_ARCH_AMD64, true, &image, &where, &e) < 0)
		fail_msg("%s", e.msg);
	return image;
}

static const char *text_at(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "(none)";
}

static const struct life memory = {.attempt = 3, .ordered = true};

static json_t *config(const char *definition, bool noreboot)
{
	static const struct boot_urls urls = {"http://h", "/initrds"};
	_cleanup_image_manifest_ struct image_manifest image = image_of();
	struct err e = ERR_INIT;
	json_t *json = NULL;
	struct vm *vm = vm_from(definition);

	assert_int_equal(
	    config_build(vm, &vm->mac, memory, noreboot, &image, &urls, "pvmlab.local", &json, &e),
	    0);
	vm_free(vm);
	return json;
}

static void configs(void **state)
{
	json_t *c = config("{" ID "}", false);

	(void)state;
	assert_string_equal(text_at(c, "rootfs_url"), "http://h/images/debian-13/amd64/r.tgz");
	assert_string_equal(
	    text_at(c, "kmods_url"), "http://h/images/debian-13/amd64/modules.cpio.zst");
	assert_string_equal(text_at(c, "kernel_url"), "http://h/images/debian-13/amd64/vmlinuz");
	assert_string_equal(text_at(c, "cloud_init_url"), "http://h/cloud-init/web1");
	assert_string_equal(text_at(c, "report_url"), "http://h/report/52:54:00:00:00:11");
	assert_string_equal(text_at(c, "fqdn"), "web1.pvmlab.local");
	assert_string_equal(text_at(c, "arch"), "x86_64");
	assert_string_equal(text_at(c, "after_install"), "reboot");
	assert_int_equal(json_integer_value(json_object_get(c, "attempt")), 3);
	assert_true(json_is_true(json_object_get(c, "reinstall")));
	assert_true(json_is_true(json_object_get(c, "reboot_on_success")));
	assert_string_equal(text_at(json_object_get(c, "rootfs"), "sha256"), SHA);
	/* As it stands in the manifest, and what a later version put there, too. */
	assert_int_equal(
	    json_array_size(json_object_get(json_object_get(c, "rootfs"), "chunks")), 1);
	assert_non_null(json_object_get(json_object_get(c, "rootfs"), "later"));
	assert_null(json_object_get(c, "kernel_args"));
	json_decref(c);

	c = config("{" ID ",\"kernel_args\":\"quiet\",\"disks\":[{\"size\":\"8G\"}],"
		   "\"after_install\":\"poweroff\"}",
	    false);
	assert_string_equal(text_at(c, "kernel_args"), "quiet");
	assert_string_equal(text_at(c, "after_install"), "poweroff");
	assert_true(json_is_false(json_object_get(c, "reboot_on_success")));
	assert_int_equal(json_array_size(json_object_get(c, "disks")), 1);
	json_decref(c);

	c = config(
	    "{" ID ",\"after_install\":\"kexec\",\"hooks\":{\"post_install\":[\"echo\"]}}", false);
	assert_string_equal(text_at(c, "after_install"), "kexec");
	assert_true(json_is_true(json_object_get(c, "reboot_on_success")));
	assert_int_equal(
	    json_array_size(json_object_get(json_object_get(c, "hooks"), "post_install")), 1);
	json_decref(c);
	c = config("{" ID ",\"after_install\":\"kexec\"}", true);
	assert_string_equal(text_at(c, "after_install"), "shell");
	json_decref(c);

	c = config("{" ID "}", true);
	assert_string_equal(text_at(c, "after_install"), "shell");
	assert_true(json_is_false(json_object_get(c, "reboot_on_success")));
	json_decref(c);
}

static json_t *document(
    const char *definition, const char *operators_key, enum route_document which);

/* The lab's part of it: two, the second of which is the script with our address in it. */
static void vendor_parts(void **state)
{
	json_t *parts = document("{" ID "}", NULL, ROUTE_VENDOR_DATA);
	const json_t *config = json_array_get(parts, 0);
	const json_t *call = json_array_get(parts, 1);

	(void)state;
	assert_int_equal(json_array_size(parts), 2);
	assert_string_equal(text_at(config, "type"), "text/cloud-config");
	json_t *settings =
	    json_loads(text_at(config, "content") + strlen("#cloud-config\n"), 0, NULL);
	assert_string_equal(
	    text_at(json_object_get(json_object_get(settings, "reporting"), "vmlab"), "endpoint"),
	    "http://h/report/52:54:00:00:00:11?phase=cloud-init");
	json_decref(settings);
	assert_string_equal(text_at(call, "type"), "text/x-shellscript");
	assert_non_null(strstr(text_at(call, "content"),
	    "\nURL = \"http://h/report/52:54:00:00:00:11?phase=ready\"\n"));
	assert_memory_equal(text_at(call, "content"), "#!/bin/sh\n", 10);
	json_decref(parts);
}

/* Files that belong to users, and what comes after them at the same place, wait for the users. */
static void deferred_files(void **state)
{
	static const struct {
		const char *file;
		bool deferred;
	} cases[] = {
	    {"{\"path\":\"/etc/a\"}", false},
	    {"{\"path\":\"/etc/b\",\"owner\":\"root:root\"}", false},
	    {"{\"path\":\"/etc/c\",\"owner\":\"ann:ann\"}", true},
	    {"{\"path\":\"/etc/c\",\"append\":true}", true},
	    {"{\"path\":\"/etc/d\",\"owner\":\"root:postgres\"}", true},
	    {"{\"path\":\"/etc/e\",\"owner\":\"ann\",\"defer\":false}", false},
	    {"{\"path\":\"/home/ann/x\"}", true},
	    {"{\"path\":\"/srv/ann/x\"}", true},
	    {"{\"path\":\"/srv/annex\"}", false},
	};
	char definition[4096] = "{" ID ",\"users\":[{\"name\":\"ann\",\"homedir\":\"/srv/ann/\"}],"
				"\"write_files\":[";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strcat(definition, i > 0 ? "," : "");
		strcat(definition, cases[i].file);
	}
	strcat(definition, "]}");
	json_t *d = document(definition, NULL, ROUTE_USER_DATA);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const json_t *file = json_array_get(json_object_get(d, "write_files"), i);
		if (json_is_true(json_object_get(file, "defer")) != cases[i].deferred)
			fail_msg("%s", cases[i].file);
	}
	json_decref(d);
}

/* The document without its first line when that has to be #cloud-config, parsed. */
static json_t *document(
    const char *definition, const char *operators_key, enum route_document which)
{
	struct vm *vm = vm_from(definition);
	json_t *keys = operators_key ? json_pack("[s]", operators_key) : json_array();
	struct cloudinit c = {vm, vm->mac, keys, "http://h", "pvmlab.local", "192.168.100.1", 2};
	struct err e = ERR_INIT;
	json_error_t where;
	char *text = NULL;

	assert_int_equal(cloudinit_document(&c, which, &text, &e), 0);
	const char *start = text;
	const char *head = which == ROUTE_USER_DATA     ? "#cloud-config\n"
			   : which == ROUTE_VENDOR_DATA ? "#cloud-config-archive\n"
							: "";
	assert_memory_equal(text, head, strlen(head));
	start += strlen(head);
	json_t *json = json_loads(start, 0, &where);
	assert_non_null(json);
	assert_null(strcasestr(text, "mime-version:"));
	free(text);
	json_decref(keys);
	vm_free(vm);
	return json;
}

/* A machine that was found by its UUID has another card than its definition says. */
static void other_card(void **state)
{
	static const struct boot_urls urls = {"http://h", "/initrds"};
	struct mac nic = {{2, 0, 0, 0, 0, 9}};
	struct vm *vm = vm_from("{" ID "}");
	struct cloudinit c = {vm, nic, NULL, "http://h", "d", NULL, 0};
	_cleanup_image_manifest_ struct image_manifest image = image_of();
	struct err e = ERR_INIT;
	json_t *json = NULL;
	char *text = NULL;

	(void)state;
	assert_int_equal(config_build(vm, &nic, (struct life){.attempt = 1}, false, &image, &urls,
			     "", &json, &e),
	    0);
	assert_string_equal(text_at(json, "mac"), "02:00:00:00:00:09");
	assert_string_equal(text_at(json, "report_url"), "http://h/report/52:54:00:00:00:11");
	assert_int_equal(cloudinit_document(&c, ROUTE_NETWORK_CONFIG, &text, &e), 0);
	assert_non_null(strstr(text, "\"macaddress\": \"02:00:00:00:00:09\""));
	assert_null(strstr(text, "52:54:00"));
	free(text);
	json_decref(json);
	vm_free(vm);
}

static void default_user(void **state)
{
	json_t *d = document("{" ID ",\"ssh_key\":\"" KEY("a") "\",\"ssh_keys\":[\"" KEY(
				 "b") "\",\"" KEY("a") "\"]}",
	    KEY("op"), ROUTE_USER_DATA);
	const json_t *user = json_array_get(json_object_get(d, "users"), 0);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(d, "users")), 1);
	assert_string_equal(text_at(user, "name"), "lab");
	assert_string_equal(text_at(user, "sudo"), "ALL=(ALL) NOPASSWD:ALL");
	assert_string_equal(text_at(user, "shell"), "/bin/bash");
	assert_true(json_is_true(json_object_get(user, "lock_passwd")));
	assert_int_equal(json_array_size(json_object_get(user, "ssh_authorized_keys")), 3);
	assert_true(json_is_true(json_object_get(d, "disable_root")));
	assert_true(json_is_false(json_object_get(d, "ssh_pwauth")));
	assert_string_equal(text_at(d, "fqdn"), "web1.pvmlab.local");
	assert_null(json_object_get(d, "packages"));
	json_decref(d);
}

static void own_users(void **state)
{
	json_t *d =
	    document("{" ID ",\"ssh_key\":\"" KEY("a") "\",\"users\":[{\"name\":\"ann\","
						       "\"ssh_authorized_keys\":[\"" KEY(
							   "ann") "\"]},{\"name\":\"bob\"}]}",
		KEY("op"), ROUTE_USER_DATA);
	const json_t *users = json_object_get(d, "users");

	(void)state;
	assert_int_equal(json_array_size(users), 2);
	assert_int_equal(
	    json_array_size(json_object_get(json_array_get(users, 0), "ssh_authorized_keys")), 3);
	assert_null(json_object_get(json_array_get(users, 1), "ssh_authorized_keys"));
	json_decref(d);

	d = document("{" ID ",\"users\":[\"default\"]}", KEY("op"), ROUTE_USER_DATA);
	assert_int_equal(json_array_size(json_object_get(d, "ssh_authorized_keys")), 1);
	json_decref(d);
	d = document("{" ID
		     ",\"users\":[{\"name\":\"ann\",\"ssh_authorized_keys\":[],\"gecos\":null}]}",
	    NULL, ROUTE_USER_DATA);
	assert_int_equal(json_object_size(json_array_get(json_object_get(d, "users"), 0)), 1);
	json_decref(d);
	d = document("{" ID "}", NULL, ROUTE_USER_DATA);
	assert_null(
	    json_object_get(json_array_get(json_object_get(d, "users"), 0), "ssh_authorized_keys"));
	json_decref(d);
	d = document("{" ID ",\"users\":[\"eve\"]}", KEY("op"), ROUTE_USER_DATA);
	assert_string_equal(text_at(json_array_get(json_object_get(d, "users"), 0), "name"), "eve");
	json_decref(d);
}

/* Values arrive as they were, however they look. */
static void hostile_values(void **state)
{
	const char *content =
	    "Mime-Version: 1.0\n\\mime-version:\na: b\n#cloud-config\n{{ x }}\n\"'`$(id)\\\t- \xc3\xa4";
	json_t *in = json_pack("{s:s, s:s, s:[{s:s, s:s, s:s}], s:[s, [s, s]]}", "name", "web1",
	    "mac", "52:54:00:00:00:11", "write_files", "path", "/etc/x", "content", content,
	    "permissions", "0600", "runcmd", "echo \"]}\" # \n- x", "printf", "%s\n");
	char *definition = json_dumps(in, 0);
	json_t *d = document(definition, NULL, ROUTE_USER_DATA);

	(void)state;
	assert_string_equal(
	    text_at(json_array_get(json_object_get(d, "write_files"), 0), "content"), content);
	assert_true(json_equal(json_object_get(d, "runcmd"), json_object_get(in, "runcmd")));
	json_decref(d);
	json_decref(in);
	free(definition);
}

static void own_documents(void **state)
{
	struct vm *vm = vm_from("{" ID ",\"user_data\":\"#!/bin/sh\\necho $HOME\\n\"}");
	struct cloudinit c = {vm, vm->mac, NULL, "http://h", "d", NULL, 0};
	struct err e = ERR_INIT;
	char *text = NULL;
	char *login = NULL;

	(void)state;
	assert_int_equal(cloudinit_document(&c, ROUTE_USER_DATA, &text, &e), 0);
	assert_string_equal(text, "#!/bin/sh\necho $HOME\n");
	free(text);
	assert_int_equal(cloudinit_login(vm, &login, &e), 0);
	assert_null(login);
	vm_free(vm);
	vm = vm_from("{" ID ",\"users\":[\"default\",\"ann\"]}");
	assert_int_equal(cloudinit_login(vm, &login, &e), 0);
	assert_null(login);
	vm_free(vm);

	vm = vm_from("{" ID ",\"users\":[{\"name\":\"node\",\"system\":true}]}"); /* nobody */
	assert_int_equal(cloudinit_login(vm, &login, &e), 0);
	assert_null(login);
	vm_free(vm);

	json_t *d =
	    document("{" ID ",\"user_data\":{\"timezone\":\"UTC\"}}", NULL, ROUTE_USER_DATA);
	assert_int_equal(json_object_size(d), 1);
	json_decref(d);
	d = document("{" ID ",\"network_config\":{\"version\":1,\"config\":[]}}", NULL,
	    ROUTE_NETWORK_CONFIG);
	assert_int_equal(json_integer_value(json_object_get(d, "version")), 1);
	json_decref(d);
}

static void small_documents(void **state)
{
	json_t *d = document("{" ID ",\"hostname\":\"a.example.org\"}", NULL, ROUTE_META_DATA);

	(void)state;
	assert_string_equal(text_at(d, "instance-id"), "iid-web1-2");
	assert_string_equal(text_at(d, "local-hostname"), "a.example.org");
	assert_null(json_object_get(d, "public-keys"));
	json_decref(d);
	d = document("{" ID ",\"ssh_key\":\"" KEY("a") "\",\"user_data\":{\"timezone\":\"UTC\"}}",
	    KEY("op"), ROUTE_META_DATA);
	assert_string_equal(text_at(d, "local-hostname"), "web1.pvmlab.local");
	assert_int_equal(json_array_size(json_object_get(d, "public-keys")), 2);
	json_decref(d);
	d = document("{" ID ",\"ipv6\":\"fd56:6d6c:6162::11\"}", NULL, ROUTE_NETWORK_CONFIG);
	const json_t *lab = json_object_get(json_object_get(d, "ethernets"), "lab");
	assert_string_equal(
	    text_at(json_object_get(lab, "match"), "macaddress"), "52:54:00:00:00:11");
	assert_true(json_is_true(json_object_get(lab, "dhcp4")));
	assert_true(json_is_true(json_object_get(lab, "dhcp6")));
	const json_t *names = json_object_get(lab, "nameservers");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(names, "search"), 0)), "pvmlab.local");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(names, "addresses"), 0)),
	    "192.168.100.1");
	json_decref(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(configs),
	    cmocka_unit_test(other_card),
	    cmocka_unit_test(default_user),
	    cmocka_unit_test(own_users),
	    cmocka_unit_test(hostile_values),
	    cmocka_unit_test(own_documents),
	    cmocka_unit_test(small_documents),
	    cmocka_unit_test(vendor_parts),
	    cmocka_unit_test(deferred_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
