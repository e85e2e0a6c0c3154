#include "boot_handler/pages/pages.h"

#include <string.h>

#include "boot_handler/http/machine_order.h"
#include "boot_handler/pages/console_page.h"
#include "boot_handler/pages/images_page.h"
#include "boot_handler/pages/login.h"
#include "boot_handler/pages/machine_page.h"
#include "boot_handler/pages/machines_live.h"
#include "boot_handler/pages/machines_page.h"
#include "boot_handler/pages/orders_page.h"
#include "boot_handler/pages/page.h"
#include "boot_handler/pages/stranger_page.h"

#define FORM_MAX_BYTES ((size_t)4096)

static int home(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)c;
	return page_sent_to(a, strdup("/machines"), e);
}

static const struct endpoint rows[] = {
    {"GET", "/", NULL, home, .summary = "to the machines"},
    {"GET", "/machines", NULL, machines_page,
	.summary = "?q=, state=: all machines, those that need somebody first"},
    {"GET", "/machines.json", NULL, machines_live,
	.summary = "?after=: what of it has changed, for its script"},
    {"GET", "/machines/<id>", NULL, machine_page, .summary = "one machine, and its timeline"},
    {"GET", "/machines/<id>/events", NULL, machine_page_events, .summary = "what happened to it"},
    {"GET", "/machines/<id>/log", NULL, machine_page_log, .summary = "its installer's last lines"},
    {"GET", "/machines/<id>/console", NULL, console_page,
	.summary = "its serial console; ?alone: and nothing else"},
    {"GET", "/machines/<id>/definition", NULL, machine_page_definition,
	.summary = "its definition, and what is wrong with it"},
    {"POST|GET", "/machines/<id>/orders", NULL, orders_page, .body_max = MACHINE_ORDER_MAX_BYTES,
	.summary = "what was ordered of it, and can be"},
    {"GET", "/machines/<id>/orders/<n>", NULL, orders_page_one, .summary = "one order's output"},
    {"POST", "/machines/<id>/orders/<n>/cancel", NULL, orders_page_cancel,
	.summary = "take it back"},
    {"POST", "/machines/<id>/boot", NULL, orders_page_boot, .body_max = FORM_MAX_BYTES,
	.summary = "reinstall, boot from disk, network boot off and on"},
    {"POST", "/machines/<id>/ignore", NULL, stranger_page_ignore, .summary = "list it no more"},
    {"POST", "/machines/<id>/unignore", NULL, stranger_page_unignore, .summary = "list it again"},
    {"POST", "/machines/<id>/adopt", NULL, stranger_page_adopt, .body_max = FORM_MAX_BYTES,
	.summary = "write a definition for it"},
    {"GET", "/images", NULL, images_page, .summary = "what there is to install and to boot"},
    {"GET", "/login/<secret>", NULL, login_in, .access = ENDPOINT_ANYBODY,
	.summary = "a link of /api/v1/logins"},
    {"POST", "/logout", NULL, login_out, .access = ENDPOINT_ANYBODY,
	.summary = "forget the session"},
    {"GET", "/assets/style.css", NULL, page_style, .access = ENDPOINT_ANYBODY,
	.summary = "how pages look"},
    {"GET", "/assets/script.js", NULL, page_script, .access = ENDPOINT_ANYBODY,
	.summary = "what keeps them up to date"},
    {"GET", "/assets/console.js", NULL, page_console_script, .access = ENDPOINT_ANYBODY,
	.summary = "what makes a terminal of a console's page"},
    {"GET", "/assets/xterm.mjs", NULL, console_page_xterm, .access = ENDPOINT_ANYBODY,
	.summary = "xterm.js, where it is in this build"},
    {"GET", "/assets/xterm.css", NULL, console_page_xterm_style, .access = ENDPOINT_ANYBODY,
	.summary = "how it looks"},
    {"GET", "/assets/icon.svg", NULL, page_icon, .access = ENDPOINT_ANYBODY,
	.summary = "their icon"},
};

const struct endpoint_table page_endpoints = {.side = ENDPOINT_OPERATOR,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .error = page_error};
