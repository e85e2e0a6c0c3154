#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot_handler/state/state.h"
#include "boot_handler/state/stranger_file.h"
#include "boot_handler/state/stranger_inside.h"
#include "lib/base/log.h"

#define UUID_A "0f0e0d0c-0b0a-4908-8706-050403020100"
#define UUID_B "1f0e0d0c-0b0a-4908-8706-050403020100"
#define FLOOD 50000

static struct mac mac_of(uint64_t n)
{
	return mac_from_number(UINT64_C(0x020000000000) + n);
}

/* One that asks by iPXE at that second; NULL: it shows no such thing. */
static bool see(
    struct strangers *t, uint64_t mac, const char *uuid, const char *serial, int64_t second)
{
	struct mac card = mac_of(mac);
	struct shown shown = {.arch = "amd64", .platform = "efi", .product = "Box"};
	struct stranger_sight sight = {
	    .mac = mac ? &card : NULL, .shown = &shown, .loader = "ipxe", .now_ms = second * 1000};

	snprintf(shown.uuid, sizeof(shown.uuid), "%s", uuid ? uuid : "");
	snprintf(shown.serial, sizeof(shown.serial), "%s", serial ? serial : "");
	return strangers_seen(t, &sight);
}

/* One of which dnsmasq tells. */
static bool lease(struct strangers *t, uint64_t mac, int64_t second)
{
	struct mac card = mac_of(mac);
	struct stranger_sight sight = {
	    .mac = &card, .ip.s_addr = htonl(0x0a000000u + (uint32_t)mac), .now_ms = second * 1000};

	return strangers_seen(t, &sight);
}

static bool get(struct strangers *t, uint64_t mac, struct stranger *out)
{
	struct mac wanted = mac_of(mac);

	for (unsigned slot = 0; slot < STRANGERS_MAX; slot++)
		if (strangers_at(t, slot, out))
			for (int i = 0; i < STRANGER_MACS; i++)
				if (mac_equal(&out->mac[i], &wanted))
					return true;
	return false;
}

static unsigned count(struct strangers *t)
{
	struct stranger s;
	unsigned n = 0;

	for (unsigned slot = 0; slot < STRANGERS_MAX; slot++)
		n += strangers_at(t, slot, &s);
	return n;
}

static const char *text_of(uint64_t mac)
{
	static char text[MAC_TEXT_SIZE];
	struct mac m = mac_of(mac);

	return mac_format(&m, text);
}

static void ignore(struct strangers *t, const char *id, bool yes)
{
	struct err e = ERR_INIT;
	struct stranger s;

	if (strangers_ignore(t, id, yes, &s, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(s.ignored, yes);
}

/* ---- a table of its own ------------------------------------------------------------------ */

static int nothing_there(void **state)
{
	struct strangers *t;
	struct err e = ERR_INIT;

	assert_int_equal(strangers_new(&t, &e), 0);
	*state = t;
	return 0;
}

static int all_gone(void **state)
{
	strangers_free(*state);
	return 0;
}

static void one_machine_has_several_cards(void **state)
{
	struct strangers *t = *state;
	struct stranger s;

	assert_true(see(t, 1, UUID_A, "SN-1", 10));
	assert_false(see(t, 2, UUID_A, "SN-1", 20));
	assert_true(get(t, 1, &s));
	assert_int_equal(s.asked, 2);
	assert_int_equal(s.first_seen_ms, 10000);
	assert_int_equal(s.last_seen_ms, 20000);
	assert_int_equal(mac_number(&s.mac[0]), mac_number(&(struct mac){{2, 0, 0, 0, 0, 2}}));
	/* A card that was heard of by DHCP before turns out to be its. */
	assert_true(lease(t, 3, 5));
	assert_int_equal(count(t), 2);
	assert_false(see(t, 3, UUID_A, NULL, 30));
	assert_int_equal(count(t), 1);
	assert_true(get(t, 3, &s));
	assert_int_equal(s.asked, 4);
	assert_int_equal(s.first_seen_ms, 5000);
	assert_string_equal(s.shown.serial, "SN-1");
	/* Only so many are kept: the one unseen for longest goes. */
	for (uint64_t mac = 4; mac < 4 + STRANGER_MACS; mac++)
		assert_false(see(t, mac, UUID_A, NULL, 40));
	assert_false(get(t, 1, &s));
	assert_true(get(t, 7, &s));
	assert_int_equal(count(t), 1);
}

static void makers_share_serial_numbers(void **state)
{
	struct strangers *t = *state;

	assert_true(see(t, 1, UUID_A, "SAME", 1));
	assert_true(see(t, 2, UUID_B, "SAME", 2));
	assert_int_equal(count(t), 2);
	/* Nobody takes another's place by what he shows. */
	assert_false(see(t, 1, UUID_B, "SAME", 3));
	assert_int_equal(count(t), 2);
}

static void dhcp_tells_of_one_that_no_loader_has(void **state)
{
	struct strangers *t = *state;
	struct stranger s;

	assert_true(lease(t, 1, 10));
	assert_true(get(t, 1, &s));
	assert_string_equal(s.shown.loader, "");
	assert_false(lease(t, 1, 99));
	assert_true(get(t, 1, &s));
	assert_int_equal(s.first_seen_ms, 10000);
	assert_int_equal(s.last_seen_ms, 99000);
	assert_int_equal(s.asked, 2);
	assert_int_equal(ntohl(s.ip.s_addr), 0x0a000001);
}

static void the_longest_unseen_goes_first(void **state)
{
	struct strangers *t = *state;
	struct stranger s;

	for (uint64_t mac = 1; mac <= STRANGERS_MAX; mac++)
		assert_true(see(t, mac, NULL, NULL, (int64_t)mac));
	assert_false(see(t, 1, NULL, NULL, STRANGERS_MAX + 1));
	assert_true(see(t, STRANGERS_MAX + 1, NULL, NULL, STRANGERS_MAX + 2));
	assert_int_equal(count(t), STRANGERS_MAX);
	assert_true(get(t, 1, &s));
	assert_false(get(t, 2, &s));
	assert_true(get(t, 3, &s));
	/* What was displaced is found by nothing any more. */
	assert_true(see(t, 2, NULL, NULL, STRANGERS_MAX + 3));
}

static void a_flood_displaces_nobody_who_is_ignored(void **state)
{
	struct strangers *t = *state;
	struct stranger s;

	see(t, 1, UUID_A, "KEPT", 1);
	ignore(t, "kept", true);
	for (uint64_t mac = 1000; mac < 1000 + FLOOD; mac++)
		assert_true(see(t, mac, NULL, NULL, 2));
	assert_int_equal(count(t), STRANGERS_MAX);
	assert_true(get(t, 1, &s));
	assert_true(s.ignored);
	/* No longer ignored, it is the next but all to go. */
	ignore(t, UUID_A, false);
	for (uint64_t mac = 100000; mac < 100000 + STRANGERS_MAX - 1; mac++)
		see(t, mac, NULL, NULL, 3);
	assert_true(get(t, 1, &s));
	see(t, 200000, NULL, NULL, 3);
	assert_false(get(t, 1, &s));
	printf("memory for %d strangers: %zu bytes of places, %zu of their index\n", STRANGERS_MAX,
	    (STRANGERS_MAX + 1) * sizeof(struct stranger_place),
	    t->ids.capacity * sizeof(struct hash_slot));
}

static void a_flood_is_no_flood_of_writes(void **state)
{
	struct strangers *t = *state;
	int64_t now = 1000000;

	assert_int_equal(strangers_collect(t, now, true), 0);
	for (uint64_t mac = 1; mac <= FLOOD; mac++)
		see(t, mac, NULL, NULL, 1);
	assert_int_equal(strangers_collect(t, now + 1, false), 0);
	now += STRANGERS_EVERY_MS;
	assert_int_equal(strangers_collect(t, now, false), STRANGERS_A_MINUTE);
	assert_int_equal(strangers_collect(t, now + 1000, false), 0);
	/* An order is not to wait, and takes nobody along. */
	ignore(t, text_of(FLOOD), true);
	assert_int_equal(strangers_collect(t, now + 1001, false), 1);
	assert_int_equal(strangers_collect(t, now + 1002, false), 0);
	/* All get their turn. */
	size_t written = STRANGERS_A_MINUTE + 1, n;
	while ((n = strangers_collect(t, now += STRANGERS_EVERY_MS, false)) > 0)
		written += n;
	assert_in_range(written, STRANGERS_MAX, STRANGERS_MAX + 1);
}

static void ids_have_to_tell(void **state)
{
	struct strangers *t = *state;
	struct err e = ERR_INIT;
	struct stranger s;

	see(t, 1, UUID_A, "SAME", 1);
	see(t, 2, UUID_B, "SAME", 2);
	assert_int_equal(strangers_ignore(t, "SAME", true, &s, &e), -EBUSY);
	assert_string_equal(
	    e.msg, "2 machines show \"SAME\": name the one that is meant by its MAC address");
	assert_int_equal(strangers_ignore(t, "other", true, &s, &e), -ENOENT);
	ignore(t, "02-00-00-00-00-02", true);
	assert_true(get(t, 1, &s));
	assert_false(s.ignored);
	for (uint64_t mac = 10; mac < 10 + STRANGERS_IGNORED_MAX - 1; mac++) {
		see(t, mac, NULL, NULL, 3);
		ignore(t, text_of(mac), true);
	}
	assert_int_equal(strangers_ignore(t, text_of(1), true, &s, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "--undo"));
}

static bool has_odd_card(void *ctx, const struct stranger *s)
{
	(void)ctx;
	return s->mac[0].octet[5] & 1;
}

static void who_is_declared_is_none(void **state)
{
	struct strangers *t = *state;
	struct stranger s;

	for (uint64_t mac = 1; mac <= 6; mac++)
		see(t, mac, NULL, NULL, (int64_t)mac);
	ignore(t, text_of(5), true);
	strangers_forget(t, has_odd_card, NULL);
	assert_int_equal(count(t), 3);
	assert_false(get(t, 5, &s));
	assert_true(see(t, 5, NULL, NULL, 9));
	assert_true(get(t, 5, &s));
	assert_false(s.ignored);
	assert_int_equal(s.asked, 1);
}

/* ---- the state file ---------------------------------------------------------------------- */

static struct state *opened(const char *file)
{
	struct err e = ERR_INIT;
	struct state *s;

	if (state_open(file, &s, &e) < 0)
		fail_msg("%s", e.msg);
	return s;
}

static void remembered_over_a_restart(void **state)
{
	char dir[] = "/tmp/test_stranger.XXXXXX", file[64], copy[80], command[400];
	struct err e = ERR_INIT;
	struct stranger one;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/state.db", dir);
	struct state *s = opened(file);
	struct strangers *t = state_strangers(s);
	for (uint64_t mac = 1; mac <= STRANGERS_MAX; mac++)
		see(t, mac, mac == 2 ? UUID_A : NULL, mac == 3 ? "SN-3" : NULL, (int64_t)mac);
	ignore(t, "SN-3", true);
	lease(t, 1, STRANGERS_MAX + 1);
	state_close(s);

	s = opened(file);
	t = state_strangers(s);
	assert_int_equal(count(t), STRANGERS_MAX);
	assert_true(get(t, 3, &one) && one.ignored);
	assert_string_equal(one.shown.serial, "SN-3");
	assert_true(get(t, 1, &one));
	assert_int_equal(one.asked, 2);
	assert_int_equal(one.first_seen_ms, 1000);
	assert_string_equal(one.shown.product, "Box");
	assert_string_equal(one.shown.loader, "ipxe");
	assert_int_equal(ntohl(one.ip.s_addr), 0x0a000001);
	/* Known again, and the one unseen for longest is the same as before. */
	assert_false(see(t, 9, UUID_A, NULL, STRANGERS_MAX + 2));
	assert_true(see(t, 70000, NULL, NULL, STRANGERS_MAX + 2));
	assert_false(get(t, 2, &one));
	assert_true(get(t, 4, &one));
	/* What was forgotten stays so; an order is there at once. */
	strangers_forget(t, has_odd_card, NULL);
	ignore(t, text_of(4), true);
	assert_int_equal(state_save(s, &e), 0);
	snprintf(copy, sizeof(copy), "%s.copy", file); /* as a power cut would leave it */
	snprintf(command, sizeof(command), "cp '%s' '%s' && cp '%s-wal' '%s-wal'", file, copy, file,
	    copy);
	assert_int_equal(system(command), 0);
	struct state *beside = opened(copy);
	assert_true(get(state_strangers(beside), 4, &one) && one.ignored);
	state_close(beside);
	state_close(s);
	s = opened(file);
	assert_int_equal(count(state_strangers(s)), STRANGERS_MAX / 2);
	state_close(s);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, nothing_there, all_gone)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_machine_has_several_cards),
	    TEST(makers_share_serial_numbers),
	    TEST(dhcp_tells_of_one_that_no_loader_has),
	    TEST(the_longest_unseen_goes_first),
	    TEST(a_flood_displaces_nobody_who_is_ignored),
	    TEST(a_flood_is_no_flood_of_writes),
	    TEST(ids_have_to_tell),
	    TEST(who_is_declared_is_none),
	    cmocka_unit_test(remembered_over_a_restart),
	};

	log_set_sink(silent);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
