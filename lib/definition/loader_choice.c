#include "lib/definition/loader_choice.h"

#include <string.h>

#include "lib/definition/field.h"

/* As in docker/loaders/loaders.table; a test compares them. */
static const char *const words[] = {"undionly", "ipxe", "lpxelinux", "snponly"};

const char *loader_word(size_t i)
{
	return i < sizeof(words) / sizeof(*words) ? words[i] : NULL;
}

bool loader_is_own(const char *loader)
{
	return strchr(loader, '.') != NULL;
}

int vm_judge_loader(struct json_reader *r, const char *text)
{
	const char *word;

	for (size_t i = 0; (word = loader_word(i)); i++)
		if (strcmp(word, text) == 0)
			return 0;
	if (loader_is_own(text))
		return 0;
	return json_refuse(r,
	    "\"%s\" is no loader: write undionly, ipxe, snponly or lpxelinux, or the name of a file in images/_loaders/, such as \"my.efi\"",
	    text);
}
