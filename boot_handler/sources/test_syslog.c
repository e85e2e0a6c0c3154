/* What machines say by syslog. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "boot_handler/sources/syslog.h"

static void lines(void **state)
{
	static const struct {
		const char *said, *program, *text;
	} cases[] = {
	    /* debian-installer's, as it sent them */
	    {"<14>Nov 26 15:41:39 main-menu[267]: INFO: Menu item 'network-preseed' selected\n",
		"main-menu", "INFO: Menu item 'network-preseed' selected"},
	    {"<6>Nov  6 05:01:09 kernel: [    1.2] vda: vda1", "kernel", "[    1.2] vda: vda1"},
	    {"<14>Nov 26 15:41:38 in-target: Setting up jq (1.6-2.1) ...\n", "in-target",
		"Setting up jq (1.6-2.1) ..."},
	    /* with a host's name, as rsyslog sends them */
	    {"<30>Nov 26 15:41:39 web1 sshd[1]: hello", "sshd", "hello"},
	    /* without one of the parts */
	    {"Nov 26 15:41:39 cron: x", "cron", "x"},
	    {"<13>no time: here", "", "no time: here"},
	    {"<13>Nov 26 15:41:39 no program here", "", "no program here"},
	    {"<13>Nov 26 15:41:39 open[12 x y: z", "", "open[12 x y: z"},
	    {"<1234>Nov 26 15:41:39 a: b", "", "<1234>Nov 26 15:41:39 a: b"},
	    {"<>x", "", "<>x"},
	    {"<13>1 2026-11-26T15:41:39Z h app - - - new form", "",
		"1 2026-11-26T15:41:39Z h app - - - new form"},
	    /* hostile */
	    {"<14>Nov 26 15:41:39 a[1]: \033[2Jgone\rx\ty", "a", "?[2Jgone x y"},
	    {"<14>Nov 26 15:41:39 a[1]: one\nNov 26 15:41:39 main-menu[1]: two", "a", "one"},
	    {"<14>Nov 26 15:41:39 an-unbelievably-long-program's-name-of-50-bytes....: x", "", "x"},
	};
	struct syslog_line line;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(syslog_parse(cases[i].said, strlen(cases[i].said), &line));
		assert_string_equal(line.program, cases[i].program);
		assert_string_equal(line.text, cases[i].text);
	}
}

static void nothing(void **state)
{
	static const char *const empty[] = {"", "\n", "<14>", "<14>Nov 26 15:41:39 a: ", "<14>\n"};
	struct syslog_line line;
	char noise[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		assert_false(syslog_parse(empty[i], strlen(empty[i]), &line));
	assert_false(syslog_parse("\0abc", 4, &line));
	memset(noise, 'x', sizeof(noise));
	assert_true(syslog_parse(noise, sizeof(noise), &line));
	assert_int_equal(strlen(line.text), sizeof(line.text) - 1);
	srandom(9);
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)random() % sizeof(noise);
		for (size_t i = 0; i < len; i++)
			noise[i] = (char)random();
		memcpy(noise, "<14>Nov 26 15:41:39 ", len < 20 ? len : (size_t)random() % 21);
		if (syslog_parse(noise, len, &line))
			for (const char *p = line.text; *p; p++)
				assert_true((unsigned char)*p >= ' ');
	}
}

/* A privileged port's socket is made by another. */
static void an_inherited_socket(void **state)
{
	int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
	struct err e = ERR_INIT;
	char where[20];

	(void)state;
	snprintf(where, sizeof(where), "fd:%d", udp);
	assert_int_equal(syslog_open(where, &e), udp);
	assert_int_equal(fcntl(udp, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(udp, F_GETFD), FD_CLOEXEC);
	snprintf(where, sizeof(where), "fd:%d", tcp);
	assert_int_equal(syslog_open(where, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "no inherited datagram socket"));
	close(tcp);
	assert_int_equal(syslog_open(where, &e), -EINVAL);
	close(udp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines),
	    cmocka_unit_test(nothing),
	    cmocka_unit_test(an_inherited_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
