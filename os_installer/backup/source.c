#include "os_installer/backup/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zstd.h>

#include "os_installer/fetch/http.h"
#include "os_installer/fetch/patience.h"

#define TIMEOUT_S 30L
#define PATIENT_S 60 /* no longer: the address may be a wrong one */

struct look {
	uint8_t start[SOURCE_LOOK_BYTES];
	size_t len;
	uint64_t range_total;
	uint64_t size_bytes; /* 0: the server does not say it */
};

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	static const char name[] = "content-range:";
	struct look *l = ctx;
	size_t len = size * count;
	char line[100];

	if (len > sizeof(name) && len < sizeof(line) &&
	    strncasecmp(data, name, sizeof(name) - 1) == 0) {
		snprintf(line, sizeof(line), "%.*s", (int)len, data);
		if (sscanf(line + sizeof(name) - 1, " bytes %*u-%*u/%" SCNu64, &l->range_total) !=
		    1)
			l->range_total = 0;
	}
	return len;
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct look *l = ctx;
	size_t len = size * count, room = sizeof(l->start) - l->len;

	memcpy(l->start + l->len, data, len < room ? len : room);
	l->len += len < room ? len : room;
	return len < room ? len : 0; /* a server without ranges would send all of it */
}

static int check_url(const char *url, struct err *e)
{
	if (strncasecmp(url, "https://", 8) != 0 && strncasecmp(url, "http://", 7) != 0)
		return err_set(
		    e, EINVAL, "%s is no address that begins with http:// or https://", url);
	return 0;
}

uint64_t source_unpacked_bytes(const uint8_t *start, size_t len, uint64_t file_bytes)
{
	static const uint8_t zst[] = {0x28, 0xb5, 0x2f, 0xfd}, gz[] = {0x1f, 0x8b},
			     xz[] = {0xfd, '7', 'z', 'X', 'Z', 0};

	if (len >= sizeof(zst) && memcmp(start, zst, sizeof(zst)) == 0) {
		/* Of the first frame, which nearly always is the only one. */
		unsigned long long n = ZSTD_getFrameContentSize(start, len);
		return n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR ? 0 : n;
	}
	if ((len >= sizeof(gz) && memcmp(start, gz, sizeof(gz)) == 0) ||
	    (len >= sizeof(xz) && memcmp(start, xz, sizeof(xz)) == 0))
		return 0;
	return file_bytes;
}

/* One request. 0, or negative; then `passes` says whether another may go better. */
static int look_once(CURL *c, const char *url, struct look *l, bool *passes, struct err *e)
{
	long status = 0;

	memset(l, 0, sizeof(*l));
	CURLcode code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	*passes = http_problem_passes(code);
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && l->len == sizeof(l->start)))
		return err_set(e, EIO, "%s: %s", url, http_problem(code));
	*passes = patience_is_for(status);
	if (status != 200 && status != 206)
		return err_set(e, EPROTO, "%s: the server answered %ld", url, status);
	curl_off_t length = -1;
	curl_easy_getinfo(c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	l->size_bytes = status == 206 ? l->range_total : length > 0 ? (uint64_t)length : 0;
	return 0;
}

static int look(const char *url, struct look *l, struct err *e)
{
	CURL *c = http_handle_new(url);
	struct patience patience;
	char range[32];
	bool passes;
	int r;

	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	http_follow(c);
	snprintf(range, sizeof(range), "0-%u", SOURCE_LOOK_BYTES - 1);
	curl_easy_setopt(c, CURLOPT_RANGE, range);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, l);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, l);
	patience_begin(&patience, PATIENT_S);
	do
		r = look_once(c, url, l, &passes, e);
	while (r < 0 && passes && patience_rest(&patience, e->msg));
	curl_easy_cleanup(c);
	return r;
}

int source_look(const char *url, struct image_contents *out, struct err *e)
{
	struct look l;
	int r = check_url(url, e);

	memset(out, 0, sizeof(*out));
	if (r < 0 || (r = look(url, &l, e)) < 0)
		return r;
	out->size_bytes = l.size_bytes;
	if (out->size_bytes == 0)
		return err_set(e, EPROTO, "%s: the server does not say how long it is", url);
	out->chunk_bytes = IMAGE_CHUNK_BYTES;
	out->chunk_count = (out->size_bytes + out->chunk_bytes - 1) / out->chunk_bytes;
	out->unpacked_bytes = source_unpacked_bytes(l.start, l.len, out->size_bytes);
	return 0;
}
