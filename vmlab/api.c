#include "vmlab/api.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define BODY_MAX_BYTES (16 * 1024 * 1024)

struct api {
	CURL *curl;
	int port;
	char curl_error[CURL_ERROR_SIZE];
};

struct body {
	char *data;
	size_t len;
};

int api_new(int port, struct api **out, struct err *e)
{
	struct api *api = calloc(1, sizeof(*api));

	if (api)
		api->curl = curl_easy_init();
	if (!api || !api->curl) {
		free(api);
		return err_set(e, ENOMEM, "cannot set up an HTTP client: out of memory");
	}
	api->port = port;
	*out = api;
	return 0;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	curl_easy_cleanup(api->curl);
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

/* 0 and the HTTP status, or -errno when there was no whole answer. */
static int request(
    struct api *api, bool post, const char *path, struct body *body, long *status, struct err *e)
{
	_cleanup_free_ char *url = NULL;
	CURL *c = api->curl;

	if (asprintf(&url, "http://127.0.0.1:%d%s", api->port, path) < 0) {
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
	if (post) {
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L);
	}
	api->curl_error[0] = '\0';
	CURLcode code = curl_easy_perform(c);
	if (code == CURLE_WRITE_ERROR)
		return err_set(e, EPROTO, "%s answers with more than 16 MiB", url);
	if (code != CURLE_OK)
		return err_set(e, ECONNREFUSED,
		    "the lab's API at http://127.0.0.1:%d does not answer (%s): is the lab up? "
		    "`vmlab up` starts it",
		    api->port, *api->curl_error ? api->curl_error : curl_easy_strerror(code));
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

static int exchange(struct api *api, bool post, const char *path, json_t **out, struct err *e)
{
	struct body body = {0};
	json_error_t je;
	long status = 0;
	int r = request(api, post, path, &body, &status, e);

	_cleanup_json_ json_t *doc =
	    r == 0 ? json_loadb(body.data ? body.data : "", body.len, 0, &je) : NULL;
	free(body.data);
	if (r < 0)
		return r;
	if (status < 200 || status > 299)
		return refusal(status, path, doc, e);
	if (!doc)
		return err_set(e, EPROTO,
		    "the answer to %s on port %d is not JSON (%s): is another program listening "
		    "there? Choose another port with --port",
		    path, api->port, je.text);
	if (out)
		*out = steal_ptr(doc);
	return 0;
}

int api_get(struct api *api, const char *path, json_t **out, struct err *e)
{
	return exchange(api, false, path, out, e);
}

int api_post(struct api *api, const char *path, json_t **out, struct err *e)
{
	return exchange(api, true, path, out, e);
}

int api_ready(struct api *api, struct err *e)
{
	struct body body = {0};
	long status = 0;
	int r = request(api, false, "/readyz", &body, &status, e);

	if (r == 0 && status != 200) {
		size_t len = body.data ? strcspn(body.data, "\r\n") : 0;
		r = len > 0 ? err_set(e, EAGAIN, "%.*s", (int)(len < 600 ? len : 600), body.data)
			    : err_set(e, EAGAIN, "HTTP status %ld", status);
	}
	free(body.data);
	return r;
}
