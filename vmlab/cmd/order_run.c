#include "vmlab/cmd/order_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "vmlab/lab/machine_id.h"
#include "vmlab/follow/order_line.h"
#include "lib/base/human.h"
#include "vmlab/ui/interrupt.h"

#define LOOK_EVERY_MS 1000
#define PROGRESS_EVERY_MS 5000
#define NAMED_MAX 20
#define SILENT_LOOKS_MAX 30 /* so often in turn the API may not answer */

/* A machine, and its list of orders. */
struct target {
	const char *id; /* as the person has it */
	char encoded[MACHINE_ID_SIZE];
	json_int_t order[64]; /* their numbers */
	size_t count, at;
	enum { NOT_GIVEN, GOING, WELL, BADLY } is;
	char said[400]; /* what the last line was for */
	int64_t said_ms;
	unsigned silent;
};

/* ---- said ---------------------------------------------------------------------------------- */

static void say(const struct target *t, const json_t *order)
{
	human_print_clean(stdout, t->id);
	fputs(": ", stdout);
	order_line(stdout, order);
	fflush(stdout);
}

static void complain(struct target *t, const struct err *e)
{
	fflush(stdout);
	fputs("vmlab: ", stderr);
	/* Many sentences begin with its name. */
	if (strncmp(e->msg, t->id, strlen(t->id)) != 0) {
		human_print_clean(stderr, t->id);
		fputs(": ", stderr);
	}
	fprintf(stderr, "%s\n", e->msg);
	t->is = BADLY;
}

/* What is news: another state, phase or reason to wait; bytes only now and then. */
static bool is_news(struct target *t, const json_t *order)
{
	const char *state = json_string_value(json_object_get(order, "state"));
	const char *phase = json_string_value(json_object_get(order, "phase"));
	const char *waits = json_string_value(json_object_get(order, "waits_for"));
	char now[sizeof(t->said)];

	snprintf(now, sizeof(now), "%zu %s %s %s", t->at, state ? state : "", phase ? phase : "",
	    waits ? waits : "");
	bool going = json_integer_value(json_object_get(order, "done_bytes")) > 0 &&
		     monotonic_ms() - t->said_ms >= PROGRESS_EVERY_MS;
	if (strcmp(now, t->said) == 0 && !going)
		return false;
	memcpy(t->said, now, sizeof(now));
	t->said_ms = monotonic_ms();
	return true;
}

/* ---- one machine --------------------------------------------------------------------------- */

static void take_numbers(struct target *t, const json_t *answer)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "orders"), i, one)
		if (t->count < sizeof(t->order) / sizeof(*t->order))
			t->order[t->count++] = json_integer_value(json_object_get(one, "id"));
}

static void give(struct session *s, const struct order_run *run, struct target *t)
{
	_cleanup_json_ json_t *answer = NULL;
	struct err e = ERR_INIT;

	int r = machine_id_encode(t->id, t->encoded, &e);
	if (r == 0)
		r = api_post_json(
		    s->api, run->orders, &answer, &e, "/machines/%s/orders", t->encoded);
	if (r < 0) {
		complain(t, &e);
		return;
	}
	take_numbers(t, answer);
	t->is = GOING;
	if (!run->no_wait)
		return;
	const json_t *one;
	size_t i;
	json_array_foreach(json_object_get(answer, "orders"), i, one) {
		human_print_clean(stdout, t->id);
		printf(": order %lld, ", (long long)t->order[i]);
		order_line(stdout, one);
	}
	t->is = WELL;
}

static void end(struct target *t, const json_t *order)
{
	if (order_is_done(order)) {
		t->is = ++t->at == t->count ? WELL : GOING;
		return;
	}
	t->is = BADLY;
	printf("  what it wrote: vmlab order output %s %lld", t->id, (long long)t->order[t->at]);
	printf("; once its cause is gone: vmlab order resume %s %lld\n", t->id,
	    (long long)t->order[t->at]);
}

static void look(struct session *s, struct target *t)
{
	_cleanup_json_ json_t *order = NULL;
	struct err e = ERR_INIT;

	int r = api_get(
	    s->api, &order, &e, "/machines/%s/orders/%lld", t->encoded, (long long)t->order[t->at]);
	/* The stack may be being replaced. */
	if (r == -ECONNREFUSED && ++t->silent < SILENT_LOOKS_MAX)
		return;
	if (r < 0) {
		complain(t, &e);
		return;
	}
	t->silent = 0;
	if (is_news(t, order))
		say(t, order);
	if (order_has_ended(order))
		end(t, order);
}

/* ---- all of them --------------------------------------------------------------------------- */

static size_t count_of(const struct target *targets, size_t count, int is)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += (int)targets[i].is == is;
	return n;
}

static void give_more(
    struct session *s, const struct order_run *run, struct target *targets, size_t count)
{
	size_t most = run->parallel ? run->parallel : count;

	for (size_t i = 0; i < count && !interrupt_pending(); i++)
		if (targets[i].is == NOT_GIVEN && count_of(targets, count, GOING) < most)
			give(s, run, &targets[i]);
}

/* Of several, how it went with each that did not end well. */
static void sum_up(const struct order_run *run, const struct target *targets, size_t count)
{
	size_t bad = count_of(targets, count, BADLY), named = 0;

	if (count < 2)
		return;
	printf("%zu machines: %zu %s", count, count_of(targets, count, WELL),
	    run->no_wait ? "given" : "done");
	if (bad > 0)
		printf(", %zu not: ", bad);
	for (size_t i = 0; i < count; i++)
		if (targets[i].is == BADLY && named++ < NAMED_MAX) {
			fputs(named > 1 ? ", " : "", stdout);
			human_print_clean(stdout, targets[i].id);
		}
	if (named > NAMED_MAX)
		printf(" and %zu more", named - NAMED_MAX);
	putchar('\n');
}

static int interrupted(const struct target *targets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (targets[i].is == GOING)
			fprintf(stderr,
			    "%s: its orders go on (vmlab orders %s; vmlab order cancel %s %lld takes them back)\n",
			    targets[i].id, targets[i].id, targets[i].id,
			    (long long)targets[i].order[targets[i].at]);
	size_t left = count_of(targets, count, NOT_GIVEN);
	if (left > 0)
		fprintf(stderr, "%zu machines were given none\n", left);
	return STATUS_INTERRUPTED;
}

static int follow(
    struct session *s, const struct order_run *run, struct target *targets, size_t count)
{
	interrupt_install();
	while (!interrupt_pending()) {
		give_more(s, run, targets, count);
		for (size_t i = 0; i < count && !interrupt_pending(); i++)
			while (targets[i].is == GOING) {
				size_t at = targets[i].at;
				look(s, &targets[i]);
				if (targets[i].at == at)
					break;
			}
		if (count_of(targets, count, GOING) + count_of(targets, count, NOT_GIVEN) == 0) {
			sum_up(run, targets, count);
			return count_of(targets, count, WELL) == count ? STATUS_OK : STATUS_FAILED;
		}
		if (count_of(targets, count, GOING) > 0)
			interrupt_sleep_ms(LOOK_EVERY_MS);
	}
	return interrupted(targets, count);
}

/* Named twice is as good as once. */
static bool is_among(const struct target *targets, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(targets[i].id, id) == 0)
			return true;
	return false;
}

int order_run(struct session *s, const struct order_run *run)
{
	_cleanup_free_ struct target *targets = calloc(run->count + 1, sizeof(*targets));

	if (!targets)
		return STATUS_FAILED;
	size_t count = 0;
	for (size_t i = 0; i < run->count; i++)
		if (!is_among(targets, count, run->id[i]))
			targets[count++].id = run->id[i];
	return follow(s, run, targets, count);
}

/* ---- one that is given --------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	json_int_t x = *(const json_int_t *)a, y = *(const json_int_t *)b;

	return (x > y) - (x < y);
}

int order_run_follow(struct session *s, const char *id, json_int_t order)
{
	_cleanup_json_ json_t *answer = NULL, *first = NULL;
	struct target target = {.id = id, .is = GOING};
	const struct order_run run = {.count = 1};
	struct err e = ERR_INIT;
	const json_t *one;
	size_t i;

	int r = machine_id_encode(id, target.encoded, &e);
	if (r == 0)
		r = api_get(s->api, &first, &e, "/machines/%s/orders/%lld", target.encoded,
		    (long long)order);
	if (r == 0)
		r = api_get(s->api, &answer, &e, "/machines/%s/orders", target.encoded);
	if (r < 0)
		return command_fail(&e);
	json_array_foreach(json_object_get(answer, "orders"), i, one) {
		json_int_t number = json_integer_value(json_object_get(one, "id"));
		if (number >= order &&
		    target.count < sizeof(target.order) / sizeof(*target.order) &&
		    json_equal(json_object_get(one, "list"), json_object_get(first, "list")))
			target.order[target.count++] = number;
	}
	qsort(target.order, target.count, sizeof(*target.order), compare);
	return target.count ? follow(s, &run, &target, 1) : STATUS_OK;
}
