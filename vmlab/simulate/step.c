#include "vmlab/simulate/step.h"

#include "vmlab/simulate/step_part.h"

#define ROW_TEXT(name, text) text,
const char *const step_row_names[STEP_ROW_COUNT] = {NULL, STEP_ROWS(ROW_TEXT)};

/* ---- waits --------------------------------------------------------------------------------- */

static double firmware_s(const struct simulate_profile *p)
{
	return p->firmware_s;
}

static double kernel_s(const struct simulate_profile *p)
{
	return p->kernel_s;
}

static double half_disk_s(const struct simulate_profile *p)
{
	return p->disk_s / 2;
}

/* BOOT_WAIT_S of lib/boot/boot.h, as its script says. */
static double asks_again_s(const struct simulate_profile *p)
{
	(void)p;
	return 10;
}

int step_wait(struct machine *m, struct err *e)
{
	(void)e;
	machine_wait(m, steps[m->step].seconds(&m->sim->profile));
	return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct step_told network[] = {{"network", "running"}, {NULL, NULL}};
static const struct step_told config[] = {{"network", "done"}, {"config", "running"}, {NULL, NULL}};
static const struct step_told plan[] = {{"config", "done"}, {"plan", "running"}, {"plan", "done"},
    {"partition", "running"}, {NULL, NULL}};
static const struct step_told rootfs[] = {{"partition", "done"}, {"format", "running"},
    {"format", "done"}, {"rootfs", "running"}, {NULL, NULL}};
static const struct step_told configure[] = {{"rootfs", "done"}, {"configure", "running"},
    {"configure", "done"}, {"bootloader", "running"}, {"bootloader", "done"}, {NULL, NULL}};
static const struct step_told reboot[] = {{"reboot", "running"}, {NULL, NULL}};

#define WAIT(seconds_) .begin = step_wait, .seconds = seconds_
#define OFFER(speaker_) .row = STEP_ROW_OFFER, .begin = step_offer, .speaker = speaker_
#define ACK(speaker_)                                                                              \
	.row = STEP_ROW_ACK, .begin = step_ack, .judge = step_ack_judge, .speaker = speaker_
#define TELL(told_)                                                                                \
	.row = STEP_ROW_REPORT, .begin = step_tell, .judge = step_tell_judge, .told = told_
#define ROW(name, begin_, judge_) .row = STEP_ROW_##name, .begin = begin_, .judge = judge_

const struct step steps[STEP_COUNT] = {
    [STEP_FIRMWARE] = {WAIT(firmware_s)},
    [STEP_OFFER] = {OFFER(DHCP_FIRMWARE)},
    [STEP_ACK] = {ACK(DHCP_FIRMWARE)},
    [STEP_LOADER_SIZE] = {ROW(LOADER_SIZE, step_loader, NULL)},
    [STEP_LOADER] = {ROW(LOADER, step_loader, NULL)},
    [STEP_AUTOEXEC] = {ROW(AUTOEXEC, step_loader, NULL)},
    [STEP_ASK] = {ROW(IPXE, step_ask, step_ask_judge)},
    [STEP_FILES] = {ROW(FILES, step_files, step_files_judge)},
    [STEP_KERNEL] = {.begin = step_kernel, .seconds = kernel_s},
    [STEP_INSTALLER_OFFER] = {OFFER(DHCP_INSTALLER)},
    [STEP_INSTALLER_ACK] = {ACK(DHCP_INSTALLER)},
    [STEP_TELL_NETWORK] = {TELL(network)},
    [STEP_CONFIG] = {ROW(CONFIG, step_config, step_config_judge)},
    [STEP_TELL_CONFIG] = {TELL(config)},
    [STEP_SEED] = {ROW(SEED, step_seed, step_seed_judge)},
    [STEP_TELL_PLAN] = {TELL(plan)},
    [STEP_FORMAT] = {WAIT(half_disk_s)},
    [STEP_TELL_ROOTFS] = {TELL(rootfs)},
    [STEP_ROOTFS] = {ROW(ROOTFS, step_rootfs, step_rootfs_judge)},
    [STEP_TELL_CONFIGURE] = {TELL(configure)},
    [STEP_CONFIGURE] = {WAIT(half_disk_s)},
    [STEP_INSTALLED] = {ROW(INSTALLED, step_installed, step_tell_judge)},
    [STEP_TELL_REBOOT] = {TELL(reboot)},
    [STEP_REBOOT] = {.begin = step_reboot},
    [STEP_ASK_LATER] = {WAIT(asks_again_s), .judge = step_ask_again},
    [STEP_DISK] = {.begin = step_kernel, .seconds = kernel_s},
    [STEP_SYSTEM_OFFER] = {OFFER(DHCP_SYSTEM)},
    [STEP_SYSTEM_ACK] = {ACK(DHCP_SYSTEM)},
    [STEP_MODULE] = {.begin = step_module},
    [STEP_EVENT] = {ROW(EVENT, step_event, step_event_judge)},
    [STEP_READY] = {ROW(READY, step_ready, step_ready_judge)},
};

const unsigned step_count = STEP_COUNT;
const unsigned step_first = STEP_OFFER, step_last_of_install = STEP_CONFIGURE;

void step_stop(struct machine *m)
{
	loop_timer_stop(&m->sim->loop, &m->lease.timer);
	m->lease.asks = false;
	tftp_stop(&m->tftp);
	transfer_stop(&m->transfer);
	transfer_clear(&m->transfer);
	step_install_stop(m);
	step_install_forget(m);
}
