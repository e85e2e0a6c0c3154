#include "boot_handler/sources/syslog.h"

#include <ctype.h>
#include <string.h>

#include "boot_handler/sources/listen.h"
#include "lib/base/text.h"

/* "<30>": at most three digits. */
static const char *after_priority(const char *text)
{
	size_t digits = *text == '<' ? strspn(text + 1, "0123456789") : 0;

	return digits >= 1 && digits <= 3 && text[1 + digits] == '>' ? text + digits + 2 : text;
}

/* "Nov 26 15:01:59 ": each letter of the form is itself, a letter, a digit or a blank. */
static const char *after_time(const char *text)
{
	static const char form[] = "aaa 00 00:00:00 ";

	for (size_t i = 0; form[i]; i++) {
		unsigned char c = (unsigned char)text[i];
		bool fits = form[i] == 'a'   ? isalpha(c)
			    : form[i] == '0' ? isdigit(c) || (i == 4 && c == ' ')
					     : c == (unsigned char)form[i];
		if (!fits)
			return text;
	}
	return text + strlen(form);
}

/* "partman[123]: " or "kernel: ": its length with all that belongs to it, or 0. */
static size_t program_length(const char *text, size_t *name)
{
	size_t len = *name = strcspn(text, "[: ");

	if (text[len] == '[') {
		len += 1 + strspn(text + len + 1, "0123456789");
		if (text[len++] != ']')
			return 0;
	}
	return *name > 0 && text[len] == ':' ? len + 1 : 0;
}

/* A host's name may stand before the program. */
static const char *after_program(const char *text, struct syslog_line *out)
{
	size_t name, len = program_length(text, &name);
	size_t host = len ? 0 : strcspn(text, " ");

	if (!len && text[host] == ' ' && (len = program_length(text + host + 1, &name)) > 0)
		text += host + 1;
	if (len && name < sizeof(out->program)) {
		memcpy(out->program, text, name);
		out->program[name] = '\0';
	}
	text += len;
	return text + strspn(text, " ");
}

bool syslog_parse(const char *bytes, size_t len, struct syslog_line *out)
{
	char copy[sizeof(out->text) + 200], clean[sizeof(copy)];

	if (len >= sizeof(copy))
		len = sizeof(copy) - 1;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	copy[strcspn(copy, "\n")] = '\0';
	text_copy_clean(copy, clean, sizeof(clean));
	out->program[0] = '\0';
	const char *time = after_priority(clean), *rest = after_time(time);
	text_copy_clean(
	    rest == time ? rest : after_program(rest, out), out->text, sizeof(out->text));
	return out->text[0] != '\0';
}

int syslog_open(const char *where, struct err *e)
{
	return listen_udp(where, e);
}
