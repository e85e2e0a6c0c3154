#include "os_installer/unpack/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct handover {
	uint8_t *memory;
	uint32_t slot_bytes;
	unsigned position; /* slot this side uses next, or holds */
	bool holding;      /* consumer: has a slot to give back */
	bool ended;        /* consumer: has seen the regular end */
	int full[2];       /* lengths, producer to consumer */
	int free[2];       /* one byte per free slot, consumer to producer */
};

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int handover_new(uint32_t slot_bytes, struct handover **out, struct err *e)
{
	static const char tokens[HANDOVER_SLOTS];
	struct handover *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(e, ENOMEM, "out of memory");
	h->full[0] = h->full[1] = h->free[0] = h->free[1] = -1;
	h->slot_bytes = slot_bytes;
	h->memory = mmap(NULL, (size_t)slot_bytes * HANDOVER_SLOTS, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h->memory == MAP_FAILED) {
		free(h);
		return err_errno(
		    e, "no memory for %u download buffers of %u bytes", HANDOVER_SLOTS, slot_bytes);
	}
	if (pipe2(h->full, O_CLOEXEC) < 0 || pipe2(h->free, O_CLOEXEC) < 0 ||
	    write(h->free[1], tokens, sizeof(tokens)) != sizeof(tokens)) {
		int r = err_errno(e, "cannot make a pipe");
		handover_free(h);
		return r;
	}
	*out = h;
	return 0;
}

void handover_free(struct handover *h)
{
	if (!h)
		return;
	munmap(h->memory, (size_t)h->slot_bytes * HANDOVER_SLOTS);
	handover_producer(h);
	handover_consumer(h);
	free(h);
}

void handover_producer(struct handover *h)
{
	fd_close(&h->full[0]);
	fd_close(&h->free[1]);
}

void handover_consumer(struct handover *h)
{
	fd_close(&h->full[1]);
	fd_close(&h->free[0]);
}

/* Reads exactly len bytes. Returns 1, 0 at end of file, -errno. */
static int read_whole(int fd, void *buf, size_t len)
{
	for (;;) {
		ssize_t n = read(fd, buf, len); /* pipes do not split writes this small */
		if (n >= 0)
			return (size_t)n == len;
		if (errno != EINTR)
			return -errno;
	}
}

bool handover_wait(struct handover *h, int timeout_ms)
{
	struct pollfd p = {.fd = h->free[0], .events = POLLIN};

	return poll(&p, 1, timeout_ms) > 0;
}

int handover_take(struct handover *h, uint8_t **buffer, struct err *e)
{
	char token;

	if (read_whole(h->free[0], &token, 1) != 1)
		return err_set(e, EPIPE, "the unpacking process ended early");
	*buffer = h->memory + (size_t)h->position * h->slot_bytes;
	return 0;
}

static int length_send(struct handover *h, uint32_t len, struct err *e)
{
	while (write(h->full[1], &len, sizeof(len)) != sizeof(len))
		if (errno != EINTR)
			return err_set(e, EPIPE, "the unpacking process ended early");
	return 0;
}

int handover_give(struct handover *h, uint32_t len, struct err *e)
{
	int r = length_send(h, len, e);

	h->position = (h->position + 1) % HANDOVER_SLOTS;
	return r;
}

int handover_finish(struct handover *h, struct err *e)
{
	return length_send(h, 0, e);
}

int handover_next(struct handover *h, const uint8_t **buffer, uint32_t *len, struct err *e)
{
	if (h->holding) {
		h->holding = false;
		h->position = (h->position + 1) % HANDOVER_SLOTS;
		while (write(h->free[1], "", 1) < 0 && errno == EINTR)
			; /* a producer that is gone shows below */
	}
	if (h->ended)
		return 0;
	if (read_whole(h->full[0], len, sizeof(*len)) != 1)
		return err_set(e, EPIPE, "the download ended early");
	if (*len == 0) {
		h->ended = true;
		return 0;
	}
	*buffer = h->memory + (size_t)h->position * h->slot_bytes;
	h->holding = true;
	return 1;
}
