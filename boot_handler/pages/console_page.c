#include "boot_handler/pages/console_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "boot_handler/http/console.h"
#include "boot_handler/pages/machine_page.h"
#include "boot_handler/pages/page.h"
#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/terminal_text.h"

#define XTERM_MAX_BYTES ((size_t)2 * 1024 * 1024)

static const char xterm_script[] = "xterm.mjs", xterm_style[] = "xterm.css";

#define JSON_FREE __attribute__((cleanup(free_json)))
static void free_json(json_t **json)
{
	json_decref(*json);
}

/* ---- xterm.js ---------------------------------------------------------------------------- */

static char *xterm_path(const struct call *c, const char *file)
{
	char *path;

	if (!c->services->xterm_dir || asprintf(&path, "%s/%s", c->services->xterm_dir, file) < 0)
		return NULL;
	return path;
}

/* Its size; 0: it is not in this build. */
static off_t xterm_size(const struct call *c, const char *file)
{
	_cleanup_free_ char *path = xterm_path(c, file);
	struct stat st;

	return path && stat(path, &st) == 0 ? st.st_size : 0;
}

static int answer_xterm(const struct call *c, const char *file, const char *type,
    struct server_answer *a, struct err *e)
{
	_cleanup_free_ char *path = xterm_path(c, file);
	char *text = NULL;
	size_t len;

	if (!path)
		return err_set(e, ENOENT, "this build has no terminal for browsers");
	int r = file_read(path, XTERM_MAX_BYTES, &text, &len, e);
	if (r == 0)
		page_answer_file(a, type, text, len);
	return r;
}

int console_page_xterm(const struct call *c, struct server_answer *a, struct err *e)
{
	return answer_xterm(c, xterm_script, "text/javascript; charset=utf-8", a, e);
}

int console_page_xterm_style(const struct call *c, struct server_answer *a, struct err *e)
{
	return answer_xterm(c, xterm_style, "text/css; charset=utf-8", a, e);
}

/* ---- the page ---------------------------------------------------------------------------- */

/* Another of the same size is another version's: then the address is another, too. */
static void put_file(struct html *h, const struct call *c, const char *file)
{
	html_put(h, "/assets/");
	html_text(h, file);
	html_put(h, "?" VMLAB_VERSION "-");
	html_number(h, xterm_size(c, file));
}

/* What the script makes a terminal of. */
static void put_terminal(struct html *h, const struct call *c, const struct machine_named *named)
{
	html_put(h, "<link rel=\"stylesheet\" href=\"");
	put_file(h, c, xterm_style);
	html_put(h, "\"><section id=\"console\" aria-label=\"Serial console\" hidden");
	html_attr(h, "data-machine", named->name);
	html_url(h, "data-api", "/api/v1/machines/", named->name, "/console");
	if (page_may_order(c))
		html_put(h, " data-types");
	html_put(h, " data-xterm=\"");
	put_file(h, c, xterm_script);
	html_put(h, "\"><div class=\"console-bar\"><p id=\"console-says\" role=\"status\"></p>");
	html_put(h, "<a id=\"console-out\" target=\"_blank\" rel=\"noopener\"");
	html_url(h, "href", "/machines/", named->name, "/console?alone");
	html_put(h,
	    ">Pop out</a></div><div class=\"console-scroll\"><div id=\"terminal\"></div></div>"
	    "<p class=\"hint\" id=\"console-keys\">");
	if (page_may_order(c))
		html_put(h,
		    "What you type goes to the machine, Tab too. <kbd>Ctrl</kbd>+<kbd>]</kbd> "
		    "leaves the terminal, as in <code>vmlab console</code>; so does "
		    "<kbd>Shift</kbd>+<kbd>Tab</kbd>, backwards.");
	else
		html_put(h, "Read only: this session may look and not type.");
	html_put(h, "</p></section>");
	page_put_console_script(h);
}

static void put_text(struct html *h, const struct console_of *of)
{
	size_t len;
	_cleanup_free_ char *bytes = console_last(of, &len);
	_cleanup_free_ char *text = bytes ? terminal_text(bytes, len) : NULL;

	html_put(h, "<div id=\"console-text\" data-live>");
	if (text && *text) {
		html_put(h, "<pre class=\"log\" tabindex=\"0\" role=\"region\" "
			    "aria-label=\"What it printed last\">");
		html_text(h, text);
		html_put(h, "</pre>");
	} else {
		html_put(h, "<p class=\"notice\">It has printed nothing yet.</p>");
	}
	html_put(h, "</div>");
}

static void put_absent(struct html *h, const struct machine_named *named)
{
	html_put(h,
	    "<p class=\"notice\">Its serial console is not here. There is one of VMs that "
	    "<code>vmlab up</code> has started in this lab; one that was started before this "
	    "version gets it with <code>vmlab down ");
	html_text(h, named->name);
	html_put(h, "</code> and <code>vmlab up ");
	html_text(h, named->name);
	html_put(h, "</code>. Of a machine of metal it is at its serial port, or at its management "
		    "controller (serial over LAN).</p>");
}

static void put_state(struct html *h, const struct call *c, const struct console_of *of)
{
	if (!console_runs(of))
		html_put(h, "<p class=\"notice\">It is not running: this is what it printed "
			    "before.</p>");
	if (xterm_size(c, xterm_script) == 0)
		html_put(h,
		    "<p class=\"notice\">This build has no terminal for browsers (it was made "
		    "without npm): here is what was printed last; <code>vmlab console</code> "
		    "has the keyboard.</p>");
}

int console_page(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;
	struct machine_named named;
	JSON_FREE json_t *vm = NULL;

	int r = machine_page_find(c, &named, &vm, e);
	if (r < 0)
		return r;
	struct console_of of = console_of_machine(c, &named);
	machine_page_begin(&h, c, &named, vm, MACHINE_CONSOLE);
	if (!console_is_here(&of)) {
		put_absent(&h, &named);
		return page_end(&h, a, e);
	}
	html_put(&h, "<div id=\"console-state\" data-live>");
	put_state(&h, c, &of);
	html_put(&h, "</div>");
	if (xterm_size(c, xterm_script) > 0)
		put_terminal(&h, c, &named);
	put_text(&h, &of);
	return page_end(&h, a, e);
}
