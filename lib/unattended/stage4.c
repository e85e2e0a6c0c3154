#include "lib/unattended/stage4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/unattended/people.h"
#include "lib/unattended/shell.h"
#include "lib/unattended/stage4.inc"
#include "lib/unattended/stage4_library.inc"

const char *stage4_library(void)
{
	return stage4_library_sh;
}

static void words(FILE *f, const char *before, const char *name, const json_t *list)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	fputs(before, f);
	shell_word(f, name);
	json_array_foreach(list, i, item)
		shell_option(f, "", json_string_value(item));
	fputc('\n', f);
}

/* ---- hooks ------------------------------------------------------------------------------- */

static void put_hooks(const struct vm *vm, FILE *f)
{
	const json_t *scripts = json_object_get(json_object_get(vm->more, "hooks"), "post_install");
	const json_t *script;
	size_t i;

	json_array_foreach(scripts, i, script) {
		fprintf(f, "step 'hook %zu' script", i + 1);
		shell_option(f, "", json_string_value(script));
		fputc('\n', f);
	}
}

/* ---- files ------------------------------------------------------------------------------- */

static const char *member(const json_t *file, const char *key)
{
	const char *text = json_string_value(json_object_get(file, key));

	return text ? text : "";
}

static const char *encoding_of(const json_t *file)
{
	const char *said = member(file, "encoding");

	if (strncmp(said, "gz", 2) == 0)
		return strchr(said, '+') ? "gzip" : "plain";
	return said[0] == 'b' ? "base64" : "plain";
}

/* "0o644" is "644" to chmod. */
static const char *mode_of(const json_t *file)
{
	const char *mode = member(file, "permissions");

	if (!mode[0])
		return "0644";
	return strncmp(mode, "0o", 2) == 0 ? mode + 2 : mode;
}

static void put_file(FILE *f, size_t number, const json_t *file)
{
	const char *owner = member(file, "owner");
	const char *uri = member(json_object_get(file, "source"), "uri");

	fprintf(f, "step 'file %zu' file", number);
	shell_option(f, "", member(file, "path"));
	shell_option(f, "", mode_of(file));
	shell_option(f, "", owner[0] ? owner : "root:root");
	fputs(json_is_true(json_object_get(file, "append")) ? " append" : " write", f);
	shell_option(f, "", encoding_of(file));
	shell_option(f, "", member(file, "content"));
	fputc('\n', f);
	if (!uri[0])
		return;
	fprintf(f, "step 'file %zu from its source' fetch", number);
	shell_option(f, "", uri);
	shell_option(f, "", "");
	shell_option(f, "", member(file, "path"));
	fputc('\n', f);
}

static void put_files(const struct vm *vm, FILE *f)
{
	const json_t *file;
	size_t i;

	json_array_foreach(json_object_get(vm->more, "write_files"), i, file)
		put_file(f, i + 1, file);
}

/* ---- users ------------------------------------------------------------------------------- */

static void put_number(FILE *f, const char *before, int number)
{
	if (number >= 0)
		fprintf(f, " %s%d", before, number);
}

static void put_user(void *ctx, const struct unattended_user *u)
{
	FILE *f = ctx;
	char name[80];

	fputs("step ", f);
	snprintf(name, sizeof(name), "user %s", u->name);
	shell_word(f, name);
	fputs(" user", f);
	shell_option(f, "", u->name);
	shell_option(f, "gecos=", u->gecos);
	shell_option(f, "primary_group=", u->primary_group);
	shell_option_list(f, "groups=", u->groups);
	shell_option(f, "homedir=", u->homedir);
	shell_option(f, "shell=", u->shell);
	put_number(f, "uid=", u->uid);
	shell_option(f, "expiredate=", u->expiredate);
	put_number(f, "inactive=", u->inactive);
	shell_option(f, "hash=", u->hash);
	shell_option(f, "plain=", u->plain);
	fprintf(f, "%s%s%s%s\n", u->locked ? " lock=yes" : "", u->system ? " system=yes" : "",
	    u->no_create_home ? " no_create_home=yes" : "",
	    u->no_user_group ? " no_user_group=yes" : "");
	words(f, "step 'its keys' user_key ", u->name, u->keys);
	words(f, "step 'its sudo rules' user_sudo ", u->name, u->sudo);
}

/* ---- runcmd ------------------------------------------------------------------------------ */

/* One shell for all of them, as cloud-init has it: a `cd` holds for those that follow. */
static void put_commands(const struct vm *vm, FILE *f)
{
	const json_t *command, *word;
	size_t i, k;

	fputs("(\n", f);
	json_array_foreach(json_object_get(vm->more, "runcmd"), i, command) {
		fprintf(f, "try 'runcmd %zu'", i + 1);
		if (json_is_string(command))
			shell_option(f, "eval ", json_string_value(command));
		json_array_foreach(command, k, word)
			shell_option(f, k == 0 ? "command " : "", json_string_value(word));
		fputc('\n', f);
	}
	fputs(":\n)\n", f);
}

static int put_all(const struct unattended_source *s, FILE *f, struct err *e)
{
	char url[UNATTENDED_URL_SIZE];

	fputs(stage4_sh, f);
	/* In a file: hooks, which are scripts of their own, read it as well. */
	fputs(
	    "STAGE4=$(mktemp /root/vmlab-stage4.XXXXXX) && cat >\"$STAGE4\" <<'VMLAB_END' || exit 1\n",
	    f);
	fputs(stage4_library_sh, f);
	fputs("VMLAB_END\nexport STAGE4\ntrap 'rm -f \"$STAGE4\"' EXIT\n. \"$STAGE4\"\n", f);
	fputs("\n# ---- what the definition says\n\nexport report_url=", f);
	shell_word(f, unattended_url(s, "report", url));
	fputs("\ncd /root || exit 1\n", f);
	put_hooks(s->vm, f);
	int r = unattended_each_user(s, put_user, f, e);
	put_files(s->vm, f);
	put_commands(s->vm, f);
	fputs("try 'boot order' boot_order\nlog 'all done'\n", f);
	return r;
}

int stage4_make(const struct unattended_source *s, char **out, struct err *e)
{
	size_t len;
	FILE *f = open_memstream(out, &len);

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	int r = put_all(s, f, e);
	if (fclose(f) != 0 && r == 0)
		r = err_set(e, ENOMEM, "out of memory");
	if (r < 0) {
		free(*out);
		*out = NULL;
	}
	return r;
}
