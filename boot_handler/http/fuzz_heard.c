/* What machines tell besides the targets of their requests, any bytes; the first one chooses what
 * they are: a line of syslog, what dnsmasq tells its script of a DHCP client, the datagram that
 * this becomes, the bodies of reports, what the agent tells of itself, of its machine and of an
 * order, a console's output. */
#include <arpa/inet.h>
#include <jansson.h>

#include "boot_handler/documents/agent_call.h"
#include "boot_handler/documents/inventory.h"
#include "boot_handler/sources/dhcp_log.h"
#include "boot_handler/sources/file_log.h"
#include "boot_handler/sources/lease.h"
#include "boot_handler/sources/syslog.h"
#include "boot_handler/state/firstboot.h"
#include "boot_handler/state/report.h"
#include "lib/base/cleanup.h"
#include "lib/base/terminal_text.h"
#include "lib/base/test_promise.h"
#include "lib/machine/test_shown.h"
#include "lib/unattended/format.h"

/* ---- syslog ------------------------------------------------------------------------------ */

static void hear_syslog(const char *bytes, size_t len)
{
	const struct unattended_format *format;
	struct syslog_line line;

	if (!syslog_parse(bytes, len, &line))
		return;
	PROMISE(line.text[0]);
	promise_clean(line.program, sizeof(line.program));
	promise_clean(line.text, sizeof(line.text));
	for (size_t i = 0; (format = unattended_format_at(i)); i++)
		for (int now = PHASE_NONE; now <= PHASE_REBOOT; now++) {
			const struct unattended_sign *sign = unattended_sign_of(
			    format, line.program, line.text, (enum machine_phase)now);
			PROMISE(!sign || strcmp(sign->program, line.program) == 0);
		}
}

/* ---- DHCP -------------------------------------------------------------------------------- */

static void check_lease(const struct lease *l)
{
	PROMISE(l->uuid[strspn(l->uuid, "0123456789abcdef-")] == '\0');
	PROMISE(!l->uuid[0] || strlen(l->uuid) == UUID_TEXT_SIZE - 1);
	promise_clean(l->arch, sizeof(l->arch));
	promise_clean(l->platform, sizeof(l->platform));
	promise_clean(l->file, sizeof(l->file));
	PROMISE(strnlen(l->name, sizeof(l->name)) < sizeof(l->name) && !strchr(l->name, '.'));
	PROMISE(l->ends >= 0 && (!l->six || !l->ip.s_addr));
	PROMISE(!l->has_mac || (l->mac.octet[0] & 1) == 0);
}

static void hear_lease(const char *bytes, size_t len)
{
	struct err e = ERR_INIT;
	struct lease lease;

	if (lease_parse(bytes, len, &lease, &e) == 0)
		check_lease(&lease);
	else
		PROMISE(e.msg[0]);
}

/* A line each: of what a client says, the name, vendor class and id. The rest is dnsmasq's own and
 * stays what it is, whatever these are. */
static void hear_dhcp(char *text)
{
	struct lease_event event = {
	    .action = "add", .mac = "52:54:00:00:00:11", .ip = "192.168.100.11", .ends = "7"};
	char datagram[LEASE_TEXT_MAX];
	struct err e = ERR_INIT;
	struct lease lease;

	event.name = strsep(&text, "\n");
	event.vendor_class = strsep(&text, "\n");
	event.client_id = strsep(&text, "\n");
	event.tags = text ? "known rpi" : NULL;
	int n = lease_event_text(&event, datagram, &e);
	if (n < 0)
		return;
	PROMISE((size_t)n == strlen(datagram) && n < LEASE_TEXT_MAX);
	PROMISE(lease_parse(datagram, (size_t)n, &lease, &e) == 0);
	check_lease(&lease);
	PROMISE(lease.added && lease.has_mac && lease.mac.octet[5] == 0x11 && lease.ends == 7);
	PROMISE(lease.ip.s_addr == htonl(0xc0a8640b));
}

static void hear_log(const char *line)
{
	struct dhcp_said said;
	struct in_addr ip;

	if (!dhcp_log_parse(line, &said))
		return;
	PROMISE(!said.ip[0] || inet_pton(AF_INET, said.ip, &ip) == 1);
	promise_clean(said.why, sizeof(said.why));
	PROMISE(strncmp(event_info(said.kind)->name, "dhcp-", 5) == 0);
}

static void hear_file(const char *line)
{
	struct file_sent sent;

	if (!file_log_parse(line, &sent))
		return;
	PROMISE(sent.path[0] == '/' && sent.status <= 999 && sent.ms >= 0);
	promise_clean(sent.path, sizeof(sent.path));
	promise_clean(sent.source, sizeof(sent.source));
}

/* ---- reports ----------------------------------------------------------------------------- */

static void hear_report(const char *bytes, size_t len)
{
	struct err e = ERR_INIT;
	struct report report;

	if (report_parse(bytes, len, &report, &e) == 0) {
		PROMISE(report.phase > PHASE_NONE && report.phase <= PHASE_REBOOT);
		PROMISE(report.eta_s >= -1);
		promise_clean(report.message, sizeof(report.message));
		promise_clean(report.hint, sizeof(report.hint));
		if (report.log) {
			size_t clean = strlen(report.log);
			PROMISE(clean <= REPORT_LOG_MAX_BYTES);
			PROMISE(text_clean(report.log, clean, "\n\t") == clean);
			PROMISE(!strchr(report.log, '\033') && !strchr(report.log, '\r'));
		}
	} else {
		PROMISE(e.msg[0]);
	}
	report_clear(&report);
}

/* What is kept of it is read again at every boot. */
static void check_kept(const struct firstboot_ready *ready)
{
	_cleanup_free_ char *kept = firstboot_result(ready, NULL);
	PROMISE(!kept == !ready->result);
	if (!kept)
		return;
	_cleanup_free_ char *again = firstboot_result(ready, kept),
			    *booting = firstboot_booting(kept);
	const char *const texts[] = {kept, again, booting};
	char id[80];

	firstboot_id(kept, id, sizeof(id));
	promise_clean(id, sizeof(id));
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		PROMISE(texts[i] && strlen(texts[i]) < MACHINE_CLOUD_INIT_SIZE);
		json_t *doc = json_loads(texts[i], 0, NULL);
		PROMISE(json_is_string(json_object_get(doc, "status")));
		json_decref(doc);
	}
}

static void hear_ready(const char *bytes, size_t len)
{
	struct firstboot_ready ready;
	struct err e = ERR_INIT;

	if (firstboot_ready_parse(bytes, len, &ready, &e) == 0) {
		for (int i = 0; i < MACHINE_KEYS_MAX; i++)
			promise_clean(ready.host_key[i], sizeof(ready.host_key[i]));
		check_kept(&ready);
		firstboot_ready_clear(&ready);
	} else {
		PROMISE(e.msg[0]);
	}
}

static void hear_event(const char *bytes, size_t len)
{
	struct firstboot_event event;
	struct err e = ERR_INIT;

	if (firstboot_event_parse(bytes, len, &event, &e) == 0)
		promise_clean(event.text, sizeof(event.text));
	else
		PROMISE(e.msg[0]);
}

/* ---- the agent --------------------------------------------------------------------------- */

static void hear_progress(const char *bytes, size_t len)
{
	struct agent_progress told;
	struct err e = ERR_INIT;

	if (agent_progress_parse(bytes, len, &told, &e) == 0) {
		PROMISE(told.id > 0 && told.done_bytes >= 0 && told.total_bytes >= 0);
		promise_clean(told.phase, sizeof(told.phase));
		promise_clean(told.text, sizeof(told.text));
	} else {
		PROMISE(e.msg[0]);
	}
}

static void hear_ending(const char *bytes, size_t len)
{
	struct agent_ending told;
	struct err e = ERR_INIT;

	if (agent_ending_parse(bytes, len, &told, &e) == 0) {
		PROMISE(told.id > 0);
		promise_clean(told.text, sizeof(told.text));
		promise_clean(told.phase, sizeof(told.phase));
		promise_clean(told.hint, sizeof(told.hint));
		PROMISE(!told.figures || json_is_object(told.figures));
		_cleanup_free_ char *kept =
		    told.figures ? json_dumps(told.figures, JSON_COMPACT) : NULL;
		PROMISE(!kept == !told.figures);
		PROMISE(!kept || strlen(kept) <= AGENT_FIGURES_MAX_BYTES);
	} else {
		PROMISE(e.msg[0]);
	}
	agent_ending_clear(&told);
}

static void hear_greeting(const char *bytes, size_t len)
{
	struct agent_greeting greeting;
	struct err e = ERR_INIT;

	if (agent_greeting_parse(bytes, len, &greeting, &e) == 0)
		promise_shown(&greeting.shown);
	else
		PROMISE(e.msg[0]);
}

/* What is kept of it is the same when it is read again. */
static void hear_inventory(const char *bytes, size_t len)
{
	struct inventory inventory, again;
	struct err e = ERR_INIT;

	if (inventory_parse(bytes, len, &inventory, &e) == 0) {
		promise_shown(&inventory.shown);
		promise_clean(inventory.summary, sizeof(inventory.summary));
		PROMISE(inventory.memory_bytes >= 0 && inventory.disk_bytes >= 0);
		size_t kept = strlen(inventory.text);
		PROMISE(text_clean(inventory.text, kept, "") == kept);
		PROMISE(inventory_parse(inventory.text, kept, &again, &e) == 0);
		PROMISE(strcmp(inventory.text, again.text) == 0);
		inventory_clear(&again);
	} else {
		PROMISE(e.msg[0]);
	}
	inventory_clear(&inventory);
}

/* ---- a console --------------------------------------------------------------------------- */

static void show_printed(const char *bytes, size_t len)
{
	_cleanup_free_ char *text = terminal_text(bytes, len);

	PROMISE(text);
	size_t shown = strlen(text);
	PROMISE(shown <= len);
	PROMISE(text_clean(text, shown, "\n\t") == shown);
	PROMISE(!strstr(text, "\n\n\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return -1;
	_cleanup_free_ char *text = promise_string(data + 1, size - 1);
	switch (data[0]) {
	case 's':
		hear_syslog(text, size - 1);
		return 0;
	case 'q':
		hear_log(text);
		return 0;
	case 'n':
		hear_file(text);
		return 0;
	case 'd':
		hear_dhcp(text);
		return 0;
	case 'l':
		hear_lease(text, size - 1);
		return 0;
	case 'r':
		hear_report(text, size - 1);
		return 0;
	case 'f':
		hear_ready(text, size - 1);
		return 0;
	case 'e':
		hear_event(text, size - 1);
		return 0;
	case 'p':
		hear_progress(text, size - 1);
		return 0;
	case 'o':
		hear_ending(text, size - 1);
		return 0;
	case 'g':
		hear_greeting(text, size - 1);
		return 0;
	case 'i':
		hear_inventory(text, size - 1);
		return 0;
	case 't':
		show_printed((const char *)data + 1, size - 1);
		return 0;
	default:
		return -1;
	}
}
