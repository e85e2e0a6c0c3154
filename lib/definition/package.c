/* package.c - reader of "packages": words for `apt-get install`, which cloud-init hands on as
 * they are.
 *
 * apt-get(8): NAME[:ARCHITECTURE][=VERSION | /RELEASE], with a '+' behind it all to install, a '-'
 * to remove, a '^' for a task. Names have capitals and '_' on other distributions, and never end
 * with '-' anywhere.
 */
#include "lib/definition/field.h"

#include <errno.h>
#include <string.h>

#define PACKAGE_MAX 200

static bool ends_with(const char *text, char c)
{
	size_t len = strlen(text);

	return len > 0 && text[len - 1] == c;
}

static int removes(struct json_reader *r, const char *word)
{
	return json_refuse(r,
	    "\"%.70s\" ends with '-', by which apt removes a package: drop the '-' to install it, or remove it in \"runcmd\", such as [\"apt-get\", \"-y\", \"purge\", \"nano\"]",
	    word);
}

/* At least one character of a sort, then others; *at moves behind them. */
static bool take(const char **at, const char *first, const char *then)
{
	size_t n = strspn(*at, first) > 0 ? 1 + strspn(*at + 1, then) : 0;

	*at += n;
	return n > 0;
}

static bool well_formed(const char *word)
{
	const char *at = word;

	if (strlen(word) > PACKAGE_MAX || !take(&at, VM_ALNUM, VM_ALNUM "+._-") || at - word < 2)
		return false;
	if (*at == '^' && !at[1])
		return true;
	if (*at == ':' && (at++, !take(&at, VM_LOWER VM_DIGIT, VM_LOWER VM_DIGIT "-")))
		return false;
	bool release = *at == '/';
	if ((release || *at == '=') && (at++, !take(&at, release ? VM_ALNUM : VM_DIGIT,
						  release ? VM_ALNUM "._-" : VM_ALNUM ".+~:-")))
		return false;
	return !*at || strcmp(at, "+") == 0;
}

static int read_word(struct json_reader *r, json_t *value)
{
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	if (!well_formed(s))
		return json_refuse(r,
		    "\"%.70s\" is not a package name, such as \"nginx\", \"nginx=1.22.1-9\" or \"nginx/stable\"",
		    s);
	if (ends_with(s, '-'))
		return removes(r, s);
	if (s[strcspn(s, ":=")] == ':')
		json_warn(r,
		    "names an architecture: the cloud-init of Debian 13 knows no such package and leaves it out; install it in \"runcmd\"");
	return 0;
}

static int read_version(struct json_reader *r, json_t *value)
{
	const char *s, *at;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	at = s;
	if (!take(&at, VM_DIGIT, VM_ALNUM ".+~:-") || *at || strlen(s) > PACKAGE_MAX)
		return json_refuse(r,
		    "\"%.70s\" is not a version: a list inside of the list is one package and its version, such as [\"nginx\", \"1.22.1-9\"]",
		    s);
	if (ends_with(s, '-'))
		return removes(r, s);
	return 0;
}

static int read_pair(struct json_reader *r, json_t *value)
{
	json_t *item;
	size_t i;

	json_array_foreach(value, i, item) {
		json_enter_at(r, i);
		(void)(i == 0 ? read_word : read_version)(r, item);
		json_leave(r);
	}
	return 0;
}

static int read_package(struct json_reader *r, json_t *value)
{
	return json_is_array(value) && json_array_size(value) == 2 ? read_pair(r, value)
								   : read_word(r, value);
}

int vm_read_packages(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_package);
}
