#include "boot_handler/state/outlook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boot/boot.h"
#include "lib/unattended/format.h"

#define BOOT 0
#define SILENT (OUTLOOK_STAGES - 2)
#define FIRST_BOOT (OUTLOOK_STAGES - 1)

/* iPXE that cannot load what it was told to asks again, but not faster than this. */
#define ASKS_MAX 4
#define ASKS_MIN_MS ((ASKS_MAX - 1) * BOOT_WAIT_S * 1000)

/* By stage: what it may take on slow hardware, and what to do when it takes longer. */
static const struct {
	const char *name;
	int limit_s;
	const char *hint;
} stages[OUTLOOK_STAGES] = {
    [BOOT] = {"boot", 300,
	"the firmware or iPXE does not get on: too little memory for the installer, or a file that does not come; `vmlab console %s` shows its screen"},
    [PHASE_NETWORK] = {"network", 180,
	"the installer gets no address: a driver may be missing, or its cable leads elsewhere; `vmlab console %s` shows its screen"},
    [PHASE_CONFIG] = {"config", 120,
	"the installer does not get its configuration; `vmlab console %s` shows its screen"},
    [PHASE_PLAN] = {"plan", 180, "its disks do not answer; `vmlab console %s` shows its screen"},
    [PHASE_PARTITION] = {"partition", 300,
	"its disk does not answer; `vmlab console %s` shows its screen"},
    [PHASE_FORMAT] = {"format", 600,
	"its disk does not answer; `vmlab console %s` shows its screen"},
    [PHASE_ROOTFS] = {"rootfs", 300,
	"no byte of the image arrives or can be written: look at the network and the disk, with `vmlab console %s`"},
    [PHASE_CONFIGURE] = {"configure", 600,
	"its disk is slow or does not answer; `vmlab console %s` shows its screen"},
    [PHASE_HOOKS] = {"hooks", 3600,
	"a script of the definition's \"hooks\" does not end; `vmlab console %s` shows its output"},
    [PHASE_BOOTLOADER] = {"bootloader", 900,
	"the boot loader's or initramfs's programs do not end; `vmlab console %s` shows its screen"},
    [PHASE_REPORT] = {"report", 300,
	"its disk does not take what was written; `vmlab console %s` shows its screen"},
    [PHASE_REBOOT] = {"reboot", 300, "`vmlab console %s` shows its screen"},
    [SILENT] = {"installer", 3600,
	"nothing tells how far its installer is, and it may stand at a question; `vmlab console %s` shows its screen"},
    [FIRST_BOOT] = {"first-boot", 3600,
	"the installed system has not said that cloud-init ended: it does not boot, or has no way to this server; `vmlab console %s` shows its screen"},
};

/* Of another system's installer there is no more to say. */
static const char others_boot_hint[] =
    "its kernel or installer does not come up: too little memory for it, no driver for its card, or a file that does not come; `vmlab console %s` shows its screen";
static const char others_hint[] =
    "its installer does not get on, and may stand at a question; `vmlab console %s` shows its screen, `vmlab logs --installer` what it said";

static const char *hint_of(const struct vm *vm, int stage)
{
	bool others =
	    boot_mode_of(vm) == &boot_mode_unattended && stage != SILENT && stage != FIRST_BOOT;

	if (!others)
		return stages[stage].hint;
	return stage == BOOT ? others_boot_hint : others_hint;
}

void outlook_limits_default(struct outlook_limits *out)
{
	for (int i = 0; i < OUTLOOK_STAGES; i++)
		out->seconds[i] = stages[i].limit_s;
}

static int parse_one(const char *text, size_t len, struct outlook_limits *out, struct err *e)
{
	const char *sign = memchr(text, '=', len);
	size_t name = sign ? (size_t)(sign - text) : len;

	for (int i = 0; sign && i < OUTLOOK_STAGES; i++) {
		if (strlen(stages[i].name) != name || memcmp(stages[i].name, text, name) != 0)
			continue;
		char *end;
		long seconds = strtol(sign + 1, &end, 10);
		if (sign[1] < '0' || sign[1] > '9' || end != text + len || seconds > 1000000)
			break;
		out->seconds[i] = (int)seconds;
		return 0;
	}
	return err_set(e, EINVAL,
	    "\"%.*s\" is no limit: write STAGE=SECONDS, with boot, an installer's phase, installer, or first-boot",
	    (int)(len < 60 ? len : 60), text);
}

int outlook_limits_parse(const char *text, struct outlook_limits *out, struct err *e)
{
	while (text && *text) {
		size_t len = strcspn(text, ",");
		if (parse_one(text, len, out, e) < 0)
			return -EINVAL;
		text += len;
		text += *text == ',';
	}
	return 0;
}

/* ---- waiting ----------------------------------------------------------------------------- */

static bool was_told(const struct machine_row *row, const char *choice)
{
	return row->asked && strcmp(row->asked, choice) == 0;
}

#define WAITS(why) boot_choice_name((struct boot_choice){NULL, why})

/* One that boots another kernel now has what it needs, whatever became of the files. */
static bool waits_for_own(const struct outlook_facts *f, struct outlook *out)
{
	const struct machine_row *row = f->row;
	bool boots = row->state == MACHINE_DECLARED || row->state == MACHINE_BOOTING;

	if (!f->own || was_told(row, boot_mode_kernel.name) ||
	    (!boots && !was_told(row, WAITS(BOOT_NO_IMAGE))))
		return false;
	out->state = "waiting";
	out->stage = strcmp(f->own->field, "kernel") == 0 ? "no kernel" : "no initrd";
	out->since_ms = row->changed_at_ms;
	snprintf(out->reason, sizeof(out->reason), "%s", f->own->what);
	snprintf(out->hint, sizeof(out->hint), "%s", f->own->advice);
	return true;
}

static bool waits(
    const struct outlook_facts *f, const struct boot_facts *facts, struct outlook *out)
{
	const struct machine_row *row = f->row;
	const char *arch = vm_arch_name(f->vm->arch);
	const char *distro = boot_image_name(f->vm);

	if (waits_for_own(f, out))
		return true;
	if (row->state != MACHINE_DECLARED && row->state != MACHINE_BOOTING)
		return false;
	if (!f->own && boot_decide(facts).wait == BOOT_NO_IMAGE) {
		out->stage = "no image";
		snprintf(out->reason, sizeof(out->reason), "no image %s for %s: %s", distro, arch,
		    f->image->missing.what);
		snprintf(out->hint, sizeof(out->hint), "%s", f->image->missing.advice);
	} else if (was_told(row, WAITS(BOOT_WRONG_ARCH))) {
		out->stage = "wrong arch";
		snprintf(out->reason, sizeof(out->reason),
		    "the machine is of another architecture than its definition, %s", arch);
		snprintf(out->hint, sizeof(out->hint), "correct arch in the definition");
	} else {
		return false;
	}
	out->state = "waiting";
	out->since_ms = row->changed_at_ms;
	return true;
}

/* ---- in the agent ------------------------------------------------------------------------ */

/* It was told to boot the agent, which has not come up since. */
static bool starts_agent(const struct machine_row *row)
{
	return was_told(row, boot_mode_agent.name) && row->agent_at_ms < row->asked_at_ms &&
	       row->changed_at_ms <= row->asked_at_ms;
}

/* One that is silent for longer than usual is there as long as what it has begun. */
static bool is_in_agent(const struct outlook_facts *f)
{
	const struct machine_row *row = f->row;
	bool came = was_told(row, boot_mode_agent.name) && row->agent_at_ms >= row->asked_at_ms &&
		    row->agent_at_ms >= row->changed_at_ms;

	return f->agent_since_ms || (f->order_begun && came);
}

/* What failed is shown until it is mended, wherever the machine is. */
static bool shows_agent(const struct outlook_facts *f, struct outlook *out)
{
	const struct machine_row *row = f->row;
	int64_t limit_ms = (int64_t)f->limits->seconds[BOOT] * 1000;
	bool starts =
	    starts_agent(row) && (limit_ms == 0 || f->now_ms - row->asked_at_ms < limit_ms);

	if (row->state == MACHINE_FAILED || f->order_installs || !(is_in_agent(f) || starts))
		return false;
	out->state = "agent";
	out->starts_agent = starts && !f->agent_since_ms;
	out->since_ms = f->agent_since_ms ? f->agent_since_ms : row->asked_at_ms;
	return true;
}

/* ---- stalled ----------------------------------------------------------------------------- */

/* Installed machines that end there, and images that never call back, are no trouble. */
static bool will_report_ready(const struct outlook_facts *f)
{
	struct boot_facts fresh = {.vm = f->vm, .noreboot = f->noreboot};

	return f->image->cloud_init && !f->row->local && !f->row->reinstall &&
	       boot_expects(&fresh) == BOOT_END_READY;
}

/* One that the installer starts does not ask what to boot. */
static bool boots(const struct outlook_facts *f)
{
	return f->row->state == MACHINE_INSTALLED && will_report_ready(f) &&
	       (was_told(f->row, boot_mode_local.name) || f->vm->after_install == VM_AFTER_KEXEC);
}

/* At a menu it may be any, and after a restart of ours it is not known which. */
static bool boots_our_installer(const struct outlook_facts *f)
{
	if (boot_mode_of(f->vm) == &boot_mode_menu)
		return was_told(f->row, boot_mode_install.name);
	return boot_image_use(f->vm) == IMAGE_INSTALLED;
}

/* Whether its image's installer tells its steps by syslog. Others tell the beginning at most, and
 * the end. */
static bool tells_steps(const struct vm *vm)
{
	char buf[MENU_NAME_MAX + 1];
	const struct unattended_format *format =
	    unattended_format_of_image(NULL, unattended_image(vm, buf));

	return format && format->signs;
}

/* What tells its steps has to do so as soon as ours would. */
static int stage_of_others(const struct vm *vm, int stage)
{
	bool waits_long = stage == BOOT || stages[stage].limit_s < stages[SILENT].limit_s;

	return waits_long && !tells_steps(vm) ? SILENT : stage;
}

/* The stage the machine is in; -1: none that has to end. */
static int stage_of(const struct outlook_facts *f, int64_t *since_ms)
{
	const struct machine_row *row = f->row;

	*since_ms = row->moved_at_ms;
	if (row->state != MACHINE_FAILED && was_told(row, boot_mode_agent.name) &&
	    row->asked_at_ms >= row->changed_at_ms) {
		*since_ms = row->asked_at_ms;
		return starts_agent(row) ? BOOT : -1;
	}
	switch (row->state) {
	case MACHINE_BOOTING:
		if (boot_mode_of(f->vm) == &boot_mode_unattended)
			return stage_of_others(f->vm, BOOT);
		return boots_our_installer(f) ? BOOT : -1;
	case MACHINE_INSTALLING:
		if (boot_mode_of(f->vm) == &boot_mode_unattended)
			return stage_of_others(f->vm, (int)row->phase);
		return (int)row->phase; /* PHASE_NONE is BOOT */
	case MACHINE_INSTALLED:
		if (row->last_seen_ms > *since_ms)
			*since_ms = row->last_seen_ms;
		return will_report_ready(f) ? FIRST_BOOT : -1;
	case MACHINE_DECLARED:
	case MACHINE_READY:
	case MACHINE_FAILED:
		break;
	}
	return -1;
}

static void duration(int64_t ms, char *buf, size_t size)
{
	long long s = ms / 1000;

	if (s < 120)
		snprintf(buf, size, "%lld s", s);
	else if (s < 7200)
		snprintf(buf, size, "%lld min", s / 60);
	else
		snprintf(buf, size, "%lld h", s / 3600);
}

/* Our installer fetches no more after that phase. */
static bool lacks_its_image(const struct outlook_facts *f)
{
	return f->row->state == MACHINE_INSTALLING && f->row->phase <= PHASE_ROOTFS &&
	       boot_image_use(f->vm) == IMAGE_INSTALLED && !f->image->complete;
}

/* What was removed in the middle of it is why. */
static void name_image(const struct outlook_facts *f, struct outlook *out)
{
	size_t len = strlen(out->reason);

	out->without_image = lacks_its_image(f);
	if (!out->without_image)
		return;
	snprintf(out->reason + len, sizeof(out->reason) - len, ", and the image %s for %s: %s",
	    boot_image_name(f->vm), vm_arch_name(f->vm->arch), f->image->missing.what);
	snprintf(out->hint, sizeof(out->hint), "%s", f->image->missing.advice);
}

static bool stalls(const struct outlook_facts *f, struct outlook *out)
{
	int64_t since;
	int stage = stage_of(f, &since);
	char took[40];

	if (stage < 0 || since <= 0 || f->limits->seconds[stage] == 0)
		return false;
	bool again = f->row->state == MACHINE_BOOTING && f->row->asks >= ASKS_MAX &&
		     f->now_ms - f->row->changed_at_ms >= ASKS_MIN_MS;
	if (again)
		since = f->row->changed_at_ms; /* it gets on, in a circle */
	int64_t spent = f->now_ms - since;
	if (spent < (int64_t)f->limits->seconds[stage] * 1000 && !again)
		return false;
	duration(spent, took, sizeof(took));
	out->state = "stalled";
	out->stage = stages[stage].name;
	out->since_ms = since;
	out->limit_s = f->limits->seconds[stage];
	out->again = again;
	if (again)
		snprintf(out->reason, sizeof(out->reason),
		    "iPXE came back %u times in %s and the installer has not started", f->row->asks,
		    took);
	else
		snprintf(out->reason, sizeof(out->reason), "%s has not got on for %s",
		    stages[stage].name, took);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* one of those above */
	snprintf(out->hint, sizeof(out->hint), hint_of(f->vm, stage), f->vm->name);
#pragma GCC diagnostic pop
	name_image(f, out);
	return true;
}

static bool has_needed(const struct outlook_facts *f)
{
	return boot_mode_of(f->vm)->needs & BOOT_NEEDS_FILES ? !f->own : f->image->complete;
}

void outlook_make(const struct outlook_facts *f, struct outlook *out)
{
	const struct machine_row *row = f->row;
	bool ordered = f->due == ORDER_DUE_IMAGE || f->due == ORDER_DUE_AGENT;
	struct boot_facts facts = {.vm = f->vm,
	    .life = {row->state, row->local, row->reinstall, row->attempt, row->ordered,
		.netboot_off = row->netboot_off},
	    .has_needed = ordered || has_needed(f),
	    .disk_once = f->due == ORDER_DUE_DISK,
	    .image_once = f->due == ORDER_DUE_IMAGE,
	    .agent_once = f->due == ORDER_DUE_AGENT,
	    .noreboot = f->noreboot,
	    .tells = row->cloud_init[0] != '\0'};

	*out = (struct outlook){.state = machine_state_name(row->state),
	    .does = boot_choice_word(boot_decide(&facts)),
	    .ends = boot_expects(&facts)};
	if (!shows_agent(f, out) && !waits(f, &facts, out) && !stalls(f, out))
		out->boots = boots(f);
}
