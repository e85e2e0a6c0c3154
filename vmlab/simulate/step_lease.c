/* step_lease.c - a machine's DHCP, as firmware, installer and installed system. */
#include <errno.h>
#include <string.h>

#include "vmlab/simulate/step_part.h"

/* PXE 2.1, 3.2.2: 4, 8, 16 and 32 seconds; the others ask more often. */
#define FIRMWARE_FIRST_S 4
#define FIRMWARE_TRIES 4
#define OTHERS_S 2
#define OTHERS_TRIES 8

static void expect(struct machine *m)
{
	struct machine_lease *l = &m->lease;
	int64_t s = l->speaker == DHCP_FIRMWARE ? FIRMWARE_FIRST_S << l->tries : OTHERS_S;

	(void)loop_timer_set(&m->sim->loop, &l->timer, loop_now_us() + s * 1000000);
}

static int transmit(struct machine *m, struct err *e)
{
	uint8_t frame[DHCP_FRAME_SIZE];
	size_t len = dhcp_frame_make(&m->lease.sent, m->lease.speaker, m->uuid, frame);

	expect(m);
	return wire_send(&m->sim->wire, frame, len, e);
}

static void fired(struct loop_timer *timer)
{
	struct machine_lease *l =
	    (struct machine_lease *)((char *)timer - offsetof(struct machine_lease, timer));
	struct machine *m = (struct machine *)((char *)l - offsetof(struct machine, lease));
	unsigned tries = l->speaker == DHCP_FIRMWARE ? FIRMWARE_TRIES : OTHERS_TRIES;
	struct err e = ERR_INIT;

	if (++l->tries >= tries || loop_now_us() > m->deadline_us) {
		l->asks = false;
		machine_step_ended(m, l->sent.kind == DHCP_DISCOVER
					  ? "no DHCP server offers an address"
					  : "the DHCP server does not give what it offered");
		return;
	}
	m->sim->tally.steps[steps[m->step].row].again++;
	if (transmit(m, &e) < 0)
		machine_step_ended(m, e.msg);
}

static int ask(struct machine *m, enum dhcp_kind kind, struct err *e)
{
	struct machine_lease *l = &m->lease;

	l->timer.fired = fired;
	l->speaker = steps[m->step].speaker;
	l->sent.kind = kind;
	l->sent.mac = m->mac;
	l->tries = 0;
	l->asks = true;
	return transmit(m, e);
}

int step_offer(struct machine *m, struct err *e)
{
	m->lease.sent.xid = (uint32_t)simulate_random(&m->random);
	return ask(m, DHCP_DISCOVER, e);
}

int step_ack(struct machine *m, struct err *e)
{
	m->lease.sent.yours = m->lease.offer.yours;
	m->lease.sent.server = m->lease.offer.server;
	return ask(m, DHCP_REQUEST, e);
}

void step_heard(struct machine *m, const struct dhcp_message *answer, int64_t at_us)
{
	struct machine_lease *l = &m->lease;
	enum dhcp_kind wanted = l->sent.kind == DHCP_DISCOVER ? DHCP_OFFER : DHCP_ACK;

	if (!l->asks || answer->xid != l->sent.xid ||
	    (answer->kind != wanted && answer->kind != DHCP_NAK))
		return;
	l->asks = false;
	loop_timer_stop(&m->sim->loop, &l->timer);
	l->offer = *answer;
	m->answered_us = at_us;
	machine_step_ended(m, NULL);
}

/* A refusal, and then from the beginning. */
static int refused(struct machine *m)
{
	m->sim->tally.steps[STEP_ROW_ACK].again++;
	m->next_step = m->step - 1;
	return 0;
}

int step_ack_judge(struct machine *m, struct err *e)
{
	struct machine_lease *l = &m->lease;
	int r = 0;

	if (l->offer.kind == DHCP_NAK)
		return refused(m);
	if (l->speaker == DHCP_FIRMWARE) {
		l->server = l->offer.next.s_addr ? l->offer.next : l->offer.server;
		memcpy(l->file, l->offer.file, sizeof(l->file));
	}
	if (l->ip.s_addr && l->ip.s_addr != l->offer.yours.s_addr)
		r = wire_address(&m->sim->wire, l->ip, false, e);
	l->ip = l->offer.yours;
	return r < 0 ? r : wire_address(&m->sim->wire, l->ip, true, e);
}
