#include "boot_handler/state/hook.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "boot_handler/state/hook_file.h"

struct kept {
	struct hook is;
	bool dirty; /* differs from its row in the state file */
};

struct hooks {
	pthread_mutex_t lock;
	struct kept items[HOOKS_MAX]; /* by id */
	unsigned count;
	int64_t last_id;
	int64_t gone[HOOKS_MAX]; /* rows of the file that memory has no more */
	unsigned gone_count;
	void (*changed)(void *ctx);
	void *ctx;
	/* What is being written; the writer's thread only. */
	struct hook rows[HOOKS_MAX];
	unsigned rows_count;
	int64_t drops[HOOKS_MAX];
	unsigned drops_count;
};

int hooks_new(struct hooks **out, struct err *e)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return err_set(e, ENOMEM, "out of memory");
	pthread_mutex_init(&(*out)->lock, NULL);
	return 0;
}

void hooks_free(struct hooks *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	explicit_bzero(t, sizeof(*t)); /* secrets */
	free(t);
}

void hooks_on_change(struct hooks *t, void (*changed)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&t->lock);
	t->changed = changed;
	t->ctx = ctx;
	pthread_mutex_unlock(&t->lock);
}

/* Unlocks: who hears it asks for more. */
static void tell(struct hooks *t)
{
	void (*changed)(void *ctx) = t->changed;
	void *ctx = t->ctx;

	pthread_mutex_unlock(&t->lock);
	if (changed)
		changed(ctx);
}

static struct kept *find(struct hooks *t, const char *name)
{
	for (unsigned i = 0; i < t->count; i++)
		if (strcmp(t->items[i].is.name, name) == 0)
			return &t->items[i];
	return NULL;
}

static struct kept *find_id(struct hooks *t, int64_t id)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->items[i].is.id == id)
			return &t->items[i];
	return NULL;
}

/* With the lock held. */
static struct kept *need(struct hooks *t, const char *name, struct err *e)
{
	struct kept *k = find(t, name);

	if (!k)
		err_set(
		    e, ENOENT, "there is no webhook \"%s\": `vmlab webhook ls` lists them", name);
	return k;
}

int hooks_add(struct hooks *t, struct hook *hook, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&t->lock);
	if (find(t, hook->name))
		r = err_set(e, EBUSY,
		    "there is a webhook \"%s\" already: remove it first, or take another name",
		    hook->name);
	else if (t->count + t->gone_count >= HOOKS_MAX)
		r = err_set(
		    e, EBUSY, "there are %d webhooks, and no more can be: remove one", HOOKS_MAX);
	if (r < 0) {
		pthread_mutex_unlock(&t->lock);
		return r;
	}
	hook->id = ++t->last_id;
	t->items[t->count++] = (struct kept){.is = *hook, .dirty = true};
	tell(t);
	return 0;
}

int hooks_remove(struct hooks *t, const char *name, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	struct kept *k = need(t, name, e);
	if (!k) {
		pthread_mutex_unlock(&t->lock);
		return -ENOENT;
	}
	t->gone[t->gone_count++] = k->is.id;
	memmove(k, k + 1, (size_t)(t->items + t->count - k - 1) * sizeof(*k));
	t->count--;
	tell(t);
	return 0;
}

int hooks_find(struct hooks *t, const char *name, struct hook *out, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	const struct kept *k = need(t, name, e);
	if (k)
		*out = k->is;
	pthread_mutex_unlock(&t->lock);
	return k ? 0 : -ENOENT;
}

int hooks_test(struct hooks *t, const char *name, struct err *e)
{
	pthread_mutex_lock(&t->lock);
	struct kept *k = need(t, name, e);
	if (!k) {
		pthread_mutex_unlock(&t->lock);
		return -ENOENT;
	}
	k->is.tests++;
	tell(t);
	return 0;
}

unsigned hooks_all(struct hooks *t, struct hook out[HOOKS_MAX])
{
	pthread_mutex_lock(&t->lock);
	unsigned count = t->count;
	for (unsigned i = 0; i < count; i++)
		out[i] = t->items[i].is;
	pthread_mutex_unlock(&t->lock);
	return count;
}

bool hooks_by_id(struct hooks *t, int64_t id, struct hook *out)
{
	pthread_mutex_lock(&t->lock);
	const struct kept *k = find_id(t, id);
	if (k)
		*out = k->is;
	pthread_mutex_unlock(&t->lock);
	return k;
}

void hooks_update(struct hooks *t, const struct hook *hook)
{
	pthread_mutex_lock(&t->lock);
	struct kept *k = find_id(t, hook->id);
	if (k) {
		uint64_t tests = k->is.tests;
		*k = (struct kept){.is = *hook, .dirty = true};
		k->is.tests = tests;
	}
	pthread_mutex_unlock(&t->lock);
}

/* ---- the state file ---------------------------------------------------------------------- */

static bool due(void *ctx, bool last)
{
	struct hooks *t = ctx;

	(void)last;
	pthread_mutex_lock(&t->lock);
	t->rows_count = 0;
	for (unsigned i = 0; i < t->count; i++)
		if (t->items[i].dirty) {
			t->items[i].dirty = false;
			t->rows[t->rows_count++] = t->items[i].is;
		}
	memcpy(t->drops, t->gone, t->gone_count * sizeof(*t->gone));
	t->drops_count = t->gone_count;
	t->gone_count = 0;
	pthread_mutex_unlock(&t->lock);
	return t->rows_count + t->drops_count > 0;
}

static int put(void *ctx, struct db *db, struct err *e)
{
	struct hooks *t = ctx;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < t->rows_count; i++)
		r = db_put_hook(db, &t->rows[i], e);
	for (unsigned i = 0; r == 0 && i < t->drops_count; i++)
		r = db_drop_hook(db, t->drops[i], e);
	return r;
}

static void failed(void *ctx)
{
	struct hooks *t = ctx;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < t->rows_count; i++) {
		struct kept *k = find_id(t, t->rows[i].id);
		if (k)
			k->dirty = true;
	}
	for (unsigned i = 0; i < t->drops_count && t->gone_count < HOOKS_MAX; i++)
		t->gone[t->gone_count++] = t->drops[i];
	pthread_mutex_unlock(&t->lock);
}

struct writer_aside hooks_aside(struct hooks *t)
{
	return (struct writer_aside){t, due, put, failed};
}

static void load_one(void *ctx, const struct hook *row)
{
	struct hooks *t = ctx;

	if (t->count < HOOKS_MAX)
		t->items[t->count++].is = *row;
	if (row->id > t->last_id)
		t->last_id = row->id;
}

int hooks_load(struct hooks *t, struct db *db, struct err *e)
{
	return db_load_hooks(db, load_one, t, e);
}

/* ---- URLs -------------------------------------------------------------------------------- */

static size_t scheme_len(const char *url)
{
	if (strncasecmp(url, "http://", 7) == 0)
		return 7;
	return strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
}

static bool is_port(const char *text, size_t len)
{
	unsigned port = 0;

	for (size_t i = 0; i < len && i < 6; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	return len > 0 && len < 6 && port > 0 && port < 65536;
}

/* "[v6]"; its length, 0: it is none. */
static size_t bracketed_len(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ip;
	size_t len = strcspn(text, "]");

	if (text[0] != '[' || text[len] != ']' || len > sizeof(address))
		return 0;
	memcpy(address, text + 1, len - 1);
	address[len - 1] = '\0';
	return inet_pton(AF_INET6, address, &ip) == 1 ? len + 1 : 0;
}

static bool is_authority(const char *text, size_t len)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	size_t host = text[0] == '[' ? bracketed_len(text) : strspn(text, letters);

	if (host == 0 || host > len)
		return false;
	return host == len || (text[host] == ':' && is_port(text + host + 1, len - host - 1));
}

int hook_url_check(const char *url, struct err *e)
{
	size_t scheme = scheme_len(url), len = strlen(url);

	if (len >= HOOK_URL_SIZE)
		return err_set(
		    e, EINVAL, "the URL is longer than %d characters", HOOK_URL_SIZE - 1);
	if (!scheme)
		return err_set(e, EINVAL,
		    "the URL has to begin with http:// or https://: events are sent nowhere else");
	for (const char *p = url; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("\"<>\\^`{|}#", *p))
			return err_set(e, EINVAL,
			    "the URL has a character that none may have, or a fragment (#): write others as %%XX, and a name of other letters as xn--...");
	if (memchr(url + scheme, '@', strcspn(url + scheme, "/?")))
		return err_set(e, EINVAL,
		    "the URL has a user's name or password: leave them out, the signature says who sends");
	if (!is_authority(url + scheme, strcspn(url + scheme, "/?")))
		return err_set(e, EINVAL,
		    "the URL names no host: write it like https://ci.example.org/hooks/vmlab, with :PORT where it is another");
	return 0;
}

void hook_url_origin(const char *url, char out[HOOK_URL_SIZE])
{
	size_t scheme = scheme_len(url), len = scheme + strcspn(url + scheme, "/?");

	memcpy(out, url, len);
	out[len] = '\0';
}
