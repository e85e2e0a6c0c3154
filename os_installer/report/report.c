#include "os_installer/report/report.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "os_installer/fetch/http.h"
#include "os_installer/report/journal.h"

#define QUEUE_LENGTH 32
#define SEND_TIMEOUT_S 5
#define FAILURE_PATIENCE_S 120

struct report {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	char *url;                 /* NULL: nothing is sent */
	char *queue[QUEUE_LENGTH]; /* bodies */
	unsigned first, count;
	uint64_t disk_bytes; /* 0: not known yet */
	char *latest;        /* progress not yet sent, or NULL */
	bool stop;
};

/* ---- thread ------------------------------------------------------------------------------------
 */

static void send_one(const char *url, const char *body)
{
	struct err e = ERR_INIT;
	int status = http_post_json(url, body, SEND_TIMEOUT_S, &e);

	if (status < 0)
		log_debug("report not delivered: %s", e.msg);
	else if (status >= 300)
		log_debug("report refused status=%d", status);
}

static void *sender(void *ctx)
{
	struct report *r = ctx;

	pthread_mutex_lock(&r->mutex);
	while (!r->stop) {
		char *body = NULL;
		if (r->count > 0) {
			body = r->queue[r->first];
			r->first = (r->first + 1) % QUEUE_LENGTH;
			r->count--;
		} else if (r->latest) {
			body = r->latest;
			r->latest = NULL;
		}
		if (!body) {
			pthread_cond_wait(&r->wake, &r->mutex);
			continue;
		}
		char *url = r->url ? strdup(r->url) : NULL;
		pthread_mutex_unlock(&r->mutex);
		if (url)
			send_one(url, body);
		free(url);
		free(body);
		pthread_mutex_lock(&r->mutex);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

int report_start(const char *url, struct report **out, struct err *e)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r || (url && !(r->url = strdup(url)))) {
		free(r);
		return err_set(e, ENOMEM, "out of memory");
	}
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->wake, NULL);
	int code = pthread_create(&r->thread, NULL, sender, r);
	if (code) {
		free(r->url);
		free(r);
		return err_set(e, code, "cannot start a thread");
	}
	*out = r;
	return 0;
}

static void queue_clear(struct report *r)
{
	for (; r->count > 0; r->count--) {
		free(r->queue[r->first]);
		r->first = (r->first + 1) % QUEUE_LENGTH;
	}
	free(r->latest);
	r->latest = NULL;
}

void report_stop(struct report *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
	pthread_join(r->thread, NULL);
	queue_clear(r);
	free(r->url);
	free(r);
}

void report_set_url(struct report *r, const char *url)
{
	char *copy = url ? strdup(url) : NULL;

	pthread_mutex_lock(&r->mutex);
	free(r->url);
	r->url = copy;
	pthread_mutex_unlock(&r->mutex);
}

/* ---- bodies ------------------------------------------------------------------------------------
 */

static char *body_dump(json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

void report_set_disk(struct report *r, uint64_t bytes)
{
	pthread_mutex_lock(&r->mutex);
	r->disk_bytes = bytes;
	pthread_mutex_unlock(&r->mutex);
}

void report_phase(struct report *r, const char *phase, bool done)
{
	json_t *json = json_pack("{s:s, s:s}", "phase", phase, "status", done ? "done" : "running");

	pthread_mutex_lock(&r->mutex);
	if (r->disk_bytes)
		json_object_set_new(json, "disk_bytes", json_integer((json_int_t)r->disk_bytes));
	pthread_mutex_unlock(&r->mutex);
	char *body = body_dump(json);

	if (!body)
		return;
	pthread_mutex_lock(&r->mutex);
	/* Byte counts of an earlier phase must not arrive after this. */
	free(r->latest);
	r->latest = NULL;
	if (r->count < QUEUE_LENGTH) {
		r->queue[(r->first + r->count++) % QUEUE_LENGTH] = body;
		body = NULL;
	}
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
	free(body);
}

void report_progress(struct report *r, const char *phase, const struct report_bytes *b)
{
	char *body = body_dump(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "phase", phase, "status",
	    "running", "bytes", (json_int_t)b->bytes, "total_bytes", (json_int_t)b->total_bytes,
	    "rate_bytes_per_s", (json_int_t)b->rate_bytes_per_s, "eta_s", (json_int_t)b->eta_s));

	pthread_mutex_lock(&r->mutex);
	free(r->latest);
	r->latest = body;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->mutex);
}

/* ---- the final ones ----------------------------------------------------------------------------
 */

/* Sends in the caller's thread. 2xx is success; 4xx will not get better. */
static int send_final(struct report *r, const char *body, unsigned patience_s, struct err *e)
{
	unsigned wait_s = 1;

	pthread_mutex_lock(&r->mutex);
	queue_clear(r);
	pthread_mutex_unlock(&r->mutex);
	if (!r->url)
		return 0;
	int64_t deadline = monotonic_ms() + patience_s * 1000LL;
	for (unsigned n = 1;; n++) {
		int status = http_post_json(r->url, body, SEND_TIMEOUT_S, e);
		if (status >= 200 && status < 300)
			return 0;
		if (status > 0)
			err_set(e, EPROTO, "%s: the server answered %d", r->url, status);
		if (monotonic_ms() >= deadline || (status >= 400 && status < 500 && n >= 3))
			return e ? -e->code : -EIO;
		log_warn("report not delivered, trying again retry_s=%u", wait_s);
		sleep(wait_s);
		wait_s = wait_s < 10 ? wait_s * 2 : 10;
	}
}

int report_success(struct report *r, const struct marker *found, unsigned patience_s, struct err *e)
{
	char *log = journal_text();
	json_t *json = json_pack(
	    "{s:s, s:s, s:s}", "phase", "report", "status", "done", "log", log ? log : "");
	if (json && found)
		json_object_update_new(json, json_pack("{s:b, s:I}", "already_installed", 1,
						 "attempt", (json_int_t)found->attempt));
	char *body = body_dump(json);
	int rc = -ENOMEM;

	free(log);
	if (!body)
		err_set(e, ENOMEM, "out of memory");
	else
		rc = send_final(r, body, patience_s, e);
	free(body);
	return rc;
}

int report_failure(
    struct report *r, const char *phase, const char *message, const char *hint, struct err *e)
{
	char *log = journal_text();
	char reason[sizeof(e->msg)];
	/* JSON wants UTF-8, and what a server or a disk said may be anything. */
	snprintf(reason, sizeof(reason), "%s", message);
	text_to_ascii(reason, strlen(reason));
	char *body = body_dump(json_pack("{s:s, s:s, s:s, s:s, s:s}", "phase", phase, "status",
	    "failed", "message", reason, "hint", hint ? hint : "", "log", log ? log : ""));
	int rc = -ENOMEM;

	free(log);
	if (!body)
		err_set(e, ENOMEM, "out of memory");
	else
		rc = send_final(r, body, FAILURE_PATIENCE_S, e);
	free(body);
	return rc;
}
