#include "os_installer/agent/board.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

struct board {
	pthread_mutex_t mutex;
	struct said said;
};

int board_new(struct board **out, struct err *e)
{
	struct board *b =
	    mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	if (b == MAP_FAILED)
		return err_set(e, ENOMEM, "out of memory");
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&b->mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	*out = b;
	return 0;
}

void board_free(struct board *b)
{
	if (b)
		munmap(b, sizeof(*b));
}

struct said *board_take(struct board *b)
{
	if (pthread_mutex_lock(&b->mutex) == EOWNERDEAD)
		pthread_mutex_consistent(&b->mutex);
	return &b->said;
}

void board_give(struct board *b)
{
	pthread_mutex_unlock(&b->mutex);
}
