/* The relay: bytes pass in both directions whole, ends of each one by one, and a lab that is down
 * is told. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmlab/lab/host.h"
#include "vmlab/lab/relay.h"

#define MUCH ((size_t)3 << 20)

static char folder[] = "/tmp/test_relay.XXXXXX";
static atomic_bool over;
static int64_t quiet_ms;
static int port, relayed;
static pthread_t relay;

static bool ended(void)
{
	return atomic_load(&over);
}

static void *run(void *ctx)
{
	struct err e = ERR_INIT;

	(void)ctx;
	return relay_run(relayed, folder, "s", quiet_ms, ended, &e) < 0 ? "failed" : NULL;
}

static int begin(void **state)
{
	struct err e = ERR_INIT;
	struct rlimit files;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max; /* all ends of very many are here */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	atomic_store(&over, false);
	strcpy(strrchr(folder, '.'), ".XXXXXX");
	assert_non_null(mkdtemp(folder));
	port = host_find_free_port();
	assert_int_equal(relay_listen(port, &relayed, &e), 0);
	return pthread_create(&relay, NULL, run, NULL);
}

static int end(void **state)
{
	char path[60];
	void *failed;

	(void)state;
	atomic_store(&over, true);
	pthread_join(relay, &failed);
	close(relayed);
	snprintf(path, sizeof(path), "%s/s", folder);
	unlink(path);
	return failed || rmdir(folder) != 0;
}

/* The lab's side: all that comes, then as much back, then the end. */
static void *serve(void *ctx)
{
	int listener = *(int *)ctx, fd = accept(listener, NULL, NULL);
	char *all = malloc(MUCH);
	size_t have = 0;
	ssize_t n;

	while (have < MUCH && (n = recv(fd, all + have, MUCH - have, 0)) > 0)
		have += (size_t)n;
	/* Before the answer the browser has ended its side. */
	if (recv(fd, all, 1, MSG_PEEK) != 0)
		have = 0;
	for (size_t sent = 0; sent < have; sent += (size_t)n)
		if ((n = send(fd, all + sent, have - sent, MSG_NOSIGNAL)) <= 0)
			break;
	close(fd);
	free(all);
	return NULL;
}

static int listen_there(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, RELAY_CONNECTIONS_MAX), 0);
	return fd;
}

static int connected(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static size_t read_all(int fd, char *out, size_t size)
{
	size_t have = 0;
	ssize_t n;

	while (have < size && (n = recv(fd, out + have, size - have, 0)) > 0)
		have += (size_t)n;
	return have;
}

static void test_a_lab_that_is_down(void **state)
{
	char said[300] = "";
	int fd = connected();

	(void)state;
	read_all(fd, said, sizeof(said) - 1);
	close(fd);
	assert_non_null(strstr(said, "HTTP/1.1 503"));
	const char *body = strstr(said, "\r\n\r\n");
	assert_non_null(body);
	assert_int_equal(strlen(body + 4), atoi(strstr(said, "Content-Length:") + 15));
}

static void test_both_directions_whole(void **state)
{
	char *sent = malloc(MUCH), *got = malloc(MUCH + 1);
	int listener = listen_there();
	pthread_t server;

	(void)state;
	assert_int_equal(pthread_create(&server, NULL, serve, &listener), 0);
	for (size_t i = 0; i < MUCH; i++)
		sent[i] = (char)(i * 7 + i / 251);
	int fd = connected();
	for (size_t n = 0; n < MUCH;) {
		ssize_t k = send(fd, sent + n, MUCH - n, MSG_NOSIGNAL);
		assert_true(k > 0);
		n += (size_t)k;
	}
	shutdown(fd, SHUT_WR);
	assert_int_equal(read_all(fd, got, MUCH + 1), MUCH);
	assert_memory_equal(got, sent, MUCH);
	close(fd);
	pthread_join(server, NULL);
	close(listener);
	free(sent);
	free(got);
}

static void test_who_says_nothing_is_let_go(void **state)
{
	int listener = listen_there(), fd = connected(), half = connected();
	int held[2];
	char byte;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_true((held[i] = accept(listener, NULL, NULL)) >= 0);
	shutdown(held[1], SHUT_WR);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	assert_int_equal(recv(held[0], &byte, 1, 0), 0);
	assert_int_equal(recv(half, &byte, 1, 0), 0);
	assert_int_equal(recv(held[1], &byte, 1, 0), 0);
	for (int i = 0; i < 2; i++)
		close(held[i]);
	close(fd);
	close(half);
	close(listener);
}

/* For one more than there is room for the quietest goes: here long before it would by itself. */
static void test_the_quietest_makes_place(void **state)
{
	static int fds[RELAY_CONNECTIONS_MAX], held[RELAY_CONNECTIONS_MAX];
	int listener = listen_there();
	char byte;

	(void)state;
	for (size_t i = 0; i < RELAY_CONNECTIONS_MAX; i++) {
		fds[i] = connected();
		assert_true((held[i] = accept(listener, NULL, NULL)) >= 0);
		usleep(i < 2 ? 5000 : 0);
	}
	assert_int_equal(send(held[0], "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(fds[0], &byte, 1, 0), 1);
	int fd = connected(), last = accept(listener, NULL, NULL);
	assert_true(last >= 0);
	assert_int_equal(send(last, "y", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	assert_int_equal(recv(fds[1], &byte, 1, 0), 0);
	for (size_t i = 0; i < RELAY_CONNECTIONS_MAX; i++) {
		if (i != 1)
			assert_int_equal(recv(fds[i], &byte, 1, MSG_DONTWAIT), -1);
		close(fds[i]);
		close(held[i]);
	}
	close(fd);
	close(last);
	close(listener);
}

static void test_a_port_that_is_taken(void **state)
{
	struct err e = ERR_INIT;
	int fd = -1;

	(void)state;
	assert_int_equal(relay_listen(port, &fd, &e), -EADDRINUSE);
	assert_non_null(strstr(e.msg, "--port"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_lab_that_is_down),
	    cmocka_unit_test(test_both_directions_whole),
	    cmocka_unit_test(test_the_quietest_makes_place),
	    cmocka_unit_test(test_a_port_that_is_taken),
	};
	const struct CMUnitTest impatient[] = {
	    cmocka_unit_test(test_who_says_nothing_is_let_go),
	};

	quiet_ms = RELAY_QUIET_MS;
	int failed = cmocka_run_group_tests(tests, begin, end);
	quiet_ms = 500;
	return failed + cmocka_run_group_tests(impatient, begin, end);
}
