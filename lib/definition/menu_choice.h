/* menu_choice.h - the words by which something is chosen of a menu (mode "menu"), and which
 * "menu_default" may be: a mode, a boot image, or a boot image with MENU_UNATTENDED behind its name
 * for being installed by it without questions. No name has that sign. Pure.
 */
#ifndef LIB_DEFINITION_MENU_CHOICE_H
#define LIB_DEFINITION_MENU_CHOICE_H

#include <stdbool.h>

#define MENU_UNATTENDED ":unattended"
#define MENU_NAME_MAX 64
#define MENU_CHOICE_MAX (MENU_NAME_MAX + sizeof(MENU_UNATTENDED) - 1)
#define MENU_CHOICE_PATTERN "^[a-z0-9][a-z0-9.+_-]{0,63}(:unattended)?$"

/* Without that behind it, in `name`, "" where it is longer; whether it was there. */
bool menu_choice_split(const char *word, char name[MENU_NAME_MAX + 1]);

bool menu_choice_valid(const char *word);

#endif
