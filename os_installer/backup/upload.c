#include "os_installer/backup/upload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/base/text.h"
#include "os_installer/fetch/http.h"
#include "os_installer/fetch/patience.h"

#define STALL_S 60L
#define THINKING_S 900L /* it may read all that it has */
#define ANSWER_MAX_BYTES (4U << 20)
#define WRONG_MAX 5 /* arrivals of one slice with another sum */
#define URL_SIZE 1400

struct upload {
	char url[1200];
	CURL *c;
	struct curl_slist *headers;
	char *body; /* of the answer */
	size_t len;
	long status;
	unsigned retries;
	const char *hint;
};

static size_t body_take(char *data, size_t size, size_t count, void *ctx)
{
	struct upload *u = ctx;
	size_t len = size * count;

	if (u->len + len > ANSWER_MAX_BYTES)
		return 0;
	char *grown = realloc(u->body, u->len + len + 1);
	if (!grown)
		return 0;
	memcpy(grown + u->len, data, len);
	u->body = grown;
	u->len += len;
	u->body[u->len] = '\0';
	return len;
}

int upload_new(const char *url, struct upload **out, struct err *e)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (!u || !(u->c = http_handle_new(url))) {
		free(u);
		return err_set(e, ENOMEM, "out of memory");
	}
	snprintf(u->url, sizeof(u->url), "%s", url);
	u->hint = "";
	u->headers = curl_slist_append(NULL, "Expect:");
	u->headers = curl_slist_append(u->headers, "Content-Type: application/octet-stream");
	curl_easy_setopt(u->c, CURLOPT_HTTPHEADER, u->headers);
	curl_easy_setopt(u->c, CURLOPT_WRITEFUNCTION, body_take);
	curl_easy_setopt(u->c, CURLOPT_WRITEDATA, u);
	curl_easy_setopt(u->c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	*out = u;
	return 0;
}

void upload_free(struct upload *u)
{
	if (!u)
		return;
	curl_easy_cleanup(u->c);
	curl_slist_free_all(u->headers);
	free(u->body);
	free(u);
}

unsigned upload_retries(const struct upload *u)
{
	return u->retries;
}

const char *upload_hint(const struct upload *u)
{
	return u->hint;
}

/* ---- one request --------------------------------------------------------------------------- */

enum verdict { GOOD, AGAIN, LACKS, WRONG, OVER };

static enum verdict judge(struct upload *u, CURLcode code, const char *url, struct err *e)
{
	char said[400];

	if (code != CURLE_OK) {
		err_set(e, EIO, "%s: %s", url, http_problem(code));
		return AGAIN;
	}
	if (u->status >= 200 && u->status < 300)
		return GOOD;
	text_copy_clean(u->body ? u->body : "", said, sizeof(said));
	err_set(e, EPROTO, "the server answered %ld: %s", u->status, said);
	switch (u->status) {
	case 409:
		e->code = ECANCELED;
		return OVER;
	case 412:
		return LACKS;
	case 422:
		return WRONG;
	case 507:
		e->code = ENOSPC;
		u->hint =
		    "make room where the stack keeps its state, or back up to another server, then give the order again";
		return OVER;
	default:
		return patience_is_for(u->status) ? AGAIN : OVER;
	}
}

/* `method` NULL: GET. */
static enum verdict once(struct upload *u, const char *url, const char *method, const void *data,
    size_t len, long quiet_s, struct err *e)
{
	free(u->body);
	u->body = NULL;
	u->len = 0;
	u->status = 0;
	curl_easy_setopt(u->c, CURLOPT_URL, url);
	curl_easy_setopt(u->c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(u->c, CURLOPT_LOW_SPEED_TIME, quiet_s);
	if (method) {
		curl_easy_setopt(u->c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
		curl_easy_setopt(u->c, CURLOPT_POSTFIELDS, data);
	} else {
		curl_easy_setopt(u->c, CURLOPT_HTTPGET, 1L);
	}
	CURLcode code = curl_easy_perform(u->c);
	curl_easy_getinfo(u->c, CURLINFO_RESPONSE_CODE, &u->status);
	return judge(u, code, url, e);
}

static int ask(struct upload *u, const char *url, const char *method, const void *data, size_t len,
    long quiet_s, struct err *e)
{
	struct patience patience;
	unsigned wrong = 0;

	patience_begin(&patience, PATIENCE_S);
	for (;;) {
		switch (once(u, url, method, data, len, quiet_s, e)) {
		case GOOD:
			return 0;
		case LACKS:
			return UPLOAD_AGAIN;
		case OVER:
			return -e->code;
		case WRONG:
			if (++wrong == WRONG_MAX)
				return -e->code;
			break;
		case AGAIN:
			break;
		}
		if (!patience_rest(&patience, e->msg))
			return err_wrap(e, "nothing went for %d s", PATIENCE_S);
		u->retries++;
	}
}

/* ---- what is asked ------------------------------------------------------------------------- */

/* A sum a line. */
static int sums_parse(const char *text, struct digest **out, size_t *count, struct err *e)
{
	const size_t line = 2 * DIGEST_BYTES + 1;
	size_t n = strlen(text) / line;

	if (strlen(text) != n * line || n > UPLOAD_SLICES_MAX)
		return err_set(e, EPROTO, "what the server says of the slices it has is no list");
	_cleanup_free_ struct digest *sums = calloc(n + 1, sizeof(*sums));
	if (!sums)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		char hex[2 * DIGEST_BYTES + 1] = "";
		memcpy(hex, text + i * line, line - 1);
		if (text[i * line + line - 1] != '\n' ||
		    !hex_decode(hex, sums[i].byte, DIGEST_BYTES))
			return err_set(
			    e, EPROTO, "what the server says of the slices it has is no list");
	}
	*out = steal_ptr(sums);
	*count = n;
	return 0;
}

int upload_have(struct upload *u, struct digest **sums, size_t *count, struct err *e)
{
	int r = ask(u, u->url, NULL, NULL, 0, THINKING_S, e);

	if (r > 0)
		return err_set(e, EPROTO, "the server answered %ld", u->status);
	return r < 0 ? r : sums_parse(u->body ? u->body : "", sums, count, e);
}

int upload_slice(struct upload *u, uint64_t number, const struct digest *sum, const void *data,
    size_t len, struct err *e)
{
	char url[URL_SIZE], hex[2 * DIGEST_BYTES + 1];

	snprintf(url, sizeof(url), "%s/slice/%" PRIu64 "?sha256=%s", u->url, number,
	    hex_encode(sum->byte, DIGEST_BYTES, hex));
	return ask(u, url, "PUT", data, len, STALL_S, e);
}

int upload_finish(struct upload *u, const json_t *what, struct err *e)
{
	_cleanup_free_ char *body = json_dumps(what, JSON_COMPACT);
	char url[URL_SIZE];

	if (!body)
		return err_set(e, ENOMEM, "out of memory");
	snprintf(url, sizeof(url), "%s/manifest", u->url);
	return ask(u, url, "PUT", body, strlen(body), THINKING_S, e);
}
