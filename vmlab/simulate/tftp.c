#include "vmlab/simulate/tftp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/text.h"

#define PORT 69
#define TRIES 6
#define BLOCK_BYTES_BUILTIN 512
#define PACKET_MAX 2048

enum { OP_READ = 1, OP_DATA = 3, OP_ACK, OP_ERROR, OP_OACK };

static void end(struct tftp *t, const char *problem)
{
	tftp_stop(t);
	t->ended(t, problem);
}

static void wait_for_answer(struct tftp *t)
{
	(void)loop_timer_set(t->loop, &t->timer, loop_now_us() + (int64_t)t->timeout_ms * 1000);
}

/* ---- sent ---------------------------------------------------------------------------------- */

/* What is lost is sent again after a while. */
static void transmit(struct tftp *t, const void *packet, size_t len)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = t->server};

	ssize_t n = t->answered ? send(t->fd, packet, len, 0)
				: sendto(t->fd, packet, len, 0, (struct sockaddr *)&to, sizeof(to));
	(void)n;
	wait_for_answer(t);
}

static void ask(struct tftp *t)
{
	char packet[600];
	size_t len = 2;

	packet[0] = 0;
	packet[1] = OP_READ;
	len += (size_t)snprintf(packet + len, sizeof(packet) - len, "%.400s", t->file) + 1;
	len += (size_t)snprintf(packet + len, sizeof(packet) - len, "octet") + 1;
	len += (size_t)snprintf(packet + len, sizeof(packet) - len, "tsize") + 1;
	len += (size_t)snprintf(packet + len, sizeof(packet) - len, "0") + 1;
	len += (size_t)snprintf(packet + len, sizeof(packet) - len, "blksize") + 1;
	len += (size_t)snprintf(packet + len, sizeof(packet) - len, "%u", t->block_bytes) + 1;
	transmit(t, packet, len);
}

static void acknowledge(struct tftp *t)
{
	const uint8_t packet[4] = {0, OP_ACK, (uint8_t)(t->block >> 8), (uint8_t)t->block};

	t->held = false;
	transmit(t, packet, sizeof(packet));
}

/* Nobody answers that. */
static void give_up(struct tftp *t)
{
	static const char packet[] = "\0\5\0\10size known";

	if (send(t->fd, packet, sizeof(packet), 0) < 0)
		errno = 0;
}

static void fired(struct loop_timer *timer)
{
	struct tftp *t = (struct tftp *)((char *)timer - offsetof(struct tftp, timer));

	if (t->held) {
		acknowledge(t);
		return;
	}
	if (++t->tries >= TRIES) {
		end(t, t->answered ? "TFTP stopped in the middle of the file"
				   : "the TFTP server did not answer");
		return;
	}
	t->repeated(t);
	if (t->answered)
		acknowledge(t);
	else
		ask(t);
}

/* ---- received ------------------------------------------------------------------------------ */

static void take_options(struct tftp *t, const char *p, const char *last)
{
	unsigned block_bytes = BLOCK_BYTES_BUILTIN;

	while (p < last) {
		const char *value = p + strnlen(p, (size_t)(last - p)) + 1;
		if (value >= last)
			break;
		if (strcasecmp(p, "tsize") == 0)
			t->size = strtoull(value, NULL, 10);
		if (strcasecmp(p, "blksize") == 0)
			block_bytes = (unsigned)strtoul(value, NULL, 10);
		p = value + strnlen(value, (size_t)(last - value)) + 1;
	}
	t->block_bytes = block_bytes;
}

static void take_data(struct tftp *t, unsigned block, size_t len)
{
	if (block != (uint16_t)(t->block + 1)) {
		/* One that was acknowledged: so its acknowledgement was lost. */
		if (block == t->block && !t->held)
			acknowledge(t);
		return;
	}
	t->block = (uint16_t)block;
	t->tries = 0;
	t->received += len;
	if (len < t->block_bytes) {
		acknowledge(t);
		end(t, t->size && t->received != t->size ? "TFTP gave another length than it said"
							 : NULL);
		return;
	}
	int64_t due_us =
	    t->rate ? t->begun_us + (int64_t)(t->received * 1000000 / t->rate) : t->begun_us;
	if (due_us <= loop_now_us()) {
		acknowledge(t);
		return;
	}
	t->held = true;
	(void)loop_timer_set(t->loop, &t->timer, due_us);
}

static void take_error(struct tftp *t, const char *packet, size_t len)
{
	snprintf(t->problem, sizeof(t->problem), "TFTP refuses: %.*s", (int)(len - 4), packet + 4);
	text_clean_string(t->problem, "");
	end(t, t->problem);
}

static void take(struct tftp *t, const char *packet, size_t len)
{
	unsigned number = (uint8_t)packet[2] << 8 | (uint8_t)packet[3];

	switch (packet[1]) {
	case OP_OACK:
		if (t->block > 0)
			return;
		take_options(t, packet + 2, packet + len);
		if (!t->size_only) {
			acknowledge(t);
			return;
		}
		give_up(t);
		end(t, NULL);
		return;
	case OP_DATA:
		/* A server that knows no options. */
		if (t->block == 0 && t->size == 0 && len - 4 < t->block_bytes)
			t->block_bytes = BLOCK_BYTES_BUILTIN;
		take_data(t, number, len - 4);
		return;
	case OP_ERROR:
		take_error(t, packet, len);
		return;
	default:
		return;
	}
}

static void ready(struct loop_source *source, uint32_t events)
{
	struct tftp *t = (struct tftp *)((char *)source - offsetof(struct tftp, of_socket));
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char packet[PACKET_MAX];

	(void)events;
	if (!t->open)
		return;
	ssize_t n = recvfrom(t->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &size);
	if (n < 4 || packet[0] != 0 || from.sin_addr.s_addr != t->server.s_addr)
		return;
	/* From now on it is with the port that answered first. */
	if (!t->answered && connect(t->fd, (struct sockaddr *)&from, size) == 0)
		t->answered = true;
	take(t, packet, (size_t)n);
}

/* ---- all of it ----------------------------------------------------------------------------- */

int tftp_begin(struct tftp *t, struct loop *l, struct err *e)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = t->source};

	t->loop = l;
	t->of_socket = (struct loop_source){.ready = ready, .bulk = true};
	t->timer.fired = fired;
	t->answered = t->held = false;
	t->block = 0;
	t->tries = 0;
	t->size = t->received = 0;
	t->begun_us = loop_now_us();
	t->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0)
		return err_errno(e, "a socket for TFTP");
	t->open = true;
	int r = bind(t->fd, (struct sockaddr *)&own, sizeof(own)) < 0
		    ? err_errno(e, "an address for TFTP")
		    : 0;
	if (r == 0 && loop_watch(l, t->fd, EPOLLIN, &t->of_socket) < 0)
		r = err_set(e, ENOMEM, "TFTP cannot be waited for");
	if (r < 0) {
		tftp_stop(t);
		return r;
	}
	ask(t);
	return 0;
}

void tftp_stop(struct tftp *t)
{
	if (!t->open)
		return;
	t->open = false;
	loop_timer_stop(t->loop, &t->timer);
	close(t->fd);
}
