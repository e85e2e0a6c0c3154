#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "os_installer/agent/order.h"
#include "os_installer/trial/memory.h"

#define THREADS_MAX 64
#define USUAL_MINUTES 10
#define WATCH_MS 500

/* A thread tests its part of the memory until the time is over. */
struct part {
	pthread_t thread;
	uint64_t *words;
	size_t count;
	int64_t until_ms;
	pthread_mutex_t mutex;
	struct memory_seen told; /* what the others may look at */
	bool ended;
};

static bool tick(void *ctx, const struct memory_seen *seen)
{
	struct part *p = ctx;

	pthread_mutex_lock(&p->mutex);
	p->told = *seen;
	pthread_mutex_unlock(&p->mutex);
	return monotonic_ms() < p->until_ms;
}

static void *test(void *ctx)
{
	struct part *p = ctx;
	struct memory_seen seen = {0};

	while (memory_pass(p->words, p->count, seen.passes, tick, p, &seen))
		;
	(void)tick(p, &seen);
	pthread_mutex_lock(&p->mutex);
	p->ended = true;
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

/* What all have seen together; the passes are the least of any. True when all have ended. */
static bool sum(struct part *parts, unsigned count, struct memory_seen *all)
{
	bool ended = true;

	memset(all, 0, sizeof(*all));
	all->passes = ~0U;
	for (unsigned i = 0; i < count; i++) {
		pthread_mutex_lock(&parts[i].mutex);
		struct memory_seen *one = &parts[i].told;
		for (uint64_t k = 0;
		    k < one->errors && k < MEMORY_FAULTS_MAX && all->errors + k < MEMORY_FAULTS_MAX;
		    k++)
			all->fault[all->errors + k] = one->fault[k];
		all->errors += one->errors;
		all->bytes += one->bytes;
		all->passes = one->passes < all->passes ? one->passes : all->passes;
		ended &= parts[i].ended;
		pthread_mutex_unlock(&parts[i].mutex);
	}
	return ended;
}

static void tell(struct order_run *o, const struct memory_seen *all, uint64_t bytes)
{
	json_t *faults = json_array();
	char physical[32], expected[32], found[32];

	for (uint64_t i = 0; i < all->errors && i < MEMORY_FAULTS_MAX; i++) {
		const struct memory_fault *f = &all->fault[i];
		snprintf(physical, sizeof(physical), "0x%llx",
		    (unsigned long long)memory_physical(f->at));
		snprintf(expected, sizeof(expected), "%016llx", (unsigned long long)f->expected);
		snprintf(found, sizeof(found), "%016llx", (unsigned long long)f->found);
		json_array_append_new(faults, json_pack("{s:s, s:s, s:s}", "physical", physical,
						  "expected", expected, "found", found));
	}
	order_figure(o, "memory_bytes", json_integer((json_int_t)bytes));
	order_figure(o, "tested_bytes", json_integer((json_int_t)all->bytes));
	order_figure(o, "passes", json_integer(all->passes));
	order_figure(o, "errors", json_integer((json_int_t)all->errors));
	order_figure(o, "faults", faults);
}

static unsigned start(struct part *parts, uint64_t *words, size_t count, int64_t until_ms)
{
	long wanted = sysconf(_SC_NPROCESSORS_ONLN);
	size_t threads = wanted < 1 ? 1 : wanted > THREADS_MAX ? THREADS_MAX : (size_t)wanted;
	size_t each = count / threads;
	unsigned n = 0;

	for (; n < threads; n++) {
		parts[n].words = words + n * each;
		parts[n].count = n + 1 == threads ? count - n * each : each;
		parts[n].until_ms = until_ms;
		pthread_mutex_init(&parts[n].mutex, NULL);
		if (pthread_create(&parts[n].thread, NULL, test, &parts[n]) != 0)
			break;
	}
	return n;
}

static int run(struct order_run *o, struct err *e)
{
	const json_t *minutes = json_object_get(o->args, "minutes");
	const json_t *mib = json_object_get(o->args, "mib");
	int64_t ms = (int64_t)(60000 * (minutes ? json_number_value(minutes) : USUAL_MINUTES));
	_cleanup_free_ struct part *parts = calloc(THREADS_MAX, sizeof(*parts));
	struct memory_seen all;
	uint64_t *words;
	size_t count;

	if (!parts)
		return err_set(e, ENOMEM, "out of memory");
	order_progress(o, "memory", 0, 0);
	int r = memory_take((uint64_t)json_integer_value(mib) << 20, &words, &count, e);
	if (r < 0)
		return r;
	int64_t until_ms = monotonic_ms() + ms;
	unsigned threads = start(parts, words, count, until_ms);
	if (threads == 0)
		return err_set(e, EAGAIN, "cannot start a thread");
	while (!sum(parts, threads, &all)) {
		order_text(o, "%u passes over %llu MiB, %llu errors, %lld min left", all.passes,
		    (unsigned long long)count * sizeof(*words) >> 20,
		    (unsigned long long)all.errors,
		    (long long)(until_ms - monotonic_ms() + 59999) / 60000);
		order_progress(o, "memory", all.bytes, 0);
		sleep_ms(WATCH_MS);
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(parts[i].thread, NULL);
	(void)sum(parts, threads, &all);
	tell(o, &all, count * sizeof(*words));
	if (all.errors) {
		order_hint(o, "take out the memory modules one by one until it finds no more");
		return err_set(e, EIO, "memory does not keep what is written to it: %llu errors",
		    (unsigned long long)all.errors);
	}
	order_text(o, "%u passes over %llu MiB, no errors", all.passes,
	    (unsigned long long)count * sizeof(*words) >> 20);
	return 0;
}

extern const struct order order_memtest;
const struct order order_memtest = {.run = run};
