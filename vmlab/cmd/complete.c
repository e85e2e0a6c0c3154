#include "vmlab/cmd/complete.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/store/store.h"
#include "vmlab/ui/help_text.h"
#include "lib/image/boot_image.h"
#include "lib/image/image_name.h"
#include "vmlab/image/build.h"
#include "vmlab/image/manifest.h"

/* Values of options that are one of a few words. */
static const struct {
	const char *option;
	const char *words;
} values[] = {
    {"--arch", ARCH_WORDS},
    {"--for", "installed ready"},
    {"--accel", "auto tcg kvm"},
    {"--nic-rom", "firmware ipxe"},
    {"--disk-bus", "virtio scsi sata nvme"},
    {"--kernel", "cloud generic"},
};

#define OPERANDS_SEEN 4 /* no command cares for more */

struct completion {
	const struct complete_source *source;
	const char *typed; /* the beginning of the word */
	FILE *out;
};

static void offer(const struct completion *c, const char *word, const char *what, size_t what_len)
{
	if (strncmp(word, c->typed, strlen(c->typed)) != 0)
		return;
	fprintf(c->out, "%s", word);
	if (what_len > 0)
		fprintf(c->out, "\t%.*s", (int)what_len, what);
	fputc('\n', c->out);
}

static void offer_words(const struct completion *c, const char *words)
{
	char word[HELP_WORD_SIZE];

	for (const char *p = words; *p; p += strspn(p, " ,")) {
		size_t len = strcspn(p, " ,");
		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		offer(c, word, "", 0);
		p += len;
	}
}

static void offer_options(const struct completion *c, const char *page)
{
	struct help_line line;
	struct help_option option;

	while (help_line_next(&page, &line))
		if (help_option_parse(&line, &option))
			offer(c, *option.name ? option.name : option.brief, option.summary,
			    option.summary_len);
}

/* The option of `page` that `word` is and that wants a value. */
static bool wants_value(const char *page, const char *word)
{
	struct help_line line;
	struct help_option option;

	while (help_line_next(&page, &line))
		if (help_option_parse(&line, &option) && *option.value &&
		    (strcmp(option.name, word) == 0 || strcmp(option.brief, word) == 0))
			return true;
	return false;
}

static void offer_commands(const struct completion *c)
{
	for (size_t i = 0; i < c->source->count; i++) {
		const struct command *command = c->source->commands[i];
		offer(c, command->name, command->summary, strlen(command->summary));
	}
}

/* VMs are called as their files usually are. */
static void offer_vms(const struct completion *c)
{
	_cleanup_closedir_ DIR *d = c->source->vms_dir ? opendir(c->source->vms_dir) : NULL;

	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) {
		if (!vm_file_is_definition(entry->d_name))
			continue;
		*strrchr(entry->d_name, '.') = '\0';
		if (vm_name_valid(entry->d_name))
			offer(c, entry->d_name, "", 0);
	}
}

/* Folders of images are called as what they hold. */
static void offer_images(const struct completion *c)
{
	_cleanup_closedir_ DIR *d = c->source->images_dir ? opendir(c->source->images_dir) : NULL;

	for (const struct dirent *entry; d && (entry = readdir(d)) != NULL;)
		if (image_name_valid(entry->d_name))
			offer(c, entry->d_name, "", 0);
}

static void offer_recipes(const struct completion *c)
{
	const struct boot_recipe *recipe;

	offer_words(c, image_recipe_names());
	for (size_t i = 0; (recipe = boot_recipe_at(i)); i++)
		offer(c, recipe->name, "", 0);
}

/* Operands of `vmlab image`. */
static bool complete_image(const struct completion *c, size_t place, const char *const *operands)
{
	if (place == 0)
		offer_words(c, "build import add ls rm");
	else if (place == 1 && strcmp(operands[0], "build") == 0)
		offer_recipes(c);
	else if (place == 1 && strcmp(operands[0], "rm") == 0)
		offer_images(c);
	else
		return place != 2 || strcmp(operands[0], "import") != 0;
	return true;
}

static bool complete_operand(const struct completion *c, const struct command *command,
    size_t place, const char *const *operands)
{
	if (strcmp(command->name, "image") == 0)
		return complete_image(c, place, operands);
	if (command->operands == OPERANDS_COMMAND && place == 0)
		offer_commands(c);
	else if (command->operands == OPERANDS_VMS ||
		 (command->operands == OPERANDS_VM && place == 0))
		offer_vms(c);
	else if (command->operands == OPERANDS_VM)
		return command != &ssh_command;
	return true;
}

static const struct command *find(const struct complete_source *source, const char *word)
{
	for (size_t i = 0; i < source->count; i++)
		if (command_is_called(source->commands[i], word))
			return source->commands[i];
	return NULL;
}

/* "--arch=a" in one word, as zsh and fish leave it. */
static bool complete_joined(const struct completion *c)
{
	const char *sign = strncmp(c->typed, "--", 2) == 0 ? strchr(c->typed, '=') : NULL;
	size_t len = sign ? (size_t)(sign - c->typed) : 0;
	char text[2 * HELP_WORD_SIZE];

	for (size_t i = 0; sign && i < sizeof(values) / sizeof(*values); i++) {
		if (strlen(values[i].option) != len ||
		    strncmp(values[i].option, c->typed, len) != 0)
			continue;
		for (const char *p = values[i].words; *p; p += strspn(p, " ")) {
			size_t word = strcspn(p, " ");
			snprintf(text, sizeof(text), "%s=%.*s", values[i].option, (int)word, p);
			offer(c, text, "", 0);
			p += word;
		}
		return true;
	}
	return false;
}

static bool complete_value(const struct completion *c, const char *option)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (strcmp(values[i].option, option) == 0) {
			offer_words(c, values[i].words);
			return true;
		}
	return false;
}

bool complete(
    const struct complete_source *source, size_t count, const char *const *words, FILE *out)
{
	struct completion c = {source, count > 0 ? words[count - 1] : "", out};
	const struct command *command = NULL;
	const char *operands[OPERANDS_SEEN] = {""};
	size_t place = 0; /* how many operands stand before the word */

	for (size_t i = 0; i + 1 < count; i++) {
		bool valued = wants_value(source->global_help, words[i]) ||
			      (command && wants_value(command->help, words[i]));
		if (valued && i + 2 == count)
			return complete_value(&c, words[i]);
		if (valued)
			i++;
		else if (*words[i] == '-')
			continue;
		else if (!command) {
			command = find(source, words[i]);
			if (!command)
				return true;
		} else {
			if (place < OPERANDS_SEEN)
				operands[place] = words[i];
			place++;
		}
	}
	if (*c.typed == '-' && strchr(c.typed, '='))
		return complete_joined(&c);
	if (*c.typed == '-') {
		if (command)
			offer_options(&c, command->help);
		offer_options(&c, source->global_help);
		return true;
	}
	if (!command) {
		offer_commands(&c);
		return true;
	}
	return complete_operand(&c, command, place, operands);
}

size_t complete_join(size_t count, const char **words)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool sign = strcmp(words[i], "=") == 0 && kept > 0 &&
			    strncmp(words[kept - 1], "--", 2) == 0;
		if (!sign)
			words[kept++] = words[i];
		else if (i + 1 == count)
			words[kept++] = "";
	}
	return kept;
}

void complete_options(const struct complete_source *source, size_t count, const char *const *words,
    struct lab_options *lo, const char **folder)
{
	const struct {
		const char *name;
		const char **value;
		bool before; /* only before the command */
	} options[] = {{"-C", folder, true}, {"--vms", &lo->vms_dir, false},
	    {"--images", &lo->images_dir, false}, {"--lab", &lo->name, false}};
	const struct command *command = NULL;

	for (size_t i = 0; i + 1 < count && !(command && command->own_options); i++) {
		bool valued = wants_value(source->global_help, words[i]) ||
			      (command && wants_value(command->help, words[i]));
		for (size_t k = 0; k < sizeof(options) / sizeof(*options); k++) {
			size_t len = strlen(options[k].name);
			if (strncmp(words[i], options[k].name, len) != 0 ||
			    (options[k].before && command))
				continue;
			if (!words[i][len] && i + 2 < count)
				*options[k].value = words[i + 1];
			else if (words[i][len] == '=' || (words[i][len] && len == 2))
				*options[k].value = words[i] + len + (len > 2);
		}
		if (valued)
			i++;
		else if (!command && *words[i] != '-')
			command = find(source, words[i]);
	}
}

char *complete_path(const char *typed)
{
	const char *home = getenv("HOME");
	char *path;

	if (!typed || strncmp(typed, "~/", 2) != 0 || !home)
		return typed ? strdup(typed) : NULL;
	return asprintf(&path, "%s%s", home, typed + 1) < 0 ? NULL : path;
}
