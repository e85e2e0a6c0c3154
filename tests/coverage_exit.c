/* coverage_exit.c - linked with VARIANT=coverage only: what a child process reached counts though
 * it ends by _exit(), and though it is in a chroot by then. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void);
void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

static int repository = -1;

__attribute__((constructor)) static void begin(void)
{
	repository = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Where the repository is is the first part of the files' names, unless we are told otherwise. */
void __wrap__exit(int status)
{
	if (fchdir(repository) == 0) {
		setenv("GCOV_PREFIX", ".", 1);
		setenv("GCOV_PREFIX_STRIP", "1", 0);
	}
	__gcov_dump();
	__real__exit(status);
}
