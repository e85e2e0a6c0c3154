#include "lib/net/ssh_key.h"

#include <stdio.h>
#include <string.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define BOM "\xef\xbb\xbf"

static const char *const types[] = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com"};

static int base64_value(char c)
{
	static const char digits[] = ALNUM "+/";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Decodes the first `want` bytes. */
static bool base64_head(const char *text, size_t len, unsigned char *out, size_t want)
{
	unsigned bits = 0, held = 0;
	size_t got = 0;

	for (size_t i = 0; i < len && got < want; i++) {
		int v = base64_value(text[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (unsigned)v;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[got++] = (unsigned char)(bits >> held);
		}
	}
	return got == want;
}

/* The key itself begins with its type's length (32 bits) and name. */
static bool blob_is(const char *blob, const char *type, const char *ends)
{
	size_t len = strspn(blob, ALNUM "+/"), type_len = strlen(type);
	size_t padding = strspn(blob + len, "=");
	unsigned char head[4 + 64];

	if (len < 64 || padding > 2 || (len + padding) % 4 != 0)
		return false;
	if (blob[len + padding] != '\0' && !strchr(ends, blob[len + padding]))
		return false;
	return base64_head(blob, len, head, 4 + type_len) && head[0] == 0 && head[1] == 0 &&
	       head[2] == 0 && head[3] == type_len && memcmp(head + 4, type, type_len) == 0;
}

/* One word, where quotes hold blanks together as in options. */
static const char *next_word(const char *s)
{
	bool quoted = false;

	for (; *s && (quoted || !strchr(" \t", *s)); s++) {
		if (*s == '\\' && s[1] == '"')
			s++;
		else if (*s == '"')
			quoted = !quoted;
	}
	return s + strspn(s, " \t");
}

/* NULL when the line does not begin with a type's name as a word. */
static const char *type_of(const char *line)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		size_t n = strlen(types[i]);
		if (strncmp(line, types[i], n) == 0 && strspn(line + n, " \t") > 0)
			return types[i];
	}
	return NULL;
}

bool ssh_key_valid(const char *line)
{
	for (const char *c = line; *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return false;
	for (int words = 0; words < 2; words++) {
		const char *type = type_of(line);
		if (type)
			return blob_is(next_word(line), type, " \t");
		line = next_word(line);
	}
	return false;
}

bool ssh_key_bare(const char *line, char *out, size_t size)
{
	static const char ends[] = " \t\r\n";
	const char *type = type_of(line), *blob = next_word(line);

	if (!type || !blob_is(blob, type, ends))
		return false;
	int n = snprintf(out, size, "%s %.*s", type, (int)strcspn(blob, ends), blob);
	return n > 0 && (size_t)n < size;
}

void ssh_key_each_line(char *text, void (*one)(void *ctx, int number, const char *line), void *ctx)
{
	char *rest = strncmp(text, BOM, 3) == 0 ? text + 3 : text;
	int number = 0;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		number++;
		line += strspn(line, " \t");
		size_t len = strlen(line);
		while (len > 0 && strchr(" \t\r", line[len - 1]))
			line[--len] = '\0';
		if (len > 0 && line[0] != '#')
			one(ctx, number, line);
	}
}

const char *ssh_key_file_useless(const char *text, size_t len)
{
	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		return "the file is in UTF-16 encoding: save it as UTF-8";
	if (memchr(text, '\0', len))
		return "a NUL byte stands in the file: it is no text";
	return NULL;
}

const char *ssh_key_complaint(const char *line)
{
	if (strstr(line, "PRIVATE KEY"))
		return "this is a private key: write the line of the .pub file, and make a new pair";
	if (strncmp(line, "ssh-dss ", 8) == 0)
		return "OpenSSH takes no DSA keys any more: make another with ssh-keygen -t ed25519";
	if (strncmp(line, "---- BEGIN SSH2", 15) == 0 || strncmp(line, "PuTTY-User-Key", 14) == 0)
		return "this is a key in another program's format: ssh-keygen -i, or PuTTYgen's \"public key for pasting\", gives the line";
	return "this line is no SSH public key: write \"type base64 comment\" as in a .pub file; options may stand in front";
}
