#include "lib/net/lease_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/hash_table.h"
#include "lib/base/text.h"

#define LINE_MAX_BYTES                                                                             \
	2048 /* DUIDs and client identifiers have up to 255 bytes, in hexadecimal                  \
	      */

/* ---- one line ------------------------------------------------------------------------------- */

/* One word, whatever a client has called itself. */
static const char *word(const char *text, const char *instead)
{
	return text && *text && !strpbrk(text, " \t\r\n") ? text : instead;
}

/* The length of the line, or 0 where there is nothing to note. */
static int format(const struct lease_told *t, char *out, size_t size)
{
	unsigned char address[sizeof(struct in6_addr)];
	bool six = t->ip && inet_pton(AF_INET6, t->ip, address) == 1;
	const char *who = word(six ? t->iaid : t->mac, NULL);
	const char *name = word(t->name, "*");
	size_t label = strcspn(name, ".");

	if (!t->ip || (!six && inet_pton(AF_INET, t->ip, address) != 1))
		return 0;
	if (strcmp(t->action, "del") == 0)
		return snprintf(out, size, "del %s\n", t->ip);
	if ((strcmp(t->action, "add") != 0 && strcmp(t->action, "old") != 0) || !who)
		return 0;
	const char *duid = six ? word(t->server_duid, NULL) : NULL;
	return snprintf(out, size, "%s%s%s%s %s %s %.*s %s\n", duid ? "duid " : "",
	    duid ? duid : "", duid ? "\n" : "", word(t->ends, "0"), who, t->ip,
	    label ? (int)label : 1, label ? name : "*", word(t->client_id, "*"));
}

static int lock(const char *journal, int flags, int operation, struct err *e)
{
	int fd = open(journal, flags | O_CLOEXEC);

	if (fd >= 0 && flock(fd, operation) == 0)
		return fd;
	int r = err_errno(e, "%s", journal);
	if (fd >= 0)
		close(fd);
	return r;
}

int lease_file_note(const char *journal, const struct lease_told *told, struct err *e)
{
	char line[LINE_MAX_BYTES];
	int len = format(told, line, sizeof(line));

	if (len <= 0 || (size_t)len >= sizeof(line))
		return 0;
	_cleanup_close_ int fd = lock(journal, O_WRONLY | O_APPEND, LOCK_EX, e);
	if (fd < 0)
		return fd;
	off_t end = lseek(fd, 0, SEEK_END);
	if (write(fd, line, (size_t)len) == len)
		return 0;
	int r = err_errno(e, "%s", journal);
	/* Half a line would spoil the next one. */
	return ftruncate(fd, end) < 0 ? err_errno(e, "%s", journal) : r;
}

/* ---- many ----------------------------------------------------------------------------------- */

struct entry {
	const char *address; /* of its line; "" for the server's DUID */
	size_t address_len;
	const char *line; /* NULL: it is gone */
	size_t len;
};

struct entries {
	struct entry *list;
	size_t count;
	struct hash_table by_address;
};

static void entries_clear(struct entries *t)
{
	free(t->list);
	hash_table_clear(&t->by_address);
}

static bool is_of(const void *item, const void *key)
{
	const struct entry *x = item, *y = key;

	return x->address_len == y->address_len &&
	       memcmp(x->address, y->address, x->address_len) == 0;
}

/* The word of that number in a line; "" when it has fewer. */
static const char *nth_word(const char *line, size_t len, unsigned n, size_t *word_len)
{
	const char *p = line, *end = line + len;

	for (;; n--) {
		const char *blank = memchr(p, ' ', (size_t)(end - p));
		if (n == 0 || !blank) {
			*word_len = n ? 0 : (size_t)((blank ? blank : end) - p);
			return p;
		}
		p = blank + 1;
	}
}

static int take_line(struct entries *t, const char *line, size_t len)
{
	struct entry new = {.line = line, .len = len};
	bool gone = len > 4 && memcmp(line, "del ", 4) == 0;
	bool duid = len > 5 && memcmp(line, "duid ", 5) == 0;
	size_t last;

	new.address = line;
	if (!duid)
		new.address = nth_word(line, len, gone ? 1 : 2, &new.address_len);
	nth_word(line, len, 4, &last);
	/* Half a line, as of a disk that was full, is none. */
	if (!duid && (new.address_len == 0 || (!gone && last == 0)))
		return 0;
	uint64_t hash = hash_bytes(new.address, new.address_len, 0);
	struct entry *known = hash_table_find(&t->by_address, hash, is_of, &new);
	if (gone)
		new.line = NULL;
	if (known) {
		*known = new;
		return 0;
	}
	t->list[t->count] = new;
	return hash_table_add(&t->by_address, hash, &t->list[t->count++]);
}

static int take(struct entries *t, const char *text)
{
	for (const char *end; (end = strchr(text, '\n')); text = end + 1)
		if (take_line(t, text, (size_t)(end - text)) < 0)
			return -ENOMEM;
	return 0;
}

enum { KIND_IP4, KIND_DUID, KIND_IP6, KINDS };

static int kind_of(const struct entry *e)
{
	if (e->address_len == 0)
		return KIND_DUID;
	return memchr(e->address, ':', e->address_len) ? KIND_IP6 : KIND_IP4;
}

int lease_file_merge(
    const char *leases, const char *journal, char **out, size_t *len, struct err *e)
{
	_cleanup_(entries_clear) struct entries t = {0};

	*out = NULL;
	t.list = calloc(text_lines(leases) + text_lines(journal), sizeof(*t.list));
	FILE *f = open_memstream(out, len);
	bool good = t.list && f && take(&t, leases) == 0 && take(&t, journal) == 0;
	for (int kind = 0; good && kind < KINDS; kind++)
		for (size_t i = 0; i < t.count; i++)
			if (t.list[i].line && kind_of(&t.list[i]) == kind)
				fprintf(f, "%.*s\n", (int)t.list[i].len, t.list[i].line);
	if (f)
		good = !ferror(f) && fclose(f) == 0 && good;
	if (good)
		return 0;
	free(*out);
	*out = NULL;
	return err_set(e, ENOMEM, "out of memory for the leases");
}

/* "" where there is none. */
static int text_of(const char *path, char **out, struct err *e)
{
	size_t len;
	int r = file_read(path, LEASE_FILE_MAX_BYTES, out, &len, e);

	if (r != -ENOENT)
		return r;
	*out = strdup("");
	return *out ? 0 : err_set(e, ENOMEM, "out of memory for the leases");
}

int lease_file_read(const char *leases, const char *journal, char **out, size_t *len, struct err *e)
{
	_cleanup_free_ char *old = NULL, *since = NULL;
	struct err none = ERR_INIT;

	/* Without one nobody else has it either. */
	_cleanup_close_ int fd = lock(journal, O_RDONLY, LOCK_SH, &none);
	int r = text_of(leases, &old, e);
	if (r == 0)
		r = text_of(journal, &since, e);
	return r < 0 ? r : lease_file_merge(old, since, out, len, e);
}

int lease_file_fold(const char *leases, const char *journal, struct err *e)
{
	_cleanup_free_ char *old = NULL, *since = NULL, *all = NULL;
	size_t len;

	_cleanup_close_ int fd = lock(journal, O_RDWR, LOCK_EX, e);
	if (fd < 0)
		return fd;
	int r = text_of(journal, &since, e);
	if (r == 0 && !*since)
		return 1;
	if (r == 0)
		r = text_of(leases, &old, e);
	if (r == 0)
		r = lease_file_merge(old, since, &all, &len, e);
	if (r == 0)
		r = atomic_file_replace(leases, all, len, 0644, e);
	if (r < 0)
		return r;
	return ftruncate(fd, 0) < 0 ? err_errno(e, "%s", journal) : 0;
}
