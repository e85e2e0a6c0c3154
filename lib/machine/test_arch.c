#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/machine/arch.h"

static void test_rows(void **state)
{
	enum vm_arch arch;

	(void)state;
	for (int i = 0; i < VM_ARCH_COUNT; i++) {
		const struct arch *a = &arches[i];
		assert_ptr_equal(arch_of((enum vm_arch)i), a);
		assert_int_equal(vm_arch_parse(a->name, &arch), 0);
		assert_int_equal(arch, i);
		assert_int_equal(vm_arch_parse(a->machine, &arch), 0);
		assert_int_equal(arch, i);
		assert_true(a->elf > 0);
		assert_non_null(a->console);
		assert_non_null(a->removable);
		assert_non_null(a->grub_target);
		assert_non_null(a->efi);
	}
	assert_int_equal(vm_arch_parse("", &arch), -EINVAL);
	assert_int_equal(vm_arch_parse("i386", &arch), -EINVAL);
}

/* Every row's own words, `between` them, and `last` before the last one's. */
static void expect(const char *constant, const char *between, const char *last)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	for (int i = 0; i < VM_ARCH_COUNT; i++) {
		const char *before = i == VM_ARCH_COUNT - 1 ? last : between;
		fprintf(f, "%s%s", i ? before : "", arches[i].name);
	}
	assert_int_equal(fclose(f), 0);
	assert_string_equal(constant, text);
}

static void test_constant_texts(void **state)
{
	(void)state;
	expect(ARCH_OR, ", ", " or ");
	expect(ARCH_WORDS, " ", " ");
	for (int i = 0; i < VM_ARCH_COUNT; i++) {
		char both[80];
		snprintf(both, sizeof(both), "`%s` means `%s`", arches[i].machine, arches[i].name);
		if (strcmp(arches[i].machine, arches[i].name) != 0)
			assert_non_null(strstr(ARCH_SYNONYMS, both));
	}
}

static void test_of_ipxe(void **state)
{
	static const struct {
		const char *text;
		enum vm_arch arch;
	} cases[] = {{"", VM_ARCH_NOT_SAID}, {"x86_64", VM_ARCH_AMD64}, {"amd64", VM_ARCH_AMD64},
	    {"i386", VM_ARCH_AMD64}, {"arm64", VM_ARCH_ARM64}, {"aarch64", VM_ARCH_ARM64},
	    {"arm32", VM_ARCH_OTHER}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(arch_of_ipxe(cases[i].text), cases[i].arch);
}

/* The build's table beside ours. */
static void test_table_of_the_build(void **state)
{
	_cleanup_fclose_ FILE *f = fopen("docker/arches.table", "re");
	char line[400], name[40], machine[40];
	int rows = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%39s %39s", name, machine), 2);
		assert_true(rows < VM_ARCH_COUNT);
		assert_string_equal(name, arches[rows].name);
		assert_string_equal(machine, arches[rows].machine);
		rows++;
	}
	assert_int_equal(rows, VM_ARCH_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_constant_texts),
	    cmocka_unit_test(test_of_ipxe),
	    cmocka_unit_test(test_table_of_the_build),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
