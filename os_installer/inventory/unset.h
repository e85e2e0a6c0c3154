/* unset.h - what a vendor has put where a value belongs: "To be filled by O.E.M." is none. */
#ifndef OS_INSTALLER_INVENTORY_UNSET_H
#define OS_INSTALLER_INVENTORY_UNSET_H

#include <jansson.h>

/* A name or a version, such as "2". Null where it says nothing. */
json_t *unset_or_words(const char *text);
/* What tells one part of a kind from the others. */
json_t *unset_or_number(const char *text);
/* In lower case. */
json_t *unset_or_uuid(const char *text);

#endif
