#include "lib/unattended/shell.h"

#include <string.h>

bool shell_is_plain(const char *text)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/@%+,-";

	return text[0] && text[strspn(text, plain)] == '\0';
}

void shell_word(FILE *f, const char *text)
{
	if (shell_is_plain(text)) {
		fputs(text, f);
		return;
	}
	fputc('\'', f);
	for (const char *p = text; *p; p++)
		if (*p == '\'')
			fputs("'\\''", f);
		else
			fputc(*p, f);
	fputc('\'', f);
}

void shell_option(FILE *f, const char *before, const char *text)
{
	if (!text)
		return;
	fprintf(f, " %s", before);
	shell_word(f, text);
}

void shell_option_list(FILE *f, const char *before, const json_t *texts)
{
	const json_t *text;
	size_t i;

	json_array_foreach(texts, i, text) {
		fprintf(f, "%s%s", i == 0 ? " " : ",", i == 0 ? before : "");
		shell_word(f, json_string_value(text));
	}
}
