#include "boot_handler/sources/keys.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/net/ssh_key.h"

#define KEYS_FILE_MAX_BYTES (256 * 1024)
#define KEY_MAX_BYTES 8192

struct keys {
	char *path;
	pthread_mutex_t lock;
	struct stat seen; /* of the file `list` was read from; all zero: none */
	json_t *list;
};

static const char *const key_types[] = {
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
};

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* The blob starts with the type's name as an SSH string: four bytes of length, then the text. */
static bool blob_names(const char *base64, size_t len, const char *type)
{
	unsigned char head[4 + 40];
	size_t type_len = strlen(type);
	size_t n = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < len && n < 4 + type_len; i++) {
		int value = base64_value(base64[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 0)
			head[n++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
	}
	return n == 4 + type_len && head[0] == 0 && head[1] == 0 && head[2] == 0 &&
	       head[3] == type_len && memcmp(head + 4, type, type_len) == 0;
}

/* Length of "<type> <base64>" at the start of line; 0 when it is none. */
static size_t key_length(const char *line)
{
	size_t type_len = strcspn(line, " ");
	const char *type = NULL;

	for (size_t i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++)
		if (strlen(key_types[i]) == type_len && memcmp(line, key_types[i], type_len) == 0)
			type = key_types[i];
	if (!type || line[type_len] != ' ')
		return 0;

	const char *blob = line + type_len + 1;
	size_t len = 0;
	while (base64_value(blob[len]) >= 0)
		len++;
	size_t data = len;
	while (blob[len] == '=' && len - data < 2)
		len++;
	if (len % 4 != 0 || (blob[len] != '\0' && blob[len] != ' '))
		return 0;
	return blob_names(blob, data, type) ? type_len + 1 + len : 0;
}

bool key_valid(const char *line)
{
	if (strnlen(line, KEY_MAX_BYTES + 1) > KEY_MAX_BYTES)
		return false;
	for (const char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return key_length(line) > 0;
}

int key_without_comment(const char *line, char *out, size_t size)
{
	size_t len = key_length(line);

	if (len == 0 || len >= size)
		return -EINVAL;
	memcpy(out, line, len);
	out[len] = '\0';
	return 0;
}

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
