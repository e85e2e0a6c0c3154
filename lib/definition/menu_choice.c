#include "lib/definition/menu_choice.h"

#include <stdio.h>
#include <string.h>

bool menu_choice_split(const char *word, char name[MENU_NAME_MAX + 1])
{
	const char *sign = strchr(word, *MENU_UNATTENDED);
	bool unattended = sign && strcmp(sign, MENU_UNATTENDED) == 0;
	size_t len = unattended ? (size_t)(sign - word) : strlen(word);

	snprintf(name, MENU_NAME_MAX + 1, "%.*s", len <= MENU_NAME_MAX ? (int)len : 0, word);
	return unattended;
}

bool menu_choice_valid(const char *word)
{
	char name[MENU_NAME_MAX + 1];
	bool unattended = menu_choice_split(word, name);
	size_t len = strlen(name);

	return len > 0 && len + (unattended ? sizeof(MENU_UNATTENDED) - 1 : 0) == strlen(word) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.+_-") == len &&
	       !strchr(".+_-", name[0]);
}
