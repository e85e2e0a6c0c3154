#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "boot_handler/sources/dhcp_log.h"
#include "boot_handler/sources/file_log.h"
#include "boot_handler/sources/port.h"

/* Lines as dnsmasq 2.91 writes them. */
static void dnsmasq(void **state)
{
	static const struct {
		const char *line, *kind, *mac, *ip, *why;
	} cases[] = {
	    {"DHCPDISCOVER(lab0) 52:54:00:7e:57:01 ", "dhcp-discover", "52:54:00:7e:57:01", "", ""},
	    {"DHCPDISCOVER(lab0) 192.168.100.10 52:54:00:7e:57:01 ", "dhcp-discover",
		"52:54:00:7e:57:01", "192.168.100.10", ""},
	    {"DHCPDISCOVER(lab0) 52:54:00:7e:57:01 no address available", "dhcp-discover",
		"52:54:00:7e:57:01", "", "no address available"},
	    {"DHCPOFFER(lab0) 192.168.100.10 52:54:00:7e:57:01 ", "dhcp-offer", "52:54:00:7e:57:01",
		"192.168.100.10", ""},
	    {"DHCPNAK(lab0) 10.0.0.9 52:54:00:7e:57:01 wrong network", "dhcp-nak",
		"52:54:00:7e:57:01", "10.0.0.9", "wrong network"},
	    {"DHCPDECLINE(lab0) 192.168.100.10 52:54:00:7e:57:01 \033[2J", "dhcp-decline",
		"52:54:00:7e:57:01", "192.168.100.10", "?[2J"},
	    {"DHCPACK(lab0) 192.168.100.10 52:54:00:7e:57:01 alpha", NULL, NULL, NULL, NULL},
	    {"DHCPDISCOVER(lab0) 06-52-54-00-7e-57-01 ", NULL, NULL, NULL, NULL},
	    {"DHCPDISCOVER(lab0)", NULL, NULL, NULL, NULL},
	    {"DHCPDISCOVER(lab0", NULL, NULL, NULL, NULL},
	    {"", NULL, NULL, NULL, NULL},
	};
	struct dhcp_said said;
	char mac[MAC_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool told = dhcp_log_parse(cases[i].line, &said);
		if (told != (cases[i].kind != NULL))
			fail_msg("%s", cases[i].line);
		if (!told)
			continue;
		assert_string_equal(event_info(said.kind)->name, cases[i].kind);
		assert_string_equal(mac_format(&said.mac, mac), cases[i].mac);
		assert_string_equal(said.ip, cases[i].ip);
		assert_string_equal(said.why, cases[i].why);
	}
}

static void nginx(void **state)
{
	static const struct {
		const char *line;
		unsigned status;
		uint64_t bytes;
		int64_t ms;
		const char *path;
	} cases[] = {
	    {"192.168.100.10 200 50000 0.250 /images/debian-13/amd64/vmlinuz", 200, 50000, 250,
		"/images/debian-13/amd64/vmlinuz"},
	    {"fd56::10 404 70 12.000 /initrds/x?y=z", 404, 70, 12000, "/initrds/x"},
	    {"192.168.100.10 200 50000 0.250 images", 0, 0, 0, NULL},
	    {"192.168.100.10 200 50000 0.250", 0, 0, 0, NULL},
	    {"192.168.100.10 200 -1 0.250 /x", 0, 0, 0, NULL},
	    {"192.168.100.10 2000 1 0.250 /x", 0, 0, 0, NULL},
	    {"192.168.100.10 200 1 0 /x", 0, 0, 0, NULL},
	    {"nobody 200 1 0.001 /x", 0, 0, 0, NULL},
	    {"", 0, 0, 0, NULL},
	};
	struct file_sent sent;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool told = file_log_parse(cases[i].line, &sent);
		if (told != (cases[i].path != NULL))
			fail_msg("%s", cases[i].line);
		if (!told)
			continue;
		assert_int_equal(sent.status, cases[i].status);
		assert_int_equal(sent.bytes, cases[i].bytes);
		assert_int_equal(sent.ms, cases[i].ms);
		assert_string_equal(sent.path, cases[i].path);
	}
	char longest[5000];
	int n = snprintf(longest, sizeof(longest), "10.0.0.1 200 1 0.001 /");
	memset(longest + n, 'a', sizeof(longest) - (size_t)n - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(file_log_parse(longest, &sent));
	assert_int_equal(strlen(sent.path), sizeof(sent.path) - 1);
}

/* ---- the bridge's ports ------------------------------------------------------------------------
 */

struct message {
	struct nlmsghdr header;
	struct ndmsg body;
	struct rtattr mac;
	uint8_t octet[6], pad[2];
	struct rtattr master;
	uint32_t index;
};

static struct message message(uint16_t type, uint16_t neighbour, uint8_t last)
{
	return (struct message){
	    .header = {.nlmsg_len = sizeof(struct message), .nlmsg_type = type},
	    .body = {.ndm_family = AF_BRIDGE, .ndm_state = neighbour},
	    .mac = {.rta_len = RTA_LENGTH(6), .rta_type = NDA_LLADDR},
	    .octet = {0x52, 0x54, 0, 0, 0, last},
	    .master = {.rta_len = RTA_LENGTH(4), .rta_type = NDA_MASTER},
	    .index = 7,
	};
}

static void note(void *ctx, const struct mac *mac, bool there)
{
	char *text = ctx;

	sprintf(text + strlen(text), "%c%02x ", there ? '+' : '-', mac->octet[5]);
}

static void ports(void **state)
{
	struct message list[] = {
	    message(RTM_NEWNEIGH, NUD_NOARP, 1),
	    message(RTM_NEWNEIGH, NUD_REACHABLE, 2), /* learned */
	    message(RTM_NEWNEIGH, NUD_PERMANENT, 3), /* the bridge's own */
	    message(RTM_DELNEIGH, NUD_NOARP, 1),
	    message(RTM_NEWLINK, NUD_NOARP, 4),
	    message(RTM_NEWNEIGH, NUD_NOARP, 5),
	    message(RTM_NEWNEIGH, NUD_NOARP, 6),
	};
	char text[200] = "";

	(void)state;
	list[5].master.rta_type = NDA_IFINDEX; /* the port's own table: the same once more */
	port_parse((const char *)list, sizeof(list), note, text);
	assert_string_equal(text, "+01 -01 +06 ");
	for (size_t len = 0; len < sizeof(list[0]); len++) {
		text[0] = '\0';
		port_parse((const char *)list, len, note, text);
		assert_string_equal(text, "");
	}
	list[0].header.nlmsg_len = 0;
	port_parse((const char *)list, sizeof(list), note, text);
	assert_string_equal(text, "");
	list[0].header.nlmsg_len = sizeof(struct nlmsghdr);
	port_parse((const char *)list, sizeof(list), note, text);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dnsmasq),
	    cmocka_unit_test(nginx),
	    cmocka_unit_test(ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
