/* cloudinit.c - readers of the values that cloud-init gets: users, files and commands. Packages:
 * package.c; network_config: netconf.c; user_data: user_data.c.
 *
 * Names and meanings are cloud-init's (module reference: users-groups, write-files, runcmd), and so
 * is what is refused: what its schema refuses, what it ignores without a word, and what makes it
 * leave out all that follows.
 */
#include "lib/definition/field.h"

#include <errno.h>
#include <string.h>

#include "lib/definition/file_content.h"
#include "lib/definition/login.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- users ------------------------------------------------------------------------------------*/

static int read_user_name(struct json_reader *r, json_t *value)
{
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_text_is(s, VM_LOWER VM_DIGIT "_-", 1, 32) || !strchr(VM_LOWER "_", s[0]))
		return json_refuse(r,
		    "\"%.40s\" is not a user name: write 1 to 32 lower-case letters, digits, '_' and '-', beginning with a letter",
		    s);
	return 0;
}

static int read_lines_or_line(struct json_reader *r, json_t *value)
{
	return json_is_array(value) ? json_each(r, value, json_read_line)
				    : json_read_line(r, value);
}

static int read_lines(struct json_reader *r, json_t *value)
{
	return json_each(r, value, json_read_line);
}

static int read_number(struct json_reader *r, json_t *value)
{
	const char *s = json_string_value(value);

	if (json_is_integer(value)
		? json_integer_value(value) >= 0 && json_integer_value(value) <= INT32_MAX
		: s && vm_text_is(s, VM_DIGIT, 1, 9))
		return 0;
	return json_refuse(r, "must be a whole number, 0 or more");
}

static int read_sudo(struct json_reader *r, json_t *value)
{
	if (json_is_true(value))
		return json_refuse(
		    r, "must say what is allowed, such as \"ALL=(ALL) NOPASSWD:ALL\"");
	return json_is_false(value) ? 0 : read_lines_or_line(r, value);
}

static int read_date(struct json_reader *r, json_t *value)
{
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	if (strlen(s) != 10 || s[4] != '-' || s[7] != '-' || !vm_text_is(s, VM_DIGIT "-", 10, 10) ||
	    strncmp(s + 5, "01", 2) < 0 || strncmp(s + 5, "12", 2) > 0 ||
	    strncmp(s + 8, "01", 2) < 0 || strncmp(s + 8, "31", 2) > 0)
		return json_refuse(r, "\"%.20s\" is not a date such as \"2030-12-31\"", s);
	return 0;
}

/* cloud-init raises an error for these, and with it leaves out every user that follows. */
static int check_user(struct json_reader *r, const json_t *user)
{
	bool keys =
	    vm_user_says(user, "ssh_authorized_keys") || vm_user_says(user, "ssh_import_id");
	bool redirected = vm_user_says(user, "ssh_redirect_user");
	const char *homeless = vm_user_says(user, "system")           ? "system"
			       : vm_user_says(user, "no_create_home") ? "no_create_home"
								      : NULL;

	if (homeless && (keys || redirected))
		return json_refuse(r,
		    "has no home directory for its SSH keys, because of \"%s\": remove that, or the keys",
		    homeless);
	if (redirected && keys)
		return json_refuse(r,
		    "is sent on to another name by \"ssh_redirect_user\" and can have no SSH keys of its own: remove either");
	return 0;
}

static int read_user(struct json_reader *r, json_t *value)
{
	static const struct {
		const char *key;
		int (*read)(struct json_reader *r, json_t *value);
	} members[] = {
	    {"name", read_user_name},
	    {"gecos", json_read_line},
	    {"groups", read_lines_or_line},
	    {"primary_group", json_read_line},
	    {"homedir", json_read_line},
	    {"shell", json_read_line},
	    {"sudo", read_sudo},
	    {"doas", read_lines},
	    {"uid", read_number},
	    {"system", json_read_flag},
	    {"lock_passwd", json_read_flag},
	    {"passwd", json_read_line},
	    {"hashed_passwd", json_read_line},
	    {"plain_text_passwd", json_read_line},
	    {"ssh_authorized_keys", vm_read_ssh_keys},
	    {"ssh_import_id", read_lines_or_line},
	    {"ssh_redirect_user", json_read_flag},
	    {"no_create_home", json_read_flag},
	    {"no_user_group", json_read_flag},
	    {"no_log_init", json_read_flag},
	    {"create_groups", json_read_flag},
	    {"expiredate", read_date},
	    {"inactive", read_number},
	    {"selinux_user", json_read_line},
	};
	const char *known[COUNT(members)];

	if (json_is_string(value))
		return strcmp(json_string_value(value), "default") == 0 ? 0
									: read_user_name(r, value);
	for (size_t i = 0; i < COUNT(members); i++)
		known[i] = members[i].key;
	if (json_want_object(r, value, "{\"name\": \"ann\"}", known, COUNT(known)) < 0)
		return -EINVAL;
	if (json_absent(json_object_get(value, "name")))
		(void)json_refuse(r, "has no \"name\": add it");
	for (size_t i = 0; i < COUNT(members); i++)
		json_member(r, value, members[i].key, members[i].read);
	if (vm_user_says(value, "doas"))
		json_warn(r, "has \"doas\", which the cloud-init of Debian 12 does not know");
	return check_user(r, value);
}

int vm_read_users(struct json_reader *r, json_t *value)
{
	int rc = json_each(r, value, read_user);

	/* cloud-init makes its default user only where the list has it. */
	if (rc == 0 && json_array_size(value) > 0 && !vm_key_holder(value))
		json_warn(r,
		    "has nobody who can have SSH keys, because of \"system\", \"no_create_home\" or \"ssh_redirect_user\": `vmlab ssh` cannot log in; add a user without these, or \"default\"");
	return rc;
}

/* ---- files ------------------------------------------------------------------------------------*/

static int read_permissions(struct json_reader *r, json_t *value)
{
	const char *s;

	if (!json_is_string(value))
		return json_refuse(r, "must be octal digits in quotes, such as \"0644\"");
	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_text_is(s[0] == '0' && s[1] == 'o' ? s + 2 : s, "01234567", 3, 5))
		return json_refuse(
		    r, "\"%.20s\" is not a file mode: write octal digits such as \"0644\"", s);
	return 0;
}

static int read_file_path(struct json_reader *r, json_t *value)
{
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	if (s[0] != '/' || s[strlen(s) - 1] == '/')
		return json_refuse(r, "must be the absolute path of a file, such as \"/etc/motd\"");
	return 0;
}

static int read_encoding(struct json_reader *r, json_t *value)
{
	static const char *const known[] = {"gz", "gzip", "gz+base64", "gzip+base64", "gz+b64",
	    "gzip+b64", "b64", "base64", "text/plain"};
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	for (size_t i = 0; i < COUNT(known); i++)
		if (strcmp(s, known[i]) == 0)
			return 0;
	return json_refuse(
	    r, "\"%.40s\" is no encoding: write \"base64\" or \"gz+base64\", or leave it out", s);
}

static int read_owner(struct json_reader *r, json_t *value)
{
	const char *s;

	if (json_want_line(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_text_is(s, VM_ALNUM "._-:", 1, 70) || s[0] == ':' ||
	    strchr(s, ':') != strrchr(s, ':'))
		return json_refuse(r, "\"%.40s\" is no owner: write \"user\" or \"user:group\"", s);
	return 0;
}

static int read_source(struct json_reader *r, json_t *value)
{
	static const char *const known[] = {"uri", "headers"};

	if (json_want_object(r, value, "{\"uri\": \"http://...\"}", known, COUNT(known)) < 0)
		return -EINVAL;
	if (json_absent(json_object_get(value, "uri")))
		(void)json_refuse(r, "has no \"uri\": add it");
	json_member(r, value, "uri", json_read_line);
	json_warn(r, "is ignored by the cloud-init of Debian 12, which makes an empty file");
	return 0;
}

static void check_content(struct json_reader *r, const json_t *file)
{
	const char *content = json_string_value(json_object_get(file, "content"));
	const char *encoding = json_string_value(json_object_get(file, "encoding"));
	bool certain;
	const char *fault = content ? file_content_fault(content, encoding, &certain) : NULL;

	if (fault && certain)
		(void)json_refuse(r, "%s", fault);
	else if (fault)
		json_warn(r, "%s", fault);
}

static int read_write_file(struct json_reader *r, json_t *value)
{
	static const char *const known[] = {
	    "path", "content", "encoding", "owner", "permissions", "append", "defer", "source"};

	if (json_want_object(r, value, "{\"path\": \"/etc/motd\", \"content\": \"hello\\n\"}",
		known, COUNT(known)) < 0)
		return -EINVAL;
	if (json_absent(json_object_get(value, "path")))
		(void)json_refuse(r, "has no \"path\": add it");
	json_member(r, value, "path", read_file_path);
	json_member(r, value, "content", json_read_text);
	json_member(r, value, "encoding", read_encoding);
	json_member(r, value, "owner", read_owner);
	json_member(r, value, "permissions", read_permissions);
	json_member(r, value, "append", json_read_flag);
	json_member(r, value, "defer", json_read_flag);
	json_member(r, value, "source", read_source);
	json_enter(r, "content");
	check_content(r, value);
	json_leave(r);
	return 0;
}

int vm_read_write_files(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_write_file);
}

/* ---- commands ---------------------------------------------------------------------------------*/

static int read_command(struct json_reader *r, json_t *value)
{
	if (json_is_array(value))
		return json_each(r, value, json_read_text);
	if (!json_is_string(value))
		return json_refuse(
		    r, "must be a command: a text for the shell, or a list of words");
	return 0;
}

int vm_read_runcmd(struct json_reader *r, json_t *value)
{
	return json_each(r, value, read_command);
}
