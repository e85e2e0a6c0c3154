/* language_xml.c - XML, as AutoYaST and Windows' setup take it. */
#include "lib/unattended/language.h"

#include <errno.h>
#include <string.h>

/* Where no entity is one: in CDATA and comments. */
static bool is_raw(const char *text, size_t at)
{
	static const char *const raw[][2] = {{"<![CDATA[", "]]>"}, {"<!--", "-->"}};

	for (size_t i = 0; i < at; i++)
		for (size_t k = 0; k < 2; k++) {
			size_t n = strlen(raw[k][0]);
			if (strncmp(text + i, raw[k][0], n) != 0)
				continue;
			const char *end =
			    memmem(text + i + n, at - i < n ? 0 : at - i - n, raw[k][1], 3);
			if (!end)
				return true;
			i = (size_t)(end - text);
		}
	return false;
}

static int put(
    const struct language_place *p, const struct language_value *v, FILE *f, struct err *e)
{
	static const char special[] = "&<>\"'\n\t";
	static const char *const entity[] = {
	    "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#10;", "&#9;"};

	if (is_raw(p->text, p->at)) {
		if (strpbrk(v->text, "-]>"))
			return err_set(e, EINVAL,
			    "stands in CDATA or a comment, and its value has '-', ']' or '>', which may end that: put it outside");
		fputs(v->text, f);
		return 0;
	}
	for (const char *c = v->text; *c; c++) {
		const char *found = strchr(special, *c);
		if (found)
			fputs(entity[found - special], f);
		else
			fputc(*c, f);
	}
	return 0;
}

const struct unattended_language language_xml = {.name = "XML", .suffixes = {".xml"}, .put = put};
