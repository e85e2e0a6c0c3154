#include "vmlab/follow/power_state.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/machine/machine.h"
#include "vmlab/follow/goal.h"
#include "lib/base/human.h"

static int64_t time_of(const json_t *vm, const char *key)
{
	return time_parse(json_string_value(json_object_get(vm, key)));
}

enum power_state power_state_of(const struct container *c, const json_t *vm)
{
	if (!c)
		return POWER_UNKNOWN;
	if (strcmp(c->status, "restarting") == 0)
		return POWER_STARTING;
	if (!c->running)
		return POWER_STOPPED;
	int64_t since = goal_container_start_ms(c, 0);
	if (!vm || time_of(vm, "last_seen") >= since || time_of(vm, "changed_at") >= since)
		return POWER_ON;
	return POWER_STARTING;
}

const char *power_state_name(enum power_state p)
{
	static const char *const names[] = {
	    [POWER_STOPPED] = "stopped", [POWER_STARTING] = "starting", [POWER_ON] = "on"};

	return names[p];
}

bool power_state_was_ready(const struct container *c, const json_t *vm)
{
	const char *state = json_string_value(json_object_get(vm, "state"));
	int64_t at = time_of(vm, "changed_at");

	return c && machine_state_is(state, MACHINE_READY) && at >= 0 &&
	       at < goal_container_start_ms(c, 0);
}
