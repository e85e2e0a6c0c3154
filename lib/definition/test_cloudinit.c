/* What a definition says to cloud-init: taken, warned of, or refused. Which of it cloud-init itself
 * takes, tests/consumers/test_user_data.py asks it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/definition/vm.h"
#include "lib/definition/login.h"

#define KEY                                                                                        \
	"\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x ann\""

struct told {
	char errors[2000], warnings[2000];
};

static void note(char *to, const char *text)
{
	size_t used = strlen(to);

	snprintf(to + used, 2000 - used, "%s\n", text);
}

static void note_error(void *ctx, struct vm_where where, const char *text)
{
	(void)where;
	note(((struct told *)ctx)->errors, text);
}

static void note_warning(void *ctx, struct vm_where where, const char *text)
{
	if (where.line < 2)
		note(((struct told *)ctx)->errors, "a warning without its place");
	note(((struct told *)ctx)->warnings, text);
}

/* All that is told of a definition with these fields. */
static void tell(const char *fields, struct told *told)
{
	struct vm_listener listener = {note_warning, note_error, told};
	struct err e = ERR_INIT;
	struct vm_where where;
	struct vm *vm = NULL;
	char text[3000];

	*told = (struct told){.errors = ""};
	int n = snprintf(
	    text, sizeof(text), "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\",\n%s}", fields);
	assert_in_range(n, 1, sizeof(text) - 1);
	if (vm_parse_all(text, (size_t)n, NULL, &vm, &where, &listener, &e) < 0)
		note(told->errors, e.msg);
	vm_free(vm);
}

struct row {
	const char *fields;
	const char *warning, *error; /* part of it; NULL: there is none */
};

static bool as_expected(const char *told, const char *part)
{
	return part ? strstr(told, part) != NULL : told[0] == '\0';
}

static void check_rows(const struct row *rows, size_t count)
{
	bool wrong = false;

	for (size_t i = 0; i < count; i++) {
		struct told told;
		tell(rows[i].fields, &told);
		if (as_expected(told.warnings, rows[i].warning) &&
		    as_expected(told.errors, rows[i].error))
			continue;
		print_error("%s\n  expected warning: %s, error: %s\n  warnings: %s  errors: %s\n",
		    rows[i].fields, rows[i].warning, rows[i].error, told.warnings, told.errors);
		wrong = true;
	}
	assert_false(wrong);
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void packages(void **state)
{
	static const struct row rows[] = {
	    {"\"packages\":[\"nginx\",\"g++\",\"libstdc++6\",\"python3.11\",\"dvd+rw-tools\",\"0ad\"]",
		NULL, NULL},
	    {"\"packages\":[\"nginx=1.22.1-9+deb12u1\",\"jq=1:2~rc1\",\"vim/bookworm-backports\",\"nano+\"]",
		NULL, NULL},
	    {"\"packages\":[\"NetworkManager\",\"perl-Net_SSLeay\",\"ssh-server^\"]", NULL, NULL},
	    {"\"packages\":[[\"nginx\",\"1.22.1-9\"],[\"libc6\",\"2:2.36\"]]", NULL, NULL},
	    {"\"packages\":[\"libc6:amd64\"]", "names an architecture", NULL},
	    {"\"packages\":[\"sudo-\"]", NULL,
		"\"packages[0]\": \"sudo-\" ends with '-', by which apt removes"},
	    {"\"packages\":[\"jq\",\"nginx-\"]", NULL, "\"packages[1]\": \"nginx-\" ends with '-'"},
	    {"\"packages\":[\"openssh-server:amd64-\"]", NULL, "ends with '-'"},
	    {"\"packages\":[\"sudo=1.9-\"]", NULL, "ends with '-'"},
	    {"\"packages\":[\"sudo/stable-\"]", NULL, "ends with '-'"},
	    {"\"packages\":[[\"sudo\",\"1.9-\"]]", NULL,
		"\"packages[0][1]\": \"1.9-\" ends with '-'"},
	    {"\"packages\":[[\"sudo-\",\"1.9\"]]", NULL,
		"\"packages[0][0]\": \"sudo-\" ends with '-'"},
	    {"\"packages\":[[\"curl\",\"wget\"]]", NULL, "\"wget\" is not a version"},
	    {"\"packages\":[[\"curl\"]]", NULL, "must be a text"},
	    {"\"packages\":[\"-o\"]", NULL, "is not a package name"},
	    {"\"packages\":[\"ng.*x\"]", NULL, "is not a package name"},
	    {"\"packages\":[\"~nginx\"]", NULL, "is not a package name"},
	    {"\"packages\":[\"?installed\"]", NULL, "is not a package name"},
	    {"\"packages\":[\"nginx=\"]", NULL, "is not a package name"},
	    {"\"packages\":[\"nginx=1/stable\"]", NULL, "is not a package name"},
	    {"\"packages\":[\"./a.deb\"]", NULL, "is not a package name"},
	    {"\"packages\":[\"a=b=c\"]", NULL, "is not a package name"},
	    {"\"packages\":[\"x\"]", NULL, "is not a package name"},
	};

	(void)state;
	CHECK(rows);
}

static void contents(void **state)
{
	static const struct row rows[] = {
	    {"\"write_files\":[{\"path\":\"/a\",\"content\":\"aGVsbG8K\",\"encoding\":\"b64\"}]",
		NULL, NULL},
	    {"\"write_files\":[{\"path\":\"/a\",\"content\":\"hello\",\"encoding\":\"\"}]", NULL,
		NULL},
	    {"\"write_files\":[{\"path\":\"/a\",\"content\":\"hello\",\"encoding\":\"b64\"}]", NULL,
		"\"write_files[0].content\": is not base64"},
	    {"\"write_files\":[{\"path\":\"/a\"},{\"path\":\"/a\",\"content\":\"aGVsbG8K\",\"encoding\":\"gz+b64\"}]",
		NULL, "\"write_files[1].content\": is base64, but"},
	    {"\"write_files\":[{\"path\":\"/a\",\"content\":\"hello you!!\",\"encoding\":\"b64\"}]",
		"\"write_files[0].content\" has characters", NULL},
	};

	(void)state;
	CHECK(rows);
}

static void own_documents(void **state)
{
	static const struct row rows[] = {
	    {"\"user_data\":{\"timezone\":\"UTC\"}", NULL, NULL},
	    {"\"packages\":[],\"user_data\":{\"timezone\":\"UTC\"}", NULL, NULL},
	    {"\"packages\":[\"jq\"],\"runcmd\":[\"true\"],\"user_data\":{}",
		"\"user_data\" takes the place of \"packages\", \"runcmd\", without effect now",
		NULL},
	    {"\"user_data\":\"#!/bin/sh\\ntrue\\n\",\"users\":[\"ann\"]",
		"takes the place of \"users\",", NULL},
	    {"\"ssh_keys\":[" KEY "],\"user_data\":{\"users\":[\"default\"]}", NULL, NULL},
	    {"\"ssh_keys\":[" KEY "],\"user_data\":{\"users\":[]}", "nobody can log in", NULL},
	    {"\"user_data\":{\"users\":[{\"name\":\"ann\"}]}", "nobody can log in", NULL},
	    {"\"user_data\":{\"users\":[{\"name\":\"ann\",\"ssh_authorized_keys\":[" KEY "]}]}",
		NULL, NULL},
	    {"\"user_data\":{\"users\":[{\"name\":\"root\"}],\"disable_root\":false}", NULL, NULL},
	    {"\"user_data\":{\"ssh_authorized_keys\":\"ssh-ed25519 A\"}", "each letter for a key",
		NULL},
	    {"\"user_data\":\"#cloud-config\\nssh_authorized_keys: ssh-ed25519 A\\n\"",
		"each letter for a key", NULL},
	    {"\"user_data\":\"#cloud-config\\nssh_authorized_keys:\\n- ssh-ed25519 A\\n\"", NULL,
		NULL},
	    {"\"user_data\":\"#cloud-config\\nusers:\\n- name: ann\\n  shell: /bin/sh\\nx: default\\n\"",
		"nobody can log in", NULL},
	    {"\"user_data\":\"#cloud-config\\nusers:\\n- default\\n- name: ann\\n\"", NULL, NULL},
	    {"\"user_data\":\"#cloud-config\\nusers: []\\n\"", "nobody can log in", NULL},
	    {"\"user_data\":\"#cloud-config\\nfoo: [\"", "is not YAML: in its line 2 a bracket",
		NULL},
	    {"\"user_data\":\"#cloud-config\\n- a\\n- b\\n\"", "is a list", NULL},
	    {"\"user_data\":\"#cloud-config\\n[1, 2]\"", "is a list", NULL},
	    {"\"user_data\":\"#cloud-config\\nhello there\\n\"", "is one text", NULL},
	    {"\"user_data\":\"#cloud-config\\n{\\\"users\\\": []}\"", "nobody can log in", NULL},
	    {"\"user_data\":\"#cloud-config\\n\"", NULL, NULL},
	    {"\"user_data\":\"## template: jinja\\n#cloud-config\\na: {{ v1.x }}\\n\"", NULL, NULL},
	    {"\"user_data\":\"#cloud-config-archive\\n- a\\n\"", NULL, NULL},
	};

	(void)state;
	CHECK(rows);
}

#define V2(text) "\"network_config\":{\"version\":2,\"ethernets\":{\"lan\":{" text "}}}"
#define V1(text) "\"network_config\":{\"version\":1,\"config\":[" text "]}"

static void networks(void **state)
{
	static const struct row rows[] = {
	    {V2("\"match\":{\"name\":\"e*\"},\"dhcp4\":true"), NULL, NULL},
	    {V2("\"match\":{\"macaddress\":\"52:54:00:00:00:11\"},\"dhcp4\":true"), NULL, NULL},
	    {V2("\"match\":{\"macaddress\":\"52:54:00:00:00:12\"},\"dhcp4\":true"),
		"names only network cards with another MAC", NULL},
	    {V2("\"match\":{\"macaddress\":\"52:54:00:00:00:12\"}},\"b\":{\"dhcp4\":true"), NULL,
		NULL},
	    {V2("\"match\":{\"macaddress\":\"52:54:00\"}"), NULL,
		"\"network_config.ethernets.lan.match.macaddress\": "},
	    {"\"network_config\":{\"version\":2}", "names no network card", NULL},
	    {"\"network_config\":{\"version\":1,\"config\":[]}", "names no network card", NULL},
	    {"\"network_config\":{\"network\":{\"version\":2,\"ethernets\":{}}}",
		"\"network_config.network\" names no network card", NULL},
	    {"\"network_config\":{\"version\":3}", NULL, "has no \"version\""},
	    {"\"network_config\":{\"version\":2,\"ethernets\":[]}", NULL,
		"\"network_config.ethernets\": must be an object of interfaces"},
	    {V2("\"dhcp4\":\"yes\""), "take \"no\" for true", NULL},
	    {V2("\"dhcp4\":\"on\""), NULL, "must be true or false"},
	    {V2("\"dhcp6\":1"), NULL,
		"\"network_config.ethernets.lan.dhcp6\": must be true or false"},
	    {V2("\"addresses\":\"192.168.100.7/24\""), NULL,
		"\"network_config.ethernets.lan.addresses\": must be a list"},
	    {V2("\"addresses\":[\"192.168.100.7/24\",{\"fd00::7/64\":{\"label\":\"x\"}}]"), NULL,
		NULL},
	    {V2("\"addresses\":[\"192.168.100.7\"]"), NULL, "with its prefix length"},
	    {V2("\"addresses\":[\"192.168.100.777/24\"]"), NULL,
		"\"192.168.100.777/24\" is not an address"},
	    {V2("\"routes\":[{\"via\":\"192.168.100.1\"}]"), NULL, "has no \"to\""},
	    {V2("\"routes\":[{\"to\":\"default\",\"via\":\"192.168.100.1\",\"metric\":5}]"), NULL,
		NULL},
	    {V2("\"nameservers\":[\"192.168.100.1\"]"), NULL,
		"lan.nameservers\": must be an object"},
	    {V2("\"nameservers\":{\"addresses\":\"192.168.100.1\"}"), NULL, "must be a list"},
	    {V2("\"mtu\":\"1400\""), NULL, "must be a whole number"},
	    {"\"ip\":\"192.168.100.7\"," V2("\"addresses\":[\"192.168.100.7/24\"]"), NULL, NULL},
	    {"\"ip\":\"192.168.100.7\"," V2("\"addresses\":[\"192.168.100.8/24\"],\"dhcp4\":true"),
		NULL, NULL},
	    {"\"ip\":\"192.168.100.7\"," V2("\"addresses\":[\"192.168.100.8/24\"]"),
		"\"network_config\" sets 192.168.100.8 and no DHCP, where \"ip\" is 192.168.100.7,",
		NULL},
	    {"\"ipv6\":\"fd00::7\"," V2("\"addresses\":[\"fd00::8/64\"],\"dhcp4\":true"),
		"sets fd00::8 and no DHCP, where \"ipv6\" is fd00::7", NULL},
	    {V1("{\"type\":\"physical\",\"name\":\"eth0\",\"subnets\":[{\"type\":\"dhcp\"}]}"),
		NULL, NULL},
	    {V1("{\"type\":\"physical\",\"name\":\"eth0\",\"mac_address\":\"52:54:00:00:00:12\"}"),
		"names only network cards", NULL},
	    {V1("{\"type\":\"nameserver\",\"address\":\"192.168.100.1\"}"), "names no network card",
		NULL},
	    {V1("{\"type\":\"physical\",\"name\":\"eth0\",\"subnets\":{\"type\":\"dhcp\"}}"), NULL,
		"\"network_config.config[0].subnets\": must be a list"},
	    {V1("{\"type\":\"physical\",\"name\":\"eth0\",\"subnets\":[{\"address\":\"10.0.0.5/24\"}]}"),
		NULL, "has no \"type\""},
	    {V1("{\"type\":\"physical\",\"name\":\"eth0\",\"subnets\":[{\"type\":\"static\",\"address\":\"10.0.0\"}]}"),
		NULL, "is not an address"},
	    {V1("{\"type\":\"physical\"}"), NULL, "has no \"name\""},
	    {V1("7"), NULL, "\"network_config.config[0]\": must be an object"},
	    {"\"ip\":\"192.168.100.7\"," V1(
		 "{\"type\":\"physical\",\"name\":\"eth0\",\"subnets\":[{\"type\":\"static\",\"address\":\"192.168.100.8/24\"}]}"),
		"sets 192.168.100.8 and no DHCP", NULL},
	};

	(void)state;
	CHECK(rows);
}

/* ---- who can log in
 * ----------------------------------------------------------------------------*/

static void logins(void **state)
{
	static const struct {
		const char *doc;
		enum vm_login kind;
		const char *user;
		bool root;
	} rows[] = {
	    {"{}", VM_LOGIN_USER, "lab", false},
	    {"{\"users\":[]}", VM_LOGIN_USER, "lab", false},
	    {"{\"users\":[\"ann\",\"root\"]}", VM_LOGIN_USER, "ann", false},
	    {"{\"users\":[{\"name\":\"root\"}]}", VM_LOGIN_USER, "root", true},
	    {"{\"users\":[\"root\"]}", VM_LOGIN_USER, "root", true},
	    {"{\"users\":[{\"name\":\"node\",\"system\":true},\"root\"]}", VM_LOGIN_USER, "root",
		true},
	    {"{\"users\":[\"ann\",{\"name\":\"root\",\"lock_passwd\":true}]}", VM_LOGIN_USER, "ann",
		false},
	    {"{\"users\":[\"ann\",{\"name\":\"root\",\"ssh_authorized_keys\":[" KEY "]}]}",
		VM_LOGIN_USER, "ann", true},
	    {"{\"users\":[\"ann\",{\"name\":\"root\",\"ssh_authorized_keys\":[]}]}", VM_LOGIN_USER,
		"ann", false},
	    {"{\"users\":[{\"name\":\"svc\",\"system\":true},{\"name\":\"ann\"}]}", VM_LOGIN_USER,
		"ann", false},
	    {"{\"users\":[{\"name\":\"svc\",\"system\":true}]}", VM_LOGIN_NOBODY, NULL, false},
	    {"{\"users\":[\"default\",\"ann\"]}", VM_LOGIN_GUEST, NULL, false},
	    {"{\"users\":[{\"name\":\"default\"}]}", VM_LOGIN_GUEST, NULL, false},
	    {"{\"users\":[\"ann\"],\"user_data\":{}}", VM_LOGIN_GUEST, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *doc = json_loads(rows[i].doc, 0, NULL);
		const char *user = "unset";
		enum vm_login kind = vm_login(doc, &user);
		if (kind != rows[i].kind || !user != !rows[i].user ||
		    (user && strcmp(user, rows[i].user) != 0) ||
		    vm_login_root(json_object_get(doc, "users")) != rows[i].root)
			fail_msg("%s: %d %s", rows[i].doc, (int)kind, user ? user : "nobody");
		json_decref(doc);
	}
}

/* Another system's installer has no cloud-init to be warned of: what it cannot do is told with its
 * format, and must not be contradicted here. */
static void others_have_none(void **state)
{
	static const char *const fields[] = {
	    "\"user_data\":{\"users\":[\"a\"]},\"users\":[\"b\"],\"runcmd\":[\"x\"]",
	    "\"network_config\":{\"version\":2}",
	    "\"ip\":\"192.168.100.9\",\"network_config\":{\"version\":2,\"ethernets\":{\"a\":{\"match\":"
	    "{\"macaddress\":\"52:54:00:00:00:11\"},\"addresses\":[\"10.0.0.1/24\"]}}}",
	    "\"packages\":[\"foo:i386\"]"};
	char text[1000];
	struct told told;

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		tell(fields[i], &told);
		if (!told.warnings[0] || told.errors[0])
			fail_msg("%s: nothing is told: %s", fields[i], told.errors);
		snprintf(text, sizeof(text),
		    "%s,\"mode\":\"boot\",\"image\":\"debian-installer-13\",\"unattended\":true",
		    fields[i]);
		tell(text, &told);
		if (told.warnings[0] || told.errors[0])
			fail_msg("%s: %s%s", text, told.errors, told.warnings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(packages),
	    cmocka_unit_test(contents),
	    cmocka_unit_test(own_documents),
	    cmocka_unit_test(networks),
	    cmocka_unit_test(logins),
	    cmocka_unit_test(others_have_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
