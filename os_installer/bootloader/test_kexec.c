/* What another kernel needs that is started by kexec_load(2): places in memory, a device tree, a
 * kernel out of whatever it is packed in. That it starts: tests/e2e/test_agent_arches.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <libfdt.h>

#include "lib/base/cleanup.h"
#include "os_installer/bootloader/kexec_parts.h"
#include "os_installer/bootloader/kexec_tree.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define MAPS 3000
#define DAMAGES 20000

/* ---- memory ---------------------------------------------------------------------------------- */

/* Of a VM with UEFI: what is in memory that is reserved is shown in it. */
static const char machine[] = "09000000-09000fff : pl011@9000000\n"
			      "40000000-58f0ffff : System RAM\n"
			      "  40000000-40ffffff : reserved\n"
			      "  41000000-42e7ffff : Kernel code\n"
			      "  42e80000-432dffff : reserved\n"
			      "    42f00000-432dffff : Kernel data\n"
			      "  58800000-58efffff : reserved\n"
			      "58f10000-58f8ffff : reserved\n"
			      "58f90000-5c18ffff : System RAM\n"
			      "  5a000000-5a0000ff : reserved\n"
			      "5c190000-5c22ffff : ACPI Tables\n"
			      "4010000000-401fffffff : PCI ECAM\n";

static void what_is_free_is_told_by_iomem(void **state)
{
	static const struct memory_range wanted[] = {{0x41000000, 0x42e80000},
	    {0x432e0000, 0x58800000}, {0x58f00000, 0x58f10000}, {0x58f90000, 0x5a000000},
	    {0x5a000100, 0x5c190000}};
	static struct memory_map map;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(memory_map_parse(machine, &map, &e), 0);
	assert_int_equal(map.count, sizeof(wanted) / sizeof(*wanted));
	assert_memory_equal(map.free, wanted, sizeof(wanted));
	assert_int_equal(memory_map_parse("00000000-00000000 : System RAM\n", &map, &e), -ENOENT);
	assert_int_equal(memory_map_parse("", &map, &e), -ENOENT);
	assert_int_equal(
	    memory_map_parse("1000-1fff : System RAM\n  0-ffff : reserved\n", &map, &e), -ENOENT);
}

static void what_is_taken_is_free_no_more(void **state)
{
	static struct memory_map map;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(memory_map_parse(machine, &map, &e), 0);
	assert_int_equal(memory_map_take(&map, MIB, 2 * MIB, UINT64_MAX), 0x41000000);
	assert_int_equal(memory_map_take(&map, MIB, 2 * MIB, UINT64_MAX), 0x41200000);
	assert_int_equal(memory_map_take(&map, MIB, MIB, UINT64_MAX), 0x41100000);
	assert_int_equal(memory_map_take(&map, 32 * MIB, 2 * MIB, UINT64_MAX), 0x43400000);
	assert_int_equal(memory_map_take(&map, 32 * MIB, 2 * MIB, 0x46000000), 0);
	assert_int_equal(memory_map_take(&map, GIB, 4096, UINT64_MAX), 0);
	assert_int_equal(memory_map_take(&map, UINT64_MAX, 4096, UINT64_MAX), 0);
}

/* A map made at random, byte by page, and whether a range is free in it. */
#define PAGES 512
static bool page_free[PAGES];

static char *make_iomem(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	memset(page_free, 0, sizeof(page_free));
	for (unsigned at = 1; at < PAGES - 40;) {
		unsigned n = 1 + (unsigned)rand() % 40, end = at + n;
		bool ram = rand() % 3 != 0;
		fprintf(
		    f, "%x-%x : %s\n", at << 16, (end << 16) - 1, ram ? "System RAM" : "device");
		for (unsigned i = at; i < end; i++)
			page_free[i] = ram;
		for (unsigned in = at; ram && in < end && rand() % 2;) {
			unsigned stop = in + 1 + (unsigned)rand() % (end - in);
			fprintf(f, "  %x-%x : reserved\n", in << 16, (stop << 16) - 1);
			memset(page_free + in, 0, stop - in);
			in = stop + 1;
		}
		at = end + (unsigned)rand() % 3;
	}
	fclose(f);
	return text;
}

static void assert_free(uint64_t begin, uint64_t bytes)
{
	for (uint64_t at = begin; at < begin + bytes; at += 1 << 16) {
		assert_true(at >> 16 < PAGES && page_free[at >> 16]);
		page_free[at >> 16] = false; /* of one part only */
	}
}

static void parts_lie_in_free_memory_and_apart(void **state)
{
	static struct memory_map map;
	unsigned found = 0;

	(void)state;
	srand(7);
	for (int i = 0; i < MAPS; i++) {
		_cleanup_free_ char *iomem = make_iomem();
		struct kernel_image kernel = {
		    .bytes = 1 + (uint64_t)rand() % MIB, .offset = rand() % 2 ? 0x80000 : 0};
		uint64_t initrd = rand() % 3 ? 1 + (uint64_t)rand() % MIB : 0, tree = 70000;
		struct kexec_places at;
		struct err e = ERR_INIT;
		if (memory_map_parse(iomem, &map, &e) < 0)
			continue;
		if (kexec_places_find(&map, &kernel, initrd, tree, &at, &e) < 0) {
			assert_int_equal(e.code, ENOMEM);
			continue;
		}
		found++;
		assert_int_equal(at.kernel % (2 * MIB), kernel.offset);
		assert_int_equal(at.tree % (2 * MIB), 0);
		assert_int_equal(!at.initrd, !initrd);
		assert_free(at.kernel, kernel.bytes);
		assert_free(at.tree, tree);
		assert_free(at.start, 1);
		if (initrd)
			assert_free(at.initrd, initrd);
	}
	assert_true(found > MAPS / 4);
}

/* Kernel and initramfs have to be in 32 GiB from a whole one on. */
static void what_is_too_far_away_is_no_place(void **state)
{
	static struct memory_map map;
	const struct kernel_image kernel = {.bytes = 32 * MIB};
	struct kexec_places at;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(memory_map_parse("40000000-42ffffff : System RAM\n"
					  "880000000-8ffffffff : System RAM\n",
			     &map, &e),
	    0);
	assert_int_equal(kexec_places_find(&map, &kernel, 64 * MIB, 70000, &at, &e), -ENOMEM);
	assert_non_null(strstr(e.msg, "no place in this machine's memory"));
	assert_int_equal(memory_map_parse("40000000-42ffffff : System RAM\n"
					  "800000000-8ffffffff : System RAM\n",
			     &map, &e),
	    0);
	assert_int_equal(kexec_places_find(&map, &kernel, 64 * MIB, 70000, &at, &e), 0);
	assert_int_equal(at.initrd, 0x800000000);
}

static void the_beginning_holds_both_addresses(void **state)
{
	const struct kexec_places at = {.kernel = 0x841200000, .tree = 0x943400000};
	uint32_t words[KEXEC_START_WORDS];

	(void)state;
	kexec_start_make(&at, words);
	/* ldr (literal): bits 23 to 5 are how many words ahead; Arm ARM C6.2. */
	assert_int_equal(words[0] & 0xff00001f, 0x58000004);
	assert_int_equal(words[1] & 0xff00001f, 0x58000000);
	const uint32_t *kernel = words + (words[0] >> 5 & 0x7ffff);
	const uint32_t *tree = words + 1 + (words[1] >> 5 & 0x7ffff);
	assert_true((uint64_t)kernel[1] << 32 == (at.kernel & ~UINT64_C(0xffffffff)) &&
		    kernel[0] == (uint32_t)at.kernel);
	assert_true((uint64_t)tree[1] << 32 == (at.tree & ~UINT64_C(0xffffffff)) &&
		    tree[0] == (uint32_t)at.tree);
}

/* ---- the device tree ------------------------------------------------------------------------- */

/* As UEFI's boot leaves it: nothing but /chosen; `whole`: with a machine in it. */
static size_t make_tree(void *buf, size_t size, bool whole)
{
	int chosen, memory;

	assert_int_equal(fdt_create_empty_tree(buf, (int)size), 0);
	if (whole) {
		memory = fdt_add_subnode(buf, 0, "memory@40000000");
		assert_int_equal(fdt_setprop_u64(buf, memory, "reg", 0x40000000), 0);
		assert_int_equal(fdt_add_mem_rsv(buf, 0x50000000, 4096), 0);
	}
	chosen = fdt_add_subnode(buf, 0, "chosen");
	assert_int_equal(fdt_setprop_string(buf, chosen, "bootargs", "the old ones"), 0);
	assert_int_equal(fdt_setprop_u64(buf, chosen, "linux,initrd-start", 0x1234), 0);
	assert_int_equal(fdt_setprop_u64(buf, chosen, "linux,initrd-end", 0x5678), 0);
	assert_int_equal(fdt_setprop_u64(buf, chosen, "kaslr-seed", 0), 0);
	assert_int_equal(fdt_setprop_string(buf, chosen, "rng-seed", "used"), 0);
	assert_int_equal(fdt_setprop_u64(buf, chosen, "linux,uefi-system-table", 0x5c000000), 0);
	assert_int_equal(fdt_setprop_u64(buf, chosen, "linux,usable-memory-range", 0x77), 0);
	assert_int_equal(fdt_pack(buf), 0);
	return fdt_totalsize(buf);
}

static uint64_t number_of(const void *tree, const char *name)
{
	int len;
	const void *p = fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), name, &len);
	fdt64_t n;

	assert_int_equal(len, sizeof(n));
	memcpy(&n, p, sizeof(n));
	return fdt64_to_cpu(n);
}

static void chosen_is_what_it_is_started_with(void **state)
{
	struct kexec_chosen chosen = {
	    .cmdline = "root=UUID=ab ro", .initrd = 0x4000000000, .initrd_bytes = 10};
	char buf[4096];

	(void)state;
	memset(chosen.kaslr_seed, 0xaa, sizeof(chosen.kaslr_seed));
	memset(chosen.rng_seed, 0xbb, sizeof(chosen.rng_seed));
	for (int whole = 0; whole < 2; whole++) {
		size_t len = make_tree(buf, sizeof(buf), whole), out_len;
		_cleanup_free_ void *out = NULL, *without = NULL;
		struct err e = ERR_INIT;
		assert_int_equal(kexec_tree_make(buf, len, &chosen, &out, &out_len, &e), 0);
		assert_int_equal(fdt_check_full(out, out_len), 0);
		int node = fdt_path_offset(out, "/chosen");
		assert_string_equal(fdt_getprop(out, node, "bootargs", NULL), chosen.cmdline);
		assert_int_equal(number_of(out, "linux,initrd-start"), 0x4000000000);
		assert_int_equal(number_of(out, "linux,initrd-end"), 0x400000000a);
		assert_int_equal(number_of(out, "kaslr-seed"), 0xaaaaaaaaaaaaaaaa);
		assert_memory_equal(fdt_getprop(out, node, "rng-seed", NULL), chosen.rng_seed,
		    sizeof(chosen.rng_seed));
		assert_int_equal(number_of(out, "linux,uefi-system-table"), 0x5c000000);
		assert_int_equal(number_of(out, "linux,usable-memory-range"), 0x77);
		assert_int_equal(fdt_num_mem_rsv(out), whole);
		assert_int_equal(fdt_path_offset(out, "/memory@40000000") > 0, whole);
		struct kexec_chosen none = chosen;
		none.initrd = 0;
		assert_int_equal(kexec_tree_make(out, out_len, &none, &without, &out_len, &e), 0);
		node = fdt_path_offset(without, "/chosen");
		assert_null(fdt_getprop(without, node, "linux,initrd-start", NULL));
		assert_null(fdt_getprop(without, node, "linux,initrd-end", NULL));
	}
}

static void a_damaged_tree_is_read_within_its_bounds(void **state)
{
	const struct kexec_chosen chosen = {.cmdline = "quiet"};
	char buf[4096];
	size_t len = make_tree(buf, sizeof(buf), true);

	(void)state;
	srand(8);
	for (int i = 0; i < DAMAGES; i++) {
		size_t cut = rand() % 4 ? len : (size_t)rand() % len, out_len;
		_cleanup_free_ char *copy = malloc(cut ? cut : 1);
		_cleanup_free_ void *out = NULL;
		struct err e = ERR_INIT;
		memcpy(copy, buf, cut);
		for (int k = rand() % 5; cut > 0 && k > 0; k--)
			copy[(size_t)rand() % cut] = (char)rand();
		if (kexec_tree_make(copy, cut, &chosen, &out, &out_len, &e) == 0)
			assert_int_equal(fdt_check_full(out, out_len), 0);
		else
			assert_non_null(strstr(e.msg, "cannot be passed on"));
	}
}

/* ---- the kernel ------------------------------------------------------------------------------ */

#define KERNEL_BYTES (300u << 10)

static void put_le(uint8_t *at, uint64_t n, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(n >> 8 * i);
}

static uint8_t *make_kernel(uint64_t offset, uint64_t bytes)
{
	uint8_t *k = malloc(KERNEL_BYTES);

	for (size_t i = 0; i < KERNEL_BYTES; i++)
		k[i] = (uint8_t)(i * i >> 7);
	memcpy(k, "MZ\0\0", 4);
	put_le(k + 8, offset, 8);
	put_le(k + 16, bytes, 8);
	memcpy(k + 56, "ARM\x64", 4);
	return k;
}

/* As libarchive's filter of that name does it. */
static size_t pack(const uint8_t *data, const char *filter, uint8_t *out, size_t size)
{
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t used = 0;

	assert_int_equal(archive_write_add_filter_by_name(a, filter), ARCHIVE_OK);
	assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
	archive_write_set_bytes_per_block(a, 0);
	assert_int_equal(archive_write_open_memory(a, out, size, &used), ARCHIVE_OK);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, data, KERNEL_BYTES), KERNEL_BYTES);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_entry_free(entry);
	archive_write_free(a);
	return used;
}

static void assert_kernel(const uint8_t *file, size_t len, const uint8_t *wanted)
{
	_cleanup_kernel_image_ struct kernel_image k = {.data = NULL};
	struct err e = ERR_INIT;

	if (kernel_image_read(file, len, &k, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(k.len, KERNEL_BYTES);
	assert_memory_equal(k.data, wanted, KERNEL_BYTES);
	assert_int_equal(k.offset, 0x80000);
	assert_int_equal(k.bytes, MIB);
}

static void a_kernel_is_found_in_what_it_is_packed_in(void **state)
{
	static const char *const filters[] = {"gzip", "xz", "zstd"};
	static uint8_t file[2 * KERNEL_BYTES];
	_cleanup_free_ uint8_t *kernel = make_kernel(0x80000, MIB);

	(void)state;
	assert_kernel(kernel, KERNEL_BYTES, kernel);
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		size_t n = pack(kernel, filters[i], file + 4096, sizeof(file) - 4096);
		assert_kernel(file + 4096, n, kernel);
		memset(file, 0, 4096);
		memcpy(file, "MZ\0\0zimg", 8);
		put_le(file + 8, 4096, 4);
		put_le(file + 12, n, 4);
		assert_kernel(file, 4096 + n + 100, kernel);
	}
}

static void assert_no_kernel(const uint8_t *file, size_t len, const char *why)
{
	struct kernel_image k;
	struct err e = ERR_INIT;

	assert_true(kernel_image_read(file, len, &k, &e) < 0);
	if (!strstr(e.msg, why))
		fail_msg("%s", e.msg);
}

static void what_is_no_kernel_is_refused(void **state)
{
	static uint8_t file[2 * KERNEL_BYTES];
	_cleanup_free_ uint8_t *small = make_kernel(0, KERNEL_BYTES - 1),
			       *far = make_kernel(4 * MIB, MIB), *good = make_kernel(0, MIB);

	(void)state;
	assert_no_kernel((const uint8_t *)"", 0, "is no Image");
	assert_no_kernel((const uint8_t *)"MZ, for another architecture", 28, "is no Image");
	assert_no_kernel(small, KERNEL_BYTES, "does not say what memory it takes");
	assert_no_kernel(far, KERNEL_BYTES, "does not say what memory it takes");
	size_t n = pack(good, "gzip", file, sizeof(file));
	assert_no_kernel(file, n / 2, "cannot be unpacked");
	memcpy(file, "MZ\0\0zimg", 8);
	put_le(file + 8, 4096, 4);
	put_le(file + 12, sizeof(file), 4);
	assert_no_kernel(file, sizeof(file), "its payload is not in it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_free_is_told_by_iomem),
	    cmocka_unit_test(what_is_taken_is_free_no_more),
	    cmocka_unit_test(parts_lie_in_free_memory_and_apart),
	    cmocka_unit_test(what_is_too_far_away_is_no_place),
	    cmocka_unit_test(the_beginning_holds_both_addresses),
	    cmocka_unit_test(chosen_is_what_it_is_started_with),
	    cmocka_unit_test(a_damaged_tree_is_read_within_its_bounds),
	    cmocka_unit_test(a_kernel_is_found_in_what_it_is_packed_in),
	    cmocka_unit_test(what_is_no_kernel_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
