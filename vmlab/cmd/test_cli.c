/* test_cli.c - what a person meets on the command line: the list at any width, help pages taken
 * apart, completion, manual pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmlab/cmd/complete.h"
#include "vmlab/ui/help_text.h"
#include "vmlab/cmd/man.h"
#include "vmlab/follow/table.h"
#include "lib/base/test_capture.h"

/* ---- the list -------------------------------------------------------------------------------- */

static json_t *two_vms(void)
{
	return json_pack("[{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:[I,I]},"
			 " {s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}}]",
	    "name", "web1", "state", "ready", "ip", "192.168.100.11", "arch", "amd64", "distro",
	    "debian-13", "container", "running", "changed_at", "1970-01-01T00:00:00Z", "cpus", 2,
	    "memory_bytes", (json_int_t)2 << 30, "disks_bytes", (json_int_t)8 << 30,
	    (json_int_t)1 << 40, "name", "database-primary", "state", "failed", "ip",
	    "192.168.100.121", "arch", "arm64", "distro", "debian-12", "container", "running",
	    "error", "phase", "rootfs", "reason",
	    "the server stopped answering after 120 s and did not come back");
}

static void test_disks(void **state)
{
	static const struct {
		const char *seen, *shown;
	} cases[] = {{"null", "8 GiB"}, {"[8589934592]", "8 GiB"},
	    {"[12884901888]", "12 GiB (wanted: 8 GiB)"},
	    {"[8589934592,1073741824]", "8 GiB+1 GiB (wanted: 8 GiB)"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *vms = json_pack("[{s:s, s:[I], s:o}]", "name", "a", "disks_bytes",
		    (json_int_t)8 << 30, "disks_seen_bytes",
		    json_loads(cases[i].seen, JSON_DECODE_ANY, NULL));
		struct table table = {.width = 80};
		struct err e = ERR_INIT;
		char *text = NULL, wanted[100];
		assert_int_equal(table_choose(&table, "name,disks", &e), 0);
		assert_true(table_has(&table, "disks") && !table_has(&table, "ip"));
		CAPTURE(text, table_print(f, &table, vms));
		snprintf(wanted, sizeof(wanted), "  %s\n", cases[i].shown);
		if (!strstr(text, wanted))
			fail_msg("%s is not in:\n%s", wanted, text);
		free(text);
		json_decref(vms);
	}
}

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		longest = len > longest ? len : longest;
		text += len + (text[len] == '\n');
	}
	return longest;
}

static char *list_at(unsigned width)
{
	json_t *vms = two_vms();
	struct table table = {.now_ms = 120000, .width = width};
	char *text = NULL;

	table_usual(&table, false);
	CAPTURE(text, table_print(f, &table, vms));
	json_decref(vms);
	return text;
}

static void list_at_every_width(void **state)
{
	(void)state;
	for (unsigned width = 34; width <= 200; width++) {
		char *text = list_at(width);
		if (longest_line(text) > width)
			fail_msg("a line of %zu at width %u:\n%s", longest_line(text), width, text);
		assert_non_null(strstr(text, "database-primary"));
		assert_non_null(strstr(text, "failed: rootfs"));
		assert_non_null(strstr(text, "stopped"));
		assert_non_null(strstr(text, "back\n"));
		free(text);
	}
}

static void list_at_three_widths(void **state)
{
	char *at40 = list_at(40), *at80 = list_at(80), *at200 = list_at(200);

	(void)state;
	assert_string_equal(at40, "NAME              STATE\n"
				  "web1              ready\n"
				  "database-primary  failed: rootfs\n"
				  "  the server stopped answering after 120\n"
				  "  s and did not come back\n");
	assert_string_equal(at80,
	    "NAME              STATE           IP               ARCH   DISTRO     AGE\n"
	    "web1              ready           192.168.100.11   amd64  debian-13  2 min\n"
	    "database-primary  failed: rootfs  192.168.100.121  arm64  debian-12  -\n"
	    "  the server stopped answering after 120 s and did not come back\n");
	assert_non_null(strstr(
	    at200, "-      the server stopped answering after 120 s and did not come back\n"));
	free(at40);
	free(at80);
	free(at200);
}

static void list_columns(void **state)
{
	json_t *vms = two_vms();
	struct table table = {.now_ms = 120000, .width = 20};
	struct err e = ERR_INIT;
	char *text = NULL;

	(void)state;
	assert_int_equal(table_choose(&table, "disks,memory,name,cpus", &e), 0);
	CAPTURE(text, table_print(f, &table, vms));
	assert_string_equal(text, "DISKS        MEMORY  NAME              CPUS\n"
				  "8 GiB+1 TiB  2 GiB   web1              2\n"
				  "-            -       database-primary  -\n");
	free(text);
	assert_true(table_choose(&table, "name,colour", &e) < 0);
	assert_non_null(strstr(e.msg, "\"colour\""));
	assert_non_null(strstr(e.msg, "memory"));
	assert_true(table_choose(&table, "", &e) < 0);
	json_decref(vms);
}

/* ---- help pages ------------------------------------------------------------------------------ */

static void options_of_a_page(void **state)
{
	const char *page = "Text - no option.\n"
			   "  -f, --follow     go on\n"
			   "  --timeout TIME   give up\n"
			   "                   -x is no option here\n"
			   "  -y               yes\n"
			   "  vmlab up         a command\n"
			   "  --lonely\n";
	struct help_option o;
	struct help_line line;
	char all[256] = "";

	(void)state;
	while (help_line_next(&page, &line))
		if (help_option_parse(&line, &o))
			snprintf(all + strlen(all), sizeof(all) - strlen(all), "[%s|%s|%s|%.*s]",
			    o.brief, o.name, o.value, (int)o.summary_len, o.summary);
	assert_string_equal(
	    all, "[-f|--follow||go on][|--timeout|TIME|give up][-y|||yes][|--lonely||]");
}

/* ---- completion ------------------------------------------------------------------------------ */

static const struct command up = {.name = "up",
    .args = "[NAME...]",
    .summary = "start VMs",
    .help =
	"Starts them.\n\n  --timeout TIME  give up\n  --accel A       how\n\nExamples:\n  vmlab up\n",
    .operands = OPERANDS_VMS};
static const struct command console = {
    .name = "console", .args = "NAME", .summary = "look", .help = "", .operands = OPERANDS_VM};
static const struct command image = {
    .name = "image", .args = "build", .summary = "images", .help = "  --arch A   which\n"};
static const struct command help = {.name = "help",
    .args = "",
    .summary = "this",
    .help = ".dot and \\ and 'quote\n'begins\n",
    .operands = OPERANDS_COMMAND};
static const struct command *const commands[] = {&up, &console, &image, &help};

static void touch(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
}

struct place {
	char dir[64];
	char images[96];
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/test_cli.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->images, sizeof(p->images), "%s/images", p->dir);
	assert_int_equal(mkdir(p->images, 0755), 0);
	touch(p->dir, "web1.json");
	touch(p->dir, "web2.json");
	touch(p->dir, "_defaults.json");
	touch(p->dir, "vm.schema.json");
	touch(p->dir, "no name.json");
	touch(p->dir, "notes.txt");
	touch(p->images, "debian-13");
	touch(p->images, "lost+found");
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;
	static const char *const names[] = {"web1.json", "web2.json", "_defaults.json",
	    "vm.schema.json", "no name.json", "notes.txt", "images/lost+found", "images/debian-13",
	    "images", ""};
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->dir, names[i]);
		remove(path);
	}
	free(p);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The words that are offered, sorted, without their explanations; "FILES" for the shell's own. */
static void offers(
    const struct place *p, const char *expected, size_t count, const char *const *words)
{
	struct complete_source source = {
	    commands, 4, "  -C DIR       folder\n  --vms DIR    definitions\n", p->dir, p->images};
	char *text = NULL, *list[64], got[1024] = "";
	size_t n = 0;
	bool found;

	CAPTURE(text, found = complete(&source, count, words, f));
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")) && n < 64)
		if (*line) {
			line[strcspn(line, "\t")] = '\0';
			list[n++] = line;
		}
	qsort(list, n, sizeof(*list), by_text);
	for (size_t i = 0; i < n; i++)
		snprintf(
		    got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "", list[i]);
	assert_string_equal(found ? got : "FILES", expected);
	free(text);
}
#define OFFERS(expected, ...)                                                                      \
	offers(p, expected, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                \
	    (const char *[]){__VA_ARGS__})

static void completion(void **state)
{
	const struct place *p = *state;

	OFFERS("console help image up", "");
	OFFERS("up", "u");
	OFFERS("", "x");
	OFFERS("--vms -C", "-");
	OFFERS("FILES", "--vms", "");
	OFFERS("console help image up", "--vms", "there", "");
	OFFERS("web1 web2", "up", "");
	OFFERS("web2", "up", "web1", "web2");
	OFFERS("web1 web2", "up", "--timeout", "10m", "");
	OFFERS("FILES", "up", "--timeout", "");
	OFFERS("auto kvm tcg", "up", "--accel", "");
	OFFERS("--accel --timeout --vms -C", "up", "-");
	OFFERS("--timeout", "up", "--t");
	OFFERS("web1 web2", "console", "w");
	OFFERS("add build import ls rm", "image", "");
	OFFERS("amd64 arm64", "image", "build", "--arch", "a");
	OFFERS("debian-12 debian-13", "image", "--arch", "amd64", "build", "debian-1");
	OFFERS("debian-13", "image", "rm", "");
	OFFERS("FILES", "image", "import", "mine", "");
	OFFERS("console help image up", "help", "");
	OFFERS("", "nonsense", "");
}

/* ---- manual pages ---------------------------------------------------------------------------- */

static void manual(void **state)
{
	char *text = NULL;

	(void)state;
	CAPTURE(text, man_command(&up, f));
	assert_non_null(strstr(text, ".TH VMLAB\\-UP 1"));
	assert_non_null(strstr(text, ".TP\n\\fB\\-\\-timeout\\fR \\fITIME\\fR\ngive up\n"));
	assert_non_null(strstr(text, ".SH EXAMPLES\n.nf\nvmlab up\n.fi\n"));
	free(text);
	CAPTURE(text, man_command(&help, f));
	assert_non_null(strstr(text, "\n\\&.dot and \\e and 'quote\n\\&'begins\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_disks),
	    cmocka_unit_test(list_at_every_width),
	    cmocka_unit_test(list_at_three_widths),
	    cmocka_unit_test(list_columns),
	    cmocka_unit_test(options_of_a_page),
	    cmocka_unit_test_setup_teardown(completion, make_place, remove_place),
	    cmocka_unit_test(manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
