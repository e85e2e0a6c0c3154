#include <errno.h>
#include <fcntl.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "os_installer/agent/named_disk.h"
#include "os_installer/agent/order.h"
#include "os_installer/trial/reading.h"

struct test {
	struct order_run *o;
	uint64_t size_bytes;
	int64_t until_ms; /* 0: to its end */
};

static bool tick(void *ctx, const struct reading *r)
{
	struct test *t = ctx;

	order_progress(t->o, "read", r->at, t->size_bytes);
	if (r->errors)
		order_text(t->o, "%llu places cannot be read", (unsigned long long)r->errors);
	return !t->until_ms || monotonic_ms() < t->until_ms;
}

static void tell(struct order_run *o, const struct reading *r)
{
	json_t *places = json_array();

	for (uint64_t i = 0; i < r->errors && i < READING_PLACES_MAX; i++)
		json_array_append_new(places, json_integer((json_int_t)r->place[i]));
	order_figure(o, "bytes", json_integer((json_int_t)r->bytes));
	order_figure(o, "seconds", json_real((double)(r->ended_ms - r->began_ms) / 1000));
	order_figure(o, "mb_per_s", json_real(reading_mb_per_s(r)));
	if (r->slowest_mb_per_s)
		order_figure(o, "slowest_mb_per_s", json_integer((json_int_t)r->slowest_mb_per_s));
	order_figure(o, "latency_us",
	    json_pack("{s:I, s:I, s:I, s:I}", "mean",
		(json_int_t)(r->reads ? r->sum_us / r->reads : 0), "p50",
		(json_int_t)reading_latency_us(r, 500), "p99",
		(json_int_t)reading_latency_us(r, 990), "max", (json_int_t)r->max_us));
	order_figure(o, "errors", json_integer((json_int_t)r->errors));
	order_figure(o, "error_bytes_at", places);
}

static int run(struct order_run *o, struct err *e)
{
	double minutes = json_number_value(json_object_get(o->args, "minutes"));
	struct reading reading;
	struct disk d;
	int r = order_disk(o, false, &d, e);

	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(d.path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	if (fd < 0)
		return err_errno(e, "cannot read %s past the cache", d.path);
	struct test t = {
	    o, d.size_bytes, minutes > 0 ? monotonic_ms() + (int64_t)(minutes * 60000) : 0};
	order_figure(o, "disk", json_string(d.name));
	r = reading_run(fd, d.size_bytes, tick, &t, &reading, e);
	tell(o, &reading);
	if (r == 0 && reading.errors)
		r = err_set(e, EIO,
		    "%llu places of 4 KiB of %s cannot be read, the first at byte %llu",
		    (unsigned long long)reading.errors, d.path,
		    (unsigned long long)reading.place[0]);
	if (r < 0)
		order_hint(
		    o, "replace the disk, or have its bad blocks written over (wipe, \"blocks\")");
	else
		order_text(o, "%.0f MB/s, no errors", reading_mb_per_s(&reading));
	return r;
}

extern const struct order order_disktest;
const struct order order_disktest = {.run = run};
