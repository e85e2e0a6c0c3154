/* Rows that Python decides the same way: tests/consumers/test_user_data.py runs cloud-init's code
 * over others. */
#include "lib/definition/file_content.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

enum verdict { GOOD, DOUBTFUL, BAD };

static const struct {
	const char *content, *encoding;
	enum verdict verdict;
} rows[] = {
    {"anything at all", NULL, GOOD},
    {"anything at all", "text/plain", GOOD},
    {"", "base64", GOOD},
    {"", "gz", GOOD},
    {"aGVsbG8K", "base64", GOOD},
    {"aGVsbG8=", "b64", GOOD},
    {"aGVs\nbG8K\n", "b64", GOOD},
    {"aGVsbA==\n", "b64", GOOD},
    {"aGVsbA", "b64", BAD},
    {"aGVsbA=", "b64", BAD},
    {"aGVsbG8K=", "b64", GOOD},
    {"a", "b64", BAD},
    {"hello world", "base64", BAD},
    {"h\xc3\xa4llo", "base64", BAD},
    {"hello, you", "base64", DOUBTFUL},
    {"aGVs-G8K_a==", "base64", DOUBTFUL},
    {"aGVsbA==aGVsbA==", "base64", DOUBTFUL},
    /* printf hello | gzip -n | base64 */
    {"H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==", "gz+base64", GOOD},
    {"H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==", "gzip+b64", GOOD},
    {"H4sIAAAAAAAAA8tIzcnJBwCGphA3BQAAAA==", "gz+b64", BAD},
    {"H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAA", "gz+b64", BAD},
    {"H4sIAAAAAAAAA8tIzcnJBw==", "gz+b64", BAD},
    {"aGVsbG8K", "gz+b64", BAD},
    {"H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==", "gzip", BAD},
    {"hello", "gz", BAD},
};

static void content(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool certain;
		const char *fault = file_content_fault(rows[i].content, rows[i].encoding, &certain);
		enum verdict verdict = !fault ? GOOD : certain ? BAD : DOUBTFUL;
		if (verdict != rows[i].verdict)
			fail_msg("%s as %s: %s", rows[i].content, rows[i].encoding,
			    fault ? fault : "good");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(content)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
