#include "os_installer/unpack/writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP_BYTES (32ULL << 20)
#define LOOK_US 5000

struct writeback {
	pthread_t thread;
	const _Atomic uint64_t *written_bytes;
	_Atomic bool stop;
	int fd;
	int failed; /* errno; the thread's until it has ended */
};

static void *thread_main(void *ctx)
{
	struct writeback *w = ctx;
	uint64_t sent = 0;

	while (!atomic_load(&w->stop) && !w->failed) {
		uint64_t written = atomic_load_explicit(w->written_bytes, memory_order_relaxed);
		if (written - sent < STEP_BYTES) {
			usleep(LOOK_US);
			continue;
		}
		sent = written;
		if (syncfs(w->fd) < 0)
			w->failed = errno;
	}
	return NULL;
}

int writeback_start(const _Atomic uint64_t *written_bytes, struct writeback **out, struct err *e)
{
	struct writeback *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	w->written_bytes = written_bytes;
	w->fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = w->fd < 0 ? errno : pthread_create(&w->thread, NULL, thread_main, w);
	if (code != 0) {
		if (w->fd >= 0)
			close(w->fd);
		free(w);
		return err_set(e, code, "cannot start writing the file system out");
	}
	*out = w;
	return 0;
}

int writeback_stop(struct writeback *w, struct err *e)
{
	atomic_store(&w->stop, true);
	pthread_join(w->thread, NULL);
	int failed = w->failed;
	close(w->fd);
	free(w);
	if (failed) {
		errno = failed;
		return err_errno(e, "cannot write out the file system");
	}
	return 0;
}
