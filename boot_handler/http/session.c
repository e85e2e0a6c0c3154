#include "boot_handler/http/session.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/atomic_file.h"
#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#define KEY_BYTES 32
#define MAC_BYTES SHA256_DIGEST_SIZE
#define MAC_TEXT (2 * MAC_BYTES)
#define NAME_SIZE sizeof("vmlab-01234567")
#define VALUE_SIZE 128 /* "admin.1738324800250.43200000.1a2b3c4d" */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

struct link {
	uint8_t secret[KEY_BYTES];
	enum role role; /* ROLE_NOBODY: the place is free */
	int64_t until_ms;
};

struct sessions {
	pthread_mutex_t lock;
	char *key_file;
	uint8_t key[KEY_BYTES];
	char name[NAME_SIZE]; /* of the cookie */
	struct link links[SESSION_LINKS_MAX];
};

static const char *const names[] = {[ROLE_READ] = "read", [ROLE_ADMIN] = "admin"};

enum role role_parse(const char *name)
{
	for (enum role r = ROLE_READ; r <= ROLE_ADMIN; r++)
		if (strcmp(names[r], name) == 0)
			return r;
	return ROLE_NOBODY;
}

/* ---- the key ----------------------------------------------------------------------------- */

static int make_random(uint8_t *out, size_t len, struct err *e)
{
	return getrandom(out, len, 0) == (ssize_t)len
		   ? 0
		   : err_set(e, EIO, "the kernel gives no random numbers");
}

static void authenticate(const struct sessions *s, const char *text, char out[MAC_TEXT + 1])
{
	struct hmac_sha256_ctx ctx;
	uint8_t mac[MAC_BYTES];

	hmac_sha256_set_key(&ctx, sizeof(s->key), s->key);
	hmac_sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	hmac_sha256_digest(&ctx, sizeof(mac), mac);
	hex_encode(mac, sizeof(mac), out);
}

static void set_name(struct sessions *s)
{
	char mac[MAC_TEXT + 1];

	authenticate(s, "the cookie's name", mac);
	snprintf(s->name, sizeof(s->name), "vmlab-%.8s", mac);
}

static int make_key(struct sessions *s, struct err *e)
{
	uint8_t key[KEY_BYTES];

	int r = make_random(key, sizeof(key), e);
	if (r == 0)
		r = atomic_file_replace(s->key_file, key, sizeof(key), 0600, e);
	if (r < 0)
		return r;
	memcpy(s->key, key, sizeof(key));
	set_name(s);
	return 0;
}

static int read_key(struct sessions *s, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	int r = file_read(s->key_file, KEY_BYTES, &text, &len, e);
	if (r == -ENOENT || r == -EFBIG || (r == 0 && len != KEY_BYTES))
		return make_key(s, e);
	if (r < 0)
		return r;
	memcpy(s->key, text, len);
	explicit_bzero(text, len);
	set_name(s);
	return 0;
}

int sessions_new(const char *key_file, struct sessions **out, struct err *e)
{
	struct sessions *s = calloc(1, sizeof(*s));

	if (!s || !(s->key_file = strdup(key_file))) {
		free(s);
		return err_set(e, ENOMEM, "out of memory");
	}
	pthread_mutex_init(&s->lock, NULL);
	int r = read_key(s, e);
	if (r < 0) {
		sessions_free(s);
		return err_wrap(e, "the key of the pages' sessions");
	}
	*out = s;
	return 0;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->key_file);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

int sessions_end(struct sessions *s, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	int r = make_key(s, e);
	if (r == 0)
		memset(s->links, 0, sizeof(s->links));
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* ---- links ------------------------------------------------------------------------------- */

/* A free one, else the oldest. */
static struct link *place(struct sessions *s, int64_t now_ms)
{
	struct link *oldest = &s->links[0];

	for (size_t i = 0; i < SESSION_LINKS_MAX; i++) {
		struct link *l = &s->links[i];

		if (l->role == ROLE_NOBODY || l->until_ms <= now_ms)
			return l;
		if (l->until_ms < oldest->until_ms)
			oldest = l;
	}
	return oldest;
}

int sessions_invite(struct sessions *s, enum role role, int64_t now_ms,
    char secret[SESSION_SECRET_SIZE], struct err *e)
{
	struct link made = {.role = role, .until_ms = now_ms + SESSION_LINK_MS};

	int r = make_random(made.secret, sizeof(made.secret), e);
	if (r < 0)
		return r;
	hex_encode(made.secret, sizeof(made.secret), secret);
	pthread_mutex_lock(&s->lock);
	*place(s, now_ms) = made;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

enum role sessions_admit(struct sessions *s, const char *secret, int64_t now_ms)
{
	enum role role = ROLE_NOBODY;
	uint8_t given[KEY_BYTES];

	if (!hex_decode(secret, given, sizeof(given)))
		return ROLE_NOBODY;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < SESSION_LINKS_MAX; i++) {
		struct link *l = &s->links[i];

		if (l->role == ROLE_NOBODY || !memeql_sec(l->secret, given, sizeof(given)))
			continue;
		role = l->until_ms > now_ms ? l->role : ROLE_NOBODY;
		*l = (struct link){.role = ROLE_NOBODY};
	}
	pthread_mutex_unlock(&s->lock);
	return role;
}

/* ---- cookies ----------------------------------------------------------------------------- */

struct session_time session_now(void)
{
	_cleanup_free_ char *id = NULL;
	struct session_time now = {.wall_ms = wall_ms(), .up_ms = boottime_ms()};
	struct err none = ERR_INIT;
	size_t len;

	if (file_read(BOOT_ID, 64, &id, &len, &none) == 0)
		now.boot = (uint32_t)strtoul(id, NULL, 16);
	return now;
}

char *sessions_cookie(struct sessions *s, enum role role, bool tls, const struct session_time *now)
{
	const char *rules =
	    tls ? "Path=/; HttpOnly; SameSite=Strict; Secure" : "Path=/; HttpOnly; SameSite=Strict";
	char said[VALUE_SIZE], mac[MAC_TEXT + 1];
	char *header = NULL;
	int n;

	pthread_mutex_lock(&s->lock);
	if (role == ROLE_NOBODY) {
		n = asprintf(&header, "%s=; Max-Age=0; %s", s->name, rules);
	} else {
		snprintf(said, sizeof(said), "%s.%" PRId64 ".%" PRId64 ".%08" PRIx32, names[role],
		    now->wall_ms + SESSION_MS, now->up_ms + SESSION_MS, now->boot);
		authenticate(s, said, mac);
		n = asprintf(&header, "%s=%s.%s; Max-Age=%d; %s", s->name, said, mac,
		    (int)(SESSION_MS / 1000), rules);
	}
	pthread_mutex_unlock(&s->lock);
	return n < 0 ? NULL : header;
}

/* "admin.1738324800250.43200000.1a2b3c4d": its role, "" where that is over. A clock that was set
 * back makes no session longer, within one boot. */
static const char *in_force(char *said, const struct session_time *now)
{
	char *rest = said, *role = strsep(&rest, ".");
	int64_t end = rest ? strtoll(rest, &rest, 10) : 0;
	int64_t up = rest && *rest == '.' ? strtoll(rest + 1, &rest, 10) : 0;
	unsigned long boot = rest && *rest == '.' ? strtoul(rest + 1, &rest, 16) : 0;
	bool whole = rest && *rest == '\0';

	if (now->boot && boot == now->boot)
		return whole && up > now->up_ms ? role : "";
	return whole && end > now->wall_ms ? role : "";
}

/* "read.1738324800250.43200000.1a2b3c4d.<MAC>": what it says, if it is ours. */
static enum role judge(
    const struct sessions *s, const char *value, size_t len, const struct session_time *now)
{
	char said[VALUE_SIZE], mac[MAC_TEXT + 1];

	if (len <= MAC_TEXT + 1 || len - MAC_TEXT - 1 >= sizeof(said) ||
	    value[len - MAC_TEXT - 1] != '.')
		return ROLE_NOBODY;
	memcpy(said, value, len - MAC_TEXT - 1);
	said[len - MAC_TEXT - 1] = '\0';
	authenticate(s, said, mac);
	if (!memeql_sec(mac, value + len - MAC_TEXT, MAC_TEXT))
		return ROLE_NOBODY;
	return role_parse(in_force(said, now));
}

enum role sessions_role(struct sessions *s, const char *cookies, const struct session_time *now)
{
	enum role role = ROLE_NOBODY;

	pthread_mutex_lock(&s->lock);
	size_t name = strlen(s->name);
	for (const char *p = cookies; p && *p && role == ROLE_NOBODY;) {
		p += strspn(p, " ;");
		size_t len = strcspn(p, ";");
		if (len > name && memcmp(p, s->name, name) == 0 && p[name] == '=')
			role = judge(s, p + name + 1, len - name - 1, now);
		p += len;
	}
	pthread_mutex_unlock(&s->lock);
	return role;
}
