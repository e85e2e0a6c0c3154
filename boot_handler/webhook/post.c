#include "boot_handler/webhook/post.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/text.h"

#define ANSWER_MAX ((size_t)64 * 1024) /* of what is thrown away */
#define WAIT_MS 1000

struct post {
	CURLM *multi;         /* with the connection that is kept */
	pthread_mutex_t lock; /* of `multi` as post_cancel() sees it */
	atomic_bool cancelled;
};

int post_prepare(struct err *e)
{
	return curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK
		   ? 0
		   : err_set(e, EIO, "libcurl cannot be set up");
}

int post_new(struct post **out, struct err *e)
{
	struct post *p = calloc(1, sizeof(*p));

	if (!p || !(p->multi = curl_multi_init())) {
		free(p);
		return err_set(e, ENOMEM, "out of memory");
	}
	pthread_mutex_init(&p->lock, NULL);
	*out = p;
	return 0;
}

void post_free(struct post *p)
{
	if (!p)
		return;
	curl_multi_cleanup(p->multi);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void post_cancel(struct post *p)
{
	atomic_store(&p->cancelled, true);
	pthread_mutex_lock(&p->lock);
	curl_multi_wakeup(p->multi);
	pthread_mutex_unlock(&p->lock);
}

void post_rest(struct post *p)
{
	CURLM *fresh = curl_multi_init();

	if (!fresh)
		return;
	pthread_mutex_lock(&p->lock);
	CURLM *used = p->multi;
	p->multi = fresh;
	pthread_mutex_unlock(&p->lock);
	curl_multi_cleanup(used);
}

/* ---- the answer -------------------------------------------------------------------------- */

struct said {
	char begin[120]; /* of the body */
	size_t len;
	size_t received;
};

static size_t take(char *data, size_t size, size_t count, void *ctx)
{
	struct said *said = ctx;
	size_t n = size * count, room = sizeof(said->begin) - 1 - said->len;

	memcpy(said->begin + said->len, data, n < room ? n : room);
	said->len += n < room ? n : room;
	said->received += n;
	return said->received > ANSWER_MAX ? CURL_WRITEFUNC_ERROR : n;
}

static const char *problem(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return "no connection to the receiver";
	case CURLE_COULDNT_RESOLVE_HOST:
		return "the receiver's name cannot be resolved";
	case CURLE_OPERATION_TIMEDOUT:
		return "the receiver did not answer in time";
	case CURLE_GOT_NOTHING:
		return "the receiver closed the connection without an answer";
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_TOO_LARGE:
		return "what answers there speaks no HTTP";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "the receiver's certificate is of no authority known here, or for another name, or not valid now";
	case CURLE_SSL_CACERT_BADFILE:
		return "the certificates of the authorities cannot be read";
	case CURLE_SSL_CONNECT_ERROR:
		return "no TLS connection could be agreed on with the receiver";
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return "the connection broke off";
	default:
		return curl_easy_strerror(code);
	}
}

/* Of what is no 2xx. */
static void put_refusal(const struct said *said, struct post_answer *answer)
{
	char line[sizeof(said->begin)];

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(said->begin, "\r\n"), said->begin);
	text_clean_string(line, "");
	if (answer->status >= 300 && answer->status < 400)
		snprintf(answer->error, sizeof(answer->error),
		    "the receiver leads elsewhere (HTTP %u), which is not followed: give that URL instead",
		    answer->status);
	else
		snprintf(answer->error, sizeof(answer->error), "the receiver answers HTTP %u%s%s",
		    answer->status, *line ? ": " : "", line);
}

static void note_answer(CURL *c, CURLcode code, const struct said *said, struct post_answer *answer)
{
	curl_off_t after = 0;
	long status = 0;

	/* An answer that is too long is one all the same. */
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && said->received > ANSWER_MAX)) {
		snprintf(answer->error, sizeof(answer->error), "%s", problem(code));
		return;
	}
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &after);
	answer->status = (unsigned)status;
	answer->retry_after_s = after;
	if (status < 200 || status > 299)
		put_refusal(said, answer);
}

/* ---- the request ------------------------------------------------------------------------- */

static struct curl_slist *header_list(const char *const *headers)
{
	struct curl_slist *list = NULL;

	for (; *headers; headers++) {
		struct curl_slist *longer = curl_slist_append(list, *headers);
		if (!longer) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = longer;
	}
	return list;
}

static void set_up(CURL *c, const char *url, const char *authorities, struct said *said)
{
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CAINFO, authorities);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)POST_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)POST_TIMEOUT_MS);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "vmlab/" VMLAB_VERSION);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, said);
}

/* CURLE_ABORTED_BY_CALLBACK: it was cancelled. */
static CURLcode run(struct post *p)
{
	int running = 1, left;

	while (running && !atomic_load(&p->cancelled)) {
		if (curl_multi_perform(p->multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (running)
			curl_multi_poll(p->multi, NULL, 0, WAIT_MS, NULL);
	}
	const CURLMsg *m = running ? NULL : curl_multi_info_read(p->multi, &left);
	return m && m->msg == CURLMSG_DONE ? m->data.result : CURLE_ABORTED_BY_CALLBACK;
}

void post_send(struct post *p, const char *url, const char *authorities, const char *const *headers,
    const char *body, size_t len, struct post_answer *answer)
{
	CURL *c = curl_easy_init();
	struct curl_slist *list = header_list(headers);
	struct said said = {.len = 0};

	*answer = (struct post_answer){.status = 0};
	if (c && list && curl_multi_add_handle(p->multi, c) == CURLM_OK) {
		set_up(c, url, authorities, &said);
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
		note_answer(c, run(p), &said, answer);
		curl_multi_remove_handle(p->multi, c);
	} else {
		snprintf(answer->error, sizeof(answer->error), "out of memory");
	}
	curl_slist_free_all(list);
	curl_easy_cleanup(c);
}
