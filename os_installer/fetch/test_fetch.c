/* test_fetch.c - the chunk-verified download against a real HTTP server that misbehaves: one
 * thread, one connection at a time, a list of faults it works off.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os_installer/fetch/digest.h"
#include "os_installer/fetch/fetch.h"
#include "os_installer/report/journal.h"

#define CHUNK 65536
#define SIZE (5 * CHUNK + 1234)

enum fault_kind {
	NONE,
	CLOSE,     /* close at byte `at` of the file */
	RESET,     /* with RST */
	STALL,     /* stop sending at byte `at` */
	FLIP,      /* a wrong bit at byte `at` */
	REFUSE,    /* answer with status `at` */
	NO_RANGE,  /* answer 200 with the whole file, whatever was asked */
	NEW_ETAG,  /* the file changed: If-Range does not match */
	TRUNCATED, /* claims and sends only `at` bytes of the file */
	BAD_RANGE, /* 206 with another start */
	SLOW,      /* 4 KiB at a time, `at` ms apart */
};

struct fault {
	enum fault_kind kind;
	uint64_t at;
};

struct server {
	pthread_t thread;
	int listener;
	char url[64];
	const uint8_t *data;
	const struct fault *faults; /* one for each connection; the last one stays */
	size_t fault_count;
	unsigned requests;
	uint64_t sent;
	char etag[16];
};

static uint8_t data[SIZE];

static bool send_all(int fd, const void *p, size_t len)
{
	const char *at = p;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static void body_send(struct server *s, int fd, const struct fault *f, uint64_t from, uint64_t end)
{
	while (from < end) {
		uint8_t buf[4096];
		size_t n = end - from < sizeof(buf) ? (size_t)(end - from) : sizeof(buf);
		bool cuts = f->kind == CLOSE || f->kind == RESET || f->kind == STALL;
		if (cuts && f->at >= from && f->at < from + n)
			n = (size_t)(f->at - from);
		memcpy(buf, s->data + from, n);
		if (f->kind == FLIP && f->at >= from && f->at < from + n)
			buf[f->at - from] ^= 0x10;
		if (n > 0 && !send_all(fd, buf, n))
			return;
		s->sent += n;
		from += n;
		if (f->kind == SLOW)
			usleep((unsigned)f->at * 1000);
		if (!cuts || from != f->at)
			continue;
		if (f->kind == RESET) {
			struct linger l = {.l_onoff = 1, .l_linger = 0};
			usleep(20000); /* let what was sent arrive */
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		} else if (f->kind == STALL) {
			struct pollfd p = {.fd = fd, .events = POLLRDHUP};
			poll(&p, 1, 5000);
		}
		return;
	}
}

static void request_serve(struct server *s, int fd)
{
	char request[4096], head[400];
	size_t used = 0;
	ssize_t n;

	while (used < sizeof(request) - 1 &&
	       (n = recv(fd, request + used, sizeof(request) - 1 - used, 0)) > 0) {
		used += (size_t)n;
		request[used] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	request[used] = '\0';
	size_t i = s->requests < s->fault_count ? s->requests : s->fault_count - 1;
	const struct fault *f = &s->faults[i];
	s->requests++;
	if (f->kind == NEW_ETAG)
		strcpy(s->etag, "\"two\"");
	if (f->kind == REFUSE) {
		snprintf(head, sizeof(head),
		    "HTTP/1.1 %" PRIu64 " No\r\nContent-Length: 3\r\n\r\nno\n", f->at);
		send_all(fd, head, strlen(head));
		return;
	}
	uint64_t from = 0, size = f->kind == TRUNCATED ? f->at : SIZE;
	const char *range = strstr(request, "Range: bytes=");
	const char *condition = strstr(request, "If-Range: ");
	bool partial = range && f->kind != NO_RANGE;
	if (partial && condition && strncmp(condition + 10, s->etag, strlen(s->etag)) != 0)
		partial = false;
	if (partial)
		from = strtoull(range + 13, NULL, 10);
	if (partial && f->kind == BAD_RANGE)
		from = from > 10 ? from - 10 : 0;
	int len = snprintf(head, sizeof(head),
	    "HTTP/1.1 %s\r\nETag: %s\r\nConnection: close\r\nContent-Length: %" PRIu64 "\r\n",
	    partial ? "206 Partial Content" : "200 OK", s->etag, size - from);
	if (partial)
		len += snprintf(head + len, sizeof(head) - (size_t)len,
		    "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", from, size - 1,
		    size);
	snprintf(head + len, sizeof(head) - (size_t)len, "\r\n");
	if (send_all(fd, head, strlen(head)))
		body_send(s, fd, f, from, size);
}

static void *server_run(void *ctx)
{
	struct server *s = ctx;

	for (;;) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		request_serve(s, fd);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
}

static void server_start(struct server *s, const struct fault *faults, size_t count)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	*s = (struct server){.data = data, .faults = faults, .fault_count = count};
	strcpy(s->etag, "\"one\"");
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	getsockname(s->listener, (struct sockaddr *)&a, &len);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/rootfs", ntohs(a.sin_port));
	pthread_create(&s->thread, NULL, server_run, s);
}

static void server_stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

/* ---- the receiving side ------------------------------------------------------------------------
 */

struct received {
	uint8_t buffer[CHUNK];
	uint8_t all[SIZE];
	size_t len;
};

static int take(void *ctx, uint8_t **buffer, struct err *e)
{
	(void)e;
	*buffer = ((struct received *)ctx)->buffer;
	return 0;
}

static int give(void *ctx, uint32_t len, struct err *e)
{
	struct received *r = ctx;

	(void)e;
	assert_true(r->len + len <= SIZE);
	memcpy(r->all + r->len, r->buffer, len);
	/* Nothing but the true bytes may come this far. */
	assert_memory_equal(r->all + r->len, data + r->len, len);
	r->len += len;
	return 0;
}

static struct image_contents manifest_of(void)
{
	struct image_contents m = {
	    .size_bytes = SIZE, .chunk_bytes = CHUNK, .chunk_count = (SIZE + CHUNK - 1) / CHUNK};
	struct digest_state s;

	m.chunks = calloc(m.chunk_count, sizeof(*m.chunks));
	for (size_t i = 0; i < m.chunk_count; i++) {
		digest_init(&s);
		digest_update(&s, data + i * CHUNK, image_chunk_length(&m, i));
		digest_final(&s, &m.chunks[i]);
	}
	digest_init(&s);
	digest_update(&s, data, SIZE);
	digest_final(&s, &m.sha256);
	return m;
}

static long long tick_last_ms, tick_widest_ms;
static unsigned tick_count;

static int tick_measure(void *ctx, uint64_t received_bytes, struct err *e)
{
	struct timespec t;

	(void)ctx;
	(void)e;
	assert_true(received_bytes <= SIZE);
	clock_gettime(CLOCK_MONOTONIC, &t);
	long long now = t.tv_sec * 1000LL + t.tv_nsec / 1000000;
	if (tick_count++ > 0 && now - tick_last_ms > tick_widest_ms)
		tick_widest_ms = now - tick_last_ms;
	tick_last_ms = now;
	return 0;
}

static const struct fetch_options quick = {.stall_ms = 400, .patience_ms = 1500, .backoff_ms = 1};

struct outcome {
	int result;
	unsigned requests;
	uint64_t sent;
	size_t len;
	struct fetch_stats stats;
	struct err e;
};

static struct outcome fetch_with(const struct fault *faults, size_t count, struct image_contents *m)
{
	struct received *r = calloc(1, sizeof(*r));
	struct fetch_sink sink = {.ctx = r, .take = take, .give = give, .tick = tick_measure};
	struct outcome o = {.e = ERR_INIT};
	struct server s;

	server_start(&s, faults, count);
	o.result = fetch_chunks(s.url, m, &sink, &quick, &o.stats, &o.e);
	server_stop(&s);
	o.requests = s.requests;
	o.sent = s.sent;
	o.len = r->len;
	free(r);
	return o;
}

#define FETCH(m, ...)                                                                              \
	fetch_with((const struct fault[]){__VA_ARGS__},                                            \
	    sizeof((const struct fault[]){__VA_ARGS__}) / sizeof(struct fault), m)

static void test_plain(void **state)
{
	struct image_contents *m = *state;
	struct outcome o = FETCH(m, {NONE, 0});

	assert_int_equal(o.result, 0);
	assert_int_equal(o.requests, 1);
	assert_int_equal(o.len, SIZE);
	assert_int_equal(o.stats.wasted_bytes, 0);
}

/* Cuts at and around chunk edges, and at pseudo-random places. */
static void test_cuts(void **state)
{
	static const enum fault_kind kinds[] = {CLOSE, RESET};
	struct image_contents *m = *state;
	uint32_t random = 12345;

	for (unsigned n = 0; n < 60; n++) {
		uint64_t at = (n / 3 + 1) * CHUNK + n % 3 - 1;
		if (n >= 15) {
			random = random * 1103515245 + 12345;
			at = random % SIZE;
		}
		struct outcome o = FETCH(m, {kinds[n % 2], at}, {NONE, 0});
		assert_int_equal(o.result, 0);
		assert_int_equal(o.len, SIZE);
		assert_true(o.requests <= 2);
		/* A reset drops what was on its way, as much as was not read yet; an orderly end
		 * drops nothing. */
		if (kinds[n % 2] == CLOSE)
			assert_int_equal(o.sent, SIZE);
		assert_true(o.sent <= SIZE + at);
	}
}

/* Also while one chunk takes longer than that. */
static void test_ticks(void **state)
{
	struct image_contents *m = *state;

	tick_count = 0;
	tick_widest_ms = 0;
	struct outcome o = FETCH(m, {SLOW, 40});
	assert_int_equal(o.result, 0);
	assert_int_equal(o.stats.retries, 0);
	assert_true(tick_count >= 8);
	assert_true(tick_widest_ms < 950);
}

static void test_many_drops(void **state)
{
	struct fault faults[21];
	struct image_contents *m = *state;

	for (unsigned i = 0; i < 20; i++)
		faults[i] = (struct fault){CLOSE, (uint64_t)(i + 1) * 15000};
	faults[20] = (struct fault){NONE, 0};
	struct outcome o = fetch_with(faults, 21, m);
	assert_int_equal(o.result, 0);
	assert_int_equal(o.requests, 21);
	assert_int_equal(o.sent, SIZE);
}

static void test_stall(void **state)
{
	struct outcome o = FETCH(*state, {STALL, 100000}, {NONE, 0});

	assert_int_equal(o.result, 0);
	assert_int_equal(o.requests, 2);
	assert_int_equal(o.sent, SIZE);
}

static void test_flip_in_transit(void **state)
{
	struct outcome o = FETCH(*state, {FLIP, 70000}, {NONE, 0});

	assert_int_equal(o.result, 0);
	assert_int_equal(o.stats.wasted_bytes, CHUNK);
	/* Different damage each time is a bad line, not a bad file. */
	o = FETCH(*state, {FLIP, 70000}, {FLIP, 70001}, {FLIP, 70002}, {FLIP, 70003}, {NONE, 0});
	assert_int_equal(o.result, 0);
	assert_int_equal(o.requests, 5);
}

static void test_wrong_file(void **state)
{
	struct outcome o = FETCH(*state, {FLIP, 70000});

	assert_int_equal(o.result, -EBADMSG);
	assert_int_equal(o.len, CHUNK); /* only what was right before it */
	assert_int_equal(o.requests, 2);
	assert_non_null(strstr(o.e.msg, "bytes 65536 to 131071 have the wrong SHA-256"));
	o = FETCH(*state, {TRUNCATED, SIZE - 1});
	assert_int_equal(o.result, -EBADMSG);
	assert_int_equal(o.len, 0);
	o = FETCH(*state, {CLOSE, 100}, {TRUNCATED, SIZE - 1});
	assert_int_equal(o.result, -EBADMSG);
}

static void test_refusals(void **state)
{
	struct outcome o = FETCH(*state, {REFUSE, 502}, {REFUSE, 503}, {REFUSE, 404}, {NONE, 0});

	assert_int_equal(o.result, 0);
	o = FETCH(*state, {REFUSE, 404});
	assert_int_equal(o.result, -ENOENT);
	assert_int_equal(o.requests, 5);
	o = FETCH(*state, {REFUSE, 503}); /* for ever: patience ends */
	assert_int_equal(o.result, -ETIMEDOUT);
	assert_int_equal(o.len, 0);
}

static void test_ranges(void **state)
{
	/* A server without ranges repeats what is there already. */
	struct outcome o = FETCH(*state, {CLOSE, 150000}, {NO_RANGE, 0});

	assert_int_equal(o.result, 0);
	assert_int_equal(o.stats.wasted_bytes, 150000);
	o = FETCH(*state, {CLOSE, 150000}, {BAD_RANGE, 0}, {NONE, 0});
	assert_int_equal(o.result, 0);
	/* Replaced by an equal file: the chunks say so. */
	o = FETCH(*state, {CLOSE, 150000}, {NEW_ETAG, 0}, {NONE, 0});
	assert_int_equal(o.result, 0);
	assert_int_equal(o.len, SIZE);
}

static void test_contradiction(void **state)
{
	struct image_contents m = *(struct image_contents *)*state;

	m.sha256.byte[0] ^= 1;
	struct outcome o = FETCH(&m, {NONE, 0});
	assert_int_equal(o.result, -EBADMSG);
	assert_non_null(strstr(o.e.msg, "contradicts itself"));
}

static void test_nobody_there(void **state)
{
	struct received *r = calloc(1, sizeof(*r));
	struct fetch_sink sink = {.ctx = r, .take = take, .give = give};
	struct err e = ERR_INIT;

	assert_int_equal(
	    fetch_chunks("http://127.0.0.1:1/x", *state, &sink, &quick, NULL, &e), -ETIMEDOUT);
	assert_non_null(strstr(e.msg, "no connection"));
	free(r);
}

static int setup(void **state)
{
	static struct image_contents m;
	uint32_t random = 1;

	journal_start(false);
	for (size_t i = 0; i < SIZE; i++) {
		random = random * 1664525 + 1013904223;
		data[i] = (uint8_t)(random >> 24);
	}
	m = manifest_of();
	*state = &m;
	return 0;
}

static int teardown(void **state)
{
	image_contents_clear(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_cuts),
	    cmocka_unit_test(test_ticks),
	    cmocka_unit_test(test_many_drops),
	    cmocka_unit_test(test_stall),
	    cmocka_unit_test(test_flip_in_transit),
	    cmocka_unit_test(test_wrong_file),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_contradiction),
	    cmocka_unit_test(test_nobody_there),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
