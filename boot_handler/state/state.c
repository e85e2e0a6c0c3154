#include "boot_handler/state/state.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/state/state_inside.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define ASKED_FOR_EVENT_EVERY_MS 5000

/* Whom this thread acts for. */
static _Thread_local struct {
	const char *word, *address;
} acting = {"", ""};

void state_source(const char *word, const char *address)
{
	acting.word = word;
	acting.address = address;
}

/* ---- changes; the machine is locked ------------------------------------------------------ */

void machine_replace_text(char **text, const char *with)
{
	free(*text);
	*text = with && with[0] ? strdup(with) : NULL;
}

void state_keep_result(struct machine *m, char *result)
{
	free(m->cloud_init);
	m->cloud_init = result;
	atomic_store(&m->calls, result != NULL);
}

/* Of what is heard a boot has some ten, of a Raspberry Pi's some fifty; of steps four; of what is
 * told a hundred, of a long one STATE_STAGE_EVENTS_MAX. What state a machine is in does not go by
 * events: it is known also where they are not told any more. */
static const struct pace_rule paces[EVENT_PACES] = {
    [EVENT_HEARD] = {.free = 200, .first_ms = 1000, .most_ms = 60000},
    [EVENT_STEP] = {.free = 200, .first_ms = 1000, .most_ms = 60000},
    [EVENT_TOLD] = {.free = 600, .first_ms = 1000, .most_ms = 60000},
};
/* A hall full of strangers may be switched on at once. */
static const struct pace_rule strangers_pace = {.free = 500, .first_ms = 10000, .most_ms = 10000};

static bool may_be_told(struct machine *m, enum event_kind kind, int64_t now)
{
	enum event_pace which = event_info(kind)->pace;
	const struct pace_rule *rule = &paces[which];

	if (rule->free == 0)
		return true;
	if (pace_wait_ms(&m->pace[which], rule, now) > 0)
		return false;
	if (pace_take(&m->pace[which], rule, now))
		log_warn(
		    "too much happens to a machine: not each is an event any more vm=%s last=%s",
		    m->name, event_info(kind)->name);
	return true;
}

bool state_record_data(struct state *s, struct machine *m, enum event_kind kind, const char *text,
    const struct event_value *values, int64_t now)
{
	if (!may_be_told(m, kind, now))
		return false;

	struct event event = {
	    .at_ms = now,
	    .mac = mac_from_number(m->mac),
	    .kind = kind,
	    .phase = m->phase,
	    .bytes = m->bytes,
	    .total_bytes = m->total_bytes,
	};

	snprintf(event.vm, sizeof(event.vm), "%s", m->name);
	snprintf(event.text, sizeof(event.text), "%s", text);
	event_source(acting.word, acting.address, event.source);
	event_data(event_info(kind), values, event.data);
	writer_event(s->writer, &event);
	return true;
}

bool state_record(
    struct state *s, struct machine *m, enum event_kind kind, const char *text, int64_t now)
{
	return state_record_data(s, m, kind, text, NULL, now);
}

/* Its installation, or its first boot. */
static int64_t took_ms(const struct machine *m, enum machine_state state, int64_t now)
{
	bool ends = state == MACHINE_INSTALLED || state == MACHINE_READY || state == MACHINE_FAILED;

	return ends && m->began_ms && now > m->began_ms ? now - m->began_ms : 0;
}

bool state_record_state(
    struct state *s, struct machine *m, enum machine_state state, unsigned attempt, int64_t now)
{
	const struct event_value values[] = {
	    {.number = attempt}, {.number = took_ms(m, state, now)}};

	return state_record_data(s, m, EVENT_STATE, machine_state_name(state), values, now);
}

void state_change_life(struct state *s, struct machine *m, struct life life, int64_t now)
{
	bool differs = life.state != machine_life(m).state;

	machine_set_life(m, life);
	m->changed_at_ms = now;
	m->moved_at_ms = now;
	machine_mark_dirty(&s->table, m);
	if (differs) {
		bool told = state_record_state(s, m, life.state, life.attempt, now);
		m->began_ms = life.state == MACHINE_INSTALLED && m->began_ms ? now
			      : life.state == MACHINE_READY || life.state == MACHINE_FAILED
				  ? 0
				  : m->began_ms;
		if (told)
			log_info("state changed vm=%s state=%s attempt=%u", m->name,
			    machine_state_name(life.state), life.attempt);
	}
}

void state_begin_boot(struct machine *m)
{
	m->stage[0] = '\0';
	m->stage_events = 0;
}

void state_forget_progress(struct machine *m)
{
	m->phase = PHASE_NONE;
	m->bytes = 0;
	m->total_bytes = 0;
	m->rate_bytes_per_s = 0;
	m->eta_s = -1;
	m->error_phase = PHASE_NONE;
	machine_replace_text(&m->error_reason, NULL);
	machine_replace_text(&m->error_hint, NULL);
	state_keep_result(m, NULL);
	state_begin_boot(m);
}

bool state_is_due(int64_t *last_ms, int64_t now)
{
	if (now - *last_ms < ASKED_FOR_EVENT_EVERY_MS)
		return false;
	*last_ms = now;
	return true;
}

bool state_line_is_due(
    struct state *s, const struct mac *mac, const char *name, enum state_line line)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);

	if (!m)
		return false;
	bool due = state_is_due(&m->logged_at_ms[line], wall_ms());
	machine_unlock(&s->table, m);
	return due;
}

/* ---- what happens to it ------------------------------------------------------------------ */

void state_refused(struct state *s, const struct mac *mac, const char *name, const char *what)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return;
	if (state_is_due(&m->refused_at_ms, now) && state_record(s, m, EVENT_REFUSED, what, now))
		log_warn(
		    "refused to a stranger vm=%s what=%s source=%s", m->name, what, acting.address);
	machine_unlock(&s->table, m);
}

void state_chose(
    struct state *s, const struct mac *mac, const char *name, const char *choice, const char *image)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return;
	if (state_is_due(&m->chose_at_ms, now))
		state_record(s, m, EVENT_CHOICE, choice, now);
	snprintf(m->chosen_image, sizeof(m->chosen_image), "%s", image ? image : "");
	machine_unlock(&s->table, m);
}

bool state_chosen_image(struct state *s, const struct mac *mac, char image[IMAGE_NAME_SIZE])
{
	struct machine *m = machine_table_find(&s->table, mac_number(mac));

	image[0] = '\0';
	if (!m)
		return false;
	machine_lock(&s->table, m);
	snprintf(image, IMAGE_NAME_SIZE, "%s", m->chosen_image);
	machine_unlock(&s->table, m);
	return image[0] != '\0';
}

void state_declared(struct state *s, const struct mac *mac, const char *name, const char *profile)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);

	if (!m)
		return;
	state_record(s, m, EVENT_DECLARED, profile, wall_ms());
	machine_unlock(&s->table, m);
}

void state_tell(struct state *s, const struct mac *mac, const char *name, enum event_kind kind,
    const char *text, const struct event_value *values)
{
	struct event event = {.at_ms = wall_ms(), .mac = *mac, .kind = kind};

	snprintf(event.vm, sizeof(event.vm), "%s", name);
	snprintf(event.text, sizeof(event.text), "%s", text);
	event_source(acting.word, acting.address, event.source);
	event_data(event_info(kind), values, event.data);
	writer_event(s->writer, &event);
}

static bool stranger_may_be_heard(struct state *s, int64_t now)
{
	pthread_mutex_lock(&s->heard_lock);
	bool may = pace_wait_ms(&s->heard, &strangers_pace, now) == 0;
	if (may)
		(void)pace_take(&s->heard, &strangers_pace, now);
	pthread_mutex_unlock(&s->heard_lock);
	return may;
}

void state_heard(struct state *s, const struct mac *mac, const char *name, enum event_kind kind,
    const char *text, const struct event_value *values)
{
	char own[MAC_TEXT_SIZE];
	int64_t now = wall_ms();

	if (!name) {
		if (stranger_may_be_heard(s, now))
			state_tell(s, mac, mac_format(mac, own), kind, text, values);
		return;
	}
	struct machine *m = machine_table_lock(&s->table, mac, name);
	if (!m)
		return;
	machine_touch(&s->table, m, now);
	state_record_data(s, m, kind, text, values, now);
	machine_unlock(&s->table, m);
}

void state_agent(struct state *s, const struct mac *mac, const char *name)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return;
	machine_touch(&s->table, m, now);
	if (state_is_due(&m->agent_at_ms, now))
		state_record(s, m, EVENT_AGENT, "", now);
	machine_unlock(&s->table, m);
}

void state_seen(struct state *s, const struct mac *mac, const char *name)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);

	if (!m)
		return;
	machine_touch(&s->table, m, wall_ms());
	machine_unlock(&s->table, m);
}

/* ---- orders ------------------------------------------------------------------------------ */

static void take_order(struct state *s, const struct mac *mac, const char *name,
    enum happening_kind order, const char *word)
{
	struct machine *m = machine_table_lock(&s->table, mac, name);
	int64_t now = wall_ms();

	if (!m)
		return;
	struct life before = machine_life(m);
	struct life_step step = lifecycle_step(&before, &(struct happening){.kind = order});
	if (step.anew) {
		state_forget_progress(m);
		for (int i = 0; i < MACHINE_KEYS_MAX; i++)
			machine_replace_text(&m->host_key[i], NULL);
	}
	if (step.taken) {
		state_record(s, m, EVENT_ACTION, word, now);
		state_change_life(s, m, step.life, now);
	}
	machine_unlock(&s->table, m);
	writer_kick(s->writer);
}

void state_reinstall(struct state *s, const struct mac *mac, const char *name)
{
	take_order(s, mac, name, LIFE_REINSTALL, "reinstall");
}

void state_local(struct state *s, const struct mac *mac, const char *name)
{
	take_order(s, mac, name, LIFE_LOCAL, "local");
}

void state_deployed(struct state *s, const struct mac *mac, const char *name)
{
	take_order(s, mac, name, LIFE_DEPLOYED, "deployed");
}

void state_wiped(struct state *s, const struct mac *mac, const char *name)
{
	take_order(s, mac, name, LIFE_WIPED, "wiped");
}

void state_netboot(struct state *s, const struct mac *mac, const char *name, bool on)
{
	take_order(s, mac, name, on ? LIFE_NETBOOT_ON : LIFE_NETBOOT_OFF,
	    on ? "netboot on" : "netboot off");
	state_tell_addresses(s);
}
