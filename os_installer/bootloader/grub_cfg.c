#include "os_installer/bootloader/grub_cfg.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"

/* What may stand unquoted in GRUB's language and in a POSIX shell alike. */
static bool is_plain(const char *text)
{
	for (const char *p = text; *p; p++) {
		bool alnum = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9');
		if (!alnum && !strchr("/._+~:=,@%-", *p))
			return false;
	}
	return text[0] != '\0';
}

/* Within single quotes nothing is special but the quote itself, in both languages. */
static void put_quoted(FILE *f, const char *text)
{
	fputc('\'', f);
	for (const char *p = text; *p; p++) {
		if (*p == '\'')
			fputs("'\\''", f);
		else if ((unsigned char)*p >= 0x20 && *p != 0x7f)
			fputc(*p, f);
	}
	fputc('\'', f);
}

/* Arguments one by one, each quoted when it has to be. */
static void put_args(FILE *f, const char *args)
{
	_cleanup_free_ char *copy = strdup(args ? args : "");
	char *rest = copy, *word;

	while (rest && (word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		fputc(' ', f);
		if (is_plain(word))
			fputs(word, f);
		else
			put_quoted(f, word);
	}
}

static int plain_check(const char *what, const char *text, struct err *e)
{
	if (text && is_plain(text))
		return 0;
	return err_set(
	    e, EINVAL, "%s \"%.100s\" cannot be written into grub.cfg", what, text ? text : "");
}

static int finish(FILE *f, char **text, char **out, struct err *e)
{
	if (fclose(f) != 0) {
		free(*text);
		return err_set(e, ENOMEM, "out of memory");
	}
	*out = *text;
	return 0;
}

int grub_cfg_render(const struct grub_cfg *c, char **out, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	int r;

	if ((r = plain_check("UUID of /boot", c->boot_uuid, e)) < 0 ||
	    (r = plain_check("kernel", c->kernel, e)) < 0 ||
	    (c->initramfs && (r = plain_check("initramfs", c->initramfs, e)) < 0))
		return r;
	FILE *f = open_memstream(&text, &len);
	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	fputs("# Written by the installer. The system's own update-grub replaces this file.\n"
	      "set default=0\n"
	      "set timeout=1\n"
	      "search --no-floppy --fs-uuid --set=root ",
	    f);
	fputs(c->boot_uuid, f);
	fputs("\n\nmenuentry ", f);
	put_quoted(f, c->title);
	fprintf(f, " {\n\tlinux %s", c->kernel);
	put_args(f, c->cmdline);
	fputc('\n', f);
	if (c->initramfs)
		fprintf(f, "\tinitrd %s\n", c->initramfs);
	fputs("}\n", f);
	return finish(f, &text, out, e);
}

int grub_cfg_render_stub(const char *boot_uuid, const char *directory, char **out, struct err *e)
{
	int r = plain_check("UUID of /boot", boot_uuid, e);

	if (r < 0)
		return r;
	if (asprintf(out,
		"search.fs_uuid %s root\n"
		"set prefix=($root)%s\n"
		"configfile $prefix/grub.cfg\n",
		boot_uuid, directory) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

int grub_cfg_render_defaults(
    const char *console, const char *kernel_args, char **out, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	int r = plain_check("console", console, e);

	if (r < 0)
		return r;
	FILE *f = open_memstream(&text, &len);
	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	fprintf(f, "# Written by the installer; read by update-grub.\n"
		   "GRUB_TIMEOUT=1\n"
		   "GRUB_DISABLE_OS_PROBER=true\n"
		   "GRUB_CMDLINE_LINUX_DEFAULT=quiet\n"
		   "GRUB_CMDLINE_LINUX=");
	char *words = NULL;
	if (asprintf(&words, "console=tty0 console=%s,115200%s%s", console,
		kernel_args && *kernel_args ? " " : "", kernel_args ? kernel_args : "") < 0) {
		fclose(f);
		free(text);
		return err_set(e, ENOMEM, "out of memory");
	}
	put_quoted(f, words);
	free(words);
	fputc('\n', f);
	return finish(f, &text, out, e);
}
