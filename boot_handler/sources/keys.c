#include "boot_handler/sources/keys.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/net/ssh_key.h"

#define KEYS_FILE_MAX_BYTES (256 * 1024)

struct keys {
	char *path;
	pthread_mutex_t lock;
	struct stat seen; /* of the file `list` was read from; all zero: none */
	json_t *list;
};

struct reading {
	const char *path;
	json_t *list;
};

static void take_line(void *ctx, int number, const char *line)
{
	struct reading *reading = ctx;

	if (!ssh_key_valid(line))
		log_warn(
		    "%s:%d:1: %s; it is skipped", reading->path, number, ssh_key_complaint(line));
	else if (json_array_append_new(reading->list, json_string(line)) < 0)
		log_warn(
		    "%s:%d:1: this line is no UTF-8 text and is skipped", reading->path, number);
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Called with the lock held. */
static void refresh(struct keys *k)
{
	struct reading reading = {k->path, NULL};
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	struct stat st;
	size_t len;

	if (stat(k->path, &st) < 0)
		memset(&st, 0, sizeof(st));
	if (unchanged(&st, &k->seen) && k->list)
		return;
	reading.list = json_array();
	if (st.st_ino != 0) {
		if (file_read(k->path, KEYS_FILE_MAX_BYTES, &text, &len, &e) < 0)
			log_warn("%s: no key of it is used", e.msg);
		else if (ssh_key_file_useless(text, len))
			log_warn("%s:1:1: %s; no key of it is used", k->path,
			    ssh_key_file_useless(text, len));
		else
			ssh_key_each_line(text, take_line, &reading);
	}
	json_decref(k->list);
	k->list = reading.list;
	k->seen = st;
}

int keys_new(const char *path, struct keys **out, struct err *e)
{
	struct keys *k = calloc(1, sizeof(*k));

	if (!k || (path && !(k->path = strdup(path)))) {
		free(k);
		return err_set(e, ENOMEM, "out of memory");
	}
	pthread_mutex_init(&k->lock, NULL);
	*out = k;
	return 0;
}

void keys_free(struct keys *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	json_decref(k->list);
	free(k->path);
	free(k);
}

json_t *keys_get(struct keys *k)
{
	json_t *copy;

	if (!k->path)
		return json_array();
	pthread_mutex_lock(&k->lock);
	refresh(k);
	copy = json_deep_copy(k->list);
	pthread_mutex_unlock(&k->lock);
	return copy;
}

struct checking {
	void (*problem)(void *ctx, int line, const char *text);
	void *ctx;
	int count;
};

static void check_line(void *ctx, int number, const char *line)
{
	struct checking *checking = ctx;

	if (ssh_key_valid(line))
		return;
	checking->count++;
	checking->problem(checking->ctx, number, ssh_key_complaint(line));
}

int keys_check(const char *path, void (*problem)(void *ctx, int line, const char *text), void *ctx,
    struct err *e)
{
	struct checking checking = {problem, ctx, 0};
	_cleanup_free_ char *text = NULL;
	size_t len;

	int r = file_read(path, KEYS_FILE_MAX_BYTES, &text, &len, e);
	if (r < 0)
		return r;
	const char *useless = ssh_key_file_useless(text, len);
	if (useless) {
		problem(ctx, 1, useless);
		return 1;
	}
	ssh_key_each_line(text, check_line, &checking);
	return checking.count;
}
