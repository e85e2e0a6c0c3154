/* argv.h - an argument vector that grows: how every child process is described.
 *
 * Elements are copied, so nothing the caller passes must outlive the call. Running out of memory
 * is remembered in `failed` and reported by whoever runs the vector, so that building one needs
 * no check at each line. Single-threaded.
 */
#ifndef LIB_BASE_ARGV_H
#define LIB_BASE_ARGV_H

#include <stdbool.h>
#include <stddef.h>

struct argv {
	char **items; /* NULL-terminated once anything was added */
	size_t count;
	bool failed;
	bool (*left_when)(void); /* NULL, or says that nobody waits for it any more (process.h) */
};

#define ARGV_INIT {NULL, 0, false, NULL}
#define _cleanup_argv_ __attribute__((cleanup(argv_clear)))

void argv_add(struct argv *a, const char *item);
void argv_addf(struct argv *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds each of a NULL-terminated array. */
void argv_add_all(struct argv *a, const char *const *items);

/* Adds several: argv_adds(&a, "inspect", "--type", "container"); */
#define argv_adds(a, ...) argv_add_all(a, (const char *const[]){__VA_ARGS__, NULL})

/* Adds `count` items of a plain array. */
void argv_extend(struct argv *a, size_t count, char *const *items);

void argv_clear(struct argv *a);

#endif
