/* That the consumers take the same value from each place is tried in
 * tests/consumers/test_unattended_own.py; here is what stands there, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/definition/test_vm_from.h"
#include "lib/unattended/template.h"

/* The role is what a user may write whatever into. */
#define ROLE "it's \\\"$(id)\\\" & <x>"

static int filled(const char *file, const char *role, const char *text, char **out,
    struct vm_where *where, struct err *e)
{
	char definition[400];
	snprintf(definition, sizeof(definition),
	    "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\",\"cpus\":2,\"ip\":\"192.168.100.11\",\"role\":\"%s\",\"pxeboot\":true}",
	    role);
	struct vm *vm = vm_from(definition);
	struct unattended_source s = {
	    .vm = vm, .base = "http://192.168.100.1:80", .nic = vm->mac, .domain = "lab"};
	int r = template_fill(text, strlen(text), language_of_file(file, e), &s, out, where, e);

	vm_free(vm);
	return r;
}

static void values_are_written_for_their_place(void **state)
{
	static const struct {
		const char *file, *text, *out;
	} cases[] = {
	    {"a.sh", "x={{name}} \"{{ fqdn }}\"\n", "x=web1 \"web1.lab\"\n"},
	    {"a.sh", "x={{role}}\n", "x='it'\\''s \"$(id)\" & <x>'\n"},
	    {"a.sh", "x=\"{{role}}\"\n", "x=\"it's \\\"\\$(id)\\\" & <x>\"\n"},
	    {"a.sh", "x='{{role}}'\n", "x='it'\\''s \"$(id)\" & <x>'\n"},
	    {"a.sh", "# it's {{role}}\nx={{role}}\n",
		"# it's it's \"$(id)\" & <x>\nx='it'\\''s \"$(id)\" & <x>'\n"},
	    {"a.sh", "x=\\{{name}} y='\\{{role}}'\n", "x=\\web1 y='\\it'\\''s \"$(id)\" & <x>'\n"},
	    {"a.sh", "x=\\\\{{role}}\n", "x=\\\\'it'\\''s \"$(id)\" & <x>'\n"},
	    {"a.json", "{\"a\": \"\\\\{{role}}\"}", "{\"a\": \"\\\\it's \\\"$(id)\\\" & <x>\"}"},
	    {"a.sh", "x=\"a << {{role}}\"\n", "x=\"a << it's \\\"\\$(id)\\\" & <x>\"\n"},
	    {"a.sh", "x={{initrd}}.\n", "x=''.\n"},
	    {"a.sh", "docker --format {{ '{{' }}.Names}}\n", "docker --format {{.Names}}\n"},
	    {"a.ks", "%packages\n@core\n{{initrd}}\n%end\n", "%packages\n@core\n\n%end\n"},
	    {"a.ks", "user --gecos={{role}}\n", "user --gecos='it'\\''s \"$(id)\" & <x>'\n"},
	    {"a.ks", "user --gecos=\"{{role}}\"\n", "user --gecos=\"it's \\\"$(id)\\\" & <x>\"\n"},
	    {"a.ks", "%post\nx=\"{{role}}\"\n%end\n",
		"%post\nx=\"it's \\\"\\$(id)\\\" & <x>\"\n%end\n"},
	    {"a.cfg", "d-i a/b string {{role}}\n", "d-i a/b string it's \"$(id)\" & <x>\n"},
	    {"a.cfg", "d-i preseed/late_command string echo \\\n {{role}}\n",
		"d-i preseed/late_command string echo \\\n 'it'\\''s \"$(id)\" & <x>'\n"},
	    {"a.yaml", "a: {{role}}\nb: {{cpus}}\nc: {{name}} # d\n",
		"a: \"it's \\\"$(id)\\\" & <x>\"\nb: 2\nc: \"web1\" # d\n"},
	    {"a.yaml", "- [{{name}}, '{{role}}', \"{{role}}\"]\n",
		"- [\"web1\", 'it''s \"$(id)\" & <x>', \"it's \\\"$(id)\\\" & <x>\"]\n"},
	    {"a.yml", "url: http://{{server}}/{{mac}}\n",
		"url: http://192.168.100.1/52:54:00:00:00:11\n"},
	    {"a.json", "{\"a\": {{role}}, \"b\": {{cpus}}, \"c\": \"<{{role}}>\"}",
		"{\"a\": \"it's \\\"$(id)\\\" & <x>\", \"b\": 2, \"c\": \"<it's \\\"$(id)\\\" & <x>>\"}"},
	    {"a.xml", "<a b='{{role}}'>{{role}}</a>",
		"<a b='it&apos;s &quot;$(id)&quot; &amp; &lt;x&gt;'>it&apos;s &quot;$(id)&quot; &amp; &lt;x&gt;</a>"},
	};
	struct vm_where where;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *out = NULL;
		if (filled(cases[i].file, ROLE, cases[i].text, &out, &where, &e) < 0)
			fail_msg("%s: %s", cases[i].text, e.msg);
		assert_string_equal(out, cases[i].out);
		free(out);
	}
}

static void what_cannot_be_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *file, *role, *text;
		int line, column;
		const char *says;
	} cases[] = {
	    {"a.sh", "x", "a\n b {{nonsense}}", 2, 4, "{{nonsense}} is no field"},
	    {"a.sh", "x", "a {{name\n}}", 1, 3, "left open"},
	    {"a.sh", "x", "a {{name", 1, 3, "left open"},
	    {"a.sh", "x", "{{users}}", 1, 1, "more than one value"},
	    {"a.sh", ROLE, "cat <<E\n{{role}}\nE\n", 2, 1, "here-document"},
	    {"a.sh", ROLE, "x=\"$(echo \"{{role}}\")\"\n", 1, 12, "here-document"},
	    {"a.sh", ROLE, "x=\\{{role}}\n", 1, 4, "a backslash"},
	    {"a.sh", ROLE, "x=\"\\{{role}}\"\n", 1, 5, "a backslash"},
	    {"a.sh", ROLE, "x=$'{{role}}'\n", 1, 5, "$'"},
	    {"a.sh", "(id)", "x=\"${{role}}\"\n", 1, 5, "$,"},
	    {"a.ks", ROLE, "user --gecos=\"\\{{role}}\"\n", 1, 16, "a backslash"},
	    {"a.json", ROLE, "{\"a\": \"\\{{role}}\"}", 1, 9, "behind a backslash"},
	    {"a.yaml", ROLE, "a: \"\\{{role}}\"\n", 1, 6, "behind a backslash"},
	    {"a.ks", ROLE, "%packages\n{{role}}\n%end\n", 2, 1, "cannot be quoted"},
	    {"a.cfg", "x\\\\", "d-i a/b string {{role}}\n", 1, 16, "backslash"},
	    {"a.cfg", "x", "d-i a/b string \\{{initrd}}\n", 1, 17, "behind a backslash"},
	    {"a.yaml", ROLE, "a: b {{role}}\n", 1, 6, "double quotes"},
	    {"a.xml", ROLE, "<![CDATA[{{role}}]]>", 1, 10, "CDATA"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct vm_where where = {0, 0};
		struct err e = ERR_INIT;
		char *out = NULL;
		assert_int_equal(
		    filled(cases[i].file, cases[i].role, cases[i].text, &out, &where, &e), -22);
		assert_null(out);
		if (!strstr(e.msg, cases[i].says))
			fail_msg("%s: %s", cases[i].text, e.msg);
		assert_int_equal(where.line, cases[i].line);
		assert_int_equal(where.column, cases[i].column);
	}
}

static void what_is_no_text_is_refused_by_its_name(void **state)
{
	char dir[] = "/tmp/test_template.XXXXXX", command[200];
	struct vm_where where;
	struct err e = ERR_INIT;
	char *out;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
	    "mkdir %s/_unattended && printf 'a\\0b' >%s/_unattended/a.cfg", dir, dir);
	assert_int_equal(system(command), 0);
	assert_true(template_make(dir, "a.cfg", NULL, &out, &where, &e) < 0);
	assert_string_equal(e.msg, "a.cfg: has a NUL byte: it is no text");
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void note(void *ctx, struct vm_where where, const char *sentence)
{
	size_t len = strlen(ctx);

	snprintf(
	    (char *)ctx + len, 4000 - len, "%d:%d %.20s\n", where.line, where.column, sentence);
}

static void all_that_is_wrong_is_told(void **state)
{
	char dir[] = "/tmp/test_template.XXXXXX", command[400], told[4000] = "";
	const struct template_teller teller = {note, told};
	struct vm *vm = vm_from("{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\"}");
	struct unattended_source s = {.vm = vm, .base = "http://192.168.100.1", .nic = vm->mac};
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
	    "mkdir %s/_unattended && cd %s/_unattended && printf 'a={{nme}}\nb={{name}} {{users}}\nc={{name\nd={{x}}' >a.sh && "
	    "printf 'a={{name}}' >b.sh && for i in $(seq 30); do echo '{{x}}'; done >c.sh",
	    dir, dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(template_check(dir, "a.sh", &s, &teller, &e), 0);
	assert_string_equal(told,
	    "1:3 {{nme}} is no field:\n2:12 {{users}} is more th\n3:3 {{ is left open: end\n4:3 {{x}} is no field: w\n");
	told[0] = '\0';
	assert_int_equal(template_check(dir, "b.sh", &s, &teller, &e), 0);
	assert_string_equal(told, "");
	assert_int_equal(template_check(dir, "c.sh", &s, &teller, &e), 0);
	assert_non_null(strstr(told, "20:1 "));
	assert_null(strstr(told, "21:1 "));
	assert_true(template_check(dir, "d.sh", &s, &teller, &e) < 0);
	assert_string_equal(e.msg, "there is no file d.sh in _unattended of vms/");
	vm_free(vm);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* A machine is served a file of the folder, and none of this server's. */
static void a_link_out_of_the_folder_is_not_followed(void **state)
{
	char dir[] = "/tmp/test_template.XXXXXX", command[400];
	struct vm_where where;
	struct err e = ERR_INIT;
	char *out;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
	    "cd %s && mkdir -p _unattended/.v1 && echo a >_unattended/.v1/a.cfg && ln -s .v1/a.cfg _unattended/in.cfg &&"
	    " echo b >b && ln -s ../b _unattended/out.cfg && ln -s /etc/passwd _unattended/etc.cfg",
	    dir);
	assert_int_equal(system(command), 0);
	struct vm *vm = vm_from("{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\"}");
	struct unattended_source source = {.vm = vm, .base = "http://192.168.100.1"};
	assert_int_equal(template_make(dir, "in.cfg", &source, &out, &where, &e), 0);
	assert_string_equal(out, "a\n");
	free(out);
	static const char *const away[] = {"out.cfg", "etc.cfg"};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(template_make(dir, away[i], &source, &out, &where, &e), -EXDEV);
		assert_non_null(strstr(e.msg, "leads out of its folder and is not followed"));
	}
	vm_free(vm);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void the_ending_tells_the_language(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_ptr_equal(language_of_file("x.yml", &e), &language_yaml);
	assert_null(language_of_file("x.txt", &e));
	assert_non_null(strstr(e.msg, ".cfg, .preseed, .ks, .yaml, .yml, .xml, .json, .sh"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_written_for_their_place),
	    cmocka_unit_test(what_cannot_be_is_refused_with_its_place),
	    cmocka_unit_test(what_is_no_text_is_refused_by_its_name),
	    cmocka_unit_test(all_that_is_wrong_is_told),
	    cmocka_unit_test(a_link_out_of_the_folder_is_not_followed),
	    cmocka_unit_test(the_ending_tells_the_language),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
