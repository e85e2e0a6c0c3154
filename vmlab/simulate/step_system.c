/* step_system.c - the installed system's first boot: cloud-init tells each stage and module, and
 * then that it is ready. */
#include <stdio.h>

#include "lib/base/bytes.h"
#include "vmlab/simulate/step_part.h"

/* What Debian's cloud-init tells, each as it starts and as it has finished. */
static const char *const events[] = {"init-local", "init-local/check-cache",
    "init-local/search-NoCloud", "init-network", "init-network/check-cache",
    "init-network/setup-datasource", "init-network/config-seed_random",
    "init-network/config-write_files", "init-network/config-growpart",
    "init-network/config-resizefs", "init-network/config-set_hostname",
    "init-network/config-update_etc_hosts", "init-network/config-users_groups",
    "init-network/config-ssh", "modules-config", "modules-config/config-locale",
    "modules-config/config-timezone", "modules-config/config-runcmd", "modules-final",
    "modules-final/config-package_update_upgrade_install", "modules-final/config-scripts_vendor",
    "modules-final/config-scripts_user", "modules-final/config-final_message"};

#define EVENTS (2 * sizeof(events) / sizeof(*events))

/* The turns are the event's; this step stands before each. */
int step_module(struct machine *m, struct err *e)
{
	(void)e;
	machine_wait(m, m->sim->profile.first_boot_s / (double)EVENTS);
	return 0;
}

static void set_url(struct machine *m, const char *phase)
{
	snprintf(m->url, sizeof(m->url), "%s?phase=%s", m->system.report_url, phase);
}

/* Each over a connection of its own. */
static int call(struct machine *m, struct err *e)
{
	return step_request(m, &(struct step_request){.post = true, .closes = true}, e);
}

int step_event(struct machine *m, struct err *e)
{
	unsigned i = m->system.event;

	set_url(m, "cloud-init");
	snprintf(m->body, sizeof(m->body),
	    "{\"name\":\"%s\",\"description\":\"simulated\",\"event_type\":\"%s\",\"origin\":\"cloudinit\",\"timestamp\":0%s}",
	    events[i / 2], i % 2 ? "finish" : "start", i % 2 ? ",\"result\":\"SUCCESS\"" : "");
	return call(m, e);
}

int step_event_judge(struct machine *m, struct err *e)
{
	int r = step_want_status(m, 204, e);

	if (r == 0 && ++m->system.event < EVENTS)
		m->next_step = STEP_MODULE;
	return r;
}

int step_ready(struct machine *m, struct err *e)
{
	char boot_id[UUID_TEXT_SIZE];

	set_url(m, "ready");
	snprintf(m->body, sizeof(m->body),
	    "{\"status\":\"done\",\"errors\":[],\"recoverable_errors\":{},\"boot_id\":\"%s\",\"first_boot\":true,\"host_keys\":[],\"user\":\"debian\"}",
	    uuid_format(m->uuid, boot_id));
	return call(m, e);
}

int step_ready_judge(struct machine *m, struct err *e)
{
	int r = step_want_status(m, 204, e);

	if (r == 0)
		machine_end(m, MACHINE_READY);
	return r;
}
