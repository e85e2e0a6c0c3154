/* test_storage.c - "storage": what it takes, in which order it lays things, and how it refuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/definition/storage.h"

static int parse(const char *text, struct storage *s, char *where, struct err *e)
{
	json_error_t je;
	json_t *value = json_loads(text, 0, &je);
	struct json_path bad;

	if (!value)
		print_error("%s: %s\n", text, je.text);
	assert_non_null(value);
	int r = storage_parse(value, s, &bad, e);
	json_path_format(&bad, where, 100);
	json_decref(value);
	return r;
}

/* "mount fs amount label; ..." of what was understood. */
static void describe(const struct storage *s, char *buf, size_t size)
{
	static const char *const units[] = {"", "%", "rest"};

	buf[0] = '\0';
	for (unsigned i = 0; i < s->count; i++) {
		const struct storage_partition *p = &s->part[i];
		char amount[32] = "";
		if (p->unit != STORAGE_REST)
			snprintf(amount, sizeof(amount), "%llu",
			    (unsigned long long)(p->unit == STORAGE_BYTES ? p->amount >> 20
									  : p->amount));
		snprintf(buf + strlen(buf), size - strlen(buf), "%s%s %s %s%s %s", i ? "; " : "",
		    p->mount[0] ? p->mount : "-", file_systems[p->fs].name, amount, units[p->unit],
		    p->label);
	}
}

static void test_accepts(void **state)
{
	static const struct {
		const char *text, *means;
	} table[] = {
	    {"{}", "/ ext4 rest root"},
	    {"{\"root\":{\"fs\":\"xfs\"}}", "/ xfs rest root"},
	    {"{\"root\":{},\"swap\":\"\",\"partitions\":null}", "/ ext4 rest root"},
	    {"{\"swap\":\"2G\"}", "- swap 2048 swap; / ext4 rest root"},
	    {"{\"swap\":\"5%\"}", "- swap 5% swap; / ext4 rest root"},
	    {"{\"partitions\":[{\"mount\":\"/var\",\"size\":\"4G\"}]}",
		"/var ext4 4096 var; / ext4 rest root"},
	    {"{\"partitions\":[{\"mount\":\"/srv/data\",\"size\":\"rest\",\"fs\":\"xfs\"},"
	     "{\"mount\":\"/\",\"size\":\"20%\",\"fs\":\"btrfs\",\"label\":\"sys\"}]}",
		"/ btrfs 20% sys; /srv/data xfs rest srv-data"},
	    {"{\"root\":{\"fs\":\"xfs\"},\"partitions\":[{\"mount\":\"/\",\"size\":\"8G\"}]}",
		"/ xfs 8192 root"},
	    {"{\"partitions\":[{\"mount\":\"/\"},{\"fs\":\"swap\",\"size\":\"1G\",\"label\":\"s\"},"
	     "{\"fs\":\"swap\",\"mount\":\"none\",\"size\":\"1G\"}]}",
		"- swap 1024 s; - swap 1024 swap; / ext4 rest root"},
	    {"{\"partitions\":[{\"mount\":\"/a-very/long/mount/point\",\"size\":\"1G\","
	     "\"fs\":\"xfs\"}]}",
		"/a-very/long/mount/point xfs 1024 a-very-long-; / ext4 rest root"},
	    {"{\"partitions\":[{\"mount\":\"/boot\",\"size\":\"512M\"},"
	     "{\"mount\":\"/mnt/x.y+z\",\"size\":\"64M\",\"fs\":\"vfat\"}]}",
		"/boot ext4 512 boot; /mnt/x.y+z vfat 64 mnt-x-y-z; / ext4 rest root"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct err e = ERR_INIT;
		struct storage s;
		char where[100], text[400];
		if (parse(table[i].text, &s, where, &e) < 0)
			fail_msg("%s: %s: %s", table[i].text, where, e.msg);
		describe(&s, text, sizeof(text));
		assert_string_equal(text, table[i].means);
		assert_non_null(storage_root(&s));
	}
}

#define ONE(fields) "{\"partitions\":[{" fields "}]}"

static void test_refuses(void **state)
{
	static const struct {
		const char *text, *where, *says;
	} table[] = {
	    {"[]", "", "must be an object"},
	    {"{\"root\":\"xfs\"}", "root", "must be an object"},
	    {"{\"root\":{\"fs\":\"zfs\"}}", "root.fs",
		"\"zfs\" is not possible: write \"ext4\", \"xfs\" or \"btrfs\""},
	    {"{\"root\":{\"fs\":\"swap\"}}", "root.fs", "cannot be \"swap\""},
	    {"{\"swap\":2}", "swap", "text in quotes"},
	    {"{\"swap\":\"rest\"}", "swap", "cannot be \"rest\""},
	    {"{\"swap\":\"200%\"}", "swap", "1%"},
	    {"{\"swap\":\"0%\"}", "swap", "1%"},
	    {"{\"swap\":\"5 %\"}", "swap", "1%"},
	    {"{\"swap\":\"12\"}", "swap", "out of range"},
	    {"{\"partitions\":{}}", "partitions", "must be a list"},
	    {"{\"partitions\":[7]}", "partitions[0]", "must be an object"},
	    {ONE(""), "partitions[0]", "has no \"size\""},
	    {ONE("\"size\":\"1G\""), "partitions[0]", "has no \"mount\""},
	    {ONE("\"mount\":\"/var\""), "partitions[0]", "has no \"size\""},
	    {ONE("\"mount\":\"var\",\"size\":\"1G\""), "partitions[0].mount", "absolute"},
	    {ONE("\"mount\":\"/var/\",\"size\":\"1G\""), "partitions[0].mount", "absolute"},
	    {ONE("\"mount\":\"/a/../b\",\"size\":\"1G\""), "partitions[0].mount", "absolute"},
	    {ONE("\"mount\":\"/a//b\",\"size\":\"1G\""), "partitions[0].mount", "absolute"},
	    {ONE("\"mount\":\"/a b\",\"size\":\"1G\""), "partitions[0].mount", "absolute"},
	    {ONE("\"mount\":\"/etc\",\"size\":\"1G\""), "partitions[0].mount", "of its own"},
	    {ONE("\"mount\":\"/dev/shm\",\"size\":\"1G\""), "partitions[0].mount", "of its own"},
	    {ONE("\"mount\":\"/var/run\",\"size\":\"1G\""), "partitions[0].mount", "of its own"},
	    {ONE("\"mount\":\"/boot/efi\",\"size\":\"1G\""), "partitions[0].mount", "of its own"},
	    {ONE("\"mount\":\"/var\",\"size\":\"much\""), "partitions[0].size", "not a size"},
	    {ONE("\"mount\":\"/var\",\"size\":\"200M\",\"fs\":\"xfs\""), "partitions[0].size",
		"at least 300M"},
	    {ONE("\"mount\":\"/\",\"fs\":\"vfat\""), "partitions[0]", "cannot be vfat"},
	    {ONE("\"mount\":\"/var\",\"fs\":\"swap\",\"size\":\"1G\""), "partitions[0].mount",
		"left out"},
	    {ONE("\"mount\":\"/var\",\"size\":\"1G\",\"fs\":\"xfs\",\"label\":\"thirteen-char\""),
		"partitions[0].label", "at most 12"},
	    {ONE("\"mount\":\"/srv\",\"size\":\"1G\",\"fs\":\"vfat\",\"label\":\"a.b\""),
		"partitions[0].label", "not a label for vfat"},
	    {ONE("\"mount\":\"/var\",\"size\":\"1G\",\"label\":\"a b\""), "partitions[0].label",
		"at most 16"},
	    {ONE("\"mount\":\"/var\",\"size\":\"rest\""), "", "leaves nothing for \"/\""},
	    {"{\"partitions\":[{\"mount\":\"/\"},{\"mount\":\"/a\",\"size\":\"rest\"}]}",
		"partitions[1]", "second to take the rest"},
	    {"{\"partitions\":[{\"mount\":\"/a\",\"size\":\"1G\"},{\"mount\":\"/a\",\"size\":"
	     "\"1G\"}]}",
		"partitions[1]", "same \"mount\""},
	    {"{\"swap\":\"50%\",\"partitions\":[{\"mount\":\"/a\",\"size\":\"50%\"}]}", "",
		"gives away 100%"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct err e = ERR_INIT;
		struct storage s;
		char where[100];
		int r = parse(table[i].text, &s, where, &e);
		if (r != -EINVAL || strcmp(where, table[i].where) != 0 ||
		    !strstr(e.msg, table[i].says))
			fail_msg("%s: %d at %s: %s", table[i].text, r, where, e.msg);
	}
}

static void test_too_many(void **state)
{
	char text[2000] = "{\"partitions\":[", where[100];
	struct storage s;
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i < STORAGE_PARTITIONS_MAX + 1; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%s{\"mount\":\"/m%d\",\"size\":\"1G\"}", i ? "," : "", i);
	strcat(text, "]}");
	assert_int_equal(parse(text, &s, where, &e), -EINVAL);
	assert_string_equal(where, "partitions[12]");
	assert_non_null(strstr(e.msg, "too many"));
}

struct told {
	char text[4000];
};

static void note(void *ctx, const struct json_path *bad, const struct err *why)
{
	struct told *t = ctx;
	char path[100];
	size_t len = strlen(t->text);

	snprintf(t->text + len, sizeof(t->text) - len, "%s: %.18s\n",
	    json_path_format(bad, path, sizeof(path)), why->msg);
}

/* Every mistake, and none that only follows from another. */
static void test_tells_all(void **state)
{
	static const struct {
		const char *text, *told;
	} table[] = {
	    {"{\"root\":{\"fs\":\"ntfs\"},\"swap\":\"2 gigs\",\"partitions\":[{\"mount\":\"var\",\"size\":"
	     "\"4G\"},{\"mount\":\"/srv\",\"size\":\"1X\",\"label\":\"a b\"},7,{\"mount\":\"/home\"}]}",
		"root.fs: \"ntfs\" is not poss\n"
		"swap: \"2 gigs\" is not a \n"
		"partitions[0].mount: \"var\" is not a dir\n"
		"partitions[1].size: \"1X\" is not a size\n"
		"partitions[1].label: \"a b\" is not a lab\n"
		"partitions[2]: must be an object \n"
		"partitions[3]: has no \"size\": add\n"},
	    /* A wrong file system may have been any, a wrong mount point "/". */
	    {"{\"partitions\":[{\"fs\":\"swp\",\"size\":\"1M\"},{\"fs\":\"swp\",\"mount\":\"swap\","
	     "\"size\":\"1M\"},{\"mount\":\"//\",\"size\":\"rest\"}]}",
		"partitions[0].fs: \"swp\" is not possi\n"
		"partitions[1].fs: \"swp\" is not possi\n"
		"partitions[2].mount: \"//\" is not a dire\n"},
	    {"{\"partitions\":[{\"mount\":\"/var\",\"fs\":\"vfat\",\"size\":\"2M\"},"
	     "{\"mount\":\"/var\",\"size\":\"60%\"},{\"mount\":\"/a\",\"size\":\"60%\"}]}",
		"partitions[0]: cannot be vfat, wh\n"
		"partitions[0].size: is too small for v\n"
		"partitions[1]: has the same \"moun\n"
		": gives away 120% of\n"},
	    {"{\"partitions\":[{\"mount\":\"/a\",\"size\":\"x\"},{\"mount\":\"/b\",\"size\":\"rest\"}]}",
		"partitions[0].size: \"x\" is not a size:\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		json_t *value = json_loads(table[i].text, 0, NULL);
		struct told told = {""};
		struct storage s;

		assert_non_null(value);
		assert_int_equal(
		    storage_read(&(struct json_reader){.refuse = note, .ctx = &told}, value, &s),
		    -EINVAL);
		assert_string_equal(told.text, table[i].told);
		json_decref(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepts),
	    cmocka_unit_test(test_tells_all),
	    cmocka_unit_test(test_refuses),
	    cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
