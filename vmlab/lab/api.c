#include "vmlab/lab/api.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"
#include "vmlab/lab/dial.h"

#define BODY_MAX_BYTES (16 * 1024 * 1024)
#define API_SOCKET "api.sock"
#define API_ROOT "/api/v1"
#define PATH_ROOM 256 /* a name has at most 63 bytes */

struct api {
	CURL *curl;
	char *folder;
	int connect_errno; /* why the socket could not be opened; 0 when it was */
	char curl_error[CURL_ERROR_SIZE];
};

struct body {
	char *data;
	size_t len;
};

int api_new(const char *folder, struct api **out, struct err *e)
{
	struct api *api = calloc(1, sizeof(*api));

	if (api) {
		api->curl = curl_easy_init();
		api->folder = strdup(folder);
	}
	if (!api || !api->curl || !api->folder) {
		api_free(api);
		return err_set(e, ENOMEM, "cannot set up an HTTP client: out of memory");
	}
	*out = api;
	return 0;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	curl_easy_cleanup(api->curl);
	free(api->folder);
	free(api);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct body *body = ctx;
	size_t n = size * count;

	if (n > BODY_MAX_BYTES - body->len)
		return 0;
	char *grown = realloc(body->data, body->len + n + 1);
	if (!grown)
		return 0;
	body->data = grown;
	memcpy(body->data + body->len, data, n);
	body->len += n;
	body->data[body->len] = '\0';
	return n;
}

/* The static libcurl speaks TCP only: it is handed a socket that is connected already. */
static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct api *api = ctx;
	int fd = dial(api->folder, API_SOCKET);

	(void)purpose;
	(void)address;
	api->connect_errno = fd < 0 ? -fd : 0;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	(void)ctx;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int no_answer(const struct api *api, CURLcode code, struct err *e)
{
	const char *why = *api->curl_error ? api->curl_error : curl_easy_strerror(code);
	struct stat st;

	if (api->connect_errno == EACCES && stat(api->folder, &st) == 0)
		return err_set(e, EACCES,
		    "this lab belongs to another user (number %u): work on it as that user, or as root (sudo)",
		    (unsigned)st.st_uid);
	if (api->connect_errno == EACCES)
		return err_set(e, EACCES,
		    "this lab belongs to another user, its folder %s is closed: work on it as that user, or as root (sudo)",
		    api->folder);
	return err_set(e, ECONNREFUSED,
	    "the lab's API at %s/" API_SOCKET
	    " does not answer (%s): is the lab up? `vmlab up` starts it",
	    api->folder, api->connect_errno ? strerror(api->connect_errno) : why);
}

/* What is asked. */
struct question {
	const char *method; /* NULL: GET */
	const char *text;   /* JSON that goes with it; NULL: none */
};

static void set_method(CURL *c, const struct question *q, struct curl_slist *json)
{
	if (!q->method)
		return;
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->text ? q->text : "");
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, q->text ? (long)strlen(q->text) : 0L);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
	if (json)
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, json);
}

static void free_list(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

/* 0 and the HTTP status, or -errno when there was no whole answer. */
static int request(struct api *api, const struct question *q, const char *path, struct body *body,
    long *status, struct err *e)
{
	/* Without this one a large text would wait for an answer that never comes. */
	_cleanup_(free_list) struct curl_slist *header =
	    q->text ? curl_slist_append(NULL, "Expect:") : NULL;
	_cleanup_free_ char *url = NULL;
	CURL *c = api->curl;

	/* An address: nothing is to be looked up, and nothing goes there. */
	if (asprintf(&url, "http://127.0.0.1%s", path) < 0) {
		url = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	curl_easy_reset(c);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 3000L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 15000L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, api->curl_error);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, api);
	curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, on_socket);
	set_method(c, q, header);
	api->curl_error[0] = '\0';
	api->connect_errno = 0;
	CURLcode code = curl_easy_perform(c);
	if (code == CURLE_WRITE_ERROR)
		return err_set(e, EPROTO, "the lab's API answers %s with more than 16 MiB", path);
	if (code != CURLE_OK)
		return no_answer(api, code, e);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
	return 0;
}

static int refusal(long status, const char *path, const json_t *doc, struct err *e)
{
	const char *sentence = json_string_value(json_object_get(doc, "error"));

	if (sentence)
		return err_set(e, status == 404 ? ENOENT : EREMOTEIO, "%s", sentence);
	return err_set(e, status == 404 ? ENOENT : EREMOTEIO,
	    "the lab's API answers %s with HTTP status %ld", path, status);
}

static void make_path(char path[PATH_ROOM], const char *format, va_list ap)
{
	strcpy(path, API_ROOT);
	vsnprintf(path + strlen(API_ROOT), PATH_ROOM - strlen(API_ROOT), format, ap);
}

static int exchange(struct api *api, const struct question *q, const char *format, va_list ap,
    json_t **out, struct err *e)
{
	char path[PATH_ROOM];
	struct body body = {0};
	json_error_t je;
	long status = 0;

	make_path(path, format, ap);
	int r = request(api, q, path, &body, &status, e);

	_cleanup_json_ json_t *doc =
	    r == 0 ? json_loadb(body.data ? body.data : "", body.len, 0, &je) : NULL;
	free(body.data);
	if (r < 0)
		return r;
	if (status < 200 || status > 299)
		return refusal(status, path, doc, e);
	if (!doc && out)
		return err_set(e, EPROTO,
		    "the lab's API answers %s with something that is not JSON (%s): `vmlab logs` shows the stack's log",
		    path, je.text);
	if (out)
		*out = steal_ptr(doc);
	return 0;
}

int api_get(struct api *api, json_t **out, struct err *e, const char *path, ...)
{
	va_list ap;

	va_start(ap, path);
	int r = exchange(api, &(struct question){NULL, NULL}, path, ap, out, e);
	va_end(ap);
	return r;
}

int api_post(struct api *api, json_t **out, struct err *e, const char *path, ...)
{
	va_list ap;

	va_start(ap, path);
	int r = exchange(api, &(struct question){"POST", NULL}, path, ap, out, e);
	va_end(ap);
	return r;
}

int api_post_json(
    struct api *api, const json_t *body, json_t **out, struct err *e, const char *path, ...)
{
	_cleanup_free_ char *text = json_dumps(body, JSON_COMPACT);
	va_list ap;

	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	va_start(ap, path);
	int r = exchange(api, &(struct question){"POST", text}, path, ap, out, e);
	va_end(ap);
	return r;
}

int api_delete(struct api *api, json_t **out, struct err *e, const char *path, ...)
{
	va_list ap;

	va_start(ap, path);
	int r = exchange(api, &(struct question){"DELETE", NULL}, path, ap, out, e);
	va_end(ap);
	return r;
}

int api_get_bytes(struct api *api, char **out, size_t *len, struct err *e, const char *format, ...)
{
	char path[PATH_ROOM];
	struct body body = {0};
	long status = 0;
	va_list ap;

	va_start(ap, format);
	make_path(path, format, ap);
	va_end(ap);
	int r = request(api, &(struct question){NULL, NULL}, path, &body, &status, e);
	if (r == 0 && status != 200) {
		_cleanup_json_ json_t *doc =
		    json_loadb(body.data ? body.data : "", body.len, 0, NULL);
		r = refusal(status, path, doc, e);
	}
	if (r == 0 && !body.data && !(body.data = strdup("")))
		r = err_set(e, ENOMEM, "out of memory");
	if (r < 0) {
		free(body.data);
		return r;
	}
	*out = body.data;
	*len = body.len;
	return 0;
}

int api_ready(struct api *api, struct err *e)
{
	struct body body = {0};
	long status = 0;
	int r = request(api, &(struct question){NULL, NULL}, "/readyz", &body, &status, e);

	if (r == 0 && status != 200) {
		size_t len = body.data ? strcspn(body.data, "\r\n") : 0;
		r = len > 0 ? err_set(e, EAGAIN, "%.*s", (int)(len < 600 ? len : 600), body.data)
			    : err_set(e, EAGAIN, "HTTP status %ld", status);
	}
	free(body.data);
	return r;
}
