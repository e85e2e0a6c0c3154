/* The part of server.h that is about answers: status, kinds of body, sending. */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "boot_handler/http/server_inside.h"

#define STREAM_BLOCK_BYTES ((size_t)64 * 1024)
#define LIVE_BLOCK_BYTES ((size_t)4 * 1024)
#define LIVE_SOCKET_BYTES (32 * 1024)

unsigned server_status(int r)
{
	switch (-r) {
	case 0:
		return MHD_HTTP_OK;
	case EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	case ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case EBUSY:
		return MHD_HTTP_CONFLICT;
	case EFBIG:
		return MHD_HTTP_CONTENT_TOO_LARGE;
	case EPERM:
		return MHD_HTTP_FORBIDDEN;
	case ESTALE:
		return MHD_HTTP_PRECONDITION_FAILED;
	case EBADMSG:
		return MHD_HTTP_UNPROCESSABLE_CONTENT;
	case EDQUOT:
		return MHD_HTTP_INSUFFICIENT_STORAGE;
	case EIO:
	case ENOSPC:
	case EACCES:
	case ETIMEDOUT:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

void server_answer_text(struct server_answer *a, const char *type, char *text)
{
	a->type = type;
	a->kind = SERVER_BODY_OWNED;
	a->body = text;
	a->len = text ? strlen(text) : 0;
}

void server_answer_error(struct server_answer *a, const struct endpoint_table *table,
    unsigned status, const char *sentence)
{
	char *text = NULL;

	a->status = status;
	if (table->error) {
		table->error(a, status, sentence);
	} else if (table->side == ENDPOINT_OPERATOR) {
		json_t *json = json_pack("{s:s}", "error", sentence);
		text = json_dumps(json, JSON_COMPACT);
		json_decref(json);
		server_answer_text(a, "application/json", text);
	} else if (asprintf(&text, "%s\n", sentence) >= 0) {
		server_answer_text(a, "text/plain; charset=utf-8", text);
	}
}

static ssize_t stream_read(void *ctx, uint64_t pos, char *buf, size_t size)
{
	struct server_answer *a = ctx;

	(void)pos;
	size_t n = a->stream(a->stream_ctx, buf, size);
	return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void stream_free(void *ctx)
{
	struct server_answer *a = ctx;

	a->stream_free(a->stream_ctx);
	free(a);
}

static ssize_t live_read(void *ctx, uint64_t pos, char *buf, size_t size)
{
	struct server_answer *a = ctx;

	(void)pos;
	size_t n = a->stream(a->stream_ctx, buf, size);
	if (n == SERVER_ASLEEP)
		return 0;
	return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

void server_line_sleep(struct server_line *line)
{
	MHD_suspend_connection((struct MHD_Connection *)line);
}

void server_line_wake(struct server_line *line)
{
	MHD_resume_connection((struct MHD_Connection *)line);
}

static struct MHD_Response *made_by(
    const struct server_answer *a, size_t block, MHD_ContentReaderCallback read)
{
	struct server_answer *copy = malloc(sizeof(*copy));
	struct MHD_Response *response = NULL;

	if (copy) {
		*copy = *a;
		response = MHD_create_response_from_callback(
		    MHD_SIZE_UNKNOWN, block, read, copy, stream_free);
	}
	if (!response) {
		a->stream_free(a->stream_ctx);
		free(copy);
	}
	return response;
}

static struct MHD_Response *streamed(
    struct MHD_Connection *connection, const struct server_answer *a)
{
	(void)connection;
	return made_by(a, STREAM_BLOCK_BYTES, stream_read);
}

/* There may be very many at once. */
static struct MHD_Response *live(struct MHD_Connection *connection, const struct server_answer *a)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const int bytes = LIVE_SOCKET_BYTES;

	/* What somebody does not read is the kernel's, which counts it as our memory. */
	if (info)
		(void)setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	a->stream_on(a->stream_ctx, (struct server_line *)connection);
	struct MHD_Response *response = made_by(a, LIVE_BLOCK_BYTES, live_read);
	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	return response;
}

static struct MHD_Response *copied(struct MHD_Connection *connection, const struct server_answer *a)
{
	(void)connection;
	return MHD_create_response_from_buffer(
	    a->body ? a->len : 0, (void *)a->body, MHD_RESPMEM_MUST_COPY);
}

static struct MHD_Response *owned(struct MHD_Connection *connection, const struct server_answer *a)
{
	(void)connection;
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    a->body ? a->len : 0, (void *)a->body, MHD_RESPMEM_MUST_FREE);

	if (!response)
		free((void *)a->body);
	return response;
}

/* How a body of each kind is sent. Takes over what the answer owns; NULL without memory. */
static struct MHD_Response *(*const kinds[])(
    struct MHD_Connection *connection, const struct server_answer *a) = {
    [SERVER_BODY_COPY] = copied,
    [SERVER_BODY_OWNED] = owned,
    [SERVER_BODY_STREAM] = streamed,
    [SERVER_BODY_LIVE] = live,
};

enum MHD_Result server_send(struct MHD_Connection *connection, const struct server_answer *a,
    const char *name, const char *value)
{
	struct MHD_Response *response = kinds[a->kind](connection, a);

	if (!response) {
		free(a->own_value);
		return MHD_NO;
	}
	for (const struct server_header *h = a->headers; h && h->name; h++)
		MHD_add_response_header(response, h->name, h->value);
	if (a->own_name && a->own_value)
		MHD_add_response_header(response, a->own_name, a->own_value);
	free(a->own_value);
	if (a->type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	if (name)
		MHD_add_response_header(response, name, value);
	enum MHD_Result sent = MHD_queue_response(connection, a->status, response);
	MHD_destroy_response(response);
	return sent;
}

enum MHD_Result server_send_error(const struct exchange *x, struct MHD_Connection *connection,
    unsigned status, const char *sentence, const char *name, const char *value)
{
	struct server_answer a = {0};

	server_answer_error(&a, x->table, status, sentence);
	return server_send(connection, &a, name, value);
}
