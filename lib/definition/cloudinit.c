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

static int read_user_name(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_text_is(s, VM_LOWER VM_DIGIT "_-", 1, 32) || !strchr(VM_LOWER "_", s[0]))
		return vm_refuse(r,
		    "\"%.40s\" is not a user name: write 1 to 32 lower-case letters, digits, '_' and '-', beginning with a letter",
		    s);
	return 0;
}

static int read_lines_or_line(struct vm_reader *r, json_t *value)
{
	return json_is_array(value) ? vm_each(r, value, vm_read_line) : vm_read_line(r, value);
}

static int read_lines(struct vm_reader *r, json_t *value)
{
	return vm_each(r, value, vm_read_line);
}

static int read_number(struct vm_reader *r, json_t *value)
{
	const char *s = json_string_value(value);

	if (json_is_integer(value)
		? json_integer_value(value) >= 0 && json_integer_value(value) <= INT32_MAX
		: s && vm_text_is(s, VM_DIGIT, 1, 9))
		return 0;
	return vm_refuse(r, "must be a whole number, 0 or more");
}

static int read_sudo(struct vm_reader *r, json_t *value)
{
	if (json_is_true(value))
		return vm_refuse(r, "must say what is allowed, such as \"ALL=(ALL) NOPASSWD:ALL\"");
	return json_is_false(value) ? 0 : read_lines_or_line(r, value);
}

static int read_date(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (strlen(s) != 10 || s[4] != '-' || s[7] != '-' || !vm_text_is(s, VM_DIGIT "-", 10, 10) ||
	    strncmp(s + 5, "01", 2) < 0 || strncmp(s + 5, "12", 2) > 0 ||
	    strncmp(s + 8, "01", 2) < 0 || strncmp(s + 8, "31", 2) > 0)
		return vm_refuse(r, "\"%.20s\" is not a date such as \"2030-12-31\"", s);
	return 0;
}

/* cloud-init raises an error for these, and with it leaves out every user that follows. */
static int check_user(struct vm_reader *r, const json_t *user)
{
	bool keys =
	    vm_user_says(user, "ssh_authorized_keys") || vm_user_says(user, "ssh_import_id");
	bool redirected = vm_user_says(user, "ssh_redirect_user");
	const char *homeless = vm_user_says(user, "system")           ? "system"
			       : vm_user_says(user, "no_create_home") ? "no_create_home"
								      : NULL;

	if (homeless && (keys || redirected))
		return vm_refuse(r,
		    "has no home directory for its SSH keys, because of \"%s\": remove that, or the keys",
		    homeless);
	if (redirected && keys)
		return vm_refuse(r,
		    "is sent on to another name by \"ssh_redirect_user\" and can have no SSH keys of its own: remove either");
	return 0;
}

static int read_user(struct vm_reader *r, json_t *value)
{
	static const struct {
		const char *key;
		int (*read)(struct vm_reader *r, json_t *value);
	} members[] = {
	    {"name", read_user_name},
	    {"gecos", vm_read_line},
	    {"groups", read_lines_or_line},
	    {"primary_group", vm_read_line},
	    {"homedir", vm_read_line},
	    {"shell", vm_read_line},
	    {"sudo", read_sudo},
	    {"doas", read_lines},
	    {"uid", read_number},
	    {"system", vm_read_flag},
	    {"lock_passwd", vm_read_flag},
	    {"passwd", vm_read_line},
	    {"hashed_passwd", vm_read_line},
	    {"plain_text_passwd", vm_read_line},
	    {"ssh_authorized_keys", vm_read_ssh_keys},
	    {"ssh_import_id", read_lines_or_line},
	    {"ssh_redirect_user", vm_read_flag},
	    {"no_create_home", vm_read_flag},
	    {"no_user_group", vm_read_flag},
	    {"no_log_init", vm_read_flag},
	    {"create_groups", vm_read_flag},
	    {"expiredate", read_date},
	    {"inactive", read_number},
	    {"selinux_user", vm_read_line},
	};
	const char *known[COUNT(members)];

	if (json_is_string(value))
		return strcmp(json_string_value(value), "default") == 0 ? 0
									: read_user_name(r, value);
	for (size_t i = 0; i < COUNT(members); i++)
		known[i] = members[i].key;
	if (vm_want_object(r, value, "{\"name\": \"ann\"}", known, COUNT(known)) < 0)
		return -EINVAL;
	if (vm_value_empty(json_object_get(value, "name")))
		(void)vm_refuse(r, "has no \"name\": add it");
	for (size_t i = 0; i < COUNT(members); i++)
		vm_member(r, value, members[i].key, members[i].read);
	if (vm_user_says(value, "doas"))
		vm_warn(r, "has \"doas\", which the cloud-init of Debian 12 does not know");
	return check_user(r, value);
}

int vm_read_users(struct vm_reader *r, json_t *value)
{
	int rc = vm_each(r, value, read_user);

	/* cloud-init makes its default user only where the list has it. */
	if (rc == 0 && json_array_size(value) > 0 && !vm_key_holder(value))
		vm_warn(r,
		    "has nobody who can have SSH keys, because of \"system\", \"no_create_home\" or \"ssh_redirect_user\": `vmlab ssh` cannot log in; add a user without these, or \"default\"");
	return rc;
}

/* ---- files ------------------------------------------------------------------------------------*/

static int read_permissions(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (!json_is_string(value))
		return vm_refuse(r, "must be octal digits in quotes, such as \"0644\"");
	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_text_is(s[0] == '0' && s[1] == 'o' ? s + 2 : s, "01234567", 3, 5))
		return vm_refuse(
		    r, "\"%.20s\" is not a file mode: write octal digits such as \"0644\"", s);
	return 0;
}

static int read_file_path(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (s[0] != '/' || s[strlen(s) - 1] == '/')
		return vm_refuse(r, "must be the absolute path of a file, such as \"/etc/motd\"");
	return 0;
}

static int read_encoding(struct vm_reader *r, json_t *value)
{
	static const char *const known[] = {"gz", "gzip", "gz+base64", "gzip+base64", "gz+b64",
	    "gzip+b64", "b64", "base64", "text/plain"};
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	for (size_t i = 0; i < COUNT(known); i++)
		if (strcmp(s, known[i]) == 0)
			return 0;
	return vm_refuse(
	    r, "\"%.40s\" is no encoding: write \"base64\" or \"gz+base64\", or leave it out", s);
}

static int read_owner(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_text_is(s, VM_ALNUM "._-:", 1, 70) || s[0] == ':' ||
	    strchr(s, ':') != strrchr(s, ':'))
		return vm_refuse(r, "\"%.40s\" is no owner: write \"user\" or \"user:group\"", s);
	return 0;
}

static int read_source(struct vm_reader *r, json_t *value)
{
	static const char *const known[] = {"uri", "headers"};

	if (vm_want_object(r, value, "{\"uri\": \"http://...\"}", known, COUNT(known)) < 0)
		return -EINVAL;
	if (vm_value_empty(json_object_get(value, "uri")))
		(void)vm_refuse(r, "has no \"uri\": add it");
	vm_member(r, value, "uri", vm_read_line);
	vm_warn(r, "is ignored by the cloud-init of Debian 12, which makes an empty file");
	return 0;
}

static void check_content(struct vm_reader *r, const json_t *file)
{
	const char *content = json_string_value(json_object_get(file, "content"));
	const char *encoding = json_string_value(json_object_get(file, "encoding"));
	bool certain;
	const char *fault = content ? file_content_fault(content, encoding, &certain) : NULL;

	if (fault && certain)
		(void)vm_refuse(r, "%s", fault);
	else if (fault)
		vm_warn(r, fault);
}

static int read_write_file(struct vm_reader *r, json_t *value)
{
	static const char *const known[] = {
	    "path", "content", "encoding", "owner", "permissions", "append", "defer", "source"};

	if (vm_want_object(r, value, "{\"path\": \"/etc/motd\", \"content\": \"hello\\n\"}", known,
		COUNT(known)) < 0)
		return -EINVAL;
	if (vm_value_empty(json_object_get(value, "path")))
		(void)vm_refuse(r, "has no \"path\": add it");
	vm_member(r, value, "path", read_file_path);
	vm_member(r, value, "content", vm_read_text);
	vm_member(r, value, "encoding", read_encoding);
	vm_member(r, value, "owner", read_owner);
	vm_member(r, value, "permissions", read_permissions);
	vm_member(r, value, "append", vm_read_flag);
	vm_member(r, value, "defer", vm_read_flag);
	vm_member(r, value, "source", read_source);
	vm_path_key(r, "content");
	check_content(r, value);
	vm_path_leave(r);
	return 0;
}

int vm_read_write_files(struct vm_reader *r, json_t *value)
{
	return vm_each(r, value, read_write_file);
}

/* ---- commands ---------------------------------------------------------------------------------*/

static int read_command(struct vm_reader *r, json_t *value)
{
	if (json_is_array(value))
		return vm_each(r, value, vm_read_text);
	if (!json_is_string(value))
		return vm_refuse(r, "must be a command: a text for the shell, or a list of words");
	return 0;
}

int vm_read_runcmd(struct vm_reader *r, json_t *value)
{
	return vm_each(r, value, read_command);
}
