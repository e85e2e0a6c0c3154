#include "vmlab/simulate/inside.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "vmlab/simulate/daemons.h"
#include "vmlab/simulate/machine.h"
#include "vmlab/simulate/step.h"

#define LOOK_US 500000
#define LAST_MAX 5

/* Besides the machines. */
struct watch {
	struct simulation *sim;
	struct daemons daemons;
	struct loop_timer timer;
	struct loop_source signals;
	unsigned looks;
	bool interrupted;
};

static void say(const char *what, json_t *value)
{
	json_t *line = json_pack("{s:o}", what, value);

	if (line) {
		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
	}
	json_decref(line);
}

static json_t *endings_json(const struct simulation *sim)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < MACHINE_ENDING_COUNT; i++)
		json_object_set_new(
		    o, machine_ending_words[i], json_integer((json_int_t)sim->ended[i]));
	return o;
}

/* The numbers of those with that ending. */
static json_t *numbers_json(const struct simulation *sim, enum machine_ending ending)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < sim->count; i++)
		if (sim->machines[i].ending == ending)
			json_array_append_new(
			    list, json_integer((json_int_t)sim->machines[i].number));
	return list;
}

/* With the last ones for which it waits, and at which step of theirs. */
static json_t *progress_json(const struct simulation *sim)
{
	json_t *progress = endings_json(sim), *last = json_array();

	for (unsigned i = 0; sim->ended[MACHINE_GOING] <= LAST_MAX && i < sim->count; i++) {
		const struct machine *m = &sim->machines[i];
		const char *step = step_row_names[steps[m->step].row];
		if (m->ending == MACHINE_GOING)
			json_array_append_new(last,
			    json_pack("{s:i, s:s*}", "machine", (int)m->number, "step", step));
	}
	json_object_set_new(progress, "last", last);
	return progress;
}

static void look(struct loop_timer *timer)
{
	struct watch *w = (struct watch *)((char *)timer - offsetof(struct watch, timer));

	daemons_look(&w->daemons);
	if (w->looks++ % 2)
		say("progress", progress_json(w->sim));
	(void)loop_timer_set(&w->sim->loop, timer, loop_now_us() + LOOK_US);
}

static void signalled(struct loop_source *source, uint32_t events)
{
	struct watch *w = (struct watch *)((char *)source - offsetof(struct watch, signals));

	(void)events;
	w->interrupted = w->sim->loop.ended = true;
}

/* ---- the result ---------------------------------------------------------------------------- */

static double own_cpu_s(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

/* What it took itself, and how late its loop is: of that the waits and TFTP's steps have part. */
static json_t *simulator_json(const struct simulation *sim)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return json_pack("{s:f, s:I, s:f, s:f}", "cpu_s", own_cpu_s(&u), "peak_rss_bytes",
	    (json_int_t)u.ru_maxrss * 1024, "late_p50_ms",
	    (double)histogram_at(&sim->loop.late, 0.5) / 1000, "late_p99_ms",
	    (double)histogram_at(&sim->loop.late, 0.99) / 1000);
}

static json_t *result_json(const struct watch *w)
{
	const struct simulation *sim = w->sim;
	uint64_t received = 0, sent = 0;
	struct err ignored = ERR_INIT;
	int64_t last = sim->last_ready_us ? sim->last_ready_us : loop_now_us();

	if (wire_bytes(SIMULATE_CARD, &received, &sent, &ignored) < 0)
		received = sent = 0;
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:f, s:I, s:I, s:o, s:I}",
	    "machines", (int)sim->count, "ended", endings_json(sim),
	    machine_ending_words[MACHINE_SILENT], numbers_json(sim, MACHINE_SILENT),
	    machine_ending_words[MACHINE_WAITS], numbers_json(sim, MACHINE_WAITS),
	    machine_ending_words[MACHINE_ELSEWHERE], numbers_json(sim, MACHINE_ELSEWHERE), "took_s",
	    sim->first_on_us ? (double)(last - sim->first_on_us) / 1e6 : 0.0, "steps",
	    tally_steps_json(&sim->tally), "failures", tally_failures_json(&sim->tally), "daemons",
	    daemons_json(&w->daemons), "cpu_s", daemons_cpu_s(&w->daemons), "received_bytes",
	    (json_int_t)received, "sent_bytes", (json_int_t)sent, "simulator", simulator_json(sim),
	    "seed", (json_int_t)sim->profile.seed);
}

/* ---- the run ------------------------------------------------------------------------------- */

static int read_job(struct simulation *sim, const char *text, struct cidr4 *network, struct err *e)
{
	struct json_path bad;
	struct json_first_refusal first = {.bad = &bad, .e = e};
	struct json_reader r = json_reader_first(&first);
	json_t *job = json_loads(text, 0, NULL);
	json_int_t machines = json_integer_value(json_object_get(job, "machines"));
	const char *cidr = json_string_value(json_object_get(job, "network"));
	int rc = 0;

	if (machines < 1 || machines > SIMULATE_MACHINES_MAX || !cidr)
		rc = err_set(e, EINVAL, "the job is malformed: %.200s", text);
	if (rc == 0)
		rc = cidr4_parse(cidr, true, network, e);
	if (rc == 0)
		rc = simulate_profile_read(
		    &r, json_object_get(job, "profile"), (unsigned)machines, &sim->profile);
	sim->count = (unsigned)machines;
	sim->declared = json_is_true(json_object_get(job, "declared"));
	json_decref(job);
	return rc;
}

/* A connection, TFTP and what libcurl has of its own, each machine. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int watch_signals(struct watch *w, int *fd, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	*fd = signalfd(-1, &set, SFD_CLOEXEC);
	w->signals.ready = signalled;
	if (*fd < 0 || loop_watch(&w->sim->loop, *fd, EPOLLIN, &w->signals) < 0)
		return err_errno(e, "signals cannot be waited for");
	return 0;
}

static int switch_on(struct simulation *sim, struct err *e)
{
	uint64_t random = (uint64_t)sim->profile.seed;

	if (!tally_open(&sim->tally, step_row_names, STEP_ROW_COUNT))
		return err_set(e, ENOMEM, "out of memory");
	sim->machines = calloc(sim->count, sizeof(*sim->machines));
	if (!sim->machines)
		return err_set(e, ENOMEM, "out of memory for %u machines", sim->count);
	for (unsigned i = 0; i < sim->count; i++)
		machine_init(&sim->machines[i], sim, i + 1,
		    sim->profile.over_s * simulate_random_share(&random));
	return 0;
}

static int run(struct watch *w, const struct cidr4 *network, struct err *e)
{
	struct simulation *sim = w->sim;
	_cleanup_close_ int signals = -1;

	sim->wire.heard = machines_heard;
	sim->wire.ctx = sim;
	int r = loop_open(&sim->loop, e);
	if (r == 0)
		r = watch_signals(w, &signals, e);
	if (r == 0)
		r = wire_open(&sim->wire, &sim->loop, SIMULATE_CARD, network, e);
	if (r == 0)
		r = switch_on(sim, e);
	daemons_look(&w->daemons);
	w->timer.fired = look;
	if (r == 0 && !loop_timer_set(&sim->loop, &w->timer, loop_now_us() + LOOK_US))
		r = err_set(e, ENOMEM, "out of memory");
	if (r == 0)
		r = loop_run(&sim->loop, e);
	daemons_look(&w->daemons);
	return r;
}

static void clear(struct simulation *sim)
{
	for (unsigned i = 0; sim->machines && i < sim->count; i++)
		machine_clear(&sim->machines[i]);
	free(sim->machines);
	tally_close(&sim->tally);
	wire_close(&sim->wire);
	loop_close(&sim->loop);
	simulate_profile_clear(&sim->profile);
}

int simulate_inside_main(int argc, char **argv)
{
	struct simulation sim = {.loop = {.epoll = -1}, .wire = {.packets = -1, .netlink = -1}};
	struct watch w = {.sim = &sim};
	struct cidr4 network;
	struct err e = ERR_INIT;

	raise_limits();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	int r = argc == 2 ? read_job(&sim, argv[1], &network, &e)
			  : err_set(&e, EINVAL, "it takes a job");
	say("pid", json_integer(getpid()));
	if (r == 0)
		r = run(&w, &network, &e);
	if (r == 0)
		say("result", result_json(&w));
	else
		say("error", json_string(e.msg));
	clear(&sim);
	curl_global_cleanup();
	return r < 0 ? 1 : 0;
}
