/* test_installer.c - the program itself: what it says of a configuration, and an image fetched from
 * a server and unpacked into a folder (--no-disk), with each thing that can be wrong on the way.
 * What writes to a disk needs one: tests/installer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <archive.h>
#include <archive_entry.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "lib/base/test_program.h"

#define INSTALLER "os_installer/os-installer "
#define ARCHIVE_MAX (1 << 20)
#define FILE_BYTES 200000

static char folder[] = "/tmp/test_installer.XXXXXX";
static uint8_t archive[ARCHIVE_MAX];
static size_t archive_size;
static char config[4096], told[65536];
static struct {
	int listener;
	char url[64];
	pthread_t thread;
	const char *seed; /* of /cloud-init/; NULL: there is none */
	bool flipped;     /* a wrong bit in the archive */
} server;

/* ---- the server
 * --------------------------------------------------------------------------------*/

static void answer(int fd, int status, const void *body, size_t len)
{
	char head[200];
	int n = snprintf(head, sizeof(head),
	    "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\nETag: \"1\"\r\n\r\n",
	    status, len);

	if (send(fd, head, (size_t)n, MSG_NOSIGNAL) < 0)
		return;
	for (size_t at = 0; at < len;) {
		ssize_t sent = send(fd, (const char *)body + at, len - at, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		at += (size_t)sent;
	}
}

static void serve_one(int fd)
{
	char request[16384] = "";
	size_t used = 0;
	const char *body = NULL, *length;
	ssize_t n;

	while ((n = recv(fd, request + used, sizeof(request) - 1 - used, 0)) > 0) {
		request[used += (size_t)n] = '\0';
		body = strstr(request, "\r\n\r\n");
		length = strcasestr(request, "Content-Length: ");
		if (body && (!length || strlen(body + 4) >= strtoul(length + 16, NULL, 10)))
			break;
	}
	if (strncmp(request, "GET /config/", 12) == 0) {
		answer(fd, 200, config, strlen(config));
	} else if (strncmp(request, "GET /rootfs", 11) == 0) {
		archive[archive_size / 2] ^= server.flipped;
		answer(fd, 200, archive, archive_size);
		archive[archive_size / 2] ^= server.flipped;
	} else if (strncmp(request, "POST /report/", 13) == 0) {
		strncat(told, body + 4, sizeof(told) - strlen(told) - 1);
		answer(fd, 204, "", 0);
	} else if (strstr(request, "-data HTTP") && server.seed) {
		answer(fd, 200, server.seed, strlen(server.seed));
	} else {
		answer(fd, 404, "not here\n", 9);
	}
}

static void *serve(void *ctx)
{
	int fd;

	while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
		serve_one(fd);
		close(fd);
	}
	return ctx;
}

/* ---- the image
 * ---------------------------------------------------------------------------------*/

static void add(struct archive *a, const char *path, unsigned type, const void *data, size_t size)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, path);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, type == AE_IFDIR ? 0755 : 0644);
	archive_entry_set_size(e, (la_int64_t)size);
	assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
	if (size)
		assert_int_equal(archive_write_data(a, data, size), size);
	archive_entry_free(e);
}

static void make_archive(void)
{
	struct archive *a = archive_write_new();
	uint8_t *noise = malloc(FILE_BYTES);

	assert_non_null(noise);
	for (size_t i = 0; i < FILE_BYTES; i++)
		noise[i] = (uint8_t)(i * 2654435761U >> 13);
	archive_write_set_format_pax_restricted(a);
	archive_write_add_filter_zstd(a);
	assert_int_equal(
	    archive_write_open_memory(a, archive, sizeof(archive), &archive_size), ARCHIVE_OK);
	add(a, "etc", AE_IFDIR, NULL, 0);
	add(a, "etc/hostname", AE_IFREG, "image\n", 6);
	add(a, "noise", AE_IFREG, noise, FILE_BYTES);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	free(noise);
}

static void configure(const char *more, unsigned entries)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char hex[2 * SHA256_DIGEST_SIZE + 1];
	struct sha256_ctx ctx;
	struct utsname u;

	sha256_init(&ctx);
	sha256_update(&ctx, archive_size, archive);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	assert_int_equal(uname(&u), 0);
	snprintf(config, sizeof(config),
	    "{\"format\":1,\"name\":\"web1\",\"hostname\":\"web1\",\"mac\":\"52:54:00:00:00:11\",\"arch\":\"%s\","
	    "\"rootfs_url\":\"%s/rootfs.tar.zst\",\"report_url\":\"%s/report/52:54:00:00:00:11\"%s,"
	    "\"rootfs\":{\"format\":\"tar.zst\",\"size_bytes\":%zu,\"sha256\":\"%s\",\"unpacked_bytes\":%d,"
	    "\"entries\":%u,\"chunk_bytes\":4194304,\"chunks\":[\"%s\"]}}",
	    u.machine, server.url, server.url, more, archive_size, hex, FILE_BYTES + 6, entries,
	    hex);
	told[0] = '\0';
}

static int set_up(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);

	(void)state;
	assert_non_null(mkdtemp(folder));
	make_archive();
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(server.listener, 16), 0);
	assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &len), 0);
	snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
	folder_remove(folder);
	return 0;
}

/* ---- tests
 * -------------------------------------------------------------------------------------*/

static void unpack(int status, const char *sentence)
{
	char target[PATH_MAX];

	if (geteuid() != 0) {
		printf("skipped: unpacking needs root\n");
		skip();
	}
	snprintf(target, sizeof(target), "%s/target", folder);
	folder_remove(target);
	assert_int_equal(mkdir(target, 0755), 0);
	expect_program(status, sentence,
	    INSTALLER "--verbose --no-disk --directory %s --config-url %s/config/52:54:00:00:00:11",
	    target, server.url);
}

static void an_image_is_fetched_verified_and_unpacked(void **state)
{
	(void)state;
	configure("", 3);
	unpack(0, "rootfs unpacked entries=3 bytes=200006");
	file_comes_to_say(folder, "target/etc/hostname", "image", true);
	assert_non_null(strstr(told, "\"phase\":\"network\",\"status\":\"done\""));
	/* What waits when the program ends is not sent: the last phase's end may be dropped. */
	assert_non_null(strstr(told, "\"phase\":\"config\",\"status\":\"done\""));
}

static void what_is_wrong_is_told_with_a_hint(void **state)
{
	(void)state;
	configure("", 4);
	unpack(1, "the archive holds 3 entries with 200006 bytes where its manifest says 4");
	assert_non_null(strstr(told, "\"status\":\"failed\""));
	assert_non_null(
	    strstr(told, "\"hint\":\"if the archive does not match its manifest, build"));
	configure(",\"format\":2", 3);
	unpack(1, "install failed in phase config: ");
	configure("", 3);
	snprintf(strstr(config, "\"arch\":"), 16, "\"arch\":\"mips\",\"");
	unpack(1, "phase config");
	configure("", 3);
	server.flipped = true;
	unpack(1, "wrong SHA-256");
	server.flipped = false;
	assert_non_null(strstr(told, "\"phase\":\"rootfs\",\"status\":\"failed\""));
}

/* Before anything is erased: without its documents the system would be of no use. */
static void cloud_inits_documents_come_first(void **state)
{
	char more[200];

	(void)state;
	snprintf(more, sizeof(more), ",\"cloud_init_url\":\"%s/cloud-init/web1\"", server.url);
	configure(more, 3);
	server.seed = "{}";
	unpack(0, "rootfs unpacked");
	server.seed = NULL;
	unpack(1, "install failed in phase config");
	assert_non_null(strstr(told, "cloud-init/web1"));
}

static void a_configuration_is_checked_and_its_layout_shown(void **state)
{
	(void)state;
	configure("", 3);
	file_says(folder, "config.json", config);
	expect_program(0, "config.json: good", INSTALLER "--check %s/config.json", folder);
	expect_program(0, "vfat", INSTALLER "--plan %s/config.json --disk-size 20G", folder);
	expect_program(1, "too small", INSTALLER "--plan %s/config.json --disk-size 100M", folder);
	configure(",\"surprise\":1", 3);
	file_says(folder, "config.json", config);
	expect_program(0, "config.json: warning: ", INSTALLER "--check %s/config.json", folder);
	file_says(folder, "config.json", "{\n  \"arch\": }");
	expect_program(1, "config.json:2:", INSTALLER "--check %s/config.json", folder);
	expect_program(
	    1, "config.json:2:", INSTALLER "--plan %s/config.json --disk-size 20G", folder);
	expect_program(1, "/no/such", INSTALLER "--check /no/such");
}

static void usage_is_explained(void **state)
{
	static const struct {
		int status;
		const char *words, *says;
	} cases[] = {
	    {0, "--help", "usage: os-installer [options]"},
	    {0, "--version", "os-installer "},
	    {2, "--nonsense", "usage: "},
	    {2, "more", "usage: "},
	    {2, "--plan /tmp/x", "usage: "},
	    {2, "--plan /tmp/x --disk-size much", "--disk-size much is no size such as 20G"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_program(cases[i].status, cases[i].says, INSTALLER "%s", cases[i].words);
	expect_program(geteuid() == 0 ? 2 : 1,
	    geteuid() == 0 ? "the kernel's command line has no config_url=" : "has to run as root",
	    INSTALLER "--no-reboot");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_image_is_fetched_verified_and_unpacked),
	    cmocka_unit_test(what_is_wrong_is_told_with_a_hint),
	    cmocka_unit_test(cloud_inits_documents_come_first),
	    cmocka_unit_test(a_configuration_is_checked_and_its_layout_shown),
	    cmocka_unit_test(usage_is_explained),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
