#include "boot_handler/http/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boot_handler/http/guest.h"
#include "boot_handler/http/guest_backup.h"
#include "boot_handler/http/hooks.h"
#include "boot_handler/http/machine_now.h"
#include "boot_handler/http/operator.h"
#include "boot_handler/http/stream.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define TYPE "text/plain; version=0.0.4; charset=utf-8"
#define ROWS_MAX 64 /* endpoints of a table */
#define CLASSES 6   /* of status: 2 is 2xx */
#define BUCKETS 14
#define ROLES 4

/* ---- histograms -------------------------------------------------------------------------- */

struct histogram {
	atomic_ulong bucket[BUCKETS + 1]; /* the last: longer than all */
	atomic_ulong sum_ms;
};

/* Upper bounds, in ms: an installer's step takes 0.1 s, or an hour. */
static const int64_t bounds_ms[BUCKETS] = {100, 500, 1000, 2500, 5000, 10000, 20000, 30000, 60000,
    120000, 300000, 600000, 1200000, 3600000};

static void observe(struct histogram *h, int64_t ms)
{
	int i = 0;

	if (ms < 0)
		return;
	while (i < BUCKETS && ms > bounds_ms[i])
		i++;
	atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_ms, (unsigned long)ms, memory_order_relaxed);
}

/* `label`: "phase=\"rootfs\"", or "". The count is the sum of the buckets as they are read. */
static void put_histogram(FILE *f, const char *name, const char *label, struct histogram *h)
{
	const char *comma = *label ? "," : "", *open = *label ? "{" : "",
		   *close = *label ? "}" : "";
	unsigned long count = 0;

	for (int i = 0; i < BUCKETS; i++) {
		count += atomic_load(&h->bucket[i]);
		fprintf(f, "%s_bucket{%s%sle=\"%g\"} %lu\n", name, label, comma,
		    (double)bounds_ms[i] / 1000, count);
	}
	count += atomic_load(&h->bucket[BUCKETS]);
	fprintf(f, "%s_bucket{%s%sle=\"+Inf\"} %lu\n", name, label, comma, count);
	fprintf(f, "%s_sum%s%s%s %.3f\n", name, open, label, close,
	    (double)atomic_load(&h->sum_ms) / 1000);
	fprintf(f, "%s_count%s%s%s %lu\n", name, open, label, close, count);
}

/* ---- what is counted --------------------------------------------------------------------- */

static const char *const roles[ROLES] = {"kernel", "initrd", "modules", "other"};

struct metrics {
	double began_s; /* since 1970 */
	atomic_ulong asked[3][ROWS_MAX][CLASSES];
	atomic_ulong events[64];
	atomic_ulong sent_bytes[ROLES], sent_files[ROLES];
	atomic_ulong installed, failed;
	struct histogram install, first_boot;
	struct histogram phase[PHASE_REBOOT + 1];
};

static const struct {
	const struct endpoint_table *table;
	const char *name;
} listeners[3] = {
    {&guest_endpoints, "guest"},
    {&operator_endpoints, "operator"},
    {&guest_backup_endpoints, "upload"},
};

void metrics_asked(struct metrics *m, const struct endpoint *endpoint, unsigned status)
{
	for (size_t i = 0; i < 3; i++) {
		const struct endpoint_table *t = listeners[i].table;
		if (endpoint < t->rows || endpoint >= t->rows + t->count)
			continue;
		size_t row = (size_t)(endpoint - t->rows);
		if (row < ROWS_MAX && status / 100 < CLASSES)
			atomic_fetch_add_explicit(
			    &m->asked[i][row][status / 100], 1, memory_order_relaxed);
	}
}

void metrics_sent(struct metrics *m, const char *role, uint64_t bytes)
{
	size_t i = 0;

	while (i < ROLES - 1 && (!role || strcmp(roles[i], role) != 0))
		i++;
	atomic_fetch_add_explicit(&m->sent_bytes[i], bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->sent_files[i], 1, memory_order_relaxed);
}

/* "ms" of its data; -1: it has none, or it is not known. */
static int64_t took_ms(const struct event *event)
{
	json_t *data = event->data[0] ? json_loads(event->data, 0, NULL) : NULL;
	int64_t value = json_integer_value(json_object_get(data, "ms"));

	json_decref(data);
	return value > 0 ? value : -1;
}

static void hear_state(struct metrics *m, const struct event *event)
{
	if (machine_state_is(event->text, MACHINE_INSTALLED)) {
		int64_t ms = took_ms(event);
		if (ms < 0) /* it only boots from its disk */
			return;
		atomic_fetch_add(&m->installed, 1);
		observe(&m->install, ms);
	} else if (machine_state_is(event->text, MACHINE_READY)) {
		observe(&m->first_boot, took_ms(event));
	} else if (machine_state_is(event->text, MACHINE_FAILED)) {
		atomic_fetch_add(&m->failed, 1);
	}
}

void metrics_heard(struct metrics *m, const struct event *events, size_t count)
{
	enum machine_phase phase;

	for (size_t i = 0; i < count; i++) {
		const struct event *event = &events[i];
		atomic_fetch_add_explicit(&m->events[event->kind], 1, memory_order_relaxed);
		if (event->kind == EVENT_STATE)
			hear_state(m, event);
		else if (event->kind == EVENT_PHASE_END &&
			 machine_phase_parse(event->text, &phase) == 0)
			observe(&m->phase[phase], took_ms(event));
	}
}

/* ---- what there is ----------------------------------------------------------------------- */

static void put_head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_machines(FILE *f, struct services *services)
{
	static const char *const states[] = {"declared", "booting", "installing", "installed",
	    "ready", "failed", "waiting", "stalled"};
	const struct vm_snapshot *snapshot = vm_store_snapshot(services->store);
	size_t count[sizeof(states) / sizeof(*states)] = {0}, n = sizeof(states) / sizeof(*states);

	for (size_t i = 0; i < vm_snapshot_count(snapshot); i++) {
		_cleanup_machine_now_ struct machine_now now;
		machine_now_find(services, snapshot, vm_snapshot_at(snapshot, i), &now);
		for (size_t k = 0; k < n; k++)
			count[k] += strcmp(states[k], now.look.state) == 0;
	}
	put_head(f, "vmlab_machines", "gauge", "Machines with a definition, by state.");
	for (size_t k = 0; k < n; k++)
		fprintf(f, "vmlab_machines{state=\"%s\"} %zu\n", states[k], count[k]);
	put_head(f, "vmlab_definition_problems", "gauge", "What is wrong with definitions.");
	fprintf(f, "vmlab_definition_problems %zu\n", vm_snapshot_problem_count(snapshot));
	vm_snapshot_unref(snapshot);
}

static void put_installs(FILE *f, struct metrics *m)
{
	char label[64];

	put_head(f, "vmlab_installs_total", "counter", "Installations that ended, by how.");
	fprintf(f, "vmlab_installs_total{result=\"installed\"} %lu\n", atomic_load(&m->installed));
	fprintf(f, "vmlab_installs_total{result=\"failed\"} %lu\n", atomic_load(&m->failed));
	put_head(f, "vmlab_install_duration_seconds", "histogram",
	    "From the boot that installs to installed.");
	put_histogram(f, "vmlab_install_duration_seconds", "", &m->install);
	put_head(f, "vmlab_first_boot_duration_seconds", "histogram", "From installed to ready.");
	put_histogram(f, "vmlab_first_boot_duration_seconds", "", &m->first_boot);
	put_head(
	    f, "vmlab_install_phase_duration_seconds", "histogram", "Of the installer's phases.");
	for (int p = PHASE_NONE + 1; p <= PHASE_REBOOT; p++) {
		snprintf(label, sizeof(label), "phase=\"%s\"",
		    machine_phase_name((enum machine_phase)p));
		put_histogram(f, "vmlab_install_phase_duration_seconds", label, &m->phase[p]);
	}
}

static void put_traffic(FILE *f, struct metrics *m)
{
	put_head(f, "vmlab_http_sent_bytes_total", "counter",
	    "Bytes of images and installers that machines fetched, by file.");
	for (int i = 0; i < ROLES; i++)
		fprintf(f, "vmlab_http_sent_bytes_total{file=\"%s\"} %lu\n", roles[i],
		    atomic_load(&m->sent_bytes[i]));
	put_head(f, "vmlab_http_sent_files_total", "counter", "Requests for such files.");
	for (int i = 0; i < ROLES; i++)
		fprintf(f, "vmlab_http_sent_files_total{file=\"%s\"} %lu\n", roles[i],
		    atomic_load(&m->sent_files[i]));
	put_head(f, "vmlab_http_requests_total", "counter",
	    "Requests that were answered here, by endpoint and class of status.");
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < listeners[i].table->count && k < ROWS_MAX; k++)
			for (int c = 1; c < CLASSES; c++) {
				unsigned long n = atomic_load(&m->asked[i][k][c]);
				if (n > 0)
					fprintf(f,
					    "vmlab_http_requests_total{listener=\"%s\","
					    "endpoint=\"%s\",status=\"%dxx\"} %lu\n",
					    listeners[i].name, listeners[i].table->rows[k].path, c,
					    n);
			}
}

static void put_events(FILE *f, struct services *services)
{
	struct metrics *m = services->metrics;

	put_head(f, "vmlab_events_total", "counter", "Events recorded, by kind.");
	for (size_t i = 0; i < event_kinds(); i++)
		fprintf(f, "vmlab_events_total{kind=\"%s\"} %lu\n",
		    event_info((enum event_kind)i)->name, atomic_load(&m->events[i]));
	put_head(f, "vmlab_event_streams", "gauge", "Clients that follow events.");
	fprintf(f, "vmlab_event_streams %u\n", streams_count(services->streams));
}

/* ---- webhooks ---------------------------------------------------------------------------- */

static double behind(const struct hook *hook, uint64_t last)
{
	return (double)hooks_behind(hook, last);
}

static double delivered(const struct hook *hook, uint64_t last)
{
	(void)last;
	return (double)hook->delivered;
}

static double failed(const struct hook *hook, uint64_t last)
{
	(void)last;
	return (double)hook->failed;
}

static double missed(const struct hook *hook, uint64_t last)
{
	(void)last;
	return (double)hook->missed;
}

static double delivered_s(const struct hook *hook, uint64_t last)
{
	(void)last;
	return (double)hook->delivered_ms / 1000;
}

static double ended(const struct hook *hook, uint64_t last)
{
	(void)last;
	return hook->ended;
}

static const struct {
	const char *name, *type, *help;
	double (*value)(const struct hook *hook, uint64_t last);
} of_hooks[] = {
    {"vmlab_webhook_behind_events", "gauge", "Events that it has not come to yet.", behind},
    {"vmlab_webhook_deliveries_total", "counter", "Deliveries that were taken.", delivered},
    {"vmlab_webhook_failures_total", "counter", "Deliveries that were not.", failed},
    {"vmlab_webhook_missed_events_total", "counter",
	"Events that were kept no longer when it was their turn.", missed},
    {"vmlab_webhook_last_delivery_seconds", "gauge",
	"When one was taken last, since 1970; 0: never.", delivered_s},
    {"vmlab_webhook_ended", "gauge", "1: its receiver is gone for good.", ended},
};

static void put_hooks(FILE *f, struct services *services)
{
	_cleanup_free_ struct hook *hooks = calloc(HOOKS_MAX, sizeof(*hooks));
	struct err ignored = ERR_INIT;
	uint64_t last = 0;

	if (!hooks || state_last_event(services->state, &last, &ignored) < 0)
		return;
	unsigned count = hooks_all(state_hooks(services->state), hooks);
	for (size_t i = 0; count > 0 && i < sizeof(of_hooks) / sizeof(*of_hooks); i++) {
		put_head(f, of_hooks[i].name, of_hooks[i].type, of_hooks[i].help);
		for (unsigned k = 0; k < count; k++)
			fprintf(f, "%s{webhook=\"%s\"} %.15g\n", of_hooks[i].name, hooks[k].name,
			    of_hooks[i].value(&hooks[k], last));
	}
	explicit_bzero(hooks, HOOKS_MAX * sizeof(*hooks));
}

/* By the names that all exporters use. */
static void put_process(FILE *f, const struct metrics *m)
{
	struct timespec used = {0};
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm && fscanf(statm, "%*u %lu", &pages) != 1)
		pages = 0;
	if (statm)
		fclose(statm);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	put_head(f, "process_cpu_seconds_total", "counter", "Processor time used.");
	fprintf(f, "process_cpu_seconds_total %.3f\n",
	    (double)used.tv_sec + (double)used.tv_nsec / 1e9);
	put_head(f, "process_resident_memory_bytes", "gauge", "Resident memory.");
	fprintf(
	    f, "process_resident_memory_bytes %lu\n", pages * (unsigned long)sysconf(_SC_PAGESIZE));
	put_head(f, "process_start_time_seconds", "gauge", "When it began, since 1970.");
	fprintf(f, "process_start_time_seconds %.3f\n", m->began_s);
	put_head(f, "vmlab_build_info", "gauge", "What was built.");
	fprintf(f, "vmlab_build_info{version=\"%s\"} 1\n", VMLAB_VERSION);
}

int metrics_answer(const struct call *c, struct server_answer *a, struct err *e)
{
	struct services *services = c->services;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	put_machines(f, services);
	put_installs(f, services->metrics);
	put_traffic(f, services->metrics);
	put_events(f, services);
	put_hooks(f, services);
	put_process(f, services->metrics);
	if (fclose(f) != 0) {
		free(text);
		return err_set(e, ENOMEM, "out of memory");
	}
	server_answer_text(a, TYPE, text);
	return 0;
}

int metrics_new(struct metrics **out, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return err_set(e, ENOMEM, "out of memory");
	(*out)->began_s = (double)wall_ms() / 1000;
	return 0;
}

void metrics_free(struct metrics *m)
{
	free(m);
}
