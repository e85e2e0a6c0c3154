/* backup_inside.h - inside of backup.h: what its files share. */
#ifndef BOOT_HANDLER_SOURCES_BACKUP_INSIDE_H
#define BOOT_HANDLER_SOURCES_BACKUP_INSIDE_H

#include <limits.h>
#include <nettle/sha2.h>
#include <pthread.h>

#include "boot_handler/sources/backup.h"

#define BACKUP_FILE "disk.raw.zst"
#define BACKUP_SUMS "sums"

struct backup_part {
	struct backup_part *next; /* under the store's lock, as `users` */
	int64_t order;
	unsigned users;

	pthread_mutex_t lock; /* of the rest */
	bool loaded, gone;
	int data, sums;
	uint64_t count, bytes;
	struct sha256_ctx whole; /* of the bytes */
	struct backup_writer *writer;
};

struct backups {
	char *dir, *made; /* made: <dir>/images */
	const char *images;
	enum backup_use (*use)(void *ctx, int64_t order);
	void *use_ctx;
	pthread_mutex_t sweep; /* one at a time; taken before the others */
	pthread_mutex_t lock;
	struct backup_part *parts;
};

/* The one of an order, loaded and locked; backup_part_put() it. `make`: also where there is none.
 * NULL in *out: there is none. */
must_check int backup_part_get(
    struct backups *b, int64_t order, bool make, struct backup_part **out, struct err *e);
void backup_part_put(struct backups *b, struct backup_part *p);
/* What is still being sent for the order counts no more. */
void backup_part_stop(struct backups *b, int64_t order);
/* A folder of files goes. */
void backup_folder_remove(const char *path);

/* Bytes that are free where the backups are. */
uint64_t backup_room_left(const struct backups *b);

/* Its files go; locked. */
void backup_part_remove(struct backups *b, struct backup_part *p);

void backup_part_path(const struct backups *b, int64_t order, const char *file, char out[PATH_MAX]);

#endif
