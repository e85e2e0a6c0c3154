#include "os_installer/fetch/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "os_installer/fetch/patience.h"

#define CONNECT_TIMEOUT_S 5L
#define JSON_TYPE "Content-Type: application/json"
#define BYTES_TYPE "Content-Type: application/octet-stream"

#define REDIRECTS_MAX 5L

static struct curl_blob trusted;

void http_trust(const char *pem, size_t len)
{
	trusted = (struct curl_blob){.data = (void *)pem, .len = len, .flags = CURL_BLOB_NOCOPY};
}

bool http_is_tls(const char *url)
{
	return strncasecmp(url, "https:", 6) == 0;
}

CURL *http_handle_new(const char *url)
{
	CURL *c = curl_easy_init();

	if (!c)
		return NULL;
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	if (trusted.len > 0)
		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &trusted);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "os-installer/" VMLAB_VERSION);
	return c;
}

void http_follow(CURL *c)
{
	char *url = NULL;

	curl_easy_getinfo(c, CURLINFO_EFFECTIVE_URL, &url);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(
	    c, CURLOPT_REDIR_PROTOCOLS_STR, url && http_is_tls(url) ? "https" : "http,https");
}

const char *http_problem(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return "no connection to the server";
	case CURLE_COULDNT_RESOLVE_HOST:
		return "the server's name cannot be resolved";
	case CURLE_OPERATION_TIMEDOUT:
		return "the server did not answer in time";
	case CURLE_GOT_NOTHING:
		return "the server closed the connection without an answer";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "the server's certificate is of no authority known here, or for another name, or not valid at the time that this machine's clock tells";
	case CURLE_SSL_CONNECT_ERROR:
		return "no TLS connection could be agreed on with the server";
	case CURLE_TOO_MANY_REDIRECTS:
		return "the server leads from place to place";
	case CURLE_UNSUPPORTED_PROTOCOL:
		return "the server leads to a place that is not asked over TLS";
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
		return "the connection broke off";
	default:
		return curl_easy_strerror(code);
	}
}

bool http_problem_passes(CURLcode code)
{
	static const CURLcode passing[] = {CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST,
	    CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_SEND_ERROR,
	    CURLE_RECV_ERROR};

	for (size_t i = 0; i < sizeof(passing) / sizeof(*passing); i++)
		if (passing[i] == code)
			return true;
	return false;
}

struct body {
	struct http_response *out;
	size_t max_bytes;
	int problem;
};

static size_t body_append(char *data, size_t size, size_t count, void *ctx)
{
	struct body *b = ctx;
	size_t len = size * count;

	if (b->out->len + len > b->max_bytes) {
		b->problem = EFBIG;
		return 0;
	}
	char *grown = realloc(b->out->body, b->out->len + len + 1);
	if (!grown) {
		b->problem = ENOMEM;
		return 0;
	}
	memcpy(grown + b->out->len, data, len);
	b->out->body = grown;
	b->out->len += len;
	grown[b->out->len] = '\0';
	return len;
}

static size_t body_drop(char *data, size_t size, size_t count, void *ctx)
{
	(void)data;
	(void)ctx;
	return size * count;
}

/* Does the transfer and frees `c`, which may be NULL. */
static int answer_take(CURL *c, const char *url, size_t max_bytes, unsigned timeout_s,
    struct http_response *out, struct err *e)
{
	struct body b = {.out = out, .max_bytes = max_bytes};

	memset(out, 0, sizeof(*out));
	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)timeout_s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, body_append);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &b);
	CURLcode code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &out->status);
	curl_easy_cleanup(c);
	if (b.problem == EFBIG)
		return err_set(e, EFBIG, "%s is longer than %zu bytes", url, max_bytes);
	if (code != CURLE_OK)
		return err_set(e, EIO, "%s: %s", url, http_problem(code));
	if (!out->body && !(out->body = calloc(1, 1)))
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

int http_get(
    const char *url, size_t max_bytes, unsigned timeout_s, struct http_response *out, struct err *e)
{
	return answer_take(http_handle_new(url), url, max_bytes, timeout_s, out, e);
}

int http_get_patiently(const char *url, size_t max_bytes, unsigned timeout_s, unsigned believed,
    struct http_response *out, struct err *e)
{
	struct patience patience;

	patience_begin(&patience, PATIENCE_S);
	for (unsigned n = 1;; n++) {
		int r = http_get(url, max_bytes, timeout_s, out, e);
		if (r == 0 &&
		    (out->status == 200 || (!patience_is_for(out->status) && n >= believed)))
			return 0;
		if (r == 0)
			r = err_set(e, EPROTO, "%s: the server answered %ld", url, out->status);
		http_response_clear(out);
		if (r == -EFBIG || !patience_rest(&patience, e->msg))
			return r;
	}
}

/* The headers are the caller's to free, after the transfer. */
static CURL *post_new(
    const char *url, const char *type, const void *body, size_t len, struct curl_slist **headers)
{
	CURL *c = http_handle_new(url);

	*headers = curl_slist_append(NULL, type);
	*headers = curl_slist_append(*headers, "Expect:");
	if (c) {
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	}
	return c;
}

static int post_get(const char *url, const char *type, const void *body, size_t len,
    size_t max_bytes, unsigned timeout_s, struct http_response *out, struct err *e)
{
	struct curl_slist *headers;
	CURL *c = post_new(url, type, body, len, &headers);
	int r = answer_take(c, url, max_bytes, timeout_s, out, e);

	curl_slist_free_all(headers);
	return r;
}

int http_post_json_get(const char *url, const char *body, size_t max_bytes, unsigned timeout_s,
    struct http_response *out, struct err *e)
{
	return post_get(url, JSON_TYPE, body, strlen(body), max_bytes, timeout_s, out, e);
}

int http_post_bytes(const char *url, const void *body, size_t len, size_t max_bytes,
    unsigned timeout_s, struct http_response *out, struct err *e)
{
	return post_get(url, BYTES_TYPE, body, len, max_bytes, timeout_s, out, e);
}

int http_post_json(const char *url, const char *body, unsigned timeout_s, struct err *e)
{
	struct curl_slist *headers;
	long status = 0;
	CURL *c = post_new(url, JSON_TYPE, body, strlen(body), &headers);

	if (!c) {
		curl_slist_free_all(headers);
		return err_set(e, ENOMEM, "out of memory");
	}
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)timeout_s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, body_drop);
	CURLcode code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	if (code != CURLE_OK)
		return err_set(e, EIO, "%s: %s", url, http_problem(code));
	return (int)status;
}

void http_response_clear(struct http_response *r)
{
	free(r->body);
	memset(r, 0, sizeof(*r));
}
