/* What dnsmasq and its script leave behind, any bytes; the first one chooses: a lease file and,
 * behind a form feed, its journal; or, a line each, what a client says that has just got an
 * address. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "lib/net/lease_file.h"

static char *merged(const char *leases, const char *journal, size_t *len)
{
	struct err e = ERR_INIT;
	char *out;

	PROMISE(lease_file_merge(leases, journal, &out, len, &e) == 0);
	PROMISE(strlen(out) == *len && (*len == 0 || out[*len - 1] == '\n'));
	return out;
}

static void hear_files(char *text)
{
	char *leases = strsep(&text, "\f"), *journal = text ? text : "";
	size_t len, again_len, half_len, steps_len;
	_cleanup_free_ char *all = merged(leases, journal, &len);
	_cleanup_free_ char *again = merged(all, "", &again_len);
	_cleanup_free_ char *half = merged(leases, "", &half_len);
	_cleanup_free_ char *steps = merged(half, journal, &steps_len);

	PROMISE(strcmp(all, again) == 0);
	/* At once or one after the other, it is the same lines. */
	PROMISE(len == steps_len);
	PROMISE(strncmp(all, "del ", 4) != 0 && !strstr(all, "\ndel "));
}

/* The word of that number; "" where there are fewer. */
static const char *word(char *line, unsigned n)
{
	char *one;

	do
		one = strsep(&line, " ");
	while (one && n-- > 0);
	return one ? one : "";
}

/* An empty file that nobody else knows; gone at the end. */
static char journal_path[] = "/tmp/fuzz_lease_file.XXXXXX";

static void end(void)
{
	(void)unlink(journal_path);
}

static void begin(void)
{
	static int fd = -1;

	if (fd < 0) {
		PROMISE((fd = mkstemp(journal_path)) >= 0);
		atexit(end);
	}
	PROMISE(ftruncate(fd, 0) == 0);
}

static void hear_client(char *text)
{
	struct lease_told told = {.action = "add", .ip = "192.168.100.11", .ends = "7"};
	_cleanup_free_ char *journal = NULL;
	struct err e = ERR_INIT;
	size_t len;

	begin();
	told.mac = strsep(&text, "\n");
	told.name = strsep(&text, "\n");
	told.client_id = strsep(&text, "\n");
	if (text) {
		told.ip = "fd00::11";
		told.iaid = strsep(&text, "\n");
		told.server_duid = strsep(&text, "\n");
	}
	PROMISE(lease_file_note(journal_path, &told, &e) == 0);
	PROMISE(file_read(journal_path, LEASE_FILE_MAX_BYTES, &journal, &len, &e) == 0);
	if (len == 0)
		return;
	_cleanup_free_ char *all = merged("", journal, &len);
	char *line = strstr(all, "duid ") == all ? strchr(all, '\n') + 1 : all;
	PROMISE(strchr(line, '\n') == line + strlen(line) - 1);
	line[strlen(line) - 1] = '\0';
	for (unsigned i = 0; i < 6; i++) {
		_cleanup_free_ char *copy = strdup(line);
		PROMISE(copy);
		const char *found = word(copy, i);
		PROMISE((i < 5) == (*found != '\0'));
		PROMISE(i != 0 || strcmp(found, "7") == 0);
		PROMISE(i != 2 || strcmp(found, told.ip) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return -1;
	_cleanup_free_ char *text = promise_string(data + 1, size - 1);
	if (data[0] == 'f')
		hear_files(text);
	else if (data[0] == 'c')
		hear_client(text);
	else
		return -1;
	return 0;
}
