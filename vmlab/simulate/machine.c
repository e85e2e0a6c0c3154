#include "vmlab/simulate/machine.h"

#include <stdio.h>
#include <string.h>

#include "vmlab/simulate/step.h"

#define AGAIN_US 500000
#define CUT_US_MAX 50000

#define ENDING_WORD(name, word) word,
const char *const machine_ending_words[MACHINE_ENDING_COUNT] = {MACHINE_ENDINGS(ENDING_WORD)};

struct mac machine_mac(unsigned number, bool wrong)
{
	return (struct mac){
	    {wrong ? 0x06 : 0x02, 'S', 'I', 'M', (uint8_t)(number >> 8), (uint8_t)number}};
}

/* ---- power --------------------------------------------------------------------------------- */

static void count_ending(struct machine *m, enum machine_ending ending)
{
	m->sim->ended[m->ending]--;
	m->ending = ending;
	m->sim->ended[ending]++;
	m->sim->loop.ended |= m->sim->ended[MACHINE_GOING] == 0;
}

static void power_off(struct machine *m)
{
	struct loop *l = &m->sim->loop;

	step_stop(m);
	loop_timer_stop(l, &m->timer);
	loop_timer_stop(l, &m->cut);
	if (m->on)
		transfers_close(&m->transfers);
	m->sim->received += m->transfers.received;
	m->transfers.received = 0;
	m->on = false;
}

void machine_end(struct machine *m, enum machine_ending ending)
{
	power_off(m);
	count_ending(m, ending);
	if (ending == MACHINE_READY)
		m->sim->last_ready_us = loop_now_us();
}

static void fail(struct machine *m, const char *problem)
{
	const char *row = step_row_names[steps[m->step].row];
	char reason[TALLY_REASON_SIZE];

	snprintf(reason, sizeof(reason), "%s%s%s", row ? row : "", row ? ": " : "", problem);
	tally_fail(&m->sim->tally, reason);
	machine_end(m, MACHINE_FAILED);
}

static void switched_on(struct loop_timer *timer);
static void begin(struct machine *m);

void machine_reboot(struct machine *m)
{
	const struct simulate_profile *p = &m->sim->profile;

	power_off(m);
	m->timer.fired = switched_on;
	(void)loop_timer_set(
	    &m->sim->loop, &m->timer, loop_now_us() + (int64_t)(p->reboot_s / p->speed * 1e6));
}

/* ---- faults -------------------------------------------------------------------------------- */

static bool has(const struct machine *m, enum simulate_fault fault)
{
	return m->faults & 1u << fault;
}

static void cut(struct loop_timer *timer)
{
	struct machine *m = (struct machine *)((char *)timer - offsetof(struct machine, cut));

	if (has(m, SIMULATE_SILENCE) && m->step >= m->silence_step) {
		machine_end(m, MACHINE_SILENT);
		return;
	}
	m->faults &= ~(1u << SIMULATE_REBOOT);
	machine_reboot(m);
}

static unsigned strikes_at(struct machine *m)
{
	return step_first +
	       (unsigned)(simulate_random(&m->random) % (step_last_of_install - step_first + 1));
}

static void strike(struct machine *m)
{
	if ((has(m, SIMULATE_SILENCE) && m->step == m->silence_step) ||
	    (has(m, SIMULATE_REBOOT) && m->step == m->reboot_step)) {
		m->cut.fired = cut;
		(void)loop_timer_set(&m->sim->loop, &m->cut,
		    loop_now_us() + (int64_t)(simulate_random(&m->random) % CUT_US_MAX));
	}
}

/* ---- steps --------------------------------------------------------------------------------- */

static void tried_again(struct loop_timer *timer)
{
	begin((struct machine *)((char *)timer - offsetof(struct machine, timer)));
}

static void try_again(struct machine *m, const char *problem)
{
	int64_t now = loop_now_us();

	if (now >= m->deadline_us) {
		fail(m, problem);
		return;
	}
	m->sim->tally.steps[steps[m->step].row].again++;
	if (!m->asked_us)
		m->asked_us = m->begun_us;
	m->timer.fired = tried_again;
	if (!loop_timer_set(&m->sim->loop, &m->timer, now + AGAIN_US))
		fail(m, "out of memory");
}

static void begin(struct machine *m)
{
	struct err e = ERR_INIT;

	if (steps[m->step].begin(m, &e) < 0)
		try_again(m, e.msg);
}

static void begin_first(struct machine *m)
{
	m->begun_us = loop_now_us();
	m->asked_us = m->answered_us = 0;
	begin(m);
}

static void enter(struct machine *m, unsigned step)
{
	if (step != m->step)
		m->turn = 0;
	m->step = step;
	m->asked_twice = false;
	m->deadline_us = loop_now_us() + (int64_t)(m->sim->profile.patience_s * 1e6);
	strike(m);
	begin_first(m);
}

/* What lies before the question and behind the answer is not the server's. */
static void count(struct machine *m, struct tally_step *s)
{
	int64_t now = loop_now_us();
	int64_t asked = m->asked_us ? m->asked_us : m->begun_us;
	int64_t answered = m->answered_us ? m->answered_us : now;

	histogram_add(&s->took, answered - asked);
	histogram_add(&s->own, asked - m->begun_us + now - answered);
}

void machine_step_ended(struct machine *m, const char *problem)
{
	const struct step *s = &steps[m->step];
	struct err e = ERR_INIT;

	if (!problem && s->row)
		count(m, &m->sim->tally.steps[s->row]);
	if (!problem && s->row && has(m, SIMULATE_REPEAT) && !m->asked_twice) {
		m->asked_twice = true;
		begin_first(m);
		return;
	}
	m->next_step = m->step + 1;
	if (!problem && s->judge && s->judge(m, &e) < 0)
		problem = e.msg;
	if (!m->on)
		return;
	if (problem) {
		try_again(m, problem);
		return;
	}
	enter(m, m->next_step);
}

static void waited(struct loop_timer *timer)
{
	machine_step_ended(
	    (struct machine *)((char *)timer - offsetof(struct machine, timer)), NULL);
}

void machine_wait(struct machine *m, double seconds)
{
	double spread = 0.8 + 0.4 * simulate_random_share(&m->random);

	m->timer.fired = waited;
	(void)loop_timer_set(&m->sim->loop, &m->timer,
	    loop_now_us() + (int64_t)(seconds / m->sim->profile.speed * spread * 1e6));
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void switched_on(struct loop_timer *timer)
{
	struct machine *m = (struct machine *)((char *)timer - offsetof(struct machine, timer));
	struct err e = ERR_INIT;

	if (!m->sim->first_on_us)
		m->sim->first_on_us = loop_now_us();
	if (transfers_open(&m->transfers, &m->sim->loop, &e) < 0) {
		fail(m, e.msg);
		return;
	}
	m->on = true;
	m->step = m->turn = 0;
	enter(m, 0);
}

void machine_init(struct machine *m, struct simulation *sim, unsigned number, double after_s)
{
	m->sim = sim;
	m->number = number;
	m->random = (uint64_t)sim->profile.seed << 20 ^ number;
	m->faults = simulate_faults_of(&sim->profile, number);
	m->silence_step = strikes_at(m);
	m->reboot_step = strikes_at(m);
	m->mac = machine_mac(number, has(m, SIMULATE_WRONG_MAC));
	for (unsigned i = 0; i < sizeof(m->uuid); i++)
		m->uuid[i] = (uint8_t)simulate_random(&m->random);
	m->timer.fired = switched_on;
	sim->ended[MACHINE_GOING]++;
	(void)loop_timer_set(&sim->loop, &m->timer, loop_now_us() + (int64_t)(after_s * 1e6));
}

void machine_clear(struct machine *m)
{
	power_off(m);
}

void machines_heard(void *ctx, const struct dhcp_message *answer, int64_t at_us)
{
	struct simulation *sim = ctx;
	const uint8_t *o = answer->mac.octet;
	unsigned number = (unsigned)o[4] << 8 | o[5];
	struct machine *m = number >= 1 && number <= sim->count ? &sim->machines[number - 1] : NULL;

	if (m && m->on && mac_equal(&m->mac, &answer->mac))
		step_heard(m, answer, at_us);
}
