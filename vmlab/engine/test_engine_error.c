/* test_engine_error.c - what clients of container engines really wrote, and the sentence in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "vmlab/engine/engine_error.h"

#define RUN28 "\n\nRun 'docker run --help' for more information\n"
#define RUN20 ".\nSee 'docker run --help'.\n"
#define BUSY                                                                                        \
	"driver failed programming external connectivity on endpoint l-net (054c): Error starting " \
	"userland proxy: listen tcp4 127.0.0.1:7480: bind: address already in use"
#define MOUNT "invalid mount config for type \"bind\": bind source path does not exist: /nosuch"
#define RUNTIME                                                                                       \
	"failed to create shim task: OCI runtime create failed: runc create failed: unable to start " \
	"container process: exec: \"/nosuch\": stat /nosuch: no such file or directory: unknown"
#define LOOKUP                                                                                         \
	"Get \"https://registry.example/v2/\": dial tcp: lookup registry.example on 10.0.0.53:53: no " \
	"such host"
#define DENIED                                                                                        \
	"permission denied while trying to connect to the Docker daemon socket at "                   \
	"unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.50/version\": dial " \
	"unix /var/run/docker.sock: connect: permission denied"
#define NO_DAEMON                                                                                  \
	"Cannot connect to the Docker daemon at unix:///nosuch.sock. Is the docker daemon running?"

static void sentences(void **state)
{
	static const struct {
		const char *text, *sentence;
	} table[] = {
	    /* docker 28 */
	    {"docker: Error response from daemon: " BUSY RUN28, BUSY},
	    {"docker: Error response from daemon: " MOUNT RUN28, MOUNT},
	    {"docker: Error response from daemon: " RUNTIME RUN28, RUNTIME},
	    {"docker: Error response from daemon: No such container: nosuch" RUN28,
		"No such container: nosuch"},
	    {"Unable to find image 'no/image:x' locally\ndocker: Error response from daemon: " LOOKUP
		    RUN28,
		LOOKUP},
	    {"unknown flag: --bogus\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]" RUN28,
		"unknown flag: --bogus"},
	    {"Error response from daemon: No such container: a\nError response from daemon: No such "
	     "container: b\n",
		"No such container: a; No such container: b"},
	    {"Error response from daemon: get nosuch: no such volume\n",
		"get nosuch: no such volume"},
	    {"WARNING: Error loading config file: open /root/.docker/config.json: permission denied\n" DENIED
	     "\n",
		DENIED},
	    /* docker 20.10 */
	    {"docker: Error response from daemon: " BUSY ".\n", BUSY},
	    {"docker: Error response from daemon: " MOUNT RUN20, MOUNT},
	    {"docker: Error response from daemon: " RUNTIME ".\n", RUNTIME},
	    {"Unable to find image 'no/image:x' locally\ndocker: Error response from daemon: " LOOKUP
		    RUN20,
		LOOKUP},
	    {"unknown flag: --bogus\nSee 'docker run --help'.\n", "unknown flag: --bogus"},
	    {"Error: No such container: nosuch\n", "No such container: nosuch"},
	    {"Error: No such volume: nosuch\n", "No such volume: nosuch"},
	    {"WARNING: Error loading config file: /root/.docker/config.json: open "
	     "/root/.docker/config.json: permission denied\n" DENIED,
		DENIED},
	    /* both */
	    {"Error response from daemon: No such container: nosuch\n"
	     "Error: failed to start containers: nosuch\n",
		"No such container: nosuch"},
	    {NO_DAEMON "\n", NO_DAEMON},
	    /* podman */
	    {"Error: no container with name or ID \"nosuch\" found: no such container\n",
		"no container with name or ID \"nosuch\" found: no such container"},
	    {"time=\"2026-01-01T00:00:00Z\" level=warning msg=\"The cgroupv2 manager is set to systemd\"\n"
	     "Error: statfs /nosuch: no such file or directory\n",
		"statfs /nosuch: no such file or directory"},
	    /* a reason of several lines; the same one twice; no form that is known; nothing */
	    {"Error response from daemon: first\nsecond line\n\nRun 'docker start --help' for more "
	     "information\n",
		"first second line"},
	    {"Error: gone\nError: gone\n", "gone"},
	    {"Error: failed to start containers: a\n", "failed to start containers: a"},
	    {"something\nelse happened\n\n", "else happened"},
	    {"Error response from daemon: wait...\r\n", "wait..."},
	    {"", "it says nothing"},
	    {"\n\nRun 'docker run --help' for more information\n", "it says nothing"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char buf[1200];

		engine_error_sentence(&engine_docker, table[i].text, buf, sizeof(buf));
		if (strcmp(buf, table[i].sentence) != 0)
			fail_msg("%s\ngives: %s", table[i].text, buf);
	}
}

#define FULL "mkdir /var/lib/docker/overlay2/5a-init: no space left on device"
#define IN_USE "remove l-disk-a: volume is in use - [47e783815a36]"

/* As both clients wrote it, what a user can do is known. */
static void advice(void **state)
{
	static const struct {
		const char *text, *says;
	} table[] = {
	    {"docker: Error response from daemon: " FULL RUN28, "`docker system df`"},
	    {"docker: Error response from daemon: " FULL RUN20, "`docker system df`"},
	    {"docker: Error response from daemon: write /var/lib/docker/tmp/x: no space left on device.\n",
		"disk is full"},
	    {"Error response from daemon: " IN_USE "\n", "docker ps -a --filter volume="},
	    {NO_DAEMON "\n", "systemctl start docker"},
	    {"docker: " NO_DAEMON "\nSee 'docker run --help'.\n", "systemctl start docker"},
	    {"docker: " NO_DAEMON RUN28, "systemctl start docker"},
	    {DENIED "\n", "sudo"},
	    {"docker: Got " DENIED ".\nSee 'docker run --help'.\n", "sudo"},
	    {"docker: Error response from daemon: " MOUNT RUN28, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char buf[1200];

		engine_error_sentence(&engine_docker, table[i].text, buf, sizeof(buf));
		const char *said = engine_error_advice(&engine_docker, buf);
		if (!said != !table[i].says || (said && !strstr(said, table[i].says)))
			fail_msg("%s\ngives: %s", table[i].text, said ? said : "nothing");
	}
}

static void limits(void **state)
{
	char text[20000], buf[40];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "Error: ", 7);
	for (size_t i = 100; i < sizeof(text) - 20; i += 100)
		memcpy(text + i, "\nError: a", 9);
	engine_error_sentence(&engine_docker, text, buf, sizeof(buf));
	assert_int_equal(strlen(buf), sizeof(buf) - 1);
	engine_error_sentence(&engine_docker, text, buf, 1);
	assert_string_equal(buf, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sentences),
	    cmocka_unit_test(advice),
	    cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
