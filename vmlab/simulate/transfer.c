#include "vmlab/simulate/transfer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "vmlab/simulate/stamp.h"

#define CONNECT_TIMEOUT_MS 5000L
#define RECEIVE_BUFFER_BYTES (256 << 10) /* of the kernel, each connection */

/* ---- libcurl's sockets and its timer ------------------------------------------------------- */

static void take_ends(struct transfers *ts);

static void act(struct transfers *ts, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(ts->multi, fd, what, &running);
	take_ends(ts);
}

static void ready(struct loop_source *source, uint32_t events)
{
	struct transfer_socket *s =
	    (struct transfer_socket *)((char *)source - offsetof(struct transfer_socket, source));
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		   (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	struct transfers *ts = s->of;
	if (!ts || !ts->multi)
		return;
	ts->read_us = what & CURL_CSELECT_IN ? stamp_peek(s->fd) : 0;
	act(ts, s->fd, what);
	ts->read_us = 0;
}

static struct transfer_socket *find_socket(struct transfers *ts, curl_socket_t fd)
{
	for (size_t i = 0; i < TRANSFER_SOCKETS_MAX; i++)
		if (ts->socket[i].of && ts->socket[i].fd == fd)
			return &ts->socket[i];
	return NULL;
}

static struct transfer_socket *new_socket(struct transfers *ts, CURL *easy, curl_socket_t fd)
{
	struct transfer *t = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	for (size_t i = 0; i < TRANSFER_SOCKETS_MAX; i++) {
		struct transfer_socket *s = &ts->socket[i];
		if (s->of)
			continue;
		s->of = ts;
		s->fd = fd;
		s->source = (struct loop_source){.ready = ready, .bulk = t && t->take};
		return s;
	}
	return NULL;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
	struct transfers *ts = ctx;
	struct transfer_socket *s = find_socket(ts, fd);
	uint32_t events =
	    (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

	(void)unused;
	if (what == CURL_POLL_REMOVE) {
		if (s) {
			loop_forget(ts->loop, fd);
			s->of = NULL;
		}
		return 0;
	}
	if (s)
		return loop_change(ts->loop, fd, events, &s->source);
	s = new_socket(ts, easy, fd);
	if (!s)
		return -1;
	return loop_watch(ts->loop, fd, events, &s->source);
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
	struct transfers *ts = ctx;

	(void)multi;
	if (ms < 0) {
		loop_timer_stop(ts->loop, &ts->timer);
		return 0;
	}
	return loop_timer_set(ts->loop, &ts->timer, loop_now_us() + ms * 1000) ? 0 : -1;
}

static void fired(struct loop_timer *timer)
{
	struct transfers *ts =
	    (struct transfers *)((char *)timer - offsetof(struct transfers, timer));

	if (ts->multi)
		act(ts, CURL_SOCKET_TIMEOUT, 0);
}

int transfers_open(struct transfers *ts, struct loop *l, struct err *e)
{
	ts->loop = l;
	ts->timer.fired = fired;
	ts->multi = curl_multi_init();
	if (!ts->multi)
		return err_set(e, ENOMEM, "out of memory");
	curl_multi_setopt(ts->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(ts->multi, CURLMOPT_SOCKETDATA, ts);
	curl_multi_setopt(ts->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(ts->multi, CURLMOPT_TIMERDATA, ts);
	curl_multi_setopt(ts->multi, CURLMOPT_MAXCONNECTS, 2L);
	return 0;
}

void transfers_close(struct transfers *ts)
{
	if (!ts->multi)
		return;
	curl_multi_cleanup(ts->multi);
	ts->multi = NULL;
	loop_timer_stop(ts->loop, &ts->timer);
	for (size_t i = 0; i < TRANSFER_SOCKETS_MAX; i++)
		ts->socket[i].of = NULL;
}

/* ---- one transfer -------------------------------------------------------------------------- */

static bool keep(struct transfer *t, const char *data, size_t len)
{
	if (t->len + len > t->text_max)
		return false;
	char *grown = realloc(t->text, t->len + len + 1);
	if (!grown)
		return false;
	memcpy(grown + t->len, data, len);
	t->text = grown;
	t->len += len;
	grown[t->len] = '\0';
	return true;
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * count;

	t->received += len;
	t->of->received += len;
	if (t->status == 0)
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
	/* What is not the thing asked for is a sentence. */
	bool ok = t->take && t->status < 300 ? t->take(t, data, len) : keep(t, data, len);
	return ok ? len : 0;
}

static int on_open(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	int bytes = RECEIVE_BUFFER_BYTES;

	(void)ctx;
	(void)purpose;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	stamp_ask(fd);
	return CURL_SOCKOPT_OK;
}

/* Connected, and about to be sent. What the kernels took to connect is the server's too, and so is
 * all of a wait that something sent again has made. */
static int on_sending(void *ctx, char *to, char *from, int to_port, int from_port)
{
	struct transfer *t = ctx;
	struct tcp_info tcp = {0};
	socklen_t size = sizeof(tcp);
	curl_socket_t fd = CURL_SOCKET_BAD;

	(void)to;
	(void)from;
	(void)to_port;
	(void)from_port;
	curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
	bool known =
	    fd != CURL_SOCKET_BAD && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &size) == 0;
	t->asked_us = t->begun_us;
	if (known && tcp.tcpi_total_retrans == 0)
		t->asked_us = loop_now_us() - tcp.tcpi_rtt;
	if (t->asked_us < t->begun_us)
		t->asked_us = t->begun_us;
	return CURL_PREREQFUNC_OK;
}

static const char *problem_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return NULL;
	case CURLE_COULDNT_CONNECT:
		return "no connection to the server";
	case CURLE_OPERATION_TIMEDOUT:
		return "the server did not answer in time";
	case CURLE_GOT_NOTHING:
		return "the server closed the connection without an answer";
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
		return "the connection broke off";
	case CURLE_WRITE_ERROR:
		return "the answer is not what was asked for";
	default:
		return curl_easy_strerror(code);
	}
}

static void take_ends(struct transfers *ts)
{
	CURLMsg *message;
	int left;

	while (ts->multi && (message = curl_multi_info_read(ts->multi, &left))) {
		struct transfer *t = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &t->status);
		t->answered_us = ts->read_us ? ts->read_us : loop_now_us();
		transfer_stop(t);
		t->ended(t, problem_of(code));
	}
}

static void set_options(struct transfer *t)
{
	char text[INET_ADDRSTRLEN], source[INET_ADDRSTRLEN + 8];
	CURL *c = t->easy;

	snprintf(
	    source, sizeof(source), "host!%s", inet_ntop(AF_INET, &t->source, text, sizeof(text)));
	curl_easy_setopt(c, CURLOPT_URL, t->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_INTERFACE, source);
	curl_easy_setopt(c, CURLOPT_PRIVATE, t);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, t->patience_s);
	curl_easy_setopt(c, CURLOPT_FORBID_REUSE, (long)t->closes);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, on_open);
	curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_sending);
	curl_easy_setopt(c, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "vmlab-simulate/" VMLAB_VERSION);
	if (t->from) {
		char range[32];
		snprintf(range, sizeof(range), "%" PRIu64 "-", t->from);
		curl_easy_setopt(c, CURLOPT_RANGE, range);
	}
	if (t->rate)
		curl_easy_setopt(c, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)t->rate);
	if (t->body) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(t->body));
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, t->body);
	}
}

int transfer_begin(struct transfers *ts, struct transfer *t, struct err *e)
{
	static struct curl_slist json = {.data = (char *)"Content-Type: application/json"};
	static struct curl_slist headers = {.data = (char *)"Expect:", .next = &json};

	t->of = ts;
	t->status = 0;
	t->received = 0;
	t->begun_us = loop_now_us();
	t->asked_us = 0;
	transfer_clear(t);
	t->easy = curl_easy_init();
	if (!t->easy)
		return err_set(e, ENOMEM, "out of memory");
	set_options(t);
	if (t->body)
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, &headers);
	CURLMcode code = curl_multi_add_handle(ts->multi, t->easy);
	if (code == CURLM_OK)
		return 0;
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	return err_set(e, EIO, "%s: %s", t->url, curl_multi_strerror(code));
}

void transfer_stop(struct transfer *t)
{
	if (!t->easy)
		return;
	curl_multi_remove_handle(t->of->multi, t->easy);
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
}

void transfer_clear(struct transfer *t)
{
	free(t->text);
	t->text = NULL;
	t->len = 0;
}
