/* Stages: how long each part of a boot took, watched as it happens or read afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/follow/stages.h"
#include "lib/base/test_capture.h"

static void feed(
    struct stages *s, int second, const char *kind, const char *text, const char *phase)
{
	char at[40];

	snprintf(at, sizeof(at), "1970-01-01T00:%02d:%02d.000Z", second / 60, second % 60);
	json_t *o = json_pack(
	    "{s:s, s:s, s:s?, s:s?}", "at", at, "kind", kind, "text", text, "phase", phase);
	stages_event(s, o);
	json_decref(o);
}

static void test_stages(void **state)
{
	struct stages s;

	(void)state;
	stages_begin(&s, 10000);
	feed(&s, 5, "dhcp", "old news", NULL);
	feed(&s, 14, "dhcp", "10.0.0.1", NULL);
	feed(&s, 15, "dhcp", "10.0.0.1", NULL);
	feed(&s, 16, "ipxe", "install", NULL);
	feed(&s, 26, "dhcp", "10.0.0.1", NULL);
	feed(&s, 27, "phase", "network", "network");
	feed(&s, 28, "phase", "rootfs", "rootfs");
	feed(&s, 40, "phase", "report", "report");
	feed(&s, 40, "state", "installed", NULL);
	feed(&s, 45, "dhcp", "10.0.0.1", NULL);
	feed(&s, 47, "ipxe", "local", NULL);
	feed(&s, 47, "state", "installed", NULL);
	feed(&s, 60, "dhcp", "10.0.0.1", NULL);
	feed(&s, 75, "state", "ready", NULL);
	feed(&s, 99, "ipxe", "local", NULL);
	assert_int_equal(stages_spent_ms(&s, "firmware"), 4000);
	assert_int_equal(stages_spent_ms(&s, "iPXE"), 2000);
	assert_int_equal(stages_spent_ms(&s, "kernel and initrd"), 11000);
	assert_int_equal(stages_spent_ms(&s, "rootfs"), 12000);
	assert_int_equal(stages_spent_ms(&s, "reboot"), 7000);
	assert_int_equal(stages_spent_ms(&s, "disk boot"), 13000);
	assert_int_equal(stages_spent_ms(&s, "cloud-init"), 15000);
	assert_int_equal(stages_spent_ms(&s, "format"), -1);
	assert_int_equal(stages_total_ms(&s), 65000);

	struct stages other;
	stages_begin(&other, 0);
	feed(&other, 3, "ipxe", "local", NULL);
	stages_end(&other, 70000);
	const char *const names[] = {"web1", "a-rather-long-name"};
	const struct stages *const list[] = {&other, &s};
	char *text = NULL;
	CAPTURE(text, stages_print_table(f, 2, names, list));
	assert_string_equal(text, "  stage                       web1  a-rather-long-name\n"
				  "  firmware                   3.0 s               4.0 s\n"
				  "  disk boot             1 min 07 s              13.0 s\n"
				  "  iPXE                           -               2.0 s\n"
				  "  kernel and initrd              -              11.0 s\n"
				  "  network                        -               1.0 s\n"
				  "  rootfs                         -              12.0 s\n"
				  "  report                         -               0.0 s\n"
				  "  reboot                         -               7.0 s\n"
				  "  cloud-init                     -              15.0 s\n"
				  "  total                 1 min 10 s          1 min 05 s\n");
	free(text);
	json_t *o = stages_json(&s);
	assert_int_equal(json_integer_value(json_object_get(o, "total_ms")), 65000);
	json_decref(o);
}

/* Nothing but iPXE tells whether there was a reboot. */
static void test_stages_kexec(void **state)
{
	struct stages s;
	int64_t spent;

	(void)state;
	stages_begin(&s, 10000);
	feed(&s, 14, "dhcp", "10.0.0.1", NULL);
	feed(&s, 16, "ipxe", "install", NULL);
	feed(&s, 28, "phase", "report", "report");
	feed(&s, 40, "state", "installed", NULL);
	assert_string_equal(stages_current(&s, 41000, &spent), "reboot");
	s.kexec = true;
	assert_string_equal(stages_current(&s, 41000, &spent), "kexec");
	assert_int_equal(spent, 1000);
	struct stages rebooted = s, silent = s;
	feed(&s, 50, "dhcp", "10.0.0.1", NULL);
	feed(&s, 51, "dhcp", "10.0.0.1", NULL);
	feed(&s, 57, "cloud-init", "init-network", NULL);
	feed(&s, 60, "cloud-init", "modules-final", NULL);
	feed(&s, 72, "state", "ready", NULL);
	assert_int_equal(stages_spent_ms(&s, "reboot"), -1);
	assert_int_equal(stages_spent_ms(&s, "kexec"), 10000);
	assert_int_equal(stages_spent_ms(&s, "disk boot"), 7000);
	assert_int_equal(stages_spent_ms(&s, "cloud-init"), 15000);
	assert_int_equal(stages_total_ms(&s), 62000);

	/* It could not be, and the machine went through its firmware. */
	feed(&rebooted, 50, "dhcp", "10.0.0.1", NULL);
	feed(&rebooted, 52, "ipxe", "local", NULL);
	feed(&rebooted, 60, "dhcp", "10.0.0.1", NULL);
	feed(&rebooted, 63, "cloud-init", "init-network", NULL);
	feed(&rebooted, 70, "state", "ready", NULL);
	assert_int_equal(stages_spent_ms(&rebooted, "kexec"), -1);
	assert_int_equal(stages_spent_ms(&rebooted, "reboot"), 12000);
	assert_int_equal(stages_spent_ms(&rebooted, "disk boot"), 8000);
	assert_int_equal(stages_spent_ms(&rebooted, "cloud-init"), 10000);

	feed(&silent, 50, "dhcp", "10.0.0.1", NULL);
	feed(&silent, 70, "state", "ready", NULL);
	assert_int_equal(stages_spent_ms(&silent, "kexec"), 10000);
	assert_int_equal(stages_spent_ms(&silent, "cloud-init"), 20000);
}

struct told {
	int second;
	const char *kind, *text;
};

static void tell(struct stages_history *h, const struct told *told, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char at[40];
		snprintf(at, sizeof(at), "1970-01-01T00:%02d:%02d.000Z", told[i].second / 60,
		    told[i].second % 60);
		json_t *o = json_pack(
		    "{s:s, s:s, s:s}", "at", at, "kind", told[i].kind, "text", told[i].text);
		stages_history_event(h, o);
		json_decref(o);
	}
}

/* The same boot has the same figures, whether it was watched or is read afterwards. */
static void test_stages_history(void **state)
{
	static const struct told way[] = {
	    {100, "dhcp", "10.0.0.1"},
	    {101, "ipxe", "local"},
	    {110, "dhcp", "10.0.0.1"},
	    {130, "state", "ready"},
	    {900, "dhcp", "10.0.0.1"}, /* renewed */
	    {1794, "lease", "released"},
	    {1806, "dhcp", "10.0.0.1"},
	    {1807, "ipxe", "local"},
	    {1807, "state", "installed"},
	    {1820, "dhcp", "10.0.0.1"},
	    {1840, "cloud-init", "modules-final"},
	    {1870, "state", "ready"},
	};
	enum { WAY_LENGTH = sizeof(way) / sizeof(*way) };
	struct stages_history known = {.on_ms = 1800000}, unknown = {.on_ms = -1},
			      older = {.on_ms = 2000000};
	struct stages watched;

	(void)state;
	tell(&known, way, WAY_LENGTH);
	stages_begin(&watched, 1800000);
	for (size_t i = 0; i < WAY_LENGTH; i++)
		feed(&watched, way[i].second, way[i].kind, way[i].text, NULL);
	assert_int_equal(watched.count, known.finished.count);
	for (size_t i = 0; i < watched.count; i++) {
		const char *name = watched.items[i].name;
		assert_string_equal(known.finished.items[i].name, name);
		assert_int_equal(
		    stages_spent_ms(&known.finished, name), stages_spent_ms(&watched, name));
	}
	assert_int_equal(stages_spent_ms(&known.finished, "firmware"), 6000);
	assert_int_equal(stages_spent_ms(&known.finished, "iPXE"), 1000);
	assert_int_equal(stages_spent_ms(&known.finished, "disk boot"), 13000);
	assert_int_equal(stages_total_ms(&known.finished), 70000);

	tell(&unknown, way, WAY_LENGTH);
	assert_int_equal(stages_spent_ms(&unknown.finished, "firmware"), -1);
	assert_int_equal(stages_spent_ms(&unknown.finished, "iPXE"), 1000);
	assert_int_equal(stages_total_ms(&unknown.finished), 64000);

	/* Switched on since, and not there yet: the last that came to its end is the one before. */
	tell(&older, way, WAY_LENGTH);
	assert_int_equal(stages_total_ms(&older.finished), 64000);
}

static void test_stages_overflow(void **state)
{
	struct stages s;

	(void)state;
	stages_begin(&s, 0);
	for (int i = 0; i < 3 * STAGES_MAX; i++)
		feed(&s, i, "ipxe", i % 2 ? "install" : "local", NULL);
	assert_int_equal(s.count, STAGES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stages),
	    cmocka_unit_test(test_stages_kexec),
	    cmocka_unit_test(test_stages_history),
	    cmocka_unit_test(test_stages_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
