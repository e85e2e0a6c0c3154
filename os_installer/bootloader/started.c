#include "os_installer/bootloader/started.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "os_installer/system/tree.h"

#define CONFIG_MAX_BYTES (1U << 20)
#define ENTRIES "/boot/loader/entries"
#define WORD_SIZE 1024

/* ---- words -------------------------------------------------------------------------------------
 */

/* The next word of a line as GRUB reads it, without its quotes. False at the line's end. `own` says
 * whether it is as it stands: without a variable of GRUB's. */
static bool word_next(const char **line, char out[WORD_SIZE], bool *own)
{
	const char *p = *line;
	size_t used = 0;
	char quote = 0;

	*own = true;
	while (*p == ' ' || *p == '\t')
		p++;
	if (!*p || *p == '\n' || *p == '#')
		return false;
	for (; *p && *p != '\n' && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? 0 : *p;
			continue;
		}
		if (*p == '\\' && quote != '\'' && p[1] && p[1] != '\n')
			p++;
		else if (*p == '$' && quote != '\'')
			*own = false;
		if (used + 1 < WORD_SIZE)
			out[used++] = *p;
	}
	out[used] = '\0';
	*line = p;
	return true;
}

/* What is left of the line, as one text. */
static char *words_of(const char *line)
{
	char *text = NULL, word[WORD_SIZE];
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	bool own;

	while (f && word_next(&line, word, &own))
		if (own && word[0])
			fprintf(f, "%s%s", ftell(f) > 0 ? " " : "", word);
	if (f && fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static bool is_file(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, name) == 0;
}

static const char *next_line(const char *p)
{
	const char *end = strchr(p, '\n');

	return end ? end + 1 : p + strlen(p);
}

char *started_of_grub(const char *cfg, const char *kernel)
{
	char word[WORD_SIZE], *found = NULL;
	bool own;

	for (const char *line = cfg; *line; line = next_line(line)) {
		const char *p = line;
		if (!word_next(&p, word, &own) ||
		    (strcmp(word, "linux") != 0 && strcmp(word, "linuxefi") != 0 &&
			strcmp(word, "linux16") != 0) ||
		    !word_next(&p, word, &own))
			continue;
		bool wanted = is_file(word, kernel);
		if (!wanted && found)
			continue;
		free(found);
		found = words_of(p);
		if (wanted)
			break;
	}
	return found;
}

char *started_of_entry(const char *entry, const char *kernel)
{
	char word[WORD_SIZE], *options = NULL;
	bool own, ours = false;

	for (const char *line = entry; *line; line = next_line(line)) {
		const char *p = line;
		if (!word_next(&p, word, &own))
			continue;
		if (strcmp(word, "linux") == 0 && word_next(&p, word, &own))
			ours = is_file(word, kernel);
		else if (strcmp(word, "options") == 0 && !options)
			options = words_of(p);
	}
	if (ours && options)
		return options;
	free(options);
	return NULL;
}

/* ---- where they are ----------------------------------------------------------------------------
 */

struct entries {
	int tree;
	const char *kernel;
	char *found;
};

static int try_entry(void *ctx, const char *name)
{
	struct entries *s = ctx;
	_cleanup_free_ char *text = NULL;
	char path[400];
	size_t len;

	snprintf(path, sizeof(path), ENTRIES "/%.300s", name);
	if (tree_read(s->tree, path, CONFIG_MAX_BYTES, &text, &len, NULL) == 0)
		s->found = started_of_entry(text, s->kernel);
	return s->found != NULL;
}

static char *look(int tree, const char *kernel)
{
	static const char *const configs[] = {"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"};
	struct entries s = {.tree = tree, .kernel = kernel};
	size_t len;

	/* A grub.cfg may hold nothing but the command that reads them. */
	if (tree_list(tree, ENTRIES, try_entry, &s) != 0 && s.found)
		return s.found;
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		_cleanup_free_ char *text = NULL;
		if (tree_read(tree, configs[i], CONFIG_MAX_BYTES, &text, &len, NULL) < 0)
			continue;
		char *words = started_of_grub(text, kernel);
		if (words)
			return words;
	}
	return NULL;
}

int started_cmdline(
    int tree, const struct kernel *k, const char *root_uuid, char **out, struct err *e)
{
	const char *slash = strrchr(k->path, '/');
	_cleanup_free_ char *words = look(tree, slash ? slash + 1 : k->path);

	if (!words)
		return err_set(e, ENOENT,
		    "the installed system does not tell how its kernel is started (no grub.cfg or boot loader entry names one): order \"local\" or \"reboot\"");
	if (strncmp(words, "root=", 5) == 0 || strstr(words, " root=")) {
		*out = steal_ptr(words);
		return 0;
	}
	if (asprintf(out, "root=UUID=%s ro %s", root_uuid, words) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}
