/* Any bytes as what goes into a page: for a parser of HTML, libxml2's, they are the text and the
 * attributes that they were written as, and nothing else. */
#include <libxml/HTMLparser.h>
#include <libxml/uri.h>

#include "boot_handler/pages/html.h"
#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"

/* As it is to be shown: see lib/base/text.h. */
static char *shown(const char *value, const char *keep)
{
	char *text = strdup(value);

	PROMISE(text);
	text_clean_string(text, keep);
	return text;
}

static void promise_equal(xmlChar *found, const char *wanted)
{
	PROMISE(found && strcmp((const char *)found, wanted) == 0);
	xmlFree(found);
}

/* The attribute is a path's last segment: with its escapes undone it is the value. */
static void check_address(xmlNode *node, const char *value)
{
	static const char before[] = "/machines/", after[] = "/log";
	xmlChar *found = xmlGetProp(node, BAD_CAST "href");
	char *part = (char *)found + strlen(before);

	PROMISE(found && strncmp((char *)found, before, strlen(before)) == 0);
	char *end = strchr(part, '/');
	PROMISE(end && strcmp(end, after) == 0);
	*end = '\0';
	char *plain = xmlURIUnescapeString(part, 0, NULL);
	PROMISE(plain && strcmp(plain, value) == 0);
	xmlFree(plain);
	xmlFree(found);
}

static unsigned count_attributes(const xmlNode *node)
{
	unsigned n = 0;

	for (const xmlAttr *a = node->properties; a; a = a->next)
		n++;
	return n;
}

/* <div><a ...>text</a><i></i></div>, and nothing else. */
static void check_page(xmlNode *root, const char *value)
{
	_cleanup_free_ char *text = shown(value, "\n\t"), *line = shown(value, "");
	xmlNode *body = root ? root->children : NULL;
	xmlNode *div = body ? body->children : NULL, *a = div ? div->children : NULL;

	PROMISE(root && !root->next && body && !body->next && div && !div->next && a);
	PROMISE(strcmp((const char *)div->name, "div") == 0 && count_attributes(div) == 0);
	PROMISE(strcmp((const char *)a->name, "a") == 0 && count_attributes(a) == 3);
	promise_equal(xmlGetProp(a, BAD_CAST "title"), line);
	promise_equal(xmlGetProp(a, BAD_CAST "data-value"), line);
	check_address(a, value);
	for (const xmlNode *inside = a->children; inside; inside = inside->next)
		PROMISE(inside->type == XML_TEXT_NODE);
	promise_equal(xmlNodeGetContent(a), text);
	const xmlNode *last = a->next;
	PROMISE(last && strcmp((const char *)last->name, "i") == 0 && !last->next);
	PROMISE(!last->children && !last->properties);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_html_ struct html h = HTML_INIT;
	_cleanup_free_ char *value = promise_string(data, size);

	html_put(&h, "<div><a");
	html_attr(&h, "title", value);
	html_url(&h, "href", "/machines/", value, "/log");
	html_attr(&h, "data-value", value);
	html_put(&h, ">");
	html_text(&h, value);
	html_put(&h, "</a><i></i></div>");
	_cleanup_free_ char *page = html_steal(&h);
	PROMISE(page);
	htmlDocPtr doc = htmlReadMemory(page, (int)strlen(page), NULL, "UTF-8",
	    HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET | HTML_PARSE_NODEFDTD |
		XML_PARSE_HUGE);
	PROMISE(doc);
	check_page(xmlDocGetRootElement(doc), value);
	xmlFreeDoc(doc);
	return 0;
}
