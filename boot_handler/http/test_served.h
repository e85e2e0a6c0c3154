/* test_served.h - for tests: the handlers over a folder of their own, behind both listeners where a
 * test starts them, and a small client. One such server a program. */
#ifndef BOOT_HANDLER_HTTP_TEST_SERVED_H
#define BOOT_HANDLER_HTTP_TEST_SERVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot_handler/http/call.h"
#include "boot_handler/http/guest.h"
#include "boot_handler/http/metrics.h"
#include "boot_handler/http/operator.h"
#include "boot_handler/http/server.h"
#include "boot_handler/http/services.h"
#include "boot_handler/http/stream.h"
#include "boot_handler/pages/pages.h"
#include "lib/base/test_file.h"

static char dir[] = "/tmp/test_served.XXXXXX";
static struct services services;
static struct server *guest, *operators;

/* What the services and listeners go on using. */
static char served_vms[40], served_images[40], served_listen[2][60];

/* Makes the folder, for the definitions and images that are there from the first. */
static inline void served_make(void)
{
	assert_non_null(mkdtemp(dir));
	snprintf(served_vms, sizeof(served_vms), "%s/vms", dir);
	snprintf(served_images, sizeof(served_images), "%s/images", dir);
	assert_int_equal(mkdir(served_vms, 0755), 0);
	assert_int_equal(mkdir(served_images, 0755), 0);
}

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE_OF(file) "{\"file\":\"" file "\",\"size_bytes\":5,\"sha256\":\"" SHA "\""

/* The image debian-13 for amd64, whole. */
static inline void make_image(void)
{
	write_in(dir, "images/debian-13/amd64/r.tar", "12345");
	write_in(dir, "images/debian-13/amd64/vmlinuz", "12345");
	write_in(dir, "images/debian-13/amd64/modules.cpio.zst", "12345");
	write_in(dir, "images/debian-13/amd64/manifest.json",
	    "{\"format\":1,\"distro\":\"debian-13\",\"arch\":\"amd64\",\"kernel_version\":\"6.12\","
	    "\"kernel\":" FILE_OF("vmlinuz") "},\"modules\":" FILE_OF(
		"modules.cpio.zst") "},"
				    "\"rootfs\":" FILE_OF(
					"r.tar") ",\"unpacked_bytes\":9,\"entries\":1,"
						 "\"chunk_bytes\":65536,\"chunks\":[\"" SHA
						 "\"]}}");
}

static inline void served_heard(void *ctx, const struct event *events, size_t count)
{
	(void)ctx;
	streams_put(services.streams, events, count);
	metrics_heard(services.metrics, events, count);
}

static int64_t served_keepalive_ms = STREAM_KEEPALIVE_MS;

static inline void served_open_state(void)
{
	struct err e = ERR_INIT;

	if (state_open(file_in(dir, "state.db"), &services.state, &e) < 0)
		fail_msg("%s", e.msg);
	if (!services.metrics && metrics_new(&services.metrics, &e) < 0)
		fail_msg("%s", e.msg);
	if (streams_new(services.state, served_keepalive_ms, &services.streams, &e) < 0)
		fail_msg("%s", e.msg);
	state_on_events(services.state, served_heard, NULL);
}

static inline void served_close_state(void)
{
	state_close(services.state);
	streams_free(services.streams);
}

static inline void served_open(void)
{
	struct vm_store_options options = {.dir = served_vms};
	struct err e = ERR_INIT;

	services.urls = (struct boot_urls){"http://192.168.100.1", "/initrds"};
	services.images_dir = served_images;
	services.vms_dir = served_vms;
	lease_memory_init(&services.undeclared);
	if (vm_store_open(&options, &services.store, &e) < 0 ||
	    images_new(served_images, NULL, NULL, NULL, &services.images, &e) < 0 ||
	    image_list_new(services.images, served_images, &services.boot_images, &e) < 0 ||
	    keys_new(file_in(dir, "keys"), &services.keys, &e) < 0)
		fail_msg("%s", e.msg);
	served_open_state();
}

static inline void served_listen_on(
    const char *name, const struct endpoint_table *endpoints, struct server **out)
{
	char *where = served_listen[endpoints->side];
	struct err e = ERR_INIT;

	snprintf(where, sizeof(served_listen[0]), "unix:%s/%s", dir, name);
	struct server_options options = {.listen = where,
	    .socket_mode = 0600,
	    .endpoints = endpoints,
	    .pages = endpoints->side == ENDPOINT_OPERATOR ? &page_endpoints : NULL,
	    .threads = 2,
	    .proxied = endpoints->side == ENDPOINT_GUEST,
	    .connection_bytes =
		endpoints->side == ENDPOINT_GUEST ? SERVER_GUEST_BYTES : SERVER_OPERATOR_BYTES,
	    .handle = call_answer,
	    .ctx = &services};
	if (server_start(&options, out, &e) < 0)
		fail_msg("%s", e.msg);
}

static inline void served_start(void)
{
	served_listen_on("g", &guest_endpoints, &guest);
	atomic_store(&services.guests[0], guest);
	served_listen_on("o", &operator_endpoints, &operators);
}

static inline void served_stop(void)
{
	streams_stop(services.streams);
	server_stop(operators);
	server_stop(guest);
	operators = guest = NULL;
}

/* As the process does: what is not in the file is forgotten. */
static inline void served_restart(void)
{
	served_stop();
	served_close_state();
	served_open_state();
	served_start();
}

/* The listeners have been stopped. */
static inline int served_close(void)
{
	char command[100];

	served_close_state();
	metrics_free(services.metrics);
	keys_free(services.keys);
	image_list_free(services.boot_images);
	images_free(services.images);
	vm_store_close(services.store);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

/* ---- a small client ---------------------------------------------------------------------- */

static inline void served_be_patient(int fd)
{
	struct timeval patience = {.tv_sec = 20};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static inline int served_dial(enum endpoint_side side)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(local.sun_path, sizeof(local.sun_path), "%s/%s", dir,
	    side == ENDPOINT_GUEST ? "g" : "o");
	served_be_patient(fd);
	assert_int_equal(connect(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	return fd;
}

/* As much as is taken. */
static inline void served_send(int fd, const char *bytes, size_t len)
{
	ssize_t r;

	for (size_t sent = 0; sent < len; sent += (size_t)r)
		if ((r = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL)) <= 0)
			break;
}

/* Asks as the proxy does for a machine at `source`. */
static inline int served_begin(enum endpoint_side side, const char *source, const char *method,
    const char *path, const char *body)
{
	int fd = served_dial(side);
	char *text = NULL;
	int n = asprintf(&text,
	    "%s %s HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nX-Real-IP: %s\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    method, path, source, strlen(body), body);

	served_send(fd, text, (size_t)n);
	free(text);
	return fd;
}

/* Reads to the end of the connection: the status, 0 when there is none. */
static inline int served_finish(int fd, char *answer, size_t size)
{
	size_t n = 0;
	ssize_t r;
	int status = 0;

	while (n < size - 1 && (r = recv(fd, answer + n, size - 1 - n, 0)) > 0)
		n += (size_t)r;
	answer[n] = '\0';
	close(fd);
	return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

#endif
