/* Orders in memory, at times of the test's own: deadlines, what the agent lost, what boots are for.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/state/order_inside.h"

static const struct order_cards card = {{{{0x52, 0x54, 0, 0, 0, 0x11}}}, 1};
static const struct order_cards other = {{{{0x52, 0x54, 0, 0, 0, 0x12}}}, 1};
static struct orders *orders;
static struct order got;
static char image[IMAGE_NAME_SIZE];

static int64_t add(const struct order_cards *cards, enum order_action action, unsigned timeout_s)
{
	struct order_list list = {.wish = {{.action = action, .timeout_s = timeout_s}}, .count = 1};
	struct order out[ORDER_LIST_MAX];
	struct err e = ERR_INIT;

	if (orders_add(orders, &cards->mac[0], "web1", &list, 1000, out, &e) < 0)
		fail_msg("%s", e.msg);
	orders_settle(orders, out[0].list, true);
	order_clear(&out[0]);
	return out[0].id;
}

static bool give(int64_t now)
{
	order_clear(&got);
	return orders_give(orders, &card, now, &got);
}

static enum order_state state_of(int64_t id)
{
	struct err e = ERR_INIT;

	order_clear(&got);
	assert_int_equal(orders_find(orders, &card, id, &got, &e), 0);
	return got.state;
}

static int progress(int64_t id, int64_t now)
{
	const struct order_progress p = {.phase = "x"};
	struct err e = ERR_INIT;
	bool first;

	return orders_progress(orders, &card, id, &p, now, &first, &e);
}

static unsigned news(void)
{
	unsigned n = 0;

	order_clear(&got);
	for (; orders_news(orders, &got); n++)
		order_clear(&got);
	return n;
}

static void a_silent_agents_time_is_over(void **state)
{
	int64_t id, next;

	(void)state;
	assert_int_equal(orders_expire(orders, 5000), -1);
	id = add(&card, ORDER_INVENTORY, 60);
	next = add(&card, ORDER_INVENTORY, 60);
	assert_int_equal(orders_expire(orders, INT64_MAX / 4), -1); /* who waits has time */
	assert_true(give(10000));
	assert_int_equal(got.timeout_s, 60);
	assert_true(give(40000)); /* the answer was lost */
	assert_int_equal(got.timeout_s, 30);
	assert_int_equal(orders_expire(orders, 10000 + 59999), ORDER_GRACE_MS + 1);
	assert_int_equal(progress(id, 10000 + 60000 + ORDER_GRACE_MS - 1), 0);
	assert_int_equal(news(), 0);
	assert_int_equal(orders_expire(orders, 10000 + 60000 + ORDER_GRACE_MS), -1);
	assert_int_equal(state_of(id), ORDER_FAILED);
	assert_string_equal(got.text, "it had not ended within 60 s");
	assert_int_equal(news(), 1);
	assert_int_equal(progress(id, 200000), -EBUSY);
	assert_true(give(200000));
	assert_int_equal(got.id, next);
	/* Whoever asks ends it as well. */
	assert_int_equal(progress(next, 900000), -EBUSY);
	assert_int_equal(state_of(next), ORDER_FAILED);
	assert_string_equal(got.text, "it had not ended within 60 s");
	assert_int_equal(news(), 1);
}

static void how_long_an_agent_is_silent(void **state)
{
	(void)state;
	int64_t began = orders->began_ms;
	assert_int_equal(orders_silent_ms(orders, &card, began + 5000), 5000);
	int64_t id = add(&card, ORDER_RUN, 60);
	assert_true(give(began + 6000));
	assert_int_equal(orders_silent_ms(orders, &card, began + 6001), 1);
	assert_int_equal(orders_silent_ms(orders, &other, began + 6001), 6001);
	assert_int_equal(orders_expire(orders, began + 200000), -1);
	assert_int_equal(state_of(id), ORDER_FAILED);
	assert_string_equal(
	    got.text, "it had not ended within 60 s, and its agent has been silent for 194 s");
	assert_int_equal(news(), 1);
}

static void what_may_not_be_begun_twice_is_not(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ORDER_ACTION_COUNT; i++) {
		int64_t id = add(&card, (enum order_action)i, 600);
		assert_true(give(2000));
		assert_true(give(3000)); /* it was not begun: the answer was lost */
		assert_int_equal(got.id, id);
		assert_int_equal(progress(id, 4000), 0);
		assert_int_equal(give(5000), order_row(i)->again);
		if (order_row(i)->again)
			assert_false(give(6000)); /* three times are enough */
		assert_int_equal(state_of(id), ORDER_FAILED);
		assert_int_equal(news(), 1);
	}
}

static void a_boot_is_for_what_waits(void **state)
{
	struct order_end ok = {.ok = true};
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(orders_due(orders, &card, image), ORDER_DUE_NOTHING);
	int64_t id = add(&card, ORDER_LOCAL, 60);
	int64_t more = add(&card, ORDER_INVENTORY, 60);
	assert_int_equal(orders_due(orders, &card, image), ORDER_DUE_AGENT);
	assert_int_equal(orders_due(orders, &other, image), ORDER_DUE_NOTHING);
	assert_false(orders_heard(orders, &card, 2000));
	assert_true(give(2000));
	assert_true(orders_heard(orders, &card, 2000 + ORDER_HEARD_MS - 1));
	assert_false(orders_heard(orders, &card, 2000 + ORDER_HEARD_MS));
	assert_false(orders_heard(orders, &other, 2000));
	order_clear(&got);
	assert_int_equal(orders_end(orders, &card, id, &ok, 3000, &got, &e), 0);
	assert_false(orders_heard(orders, &card, 3001)); /* it starts anew */
	assert_int_equal(orders_due(orders, &card, image), ORDER_DUE_DISK);
	assert_int_equal(orders_due(orders, &card, image), ORDER_DUE_DISK);
	orders_asked(orders, &card, true);
	assert_int_equal(orders_due(orders, &card, image), ORDER_DUE_AGENT);
	order_clear(&got);
	assert_int_equal(orders_cancel(orders, &card, more, 4000, &got, &e), 0);
	orders_settle(orders, got.list, true);
	assert_int_equal(orders_due(orders, &card, image), ORDER_DUE_NOTHING);
}

/* From its first word until it asks what to boot, or is silent for long. */
static void an_agent_is_there_until_it_leaves(void **state)
{
	(void)state;
	assert_int_equal(orders_heard(orders, &card, 500), 0);
	orders_hear(orders, &card, 1000);
	assert_false(give(40000));
	assert_int_equal(orders_heard(orders, &card, 41000), 1000);
	orders_asked(orders, &other, false);
	assert_int_equal(orders_heard(orders, &card, 41000), 1000);
	orders_asked(orders, &card, false);
	assert_int_equal(orders_heard(orders, &card, 41000), 0);
	assert_false(give(50000));
	assert_int_equal(orders_heard(orders, &card, 51000), 50000);
	assert_false(give(50000 + 2 * ORDER_HEARD_MS));
	assert_int_equal(
	    orders_heard(orders, &card, 50001 + 2 * ORDER_HEARD_MS), 50000 + 2 * ORDER_HEARD_MS);
}

static void many_are_kept_and_none_that_is_open_goes(void **state)
{
	struct order_end ok = {.ok = true};
	struct err e = ERR_INIT;

	(void)state;
	int64_t open = add(&other, ORDER_REBOOT, 60), first = 0;
	for (int i = 0; i < ORDERS_MAX + 10; i++) {
		int64_t id = add(&card, ORDER_INVENTORY, 60);
		first = first ? first : id;
		assert_true(give(2000));
		order_clear(&got);
		assert_int_equal(orders_end(orders, &card, id, &ok, 3000, &got, &e), 0);
		(void)news();
	}
	order_clear(&got);
	assert_int_equal(orders_find(orders, &card, first, &got, &e), -ENOENT);
	assert_int_equal(orders_find(orders, &other, open, &got, &e), 0);
	assert_int_equal(got.state, ORDER_WAITING);
	assert_int_equal(orders->count, ORDERS_MAX);
	order_clear(&got);
}

/* ---- what the operator changed, and was not put on disk ------------------------------------ */

#define FACTS 8

static int64_t add_list(struct order out[ORDER_LIST_MAX])
{
	struct order_list list = {
	    .wish = {{.action = ORDER_INVENTORY, .timeout_s = 60},
		{.action = ORDER_RUN, .timeout_s = 60}, {.action = ORDER_REBOOT, .timeout_s = 60}},
	    .count = 3};
	struct err e = ERR_INIT;

	assert_int_equal(orders_add(orders, &card.mac[0], "web1", &list, 1000, out, &e), 0);
	return out[0].id;
}

static void facts_of(int64_t list, size_t facts[FACTS])
{
	for (int i = 0; i < 3; i++)
		facts[i] = state_of(list + i);
	facts[3] = orders->count;
	facts[4] = orders->bytes;
	facts[5] = orders->open;
	facts[6] = orders->news;
	facts[7] = orders->due[mac_number(&card.mac[0]) % ORDER_DUE_SLOTS];
}

static void what_is_not_on_disk_is_not_given(void **state)
{
	struct order out[ORDER_LIST_MAX], shown[3];
	struct err e = ERR_INIT;

	(void)state;
	int64_t id = add_list(out);
	assert_false(give(2000));
	assert_int_equal(orders_due(orders, &card, image), ORDER_DUE_NOTHING);
	assert_false(orders_current(orders, &card, &got));
	assert_int_equal(orders_of(orders, &card, shown, 3), 0);
	assert_int_equal(orders_cancel(orders, &card, id, 2000, &got, &e), -ETIMEDOUT);
	orders_settle(orders, id, false);
	assert_int_equal(orders->count, 0);
	assert_int_equal(orders->open + orders->dirty + orders->news + orders->bytes, 0);
	assert_int_equal(orders->due[mac_number(&card.mac[0]) % ORDER_DUE_SLOTS], 0);
	assert_int_equal(orders->gone_count, 3); /* it may be in the file all the same */
	assert_int_equal(orders_find(orders, &card, id, &got, &e), -ENOENT);
	id = add_list(out);
	orders_settle(orders, id, true);
	assert_true(give(2000));
	assert_int_equal(got.id, id);
}

static void a_change_that_is_not_on_disk_is_none(void **state)
{
	int (*const changes[])(struct orders *, const struct order_cards *, int64_t, int64_t,
	    struct order *, struct err *) = {orders_cancel, orders_resume};
	struct order_end failed = {.text = "no", .figures = NULL};
	struct order out[ORDER_LIST_MAX];
	size_t before[FACTS], after[FACTS];
	struct err e = ERR_INIT;

	(void)state;
	int64_t id = add_list(out);
	orders_settle(orders, id, true);
	assert_true(give(2000));
	for (int i = 0; i < 2; i++) {
		facts_of(id, before);
		order_clear(&got);
		assert_int_equal(changes[i](orders, &card, id, 3000, &got, &e), 0);
		order_clear(&got);
		assert_int_equal(
		    changes[i](orders, &card, id, 3000, &got, &e), i == 0 ? -ETIMEDOUT : -EBUSY);
		/* Whoever asks meanwhile is to come again. */
		assert_int_equal(progress(id, 3000), -ETIMEDOUT);
		assert_int_equal(
		    orders_end(orders, &card, id, &failed, 3000, &got, &e), -ETIMEDOUT);
		assert_false(give(900000));
		assert_int_equal(news(), 0);
		orders_settle(orders, id, false);
		facts_of(id, after);
		assert_memory_equal(before, after, sizeof(before));
		assert_int_equal(orders->gone_count, 0);
		if (i == 0) {
			order_clear(&got);
			assert_int_equal(orders_end(orders, &card, id, &failed, 3000, &got, &e), 0);
			assert_int_equal(news(), 1);
		}
	}
	order_clear(&got);
	assert_int_equal(orders_resume(orders, &card, id, 4000, &got, &e), 0);
	orders_settle(orders, id, true);
	assert_true(give(5000));
	assert_int_equal(got.id, id);
}

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	return orders_new(&orders, &e);
}

static int teardown(void **state)
{
	(void)state;
	order_clear(&got);
	orders_free(orders);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_silent_agents_time_is_over),
	    TEST(how_long_an_agent_is_silent),
	    TEST(what_may_not_be_begun_twice_is_not),
	    TEST(a_boot_is_for_what_waits),
	    TEST(an_agent_is_there_until_it_leaves),
	    TEST(what_is_not_on_disk_is_not_given),
	    TEST(a_change_that_is_not_on_disk_is_none),
	    TEST(many_are_kept_and_none_that_is_open_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
