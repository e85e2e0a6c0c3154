#include "boot_handler/http/test_served.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/resource.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define PATIENCE_MS 20000

static const struct mac web1 = {{0x52, 0x54, 0, 0, 0, 0x11}}, web2 = {{0x52, 0x54, 0, 0, 0, 0x12}};

/* ---- who follows -------------------------------------------------------------------------------
 */

struct follower {
	int fd;
	size_t len;
	char got[200000];
};

/* By HTTP/1.0: without chunks, of which the lengths would stand in between. */
static void follow(struct follower *f, const char *query, const char *last)
{
	char text[400];
	int n =
	    snprintf(text, sizeof(text), "GET /api/v1/stream%s HTTP/1.0\r\nHost: x\r\n%s%s%s\r\n",
		query, last ? "Last-Event-ID: " : "", last ? last : "", last ? "\r\n" : "");

	memset(f, 0, sizeof(*f));
	f->fd = served_dial(ENDPOINT_OPERATOR);
	served_send(f->fd, text, (size_t)n);
}

/* A list of events, with that gap; NULL: without any. */
static void asks(struct follower *f, const char *path, const char *what, const char *gap)
{
	int fd = served_begin(ENDPOINT_OPERATOR, "", "GET", path, "");

	assert_int_equal(served_finish(fd, f->got, sizeof(f->got)), 200);
	assert_non_null(strstr(f->got, what));
	if (gap)
		assert_non_null(strstr(f->got, gap));
	else
		assert_null(strstr(f->got, "\"gap\""));
}

/* Reads until that is there. */
static bool hears(struct follower *f, const char *what)
{
	int64_t until = monotonic_ms() + PATIENCE_MS;

	while (!strstr(f->got, what)) {
		struct pollfd p = {.fd = f->fd, .events = POLLIN};
		if (monotonic_ms() >= until || poll(&p, 1, 1000) < 0)
			return false;
		ssize_t n =
		    p.revents ? recv(f->fd, f->got + f->len, sizeof(f->got) - f->len - 1, 0) : 0;
		if (p.revents && n <= 0)
			return false;
		f->len += (size_t)n;
		f->got[f->len] = '\0';
	}
	return true;
}

/* The ids of all the events that came, in their order. */
static size_t ids(const struct follower *f, uint64_t *out, size_t room)
{
	size_t n = 0;

	for (const char *p = f->got; (p = strstr(p, "{\"id\":")); p++)
		if (n < room && sscanf(p, "{\"id\":%" SCNu64, &out[n]) == 1)
			n++;
	return n;
}

static uint64_t last_id(const struct follower *f)
{
	uint64_t id = 0;

	for (const char *p = f->got; (p = strstr(p, "\nid: ")); p++)
		sscanf(p, "\nid: %" SCNu64, &id);
	return id;
}

static void happens(const struct mac *mac, const char *name, const char *text)
{
	state_tell(services.state, mac, name, EVENT_CHOICE, text, NULL);
}

static void on_disk(void)
{
	struct err e = ERR_INIT;

	assert_int_equal(state_save(services.state, &e), 0);
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void what_happens_comes_in_batches(void **state)
{
	static struct follower f;

	(void)state;
	happens(&web1, "web1", "before");
	on_disk();
	follow(&f, "", NULL);
	assert_true(hears(&f, "event: hello"));
	assert_non_null(strstr(f.got, "Content-Type: text/event-stream"));
	assert_non_null(strstr(f.got, "Cache-Control: no-store"));
	happens(&web1, "web1", "one");
	happens(&web2, "web2", "two");
	assert_true(hears(&f, "\"text\":\"two\""));
	assert_non_null(strstr(f.got, "\"text\":\"one\""));
	assert_null(strstr(f.got, "before"));
	close(f.fd);
}

/* Also what is on disk one after the other, if it was not cut in two by a batch's end. */
static void two_of_one_batch_are_one_message(void **state)
{
	static struct follower f;
	bool together = false;

	(void)state;
	follow(&f, "", NULL);
	assert_true(hears(&f, "event: hello"));
	for (int i = 0; i < 5 && !together; i++) {
		char first[20], second[20];
		snprintf(first, sizeof(first), "first %d", i);
		snprintf(second, sizeof(second), "second %d", i);
		happens(&web1, "web1", first);
		on_disk();
		happens(&web2, "web2", second);
		on_disk();
		assert_true(hears(&f, second));
		const char *begin = strstr(f.got, first), *end = strstr(f.got, second);
		assert_true(begin && begin < end);
		together = !memmem(begin, (size_t)(end - begin), "\n\n", 2);
	}
	assert_true(together);
	close(f.fd);
}

static void who_is_told_nothing_is_kept(void **state)
{
	static struct follower f;

	(void)state;
	served_stop();
	served_close_state();
	served_keepalive_ms = 100;
	served_open_state();
	served_start();
	follow(&f, "?kind=agent", NULL);
	assert_true(hears(&f, "\n\n:\n\n"));
	happens(&web1, "web1", "not this"); /* passed over, which is no reason to be silent */
	f.got[f.len = 0] = '\0';
	assert_true(hears(&f, ":\n\n"));
	assert_int_equal(strspn(f.got, ":\n"), f.len);
	close(f.fd);
	served_keepalive_ms = STREAM_KEEPALIVE_MS;
	served_restart();
}

static void only_what_was_asked_for(void **state)
{
	static struct follower f;

	(void)state;
	follow(&f, "?vm=web2&kind=choice,state&severity=info", NULL);
	assert_true(hears(&f, "event: hello"));
	happens(&web1, "web1", "not this");
	state_tell(services.state, &web2, "web2", EVENT_AGENT, "nor this", NULL);
	happens(&web2, "web2", "this");
	assert_true(hears(&f, "\"text\":\"this\""));
	assert_null(strstr(f.got, "not this"));
	assert_null(strstr(f.got, "nor this"));
	close(f.fd);
}

/* More than memory has: what is older comes from the file. Cut at any place it goes on behind what
 * it has, with nothing lost and nothing twice. */
static void who_comes_again_misses_nothing(void **state)
{
	enum { EVENTS = 3000, CUTS = 12 };
	static uint64_t got[EVENTS + 100];
	static struct follower f;
	struct err e = ERR_INIT;
	uint64_t first = 0;
	size_t count = 0;
	char last[32], text[32];

	(void)state;
	on_disk();
	assert_int_equal(state_last_event(services.state, &first, &e), 0);
	snprintf(last, sizeof(last), "%" PRIu64, first);
	for (int i = 0; i < EVENTS; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		happens(&web1, "web1", text);
		if (i % 500 == 0)
			on_disk();
	}
	on_disk();
	for (int cut = 0; cut < CUTS && count < EVENTS; cut++) {
		follow(&f, cut % 2 ? "" : "?machine=web1", last);
		/* The last time all, else a batch or more: what comes is more than that. */
		size_t want = (size_t)(cut * EVENTS / CUTS + 20);
		want = want > count ? want : count;
		snprintf(text, sizeof(text), "\"text\":\"number %zu\"",
		    cut == CUTS - 1 || want >= EVENTS ? EVENTS - 1 : want);
		assert_true(hears(&f, text));
		/* Only whole messages count, those whose end has come. */
		uint64_t upto = last_id(&f);
		size_t n = ids(&f, got + count, EVENTS + 100 - count);
		while (n > 0 && got[count + n - 1] > upto)
			n--;
		count += n;
		snprintf(last, sizeof(last), "%" PRIu64, upto);
		close(f.fd);
	}
	assert_int_equal(count, EVENTS);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(got[i], first + 1 + i);
}

/* What it has seen is gone from the file. */
static void a_gap_is_told(void **state)
{
	struct event_retention rule = {.age_ms = 0};
	static struct follower f;
	struct db *db = NULL;
	struct err e = ERR_INIT;

	(void)state;
	on_disk();
	served_stop();
	served_close_state();
	assert_int_equal(db_open(file_in(dir, "state.db"), &db, &e), 0);
	struct event kept = {.id = 100000, .at_ms = 1, .kind = EVENT_CHOICE, .text = "kept"};
	assert_int_equal(db_put_event(db, &kept, &e), 0);
	assert_int_equal(db_prune(db, &rule, 1, &e), 0);
	db_close(db);
	served_open_state();
	served_start();
	follow(&f, "", "5");
	assert_true(hears(&f, "\"text\":\"kept\""));
	assert_non_null(strstr(f.got, "event: gap\ndata: {\"after\":5,\"first\":100000}"));
	close(f.fd);
	follow(&f, "", "99999"); /* none: nothing is between */
	assert_true(hears(&f, "\"text\":\"kept\""));
	assert_null(strstr(f.got, "event: gap"));
	close(f.fd);
	follow(&f, "", "200000"); /* of another state file */
	assert_true(hears(&f, "id: 100000\nevent: gap\ndata: {\"after\":100000,\"first\":100001}"));
	close(f.fd);
	follow(&f, "", "100000"); /* all */
	assert_true(hears(&f, "event: hello\ndata: {\"last\":100000}"));
	close(f.fd);
	asks(&f, "/api/v1/events?after=200000", "\"last\":100000",
	    "\"gap\":{\"after\":100000,\"first\":100001}");
	asks(&f, "/api/v1/events?after=5", "\"last\":100000",
	    "\"gap\":{\"after\":5,\"first\":100000}");
	asks(&f, "/api/v1/events?after=100000", "\"last\":100000", NULL);
	follow(&f, "", "nonsense");
	assert_true(hears(&f, "Last-Event-ID is malformed"));
	close(f.fd);
}

/* One that reads nothing while much happens keeps nobody, and has it all in the end. */
static void a_slow_reader_gets_all(void **state)
{
	enum { EVENTS = 6000 };
	static uint64_t got[EVENTS + 1];
	static struct follower slow, quick;
	struct err e = ERR_INIT;
	uint64_t first = 0;
	char text[200];

	(void)state;
	on_disk();
	assert_int_equal(state_last_event(services.state, &first, &e), 0);
	follow(&slow, "", NULL);
	assert_true(hears(&slow, "event: hello"));
	follow(&quick, "?kind=agent", NULL);
	assert_true(hears(&quick, "event: hello"));
	for (int i = 0; i < EVENTS; i++) {
		snprintf(text, sizeof(text), "%0100d", i);
		happens(&web1, "web1", text);
		if (i % 500 == 0)
			on_disk();
	}
	state_tell(services.state, &web1, "web1", EVENT_AGENT, "at last", NULL);
	on_disk();
	assert_true(hears(&quick, "at last"));
	size_t count = 0;
	uint64_t expected = first + 1;
	for (int64_t until = monotonic_ms() + PATIENCE_MS; expected <= first + EVENTS;) {
		/* Piece by piece: there is more than fits. */
		ssize_t n = recv(slow.fd, slow.got + slow.len, sizeof(slow.got) - slow.len - 1, 0);
		assert_true(n > 0 && monotonic_ms() < until);
		slow.len += (size_t)n;
		slow.got[slow.len] = '\0';
		count = ids(&slow, got, EVENTS);
		if (count < 2)
			continue;
		/* The last may be cut in its number. */
		for (size_t i = 0; i + 1 < count; i++)
			assert_int_equal(got[i], expected++);
		const char *rest = slow.got;
		for (const char *p = rest; (p = strstr(p, "{\"id\":")); p++)
			rest = p;
		slow.len -= (size_t)(rest - slow.got);
		memmove(slow.got, rest, slow.len + 1);
	}
	close(slow.fd);
	close(quick.fd);
}

static void so_many_and_no_more(void **state)
{
	static int fds[STREAMS_MAX];
	static struct follower f;

	(void)state;
	for (int64_t until = monotonic_ms() + 2 * PATIENCE_MS;
	    streams_count(services.streams) > 0;) {
		assert_true(monotonic_ms() < until); /* those of before, found gone */
		happens(&web1, "web1", "is anyone there");
		on_disk();
		sleep_ms(100);
	}
	for (int i = 0; i < STREAMS_MAX; i++) {
		static const char ask[] = "GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n";
		fds[i] = served_dial(ENDPOINT_OPERATOR);
		served_send(fds[i], ask, sizeof(ask) - 1);
	}
	for (int i = 0; i < STREAMS_MAX; i++) {
		char byte;
		assert_int_equal(recv(fds[i], &byte, 1, 0), 1);
	}
	assert_int_equal(streams_count(services.streams), STREAMS_MAX);
	follow(&f, "", NULL);
	assert_true(hears(&f, "HTTP/1.1 503"));
	assert_true(hears(&f, "1024 follow what happens already"));
	close(f.fd);
	for (int i = 0; i < STREAMS_MAX; i++)
		close(fds[i]);
}

static void silent(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

static int setup(void **state)
{
	struct rlimit files;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max; /* both ends of very many are here */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	log_set_sink(silent);
	served_make();
	write_in(served_vms, "web1.json", "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\"}");
	served_open();
	served_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	served_stop();
	return served_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_happens_comes_in_batches),
	    cmocka_unit_test(two_of_one_batch_are_one_message),
	    cmocka_unit_test(who_is_told_nothing_is_kept),
	    cmocka_unit_test(only_what_was_asked_for),
	    cmocka_unit_test(who_comes_again_misses_nothing),
	    cmocka_unit_test(a_slow_reader_gets_all),
	    cmocka_unit_test(so_many_and_no_more),
	    cmocka_unit_test(a_gap_is_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
