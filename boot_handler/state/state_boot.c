/* The part of state.h that is about boots: what a machine asked for, and with which card. */
#include <stdatomic.h>

#include "boot_handler/state/state.h"
#include "boot_handler/state/state_inside.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

struct life state_life(struct state *s, const struct mac *mac)
{
	const struct machine *m = machine_table_find(&s->table, mac_number(mac));

	return m ? machine_life(m) : (struct life){.state = MACHINE_DECLARED};
}

static bool installs(struct boot_choice choice)
{
	return !choice.wait && (choice.mode->needs & BOOT_NEEDS_DISK);
}

static bool is_news(const struct machine *m, struct boot_choice choice, int64_t now)
{
	const char *asked = atomic_load_explicit(&m->asked, memory_order_relaxed);

	return boot_choice_is_news(
	    choice, asked, now - atomic_load_explicit(&m->asked_ms, memory_order_relaxed));
}

static struct happening booting(const struct machine *m, struct boot_choice choice)
{
	return (struct happening){.kind = LIFE_BOOTS,
	    .installs = installs(choice),
	    .restarts = !choice.wait && boot_mode_restarts(choice.mode),
	    .tells = m && atomic_load_explicit(&m->calls, memory_order_relaxed)};
}

/* The machine is locked. Returns what became of it. */
static struct life take_boot(
    struct state *s, struct machine *m, struct boot_choice choice, int64_t now)
{
	struct happening h = booting(m, choice);
	struct life before = machine_life(m);
	struct life_step step = lifecycle_step(&before, &h);

	if (step.anew || is_news(m, choice, now)) {
		atomic_store(&m->asked, boot_choice_name(choice));
		atomic_store(&m->asked_ms, now);
		if (step.anew)
			state_forget_progress(m);
		m->address.booted_ms = now;
		state_tell_addresses(s);
		state_record(s, m, EVENT_IPXE, boot_choice_word(choice), now);
	}
	if (step.anew) {
		atomic_store(&m->asks, 1);
		m->began_ms = now;
		machine_mark_dirty(&s->table, m);
	}
	if (step.reboots) {
		state_keep_result(m, firstboot_booting(m->cloud_init));
		state_begin_boot(m);
	}
	if (step.changed) {
		state_change_life(s, m, step.life, now);
		writer_kick(s->writer);
	}
	return step.life;
}

unsigned state_booted(
    struct state *s, const struct mac *mac, const char *name, struct boot_choice choice)
{
	struct machine *m = machine_table_find(&s->table, mac_number(mac));
	int64_t now = wall_ms();

	if (m) {
		struct happening h = booting(m, choice);
		struct life life = machine_life(m);

		machine_touch(&s->table, m, now);
		if (h.installs)
			atomic_fetch_add_explicit(&m->asks, 1, memory_order_relaxed);
		if (!lifecycle_step(&life, &h).changed && !is_news(m, choice, now))
			return life.attempt;
	}
	m = machine_table_lock(&s->table, mac, name);
	if (!m)
		return 1;
	struct life life = take_boot(s, m, choice, now);
	machine_touch(&s->table, m, now);
	machine_unlock(&s->table, m);
	return life.attempt;
}

bool state_asked_with(
    struct state *s, const struct mac *mac, const char *name, const struct mac *nic)
{
	uint64_t number = mac_equal(mac, nic) ? 0 : mac_number(nic);
	struct machine *m = machine_table_find(&s->table, mac_number(mac));
	char text[MAC_TEXT_SIZE], own[MAC_TEXT_SIZE];

	if (m ? atomic_load_explicit(&m->nic, memory_order_relaxed) == number : number == 0)
		return false;
	m = machine_table_lock(&s->table, mac, name);
	if (!m)
		return false;
	machine_set_nic(&s->table, m, number);
	state_tell_addresses(s);
	if (state_is_due(&m->logged_at_ms[STATE_LINE_CARD], wall_ms()))
		log_info("asks with %s card vm=%s mac=%s defined=%s",
		    number ? "another" : "its own", name, mac_format(nic, text),
		    mac_format(mac, own));
	machine_unlock(&s->table, m);
	return true;
}

bool state_nic(struct state *s, const struct mac *mac, struct mac *nic)
{
	const struct machine *m = machine_table_find(&s->table, mac_number(mac));
	uint64_t number = m ? atomic_load(&m->nic) : 0;

	*nic = number ? mac_from_number(number) : *mac;
	return number != 0;
}

bool state_by_nic(struct state *s, const struct mac *nic, struct mac *mac)
{
	const struct machine *m = machine_table_find_nic(&s->table, mac_number(nic));

	if (m)
		*mac = mac_from_number(m->mac);
	return m != NULL;
}
