#include "boot_handler/documents/cloudinit_vendor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/documents/guest_ready.inc"
#include "lib/base/cleanup.h"

#define URL_PLACE "@URL@"

/* cloud-init waits for no answer, and at the end of a stage at most for three that do not come. */
static json_t *settings(const char *report_url)
{
	return json_pack("{s:s, s:{s:{s:s, s:o, s:i, s:i}}}", "manage_etc_hosts", "localhost",
	    "reporting", "vmlab", "type", "webhook", "endpoint",
	    json_sprintf("%s?phase=cloud-init", report_url), "timeout", 5, "retries", 0);
}

/* The URL is made of characters that mean nothing in a quoted string: see boot_url_valid(). */
static json_t *call(const char *report_url)
{
	const char *place = strstr(guest_ready_py, URL_PLACE);

	return json_sprintf("%.*s%s?phase=ready%s", (int)(place - guest_ready_py), guest_ready_py,
	    report_url, place + strlen(URL_PLACE));
}

json_t *cloudinit_vendor_parts(const struct cloudinit *c)
{
	_cleanup_free_ char *text = NULL;
	char report_url[256];
	char mac[MAC_TEXT_SIZE];

	snprintf(
	    report_url, sizeof(report_url), "%s/report/%s", c->base, mac_format(&c->vm->mac, mac));
	json_t *config = settings(report_url);
	text = json_dumps(config, JSON_COMPACT);
	json_decref(config);
	return json_pack("[{s:s, s:o}, {s:s, s:s, s:o}]", "type", "text/cloud-config", "content",
	    json_sprintf("#cloud-config\n%s\n", text ? text : "{}"), "type", "text/x-shellscript",
	    "filename", "vmlab-ready", "content", call(report_url));
}
