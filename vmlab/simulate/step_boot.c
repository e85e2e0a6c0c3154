/* step_boot.c - from the lease to the kernel: TFTP, our script for iPXE, and what it names. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/text.h"
#include "vmlab/simulate/step_part.h"

#define SCRIPT_MAX_BYTES 16384
#define SENTENCE_MAX_BYTES 4096
#define STALL_S 15
/* As EDK2 and iPXE ask for; and the patience of EDK2 (PXEBC_MTFTP_TIMEOUT). */
#define FIRMWARE_BLOCK_BYTES 1468
#define IPXE_BLOCK_BYTES 1432
#define TFTP_TIMEOUT_MS 4000

/* ---- TFTP ---------------------------------------------------------------------------------- */

static struct machine *of_tftp(struct tftp *t)
{
	return (struct machine *)((char *)t - offsetof(struct machine, tftp));
}

static void tftp_ended(struct tftp *t, const char *problem)
{
	machine_step_ended(of_tftp(t), problem);
}

static void tftp_repeated(struct tftp *t)
{
	struct machine *m = of_tftp(t);

	m->sim->tally.steps[steps[m->step].row].again++;
}

static uint64_t rate_of(const struct machine *m)
{
	return m->faults & 1u << SIMULATE_SLOW ? m->sim->profile.slow_rate : 0;
}

/* Of two bounds; 0 is none. */
static uint64_t slower(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

int step_loader(struct machine *m, struct err *e)
{
	bool script = m->step == STEP_AUTOEXEC;

	if (!script && !m->lease.file[0])
		return err_set(e, ENOENT, "DHCP names no loader");
	m->tftp.file = script ? "autoexec.ipxe" : m->lease.file;
	m->tftp.block_bytes = script ? IPXE_BLOCK_BYTES : FIRMWARE_BLOCK_BYTES;
	m->tftp.timeout_ms = TFTP_TIMEOUT_MS;
	m->tftp.size_only = m->step == STEP_LOADER_SIZE;
	m->tftp.source = m->lease.ip;
	m->tftp.server = m->lease.server;
	m->tftp.rate = rate_of(m);
	m->tftp.ended = tftp_ended;
	m->tftp.repeated = tftp_repeated;
	return tftp_begin(&m->tftp, &m->sim->loop, e);
}

/* ---- HTTP ---------------------------------------------------------------------------------- */

static void transfer_ended(struct transfer *t, const char *problem)
{
	struct machine *m = (struct machine *)((char *)t - offsetof(struct machine, transfer));

	if (!m->asked_us)
		m->asked_us = t->asked_us;
	m->answered_us = t->answered_us;
	machine_step_ended(m, problem);
}

long step_stall_s(const struct machine *m)
{
	double patience_s = m->sim->profile.patience_s;

	return patience_s < 1 ? 1 : patience_s < STALL_S ? (long)patience_s : STALL_S;
}

int step_request(struct machine *m, const struct step_request *r, struct err *e)
{
	struct transfer *t = &m->transfer;

	t->url = m->url;
	t->body = r->post ? m->body : NULL;
	t->source = m->lease.ip;
	t->closes = r->closes;
	t->rate = slower(rate_of(m), r->rate);
	t->patience_s = step_stall_s(m);
	t->text_max = r->text_max ? r->text_max : SENTENCE_MAX_BYTES;
	t->from = r->from;
	t->take = r->take;
	t->ended = transfer_ended;
	return transfer_begin(&m->transfers, t, e);
}

int step_want_status(struct machine *m, long wanted, struct err *e)
{
	char line[160] = "";

	if (m->transfer.status == wanted)
		return 0;
	if (m->transfer.text)
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(m->transfer.text, "\n"),
		    m->transfer.text);
	text_clean_string(line, "");
	return err_set(
	    e, EPROTO, "the server answers %ld%s%s", m->transfer.status, *line ? ": " : "", line);
}

/* ---- /ipxe --------------------------------------------------------------------------------- */

/* The query of autoexec.ipxe. */
int step_ask(struct machine *m, struct err *e)
{
	char server[INET_ADDRSTRLEN], mac[MAC_TEXT_SIZE], uuid[UUID_TEXT_SIZE];

	snprintf(m->url, sizeof(m->url),
	    "http://%s/ipxe?mac=%s&arch=x86_64&uuid=%s&serial=SIM-%05u&platform=efi&manufacturer=vmlab&product=simulated&asset=&version=1",
	    inet_ntop(AF_INET, &m->lease.server, server, sizeof(server)), mac_format(&m->mac, mac),
	    uuid_format(m->uuid, uuid), m->number);
	return step_request(m, &(struct step_request){.text_max = SCRIPT_MAX_BYTES}, e);
}

/* It was sent to where it must not go. */
static int astray(struct machine *m, const char *where, struct err *e)
{
	return err_set(e, EPROTO, "is told to %s: %s", where, m->answer.says);
}

static int judge_wait(struct machine *m, struct err *e)
{
	if (!m->sim->declared || m->faults & 1u << SIMULATE_WRONG_MAC) {
		machine_end(m, MACHINE_WAITS);
		return 0;
	}
	int64_t now = loop_now_us();
	if (!m->waits_until_us)
		m->waits_until_us = now + (int64_t)(m->sim->profile.patience_s * 1e6);
	if (now > m->waits_until_us) {
		m->deadline_us = 0;
		return astray(m, "wait", e);
	}
	m->next_step = STEP_ASK_LATER;
	return 0;
}

int step_ask_again(struct machine *m, struct err *e)
{
	(void)e;
	m->next_step = STEP_ASK;
	return 0;
}

int step_ask_judge(struct machine *m, struct err *e)
{
	bool known = m->sim->declared && !(m->faults & 1u << SIMULATE_WRONG_MAC);

	int r = step_want_status(m, 200, e);
	if (r == 0)
		r = ipxe_answer_read(m->transfer.text, m->transfer.len, &m->answer, e);
	if (r < 0)
		return r;
	switch (m->answer.verb) {
	case IPXE_KERNEL:
		m->waits_until_us = 0;
		if (m->install.installed)
			return astray(m, "install again", e);
		if (m->answer.config_url)
			return 0;
		machine_end(m, MACHINE_ELSEWHERE);
		return 0;
	case IPXE_DISK:
		m->next_step = STEP_DISK;
		if (m->install.installed)
			return 0;
		break;
	case IPXE_WAIT:
		return judge_wait(m, e);
	case IPXE_OTHER:
		break;
	}
	if (known)
		return astray(m, "do something else than to install", e);
	machine_end(m, MACHINE_ELSEWHERE);
	return 0;
}

/* ---- kernel and initrds -------------------------------------------------------------------- */

static bool drop(struct transfer *t, const char *data, size_t len)
{
	(void)t;
	(void)data;
	(void)len;
	return true;
}

int step_files(struct machine *m, struct err *e)
{
	snprintf(m->url, sizeof(m->url), "%s", m->answer.file[m->turn]);
	return step_request(m, &(struct step_request){.take = drop}, e);
}

int step_files_judge(struct machine *m, struct err *e)
{
	int r = step_want_status(m, 200, e);

	if (r == 0 && ++m->turn < m->answer.files)
		m->next_step = STEP_FILES;
	return r;
}

/* From here on it is another program, with connections of its own. */
int step_kernel(struct machine *m, struct err *e)
{
	transfers_close(&m->transfers);
	int r = transfers_open(&m->transfers, &m->sim->loop, e);
	return r < 0 ? r : step_wait(m, e);
}
