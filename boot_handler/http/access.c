#include "boot_handler/http/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/cleanup.h"

#define TOKEN_MIN 16
#define TOKEN_MAX 256
#define HOST_MAX 256

struct access {
	char token[TOKEN_MAX + 1]; /* "": there is none */
	char listen[HOST_MAX];     /* "" for a wildcard */
	char *hosts;               /* comma-separated, or NULL */
	struct sessions *sessions;
};

/* The host of "host", "host:port", "[v6]" or "[v6]:port". False when it is none. */
static bool host_of(const char *authority, char out[HOST_MAX])
{
	bool bracketed = authority[0] == '[';
	size_t len = bracketed ? strcspn(authority, "]") : strcspn(authority, ":");
	const char *begin = authority + bracketed, *rest = authority + len;

	if (bracketed && *rest++ != ']')
		return false;
	len -= bracketed;
	if (len == 0 || len >= HOST_MAX)
		return false;
	if (*rest == ':' && rest[1 + strspn(rest + 1, "0123456789")] != '\0')
		return false;
	if (*rest != ':' && *rest != '\0')
		return false;
	memcpy(out, begin, len);
	out[len] = '\0';
	return true;
}

static bool is_loopback(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool access_is_loopback(const char *listen)
{
	char host[HOST_MAX];

	return host_of(listen, host) && is_loopback(host);
}

static bool is_listed(const char *list, const char *host)
{
	size_t len = strlen(host);

	for (const char *p = list; p && *p;) {
		size_t n = strcspn(p, ",");
		if (n == len && strncasecmp(p, host, len) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

static bool is_ours(const struct access *access, const char *host)
{
	return is_loopback(host) || strcasecmp(access->listen, host) == 0 ||
	       is_listed(access->hosts, host);
}

/* Takes as long for a wrong token as for a right one. */
static bool token_equal(const char *token, const char *given)
{
	size_t len = strlen(token), given_len = strlen(given);
	volatile unsigned char differ = len != given_len;

	for (size_t i = 0; i < len; i++)
		differ |= (unsigned char)(token[i] ^ given[given_len ? i % given_len : 0]);
	return !differ;
}

static int check_host(const struct access *access, const char *host, struct err *e)
{
	char name[HOST_MAX];

	if (!host || !host_of(host, name))
		return err_set(
		    e, EPERM, "the request lacks a proper Host header: name this API in it");
	if (is_ours(access, name))
		return 0;
	return err_set(e, EPERM,
	    "\"%s\" is no name of this API: reach it as localhost, or allow that name with OPERATOR_HOSTS (--operator-hosts)",
	    name);
}

/* A page of this very listener. */
static bool is_own_page(const char *host, const char *origin)
{
	const char *authority = origin ? strstr(origin, "://") : NULL;

	return authority && strcasecmp(authority + 3, host) == 0;
}

/* Of the listener's own pages, or of a page from a host that was named for this. */
static int check_origin(
    const struct access *access, const char *host, const char *origin, struct err *e)
{
	const char *authority = origin ? strstr(origin, "://") : NULL;
	char name[HOST_MAX];

	if (!origin || is_own_page(host, origin))
		return 0;
	if (authority && host_of(authority + 3, name) && is_listed(access->hosts, name))
		return 0;
	return err_set(e, EPERM,
	    "this request comes from a web page of another origin: it is refused; OPERATOR_HOSTS (--operator-hosts) allows pages of a host");
}

const char access_needs_token[] =
    "this API asks for its token: send the header \"Authorization: Bearer TOKEN\"; the token is in the file \"token\" of the lab's own folder, or what OPERATOR_TOKEN says";

static int check_token(
    const struct access *access, const char *authorization, enum role *role, struct err *e)
{
	static const char scheme[] = "Bearer ";

	if (strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return err_set(e, EACCES, "%s", access_needs_token);
	const char *given = authorization + sizeof(scheme) - 1;
	if (!access->token[0] || !token_equal(access->token, given + strspn(given, " ")))
		return err_set(e, EACCES,
		    "this is not the token of this API: read it anew from the file \"token\" of the lab's own folder");
	*role = ROLE_OWNER;
	return 0;
}

int access_check(
    const struct access *access, const struct access_asked *asked, enum role *role, struct err *e)
{
	*role = ROLE_NOBODY;
	int r = check_host(access, asked->host, e);
	if (r == 0)
		r = check_origin(access, asked->host, asked->origin, e);
	if (r < 0)
		return r;
	if (asked->authorization)
		return check_token(access, asked->authorization, role, e);
	if (access->sessions && asked->cookie) {
		struct session_time now = session_now();
		*role = sessions_role(access->sessions, asked->cookie, &now);
	}
	if (*role != ROLE_NOBODY && asked->changes && !is_own_page(asked->host, asked->origin))
		return err_set(e, EPERM,
		    "this order does not come from a page of this address: open the page anew, and order there");
	return 0;
}

static int read_token(struct access *access, const char *path, struct err *e)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[TOKEN_MAX + 3] = "";

	if (!f)
		return err_errno(e, "cannot read the operator's token from %s", path);
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	size_t len = strcspn(line, "\r\n");
	bool whole = line[len] != '\0' || feof(f);
	line[len] = '\0';
	for (size_t i = 0; i < len; i++)
		whole &= line[i] > ' ' && line[i] < 0x7f;
	if (!whole || len < TOKEN_MIN || len > TOKEN_MAX)
		return err_set(e, EINVAL,
		    "the operator's token in %s is not one line of %d to %d printable characters without blanks: write such a one, or remove the file to have one made",
		    path, TOKEN_MIN, TOKEN_MAX);
	memcpy(access->token, line, len + 1);
	return 0;
}

int access_new(const char *token_file, const char *listen, const char *hosts,
    struct sessions *sessions, struct access **out, struct err *e)
{
	struct access *access = calloc(1, sizeof(*access));
	struct in6_addr any;

	if (!access)
		return err_set(e, ENOMEM, "out of memory");
	access->sessions = sessions;
	if (!host_of(listen, access->listen) || strcmp(access->listen, "0.0.0.0") == 0 ||
	    (inet_pton(AF_INET6, access->listen, &any) == 1 && IN6_IS_ADDR_UNSPECIFIED(&any)))
		access->listen[0] = '\0';
	access->hosts = hosts ? strdup(hosts) : NULL;
	int r = hosts && !access->hosts ? err_set(e, ENOMEM, "out of memory") : 0;
	if (r == 0 && token_file)
		r = read_token(access, token_file, e);
	if (r < 0) {
		access_free(access);
		return r;
	}
	*out = access;
	return 0;
}

void access_free(struct access *access)
{
	if (!access)
		return;
	explicit_bzero(access->token, sizeof(access->token));
	free(access->hosts);
	free(access);
}
