/* The update of a Raspberry Pi's EEPROM: images of all shapes edited, damaged ones read within
 * their bounds. That its maker's program reads and writes the same: tests/consumers/test_eeprom.py.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/test_folder.h"
#include "lib/boot/boot_order.h"
#include "lib/boot/test_eeprom.h"

#define SHAPES 200
#define DAMAGES 300
#define SETTING "BOOT_ORDER=0xf41\n"

static const struct eeprom_kind *kind(const char *soc)
{
	return eeprom_kind_find(soc);
}

/* A configuration of `len` bytes that ends as given. */
static char *filled(size_t len, const char *end)
{
	char *text = malloc(len + 1);

	memset(text, '#', len);
	text[0] = '\n';
	memcpy(text + len - strlen(end) - 1, "\n", 1);
	memcpy(text + len - strlen(end), end, strlen(end));
	text[len] = '\0';
	return text;
}

static void boards_are_known_by_their_model(void **state)
{
	static const struct {
		const char *model, *soc;
	} rows[] = {
	    {"Raspberry Pi 4 Model B Rev 1.4", "2711"},
	    {"Raspberry Pi 400 Rev 1.0", "2711"},
	    {"Raspberry Pi Compute Module 4 Rev 1.0", "2711"},
	    {"Raspberry Pi 5 Model B Rev 1.0", "2712"},
	    {"Raspberry Pi Compute Module 5 Rev 1.0", "2712"},
	    {"Raspberry Pi 3 Model B Plus Rev 1.3", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_ptr_equal(
		    eeprom_kind_of_model(rows[i].model), rows[i].soc ? kind(rows[i].soc) : NULL);
}

static void a_wish_is_read_as_it_was_written(void **state)
{
	static const char *const others[] = {"-", "", "2711", "2711:first",
	    "2711:first:", "2711:middle:1", "2837:first:1", "2711:first:1 ", "2711:first:1x"};
	const struct eeprom_wish wish = {kind("2712"), false, 1790000000};
	char text[EEPROM_WISH_SIZE];

	(void)state;
	assert_string_equal(eeprom_wish_format(&wish, text), "2712:last:1790000000");
	struct eeprom_wish read = eeprom_wish_parse(text);
	assert_true(read.kind == wish.kind && !read.first && read.timestamp == wish.timestamp);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_null(eeprom_wish_parse(others[i]).kind);
	assert_string_equal(eeprom_wish_format(&(struct eeprom_wish){.kind = NULL}, text), "-");
}

/* What is before bootconf.txt is as it was, and so is what comes next and is no padding. */
static void assert_edited(const uint8_t *before, const uint8_t *after, const struct eeprom_shape *s)
{
	size_t len = kind(s->soc)->bytes, at = eeprom_config_at(after);
	const uint8_t *next = eeprom_next(after, at);

	assert_memory_equal(before, after, at + 4);
	if (memcmp(next, "\x55\xaa\xfe\xef", 4) == 0)
		next = eeprom_next(after, (size_t)(next - after));
	size_t end = (size_t)(next - after);
	assert_true(end <= len);
	if (s->follows)
		assert_memory_equal(next + 8, "pubkey.bin", 11);
	assert_memory_equal(before + end, after + end, len - end);
}

static void images_of_all_shapes_are_edited(void **state)
{
	static const char *const configs[] = {"", "[all]\nBOOT_UART=1\n", SETTING,
	    "[all]\r\nBOOT_ORDER=0xf21\r\nTFTP_IP=\r\n",
	    "[cm4]\nBOOT_ORDER=0x1\n[all]\nBOOT_UART=0\n",
	    "BOOT_ORDER=0xf2461\n[gpio8=0]\nBOOT_ORDER=0x41\n"};

	(void)state;
	srand(5);
	for (int i = 0; i < SHAPES; i++) {
		const char *config = configs[rand() % (int)(sizeof(configs) / sizeof(*configs))];
		struct eeprom_shape s = {.soc = rand() % 2 ? "2711" : "2712",
		    .config = config,
		    .len = strlen(config),
		    .follows = rand() % 2 ? 300 : 0,
		    .room = (size_t)(64 + 8 * (rand() % 500))};
		_cleanup_free_ uint8_t *image = eeprom_make(&s), *before = eeprom_make(&s);
		_cleanup_free_ char *got = NULL, *wanted = NULL;
		struct err e = ERR_INIT;
		bool first = rand() % 2;
		size_t len;
		if (eeprom_edit(kind(s.soc), image, kind(s.soc)->bytes, first, &e) < 0)
			fail_msg("%s", e.msg);
		got = eeprom_config_of(image);
		assert_int_equal(boot_order_edit(config, s.len, first, kind(s.soc)->usual_order,
				     &wanted, &len, &e),
		    0);
		assert_string_equal(got, wanted);
		assert_edited(before, image, &s);
		_cleanup_free_ uint8_t *once = malloc(kind(s.soc)->bytes);
		memcpy(once, image, kind(s.soc)->bytes);
		assert_int_equal(eeprom_edit(kind(s.soc), image, kind(s.soc)->bytes, first, &e), 0);
		assert_memory_equal(image, once, kind(s.soc)->bytes);
	}
}

static void assert_refused(const struct eeprom_shape *s, const char *soc, const char *why)
{
	_cleanup_free_ uint8_t *image = eeprom_make(s);
	struct err e = ERR_INIT;

	assert_int_equal(eeprom_edit(kind(soc), image, kind(s->soc)->bytes, true, &e), -EINVAL);
	if (!strstr(e.msg, why))
		fail_msg("%s", e.msg);
}

static void what_cannot_be_edited_says_why(void **state)
{
	_cleanup_free_ char *full = filled(4076, SETTING), *fits = filled(4075, SETTING);
	struct eeprom_shape s = {.soc = "2711", .config = SETTING, .len = strlen(SETTING)};
	struct err e = ERR_INIT;

	(void)state;
	assert_refused(&s, "2712", "no EEPROM image for a board with the SoC BCM2712");
	s.is_signed = true;
	assert_refused(&s, "2711", "it is signed (secure boot)");
	s = (struct eeprom_shape){.soc = "2711"};
	assert_refused(&s, "2711", "it has no bootconf.txt");
	s = (struct eeprom_shape){.soc = "2711", .config = "BOOT_ORDER=\n", .len = 12};
	assert_refused(&s, "2711", "line 1: what follows BOOT_ORDER= is no number");
	s = (struct eeprom_shape){.soc = "2711", .config = full, .len = 4076};
	assert_refused(&s, "2711", "has no room for a BOOT_ORDER: 4077 bytes of 4076");
	s = (struct eeprom_shape){
	    .soc = "2711", .config = SETTING, .len = strlen(SETTING), .follows = 9};
	assert_int_equal(
	    strlen(SETTING) % 8, 1); /* 7 bytes up to what follows: enough for one digit */
	_cleanup_free_ uint8_t *image = eeprom_make(&s);
	assert_int_equal(eeprom_edit(kind("2711"), image, kind("2711")->bytes, true, &e), 0);
	s.config = "BOOT_UART=1\n";
	s.len = strlen(s.config);
	assert_refused(&s, "2711", "has no room for a BOOT_ORDER: 30 bytes of 16");
	s = (struct eeprom_shape){.soc = "2711", .config = fits, .len = 4075};
	_cleanup_free_ uint8_t *last = eeprom_make(&s);
	assert_int_equal(eeprom_edit(kind("2711"), last, kind("2711")->bytes, true, &e), 0);
	uint8_t *damaged = last + ((8 + 70000 + 7) & ~7);
	damaged[0] = 0x54;
	assert_int_equal(eeprom_edit(kind("2711"), last, kind("2711")->bytes, true, &e), -EINVAL);
	assert_string_equal(e.msg, "it is damaged at byte 70008");
}

/* Under ASan; the heads of sections are what can lead astray. */
static void damaged_ones_are_read_within_their_bounds(void **state)
{
	const struct eeprom_shape s = {
	    .soc = "2711", .config = SETTING, .len = strlen(SETTING), .follows = 300, .room = 4000};
	_cleanup_free_ uint8_t *whole = eeprom_make(&s), *image = malloc(kind("2711")->bytes);
	size_t heads[8], count = 0, at = 0;

	(void)state;
	srand(6);
	while (whole[at] == 0x55 && count < 8) {
		heads[count++] = at;
		at = (size_t)(eeprom_next(whole, at) - whole);
	}
	assert_true(count == 7);
	for (int i = 0; i < DAMAGES; i++) {
		struct err e = ERR_INIT;
		memcpy(image, whole, kind("2711")->bytes);
		for (int k = 1 + rand() % 3; k > 0; k--)
			image[heads[(size_t)rand() % count] + (size_t)rand() % 24] =
			    (uint8_t)(rand() % 3 ? rand() : 0);
		if (eeprom_edit(kind("2711"), image, kind("2711")->bytes, i % 2, &e) < 0)
			assert_true(e.msg[0]);
	}
}

static void the_users_file_is_read_and_named(void **state)
{
	const struct eeprom_shape s = {.soc = "2711", .config = SETTING, .len = strlen(SETTING)};
	_cleanup_free_ uint8_t *image = eeprom_make(&s), *got = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(eeprom_read(at("images"), kind("2711"), true, &got, &e), -ENOENT);
	assert_string_equal(e.msg,
	    "there is no images/_raspberry/2711/pieeprom.bin: put the newest pieeprom-*.bin of rpi-eeprom's firmware-2711/ there by that name");
	assert_int_equal(mkdir(at("images"), 0755), 0);
	assert_int_equal(mkdir(at("images/2711"), 0755), 0);
	put("images/2711/pieeprom.bin", "no image");
	assert_int_equal(eeprom_read(at("images"), kind("2711"), true, &got, &e), -EINVAL);
	assert_string_equal(e.msg,
	    "images/_raspberry/2711/pieeprom.bin cannot be used: it is no EEPROM image for a board with the SoC BCM2711, which has 524288 bytes");
	assert_true(atomic_file_replace(
			at("images/2711/pieeprom.bin"), image, kind("2711")->bytes, 0644, &e) >= 0);
	assert_int_equal(eeprom_read(at("images"), kind("2711"), true, &got, &e), 0);
	_cleanup_free_ char *config = eeprom_config_of(got);
	assert_string_equal(config, "BOOT_ORDER=0xf412\n");
	assert_int_equal(eeprom_read(at("images"), kind("2712"), true, &got, &e), -ENOENT);
}

static void the_signature_is_two_lines(void **state)
{
	const struct digest digest = {{0xab, 1}};
	char text[EEPROM_SIGNATURE_SIZE];

	(void)state;
	assert_int_equal(eeprom_signature(&digest, 1790000000, text), 64 + 1 + 15);
	assert_string_equal(text,
	    "ab01000000000000000000000000000000000000000000000000000000000000\nts: 1790000000\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(boards_are_known_by_their_model),
	    cmocka_unit_test(a_wish_is_read_as_it_was_written),
	    cmocka_unit_test(images_of_all_shapes_are_edited),
	    cmocka_unit_test(what_cannot_be_edited_says_why),
	    cmocka_unit_test(damaged_ones_are_read_within_their_bounds),
	    cmocka_unit_test(the_users_file_is_read_and_named),
	    cmocka_unit_test(the_signature_is_two_lines),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
