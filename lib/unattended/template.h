/* template.h - a user's own unattended file: each {{field}} replaced by the machine's value, as the
 * file's language (language.h) takes it at that place.
 *
 * Fields are the definition's simple ones and those of the table in template.c. {{ '{{' }} is "{{".
 */
#ifndef LIB_UNATTENDED_TEMPLATE_H
#define LIB_UNATTENDED_TEMPLATE_H

#include "lib/unattended/format.h"
#include "lib/unattended/language.h"

#define TEMPLATE_FOLDER "_unattended"
#define TEMPLATE_MAX_BYTES (256 * 1024)

/* *out is malloc'ed. -EINVAL with a sentence, and `where` it is. Pure. */
must_check int template_fill(const char *text, size_t len,
    const struct unattended_language *language, const struct unattended_source *s, char **out,
    struct vm_where *where, struct err *e);

/* The same of a file of TEMPLATE_FOLDER in vms/. A file that cannot be read has no place. */
must_check int template_make(const char *vms_dir, const char *name,
    const struct unattended_source *s, char **out, struct vm_where *where, struct err *e);

/* Told of each thing that is wrong, with its place. */
struct template_teller {
	void (*wrong)(void *ctx, struct vm_where where, const char *sentence);
	void *ctx;
};
#define TEMPLATE_TOLD_MAX 20

/* Looks at such a file and tells all that is wrong with what is in it, TEMPLATE_TOLD_MAX times at
 * most. -errno with a sentence: the file cannot be taken as a whole, and nothing is told. */
must_check int template_check(const char *vms_dir, const char *name,
    const struct unattended_source *s, const struct template_teller *t, struct err *e);

#endif
