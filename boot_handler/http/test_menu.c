/* Menus as machines are given them and answer: images that come and go, installing by one, and what
 * a machine without a definition gets. Whole handlers, without their listeners. */
#include "boot_handler/http/test_served.h"
#include "lib/boot/stranger.h"

#define MAC "52:54:00:00:00:11"
#define STRANGE "52:54:00:00:00:99"

static char answer[20000];

static void put_image(const char *name, const char *arch, const char *more)
{
	char path[200], text[1000];

	snprintf(path, sizeof(path), "images/%s/%s/vmlinuz", name, arch);
	write_in(dir, path, "12345");
	snprintf(path, sizeof(path), "images/%s/%s/manifest.json", name, arch);
	snprintf(text, sizeof(text),
	    "{\"format\":1,\"kind\":\"boot\",\"distro\":\"%s\",\"arch\":\"%s\",%s\"boot\":{\"kernel\":" FILE_OF(
		"vmlinuz") "},\"args\":\"a={arch} n={name}\"%s}}",
	    name, arch, *more == ',' ? "" : more, *more == ',' ? more : "");
	write_in(dir, path, text);
}

static int setup(void **state)
{
	(void)state;
	served_make();
	write_in(dir, "vms/web1.json",
	    "{\"name\":\"web1\",\"mac\":\"" MAC
	    "\",\"mode\":\"menu\",\"menu_default\":\"debian-installer-13:unattended\","
	    "\"ssh_keys\":[\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x ann\"]}");
	write_in(dir, "images/none/README", "no image");
	services.any_source = true;
	served_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return served_close();
}

static unsigned ask(const struct endpoint_table *table, const char *target)
{
	struct server_answer a = {.status = 200};
	struct route route = {0};
	struct server_request request = {
	    .table = table, .route = &route, .source = "10.0.0.9", .body = ""};
	struct err e = ERR_INIT;

	if (endpoint_find(table, target, &route, &request.endpoint, &e) != 0)
		fail_msg("%s: %s", target, e.msg);
	call_answer(&services, &request, &a);
	size_t n = 0, more;
	if (a.kind == SERVER_BODY_STREAM) {
		while ((more = a.stream(a.stream_ctx, answer + n, sizeof(answer) - 1 - n)) > 0)
			n += more;
		a.stream_free(a.stream_ctx);
	} else if (a.body) {
		n = a.len < sizeof(answer) ? a.len : sizeof(answer) - 1;
		memcpy(answer, a.body, n);
	}
	answer[n] = '\0';
	if (a.kind == SERVER_BODY_OWNED)
		free((char *)a.body);
	return a.status;
}

static bool says(const char *part)
{
	return strstr(answer, part) != NULL;
}

static void boots(const char *query)
{
	char target[200];

	snprintf(target, sizeof(target), "/ipxe?mac=%s&arch=x86_64%s", MAC, query);
	assert_int_equal(ask(&guest_endpoints, target), 200);
}

/* As the operator, at what is written. */
static void look(const char *path)
{
	struct err e = ERR_INIT;

	assert_int_equal(state_save(services.state, &e), 0);
	assert_int_equal(ask(&operator_endpoints, path), 200);
}

static void a_second_later(void)
{
	usleep(1100000);
}

/* At most once a second it is looked what there is. */
static void images_come_and_go(void **state)
{
	(void)state;
	boots("");
	assert_true(says("item local ") && !says("item install") && !says("item debian"));
	put_image("debian-installer-13", "amd64", ",\"unattended_args\":\"url={unattended_url}\"");
	put_image("other", "arm64", "");
	put_image("Not.A.Name", "amd64", "");
	put_image("rescue", "amd64", "\"os_name\":\"Rescue \\u001b[2J ${x}\",");
	write_in(dir, "images/broken/amd64/manifest.json", "{");
	a_second_later();
	boots("");
	assert_true(says("item debian-installer-13 Boot debian-installer-13\n"));
	assert_true(says("item debian-installer-13:unattended Erase the disk and install by "
			 "debian-installer-13, unattended\n"));
	assert_true(says("item rescue Boot rescue (Rescue ?[2J ??x?)\n"));
	assert_false(says("rescue:unattended") || says("other") || says("Not.A") || says("broken"));
	assert_true(says("choose --default debian-installer-13:unattended "));
	write_in(dir, "images/rescue/amd64/vmlinuz", "1234");
	a_second_later();
	boots("");
	assert_false(says("rescue"));
	boots("&choose=rescue");
	assert_true(says("choose --default "));
	write_in(dir, "images/rescue/amd64/vmlinuz", "12345");
	a_second_later();
	boots("&choose=rescue");
	assert_true(says("echo vmlab: web1 boots rescue\n") && says(" a=amd64 n=web1"));
	look("/api/v1/events?vm=web1");
	assert_true(says("\"kind\":\"choice\"") && says("\"text\":\"rescue\""));
	look("/api/v1/vms/web1");
	assert_true(says("\"state\":\"declared\""));
}

/* The preseed is for what was chosen; done is done also for a server that has started anew. */
static void installed_by_one(void **state)
{
	(void)state;
	boots("&choose=debian-installer-13:unattended");
	assert_true(says("web1 is installed by debian-installer-13, attempt 1"));
	assert_true(says("url=http://192.168.100.1/unattended/" MAC));
	assert_int_equal(ask(&guest_endpoints, "/unattended/" MAC), 200);
	assert_true(says("d-i "));
	assert_int_equal(ask(&guest_endpoints, "/stage4/" MAC), 200);
	look("/api/v1/vms/web1");
	assert_true(says("\"state\":\"booting\""));
	state_close(services.state);
	served_open_state();
	assert_int_equal(ask(&guest_endpoints, "/unattended/" MAC), 200);
	assert_true(says("d-i "));
	assert_int_equal(ask(&guest_endpoints, "/done/" MAC), 204);
	assert_int_equal(ask(&guest_endpoints, "/done/" MAC), 204);
	look("/api/v1/vms/web1");
	assert_true(says("\"state\":\"installed\""));
	boots("");
	assert_true(says("choose --default local "));
	look("/api/v1/vms/web1");
	assert_true(says("\"does\":\"menu\"") && says("\"told\":\"menu\""));
	assert_true(says("\"image\":null"));
	look("/api/v1/machines");
	assert_true(says("\"told\":\"menu\"") && says("\"platform\":\"efi\""));
	usleep(50000); /* its clock may be a coarse one */
	assert_int_equal(ask(&operator_endpoints, "/api/v1/vms/web1/reinstall"), 200);
	/* What it was told is of before that. */
	assert_true(says("\"told\":null"));
	boots("");
	assert_true(says("choose --default debian-installer-13:unattended "));
	assert_int_equal(ask(&operator_endpoints, "/api/v1/vms/web1/local"), 200);
	boots("");
	assert_true(says("choose --default local "));
	/* By hand it is installed anew, and that counts as an order. */
	boots("&choose=debian-installer-13:unattended");
	assert_true(says("attempt 2"));
	assert_int_equal(ask(&guest_endpoints, "/done/" MAC), 204);
}

/* Whatever a machine sends as its choice. */
static void odd_choices(void **state)
{
	static const char *const odd[] = {"off", "boot", "menu", "%1b%5b2J", "a%0aitem%20x", "../x",
	    "${x}", "debian-installer-13%00", "gone", ":unattended",
	    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"};
	char query[200];

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		snprintf(query, sizeof(query), "&choose=%s", odd[i]);
		boots(query);
		assert_true(says("choose --default local "));
	}
	look("/api/v1/events?vm=web1");
	assert_false(says("u001b") || says("../x") || says("nnnn"));
}

static const char *stranger(const char *query)
{
	char target[200];

	snprintf(target, sizeof(target), "/ipxe?mac=%s&arch=%s", STRANGE, query);
	assert_int_equal(ask(&guest_endpoints, target), 200);
	return answer;
}

static void a_stranger_has_a_menu(void **state)
{
	(void)state;
	services.strangers = &boot_stranger_menu;
	stranger("x86_64");
	assert_true(says("item --gap (to declare it: vmlab adopt " STRANGE ")\n"));
	assert_true(
	    says("item rescue ") && says("item debian-installer-13 ") && says("item local "));
	assert_false(says("unattended") || says("other"));
	stranger("arm64");
	assert_true(says("item other ") && !says("item rescue "));
	look("/api/v1/machines");
	assert_true(says("\"chosen\":null,\"chosen_at\":null"));
	stranger("arm64&choose=other");
	assert_true(says("it boots other\n") && says(" a=arm64 n=stranger"));
	stranger("x86_64&choose=rescue");
	assert_true(says("BOOTIF=01-52-54-00-00-00-99 ") && says(" a=amd64 n=stranger"));
	look("/api/v1/machines");
	assert_true(says("\"chosen\":\"rescue\",\"chosen_at\":\"20"));
	/* What the menu has not is no choice, and what asks again neither. */
	stranger("x86_64&choose=debian-installer-13:unattended");
	assert_true(says("choose --default again "));
	stranger("x86_64&choose=again");
	assert_true(says("choose --default again "));
	look("/api/v1/machines");
	assert_true(says("\"chosen\":\"rescue\""));
	state_close(services.state);
	served_open_state();
	look("/api/v1/machines");
	assert_true(says("\"chosen\":\"rescue\",\"chosen_at\":\"20"));
	stranger("x86_64&choose=local");
	assert_true(says("sanboot"));
	stranger("x86_64&choose=shell");
	assert_true(says("\nshell ||\n"));
	services.strangers = NULL;
	stranger("x86_64&choose=rescue");
	assert_true(says(":again\nsleep 10\n") && !says("it boots"));
	look("/api/v1/machines");
	assert_true(says("\"chosen\":\"shell\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(images_come_and_go),
	    cmocka_unit_test(installed_by_one),
	    cmocka_unit_test(odd_choices),
	    cmocka_unit_test(a_stranger_has_a_menu),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
