/* test_install_config.c - what the server writes the installer reads: by one table, both ways. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/definition/install_config.h"

static void test_there_and_back(void **state)
{
	static const char text[] =
	    "{\"name\":\"Web_1\",\"mac\":\"52:54:00:00:00:11\",\"arch\":\"arm64\",\"cpus\":4,"
	    "\"kernel_args\":\"quiet\",\"after_install\":\"poweroff\",\"distro\":\"d-1\","
	    "\"disks\":[{\"size\":\"8G\"}],\"hooks\":{\"post_install\":[\"x\"]}}";
	struct json_reader r = {.refusals = 0};
	struct install_config told, heard;
	struct vm_where where;
	struct vm *vm;

	(void)state;
	json_t *more = json_loads(text, 0, NULL);
	assert_int_equal(vm_parse(text, strlen(text), NULL, &vm, &where, NULL, NULL, NULL), 0);
	install_config_from(vm, &told);
	told.mac = "52:54:00:00:00:12";
	told.rootfs_url = "http://10.0.0.1/r";
	told.attempt = 3;
	json_t *doc = install_config_print(&told);
	assert_string_equal(json_string_value(json_object_get(doc, "arch")), "aarch64");
	assert_int_equal(json_integer_value(json_object_get(doc, "format")), 1);
	assert_null(json_object_get(doc, "cpus"));
	assert_null(json_object_get(doc, "fqdn"));
	assert_int_equal(install_config_read(&r, doc, &heard), 0);
	assert_string_equal(heard.name, "Web_1");
	assert_string_equal(heard.hostname, "web-1");
	assert_string_equal(heard.mac, "52:54:00:00:00:12");
	assert_string_equal(heard.distro, "d-1");
	assert_string_equal(heard.kernel_args, "quiet");
	assert_int_equal(heard.arch, VM_ARCH_ARM64);
	assert_int_equal(heard.after_install, VM_AFTER_POWEROFF);
	assert_int_equal(heard.attempt, 3);
	assert_false(heard.reinstall);
	assert_true(json_equal(heard.disks, json_object_get(more, "disks")));
	assert_true(json_equal(heard.hooks, json_object_get(more, "hooks")));
	assert_null(heard.storage);
	json_decref(doc);
	json_decref(more);
	vm_free(vm);
}

/* pvmlab's seven keys say neither. */
static void test_defaults(void **state)
{
	static const struct {
		const char *text;
		enum vm_after after;
	} table[] = {
	    {"{%}", VM_AFTER_REBOOT},
	    {"{\"reboot_on_success\":false,%}", VM_AFTER_SHELL},
	    {"{\"reboot_on_success\":false,\"after_install\":\"kexec\",%}", VM_AFTER_KEXEC},
	    {"{\"reboot_on_success\":true,\"after_install\":\"\",%}", VM_AFTER_REBOOT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct json_reader r = {.refusals = 0};
		struct install_config c;
		char text[300];
		size_t head = strcspn(table[i].text, "%");
		snprintf(text, sizeof(text),
		    "%.*s\"arch\":\"amd64\",\"rootfs_url\":\"http://a/b\"}", (int)head,
		    table[i].text);
		json_t *doc = json_loads(text, 0, NULL);
		assert_int_equal(install_config_read(&r, doc, &c), 0);
		assert_int_equal(c.after_install, table[i].after);
		assert_true(c.reinstall);
		assert_int_equal(c.attempt, 0);
		json_decref(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
