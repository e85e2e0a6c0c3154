#include "lib/explain/rule.h"

#include <string.h>

#define S INT64_C(1000)
/* What firmware and loaders may take, on slow hardware and without hardware virtualisation. */
#define FIRMWARE_MS (60 * S)
#define OFFER_MS (10 * S)
#define OFFERS 5
#define LOADER_MS (10 * S)
#define PROGRAM_MS (15 * S)
#define KERNEL_MS (120 * S)
#define CAME_BACK 3
#define CAME_BACK_MS (600 * S)
/* What dnsmasq logs, and what it tells by a program that it starts, come in any order. */
#define SLACK_MS (2 * S)

static const struct {
	const char *name;
	enum explain_sign sign;
} links[] = {
#define LINK_ROW(id, word, passed) [EXPLAIN_LINK_##id] = {word, passed},
    EXPLAIN_LINKS(LINK_ROW)};

const char *explain_link_name(enum explain_link link)
{
	return links[link].name;
}

enum explain_sign explain_link_sign(enum explain_link link)
{
	return links[link].sign;
}

/* ---- words of the rules -------------------------------------------------------------------- */

#define SEEN(sign) explain_is_seen(f, EXPLAIN_##sign)
#define LATER(sign, than) explain_is_later(f, EXPLAIN_##sign, EXPLAIN_##than)
#define WELL_LATER(sign, than)                                                                     \
	(LATER(sign, than) &&                                                                      \
	    (!SEEN(than) ||                                                                        \
		f->seen[EXPLAIN_##sign].at_ms - f->seen[EXPLAIN_##than].at_ms > SLACK_MS))
#define ABOUT(sign, word) (strcmp(f->seen[EXPLAIN_##sign].about, word) == 0)
#define SAYS(sign, words) (strstr(f->seen[EXPLAIN_##sign].what, words) != NULL)
#define STATE(word) explain_state_is(f, MACHINE_##word)
#define QUIET(sign, ms) (f->now_ms - f->seen[EXPLAIN_##sign].at_ms >= (ms))

/* Its installer has not been heard of. */
static bool comes_up(const struct explain_facts *f)
{
	return STATE(DECLARED) || STATE(BOOTING);
}

static bool has_no_system(const struct explain_facts *f)
{
	return comes_up(f) || STATE(INSTALLING) || STATE(FAILED);
}

static bool is_told_a_kernel(const struct explain_facts *f)
{
	return ABOUT(ASKED, "install") || ABOUT(ASKED, "agent") || ABOUT(ASKED, "shell");
}

static bool failed_in(const struct explain_facts *f, const char *phase)
{
	return SEEN(FAILED) && strcmp(f->seen[EXPLAIN_FAILED].about, phase) == 0;
}

static bool stalls_in(const struct explain_facts *f, const char *stage)
{
	return SEEN(STALLED) && strcmp(f->seen[EXPLAIN_STALLED].about, stage) == 0;
}

/* When it was last heard of, by whatever it does on its way. */
static int64_t heard_ms(const struct explain_facts *f)
{
	static const enum explain_sign ways[] = {EXPLAIN_DISCOVER, EXPLAIN_DISCOVER_VAIN,
	    EXPLAIN_OFFER, EXPLAIN_NAK, EXPLAIN_DECLINE, EXPLAIN_ADDRESS, EXPLAIN_TFTP,
	    EXPLAIN_TFTP_FAILED, EXPLAIN_ASKED, EXPLAIN_FETCH, EXPLAIN_FETCH_FAILED, EXPLAIN_PHASE,
	    EXPLAIN_REFUSED, EXPLAIN_AGENT, EXPLAIN_INSTALLED, EXPLAIN_CLOUD_INIT, EXPLAIN_READY,
	    EXPLAIN_HEARD};
	int64_t last = 0;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (explain_is_seen(f, ways[i]) && f->seen[ways[i]].at_ms > last)
			last = f->seen[ways[i]].at_ms;
	return last;
}

/* ---- stack, definition, power -------------------------------------------------------------- */

static bool is_hopeless(const struct explain_facts *f)
{
	return SEEN(HOPELESS) && has_no_system(f);
}

static bool has_no_vm(const struct explain_facts *f)
{
	return SEEN(STACK) && SEEN(VM_ABSENT) && STATE(DECLARED) && heard_ms(f) == 0;
}

/* ---- DHCP ---------------------------------------------------------------------------------- */

/* Of a stack that does not answer it is not known what was asked. */
static bool asks_for_nothing(const struct explain_facts *f)
{
	if (!SEEN(STACK) || SEEN(VM_ABSENT) || (SEEN(POWER) && !QUIET(POWER, FIRMWARE_MS)))
		return false;
	return SEEN(POWER) ? heard_ms(f) < f->seen[EXPLAIN_POWER].at_ms
			   : STATE(DECLARED) && heard_ms(f) == 0;
}

static bool asks_in_vain(const struct explain_facts *f)
{
	return LATER(DISCOVER_VAIN, OFFER) && LATER(DISCOVER_VAIN, ADDRESS);
}

static bool declines(const struct explain_facts *f)
{
	return LATER(DECLINE, ADDRESS);
}

/* What dnsmasq says to one that took another server's offer. */
static bool took_anothers(const struct explain_facts *f)
{
	return LATER(NAK, ADDRESS) && LATER(NAK, OFFER) && SAYS(NAK, "wrong server");
}

static bool is_refused_address(const struct explain_facts *f)
{
	return LATER(NAK, ADDRESS) && LATER(NAK, OFFER) && QUIET(NAK, OFFER_MS);
}

static bool takes_no_offer(const struct explain_facts *f)
{
	return WELL_LATER(OFFER, ADDRESS) && LATER(OFFER, ASKED) &&
	       (f->seen[EXPLAIN_OFFER].count >= OFFERS || QUIET(OFFER, OFFER_MS));
}

/* Where we hand out addresses, it asks from one that we did not. */
static bool has_anothers_address(const struct explain_facts *f)
{
	const char *from = f->seen[EXPLAIN_ASKED].from;

	return LATER(ASKED, OFFER) && SEEN(OFFER) && *from && !strchr(from, ':') &&
	       strcmp(from, f->seen[EXPLAIN_OFFER].about) != 0 &&
	       strcmp(from, f->seen[EXPLAIN_ADDRESS].about) != 0;
}

/* ---- loader and script --------------------------------------------------------------------- */

static bool gets_no_file(const struct explain_facts *f)
{
	return comes_up(f) && LATER(TFTP_FAILED, TFTP) && LATER(TFTP_FAILED, ASKED);
}

static bool is_denied(const struct explain_facts *f)
{
	return SEEN(CONSOLE_DENIED) && has_no_system(f);
}

static bool waits_for_file(const struct explain_facts *f)
{
	return SEEN(CONSOLE_TFTP) && has_no_system(f);
}

static bool gives_up(const struct explain_facts *f)
{
	return SEEN(CONSOLE_PXE) && has_no_system(f);
}

static bool boots_nothing(const struct explain_facts *f)
{
	return SEEN(CONSOLE_NO_BOOT) && comes_up(f);
}

/* Firmware that will not start what it fetched goes on to its next boot entry, and asks again. */
static bool has_just_fetched(const struct explain_facts *f)
{
	return SEEN(TFTP) &&
	       f->seen[EXPLAIN_ADDRESS].at_ms - f->seen[EXPLAIN_TFTP].at_ms < FIRMWARE_MS;
}

/* An installer asks for an address, too, after it was loaded, and iPXE each time that it tries
 * again. */
static bool fetches_no_loader(const struct explain_facts *f)
{
	return comes_up(f) && !SEEN(CONSOLE_IPXE) && LATER(ADDRESS, TFTP) && !has_just_fetched(f) &&
	       WELL_LATER(ADDRESS, ASKED) && !LATER(FETCH, TFTP) && !LATER(FETCH, ASKED) &&
	       QUIET(ADDRESS, LOADER_MS);
}

static bool has_script(const struct explain_facts *f)
{
	return strstr(f->seen[EXPLAIN_TFTP].about, ".ipxe") != NULL;
}

static bool starts_no_loader(const struct explain_facts *f)
{
	return comes_up(f) && WELL_LATER(TFTP, ASKED) && !has_script(f) && QUIET(TFTP, PROGRAM_MS);
}

static bool does_not_ask(const struct explain_facts *f)
{
	return comes_up(f) && WELL_LATER(TFTP, ASKED) && has_script(f) && QUIET(TFTP, PROGRAM_MS);
}

/* Whoever asks in the place of a machine that needs nothing does it no harm. */
static bool is_refused(const struct explain_facts *f)
{
	return !STATE(READY) && !STATE(FAILED) && LATER(REFUSED, ASKED) && LATER(REFUSED, PHASE) &&
	       LATER(REFUSED, READY) && LATER(REFUSED, AGENT);
}

/* ---- kernel -------------------------------------------------------------------------------- */

static bool lacks_a_file(const struct explain_facts *f)
{
	return comes_up(f) && LATER(FETCH_FAILED, FETCH) && LATER(FETCH_FAILED, PHASE);
}

static bool ipxe_lacks_memory(const struct explain_facts *f)
{
	return SEEN(CONSOLE_MEMORY) && comes_up(f);
}

static bool ipxe_fails(const struct explain_facts *f)
{
	return SEEN(CONSOLE_IPXE) && comes_up(f);
}

static bool installer_panics(const struct explain_facts *f)
{
	return SEEN(CONSOLE_PANIC) && has_no_system(f);
}

static bool installer_lacks_memory(const struct explain_facts *f)
{
	return SEEN(CONSOLE_KILLED) && has_no_system(f);
}

static bool fetches_no_kernel(const struct explain_facts *f)
{
	return comes_up(f) && is_told_a_kernel(f) && LATER(ASKED, FETCH) && LATER(ASKED, PHASE) &&
	       LATER(ASKED, AGENT) && QUIET(ASKED, PROGRAM_MS);
}

static bool kernel_is_silent(const struct explain_facts *f)
{
	return comes_up(f) && is_told_a_kernel(f) && !ABOUT(ASKED, "shell") && SEEN(FETCH) &&
	       !LATER(ASKED, FETCH) && LATER(FETCH, PHASE) && LATER(FETCH, AGENT) &&
	       QUIET(FETCH, KERNEL_MS);
}

static bool boot_stalls(const struct explain_facts *f)
{
	return stalls_in(f, "boot") || stalls_in(f, "installer");
}

/* ---- installer ----------------------------------------------------------------------------- */

static bool network_stalls(const struct explain_facts *f)
{
	return stalls_in(f, "network");
}

static bool network_failed(const struct explain_facts *f)
{
	return failed_in(f, "network");
}

static bool config_failed(const struct explain_facts *f)
{
	return failed_in(f, "config");
}

static bool config_stalls(const struct explain_facts *f)
{
	return stalls_in(f, "config");
}

static bool has_no_disk(const struct explain_facts *f)
{
	return failed_in(f, "plan") &&
	       (SAYS(FAILED, "no disk to install on") || SAYS(FAILED, "has no disk"));
}

static bool no_disk_matches(const struct explain_facts *f)
{
	return failed_in(f, "plan") && SAYS(FAILED, "disks[0].match");
}

static bool disk_is_small(const struct explain_facts *f)
{
	return failed_in(f, "plan") &&
	       (SAYS(FAILED, ", too small: ") || SAYS(FAILED, "fits no disk"));
}

static bool is_damaged(const struct explain_facts *f)
{
	return failed_in(f, "rootfs") &&
	       (SAYS(FAILED, "SHA-256") || SAYS(FAILED, "its manifest says"));
}

static bool hook_failed(const struct explain_facts *f)
{
	return failed_in(f, "hooks");
}

static bool fails(const struct explain_facts *f)
{
	return SEEN(FAILED) && !network_failed(f) && !config_failed(f);
}

static bool is_marked(const struct explain_facts *f)
{
	return SEEN(MARKED) && STATE(INSTALLED) && !LATER(CLOUD_INIT, INSTALLED);
}

static bool stalls(const struct explain_facts *f)
{
	return SEEN(STALLED) && !boot_stalls(f) && !network_stalls(f) && !config_stalls(f) &&
	       !stalls_in(f, "first-boot");
}

/* ---- the installed system ------------------------------------------------------------------ */

static bool finds_nothing_to_boot(const struct explain_facts *f)
{
	return SEEN(CONSOLE_NO_BOOT) && STATE(INSTALLED);
}

static bool finds_no_root(const struct explain_facts *f)
{
	return SEEN(CONSOLE_NO_ROOT) && !has_no_system(f);
}

static bool system_panics(const struct explain_facts *f)
{
	return SEEN(CONSOLE_PANIC) && !has_no_system(f);
}

static bool comes_back(const struct explain_facts *f)
{
	return f->seen[EXPLAIN_CAME_BACK].count >= CAME_BACK && STATE(INSTALLED) &&
	       !QUIET(CAME_BACK, CAME_BACK_MS) && LATER(CAME_BACK, CLOUD_INIT) &&
	       LATER(CAME_BACK, READY);
}

/* A system that ran for longer was started anew by somebody. */
static bool returns(const struct explain_facts *f)
{
	return SEEN(RETURNED) && STATE(INSTALLED) && LATER(RETURNED, CLOUD_INIT) &&
	       LATER(RETURNED, READY);
}

/* Of one that is not expected to tell that it is ready. */
static bool stays_away(const struct explain_facts *f)
{
	int64_t sent_ms = f->seen[EXPLAIN_CAME_BACK].at_ms;

	return SEEN(DEPLOYED) && LATER(CAME_BACK, DEPLOYED) && STATE(INSTALLED) &&
	       heard_ms(f) - sent_ms <= SLACK_MS && QUIET(CAME_BACK, CAME_BACK_MS);
}

static bool never_ready(const struct explain_facts *f)
{
	return stalls_in(f, "first-boot");
}

/* ---- the table ----------------------------------------------------------------------------- */

#define BROKEN(id, link, sign, also, applies, sentence, hint)                                      \
	{id, EXPLAIN_LINK_##link, EXPLAIN_##sign, EXPLAIN_##also, applies, sentence, hint}
#define AGAIN ", then `vmlab reinstall {name}`"
#define SCREEN "; `vmlab console {name}` shows its screen"

/* Of those that apply the first is told as the broken link: of one link the closer cause. */
static const struct explain_rule rules[] = {
    BROKEN("no-engine", STACK, NO_ENGINE, NO_ENGINE, NULL,
	"no container engine can be reached: {what}", "`vmlab doctor` says what is missing"),
    BROKEN("stack-down", STACK, STACK_DOWN, STACK_DOWN, NULL, "the stack does not run: {what}",
	"start it: `vmlab up {name}`"),
    BROKEN("api-silent", STACK, API_SILENT, SERVICE_DOWN, NULL,
	"the stack runs, but its boot_handler does not answer: {what}",
	"`vmlab logs` has what it said; `vmlab down` and `vmlab up` make the stack anew, the disks stay"),
    BROKEN("service-down", STACK, SERVICE_DOWN, SERVICE_DOWN, NULL,
	"a part of the stack does not work: {what}",
	"`vmlab logs` has what it said; `vmlab down` and `vmlab up` make the stack anew, the disks stay"),
    BROKEN("not-ready", STACK, NOT_READY, NOT_READY, NULL, "the stack cannot do its work: {what}",
	"remove the cause: it goes on by itself"),

    BROKEN("no-definition", DEFINITION, STRANGER, STRANGER, NULL,
	"no definition has this machine, so it is a stranger: {what}",
	"write one for it: `vmlab adopt {name} NAME`; or see whether a definition has another MAC by mistake"),
    BROKEN("claimed", DEFINITION, CLAIMED, CLAIMED, NULL,
	"its definition is not used, as another file has the same: {what}",
	"change one of the two files; `vmlab validate` shows both"),
    BROKEN("definition-refused", DEFINITION, FILE_REFUSED, FILE_REFUSED, NULL,
	"its definition cannot be used: {what}",
	"correct the file, it is read again by itself; `vmlab validate` judges it before"),
    BROKEN("definition-broken", DEFINITION, FILE_BROKEN, DEFINITION, NULL,
	"its file is wrong, and the last good version of it is in force: {what}",
	"correct the file, it is read again by itself; `vmlab validate` judges it before"),
    BROKEN("hopeless", DEFINITION, HOPELESS, HOPELESS, is_hopeless,
	"as it is defined it cannot be installed: {what}",
	"correct the definition; `vmlab plan {name}` shows what it means"),

    BROKEN("image-other-arch", IMAGE, IMAGE_OTHER_ARCH, IMAGE_OTHER_ARCH, NULL,
	"its image is there for another architecture only: {what}", "{hint}"),
    BROKEN(
	"image-cut", IMAGE, IMAGE_CUT, IMAGE_CUT, NULL, "its image is not whole: {what}", "{hint}"),
    BROKEN("image-missing", IMAGE, IMAGE_ABSENT, IMAGE_ABSENT, NULL, "its image is missing: {what}",
	"{hint}"),
    BROKEN("own-file-missing", IMAGE, OWN_FILE, OWN_FILE, NULL,
	"a file that it boots is missing: {what}", "{hint}"),

    BROKEN("vm-killed", POWER, VM_KILLED, VM_KILLED, NULL,
	"its VM was killed, as memory was short on this machine: {what}",
	"stop other VMs or programs, or give VMs less \"memory\", then `vmlab start {name}`"),
    BROKEN("vm-crashed", POWER, VM_CRASHED, VM_CRASHED, NULL, "its VM has crashed: {what}",
	"remove the cause, then `vmlab start {name}`; `vmlab logs {name}` has all that it said"),
    BROKEN("vm-stopped", POWER, VM_STOPPED, VM_STOPPED, NULL, "its VM is off: {what}",
	"switch it on: `vmlab start {name}`"),
    BROKEN("vm-absent", POWER, VM_ABSENT, DEFINITION, has_no_vm,
	"it was never started: this lab has no VM of that name, and nothing was heard of such a machine",
	"`vmlab up {name}` makes the VM and boots it; a machine that is no VM has to be switched on"),

    BROKEN("no-discover", DHCP, POWER, DEFINITION, asks_for_nothing,
	"it is not heard of: no DHCP request came from its MAC address",
	"is it on, with the network first in its firmware's boot order, its cable in this network, and its MAC address as in the definition? `vmlab machines` lists who else asked" SCREEN),
    BROKEN("discover-vain", DHCP, DISCOVER_VAIN, DISCOVER, asks_in_vain,
	"it asks for an address and gets none: {what}",
	"is its \"ip\" in the lab's network, and free? `vmlab validate {name}` and `vmlab logs` say more"),
    BROKEN("address-in-use", DHCP, DECLINE, DECLINE, declines,
	"it does not take its address, since something else in the network answers to it: {what}",
	"find that machine, or give {name} another \"ip\""),
    BROKEN("other-server", DHCP, NAK, OFFER, took_anothers,
	"another DHCP server in this network was quicker: it took that one's address ({what})",
	"there must be one DHCP server: switch the other off for this network, or run the stack as a proxy beside it (README)"),
    BROKEN("address-refused", DHCP, NAK, NAK, is_refused_address,
	"it keeps asking for an address that is not its own: {what}",
	"restart it: its firmware or system remembers the address of another network"),
    BROKEN("offer-not-taken", DHCP, OFFER, ADDRESS, takes_no_offer,
	"it was offered {about} {count} times and did not take it: most likely another DHCP server answers it, too, or the offers do not reach it",
	"look for another DHCP server in this network, and at its cable and switch port (spanning tree without portfast)"),
    BROKEN("other-address", DHCP, ASKED, OFFER, has_anothers_address,
	"it was offered {offer.about} and calls from {from}: another DHCP server gave it that",
	"there must be one DHCP server: switch the other off for this network, or run the stack as a proxy beside it (README)"),
    BROKEN("address-differs", DHCP, DIFFERS, ADDRESS, NULL,
	"its address is not the declared one: {what}",
	"`vmlab restart {name}`, or correct \"ip\" in its definition"),

    BROKEN("netboot-off", LOADER, NETBOOT_OFF, NETBOOT_OFF, NULL,
	"its network boot is off, so it gets an address and no loader, and cannot be installed",
	"`vmlab netboot {name} on`, then restart it"),
    BROKEN("tftp-failed", LOADER, TFTP_FAILED, TFTP, gets_no_file,
	"it does not get its loader by TFTP: {what}",
	"packets are lost or dropped on the way: look at cable, switch and filters between (UDP port 69 and those above 1023)"),
    BROKEN("secure-boot", LOADER, CONSOLE_DENIED, TFTP, is_denied,
	"its firmware refuses the loader: Secure Boot is on and the loader is not signed for it",
	"write \"secure_boot\": true in its definition, which gives it a signed loader, or switch Secure Boot off in its firmware"),
    BROKEN("tftp-timeout", LOADER, CONSOLE_TFTP, ADDRESS, waits_for_file,
	"its loader does not come by TFTP: {what}",
	"a filter or switch drops it on the way: UDP port 69 to the server, and from there and back those that the server chooses; `vmlab restart {name}` lets it try again"),
    BROKEN("firmware-gave-up", LOADER, CONSOLE_PXE, ADDRESS, gives_up,
	"its firmware has given up on the network: {what}",
	"restart it: `vmlab restart {name}`; where that does not help, look at cable and switch"),
    BROKEN("nothing-booted", LOADER, CONSOLE_NO_BOOT, ADDRESS, boots_nothing,
	"its firmware found nothing to boot, neither in the network nor on a disk: {what}",
	"is the network in its boot order, and \"firmware\" in its definition what it has? `vmlab restart {name}` lets it try again"),
    BROKEN("loader-not-fetched", LOADER, ADDRESS, TFTP, fetches_no_loader,
	"it got the address {about} {ago} ago, and has fetched no loader by TFTP",
	"does it boot from the network at all, and is \"firmware\" in its definition what it has? A filter may drop TFTP (UDP port 69)" SCREEN),
    BROKEN("loader-silent", LOADER, TFTP, ASKED, starts_no_loader,
	"it fetched the loader {about} {ago} ago, and nothing was heard of that program",
	"Secure Boot may refuse it (write \"secure_boot\": true, or switch it off), or it is of another architecture than the machine; \"loader\" in the definition chooses another" SCREEN),

    BROKEN("script-unreached", SCRIPT, TFTP, ASKED, does_not_ask,
	"iPXE runs and has its script, and has not asked the server what to boot",
	"it may have no driver or no way by HTTP: try another \"loader\" in the definition; a filter may drop TCP port 80" SCREEN),
    BROKEN("wrong-arch", SCRIPT, WRONG_ARCH, ASKED, NULL, "its architecture is another: {what}",
	"{hint}"),
    BROKEN("refused", SCRIPT, REFUSED, ASKED, is_refused,
	"the server does not take it for this machine: {what}",
	"it has to call from its own address: does another machine have that, or has it another DHCP server's?"),

    BROKEN("kernel-missing", KERNEL, FETCH_FAILED, ASKED, lacks_a_file,
	"a file that it boots could not be fetched: {what}",
	"is the file there, and readable by all (chmod -R a+rX the folder of images)? Build or import the image again where it is not"),
    BROKEN("ipxe-memory", KERNEL, CONSOLE_MEMORY, ASKED, ipxe_lacks_memory,
	"iPXE has too little memory for kernel and initrd: {what}",
	"give it more \"memory\" in its definition, then `vmlab restart {name}`"),
    BROKEN("ipxe-error", KERNEL, CONSOLE_IPXE, ASKED, ipxe_fails, "iPXE fails: {what}",
	"the address in that line explains the error; it tries again by itself" SCREEN),
    BROKEN("kernel-panic", KERNEL, CONSOLE_PANIC, FETCH, installer_panics,
	"the installer's kernel has panicked: {what}",
	"mostly it has too little memory: give it more \"memory\" in its definition, then `vmlab restart {name}`" SCREEN),
    BROKEN("installer-memory", KERNEL, CONSOLE_KILLED, FETCH, installer_lacks_memory,
	"the installer has too little memory: {what}",
	"give it more \"memory\" in its definition, then `vmlab restart {name}`"),
    BROKEN("boot-loop", KERNEL, LOOP, ASKED, NULL, "it boots in a circle: {what}", "{hint}"),
    BROKEN("kernel-not-fetched", KERNEL, ASKED, FETCH, fetches_no_kernel,
	"it was told to load a kernel ({about}), and has fetched none",
	"its loader stands still, or cannot reach the server by HTTP" SCREEN),
    BROKEN("kernel-silent", KERNEL, FETCH, PHASE, kernel_is_silent,
	"it fetched kernel and initrd {ago} ago, and its installer was not heard of since",
	"the kernel may have panicked (too little \"memory\"?), or has no driver for the network card" SCREEN),
    BROKEN("boot-stalled", KERNEL, STALLED, ASKED, boot_stalls, "it does not get on: {what}",
	"{hint}"),

    BROKEN("network-failed", CONFIG, FAILED, PHASE, network_failed,
	"its installer has no network: {what}", "{hint}" AGAIN),
    BROKEN("network-stalled", CONFIG, STALLED, PHASE, network_stalls,
	"its installer has no network: {what}", "{hint}"),
    BROKEN("config-failed", CONFIG, FAILED, PHASE, config_failed,
	"its installer cannot use its configuration: {what}", "{hint}" AGAIN),
    BROKEN("config-stalled", CONFIG, STALLED, PHASE, config_stalls,
	"its installer does not get its configuration: {what}", "{hint}"),

    BROKEN("no-disk", DISK, FAILED, PHASE, has_no_disk,
	"it has no disk that could be installed on: {what}",
	"give it a disk (\"disks\" in its definition; a real one may need another controller mode, such as AHCI)" AGAIN),
    BROKEN("no-disk-matches", DISK, FAILED, PHASE, no_disk_matches,
	"the disk that its definition asks for is not clear: {what}",
	"correct \"match\" in \"disks\" of its definition" AGAIN),
    BROKEN("disk-too-small", DISK, FAILED, PHASE, disk_is_small, "its disk is too small: {what}",
	"give it a larger disk, or correct \"storage\"; `vmlab plan {name}` shows what is needed" AGAIN),
    BROKEN("image-damaged", DISK, FAILED, PHASE, is_damaged,
	"what it downloaded is not what the image's manifest says: {what}",
	"build or import the image again" AGAIN),
    BROKEN("hook-failed", DISK, FAILED, LOG, hook_failed,
	"a script of its definition's \"hooks\" failed: {what}",
	"correct the script; `vmlab logs --installer {name}` has all of what it said" AGAIN),
    BROKEN("install-failed", DISK, FAILED, PHASE, fails, "its install failed in {about}: {what}",
	"{hint}" AGAIN),
    BROKEN("disk-marked", DISK, MARKED, INSTALLED, is_marked,
	"nothing was installed, since its disk says that it is installed already: {what}",
	"to have it installed over what is there: `vmlab reinstall {name}`"),
    BROKEN("install-stalled", DISK, STALLED, PHASE, stalls, "its installer stands still: {what}",
	"{hint}"),

    BROKEN("no-boot-device", BOOTLOADER, CONSOLE_NO_BOOT, INSTALLED, finds_nothing_to_boot,
	"its firmware finds nothing to boot on the disk: {what}",
	"is \"firmware\" in its definition what it was installed for? `vmlab reinstall {name}` writes the disk anew"),
    BROKEN("no-root", BOOTLOADER, CONSOLE_NO_ROOT, INSTALLED, finds_no_root,
	"its kernel starts and does not find its root file system: {what}",
	"the image's initramfs may lack the driver of its disk: build the image again, or choose another disk bus"),
    BROKEN("system-panic", BOOTLOADER, CONSOLE_PANIC, INSTALLED, system_panics,
	"its kernel has panicked: {what}", "`vmlab console {name}` shows its screen"),
    BROKEN("came-back", BOOTLOADER, CAME_BACK, INSTALLED, comes_back,
	"it was sent to its disk {count} times and came back to the network each time: nothing on the disk starts",
	"is \"firmware\" in its definition what it has? `vmlab reinstall {name}` writes the disk anew" SCREEN),
    BROKEN("returned", BOOTLOADER, RETURNED, CAME_BACK, returns,
	"it was sent to its disk and came back over the network: nothing on the disk starts",
	"is the image for its firmware, and on the disk that it starts from? Put it there anew, or another" SCREEN),
    BROKEN("stays-away", BOOTLOADER, CAME_BACK, DEPLOYED, stays_away,
	"it was sent to its disk {ago} ago, and nothing was heard of it since",
	"nothing on the disk starts, or the system there asks for no address" SCREEN),

    BROKEN("cloud-init-failed", FIRST_BOOT, CLOUD_INIT_ERRORS, CLOUD_INIT, NULL,
	"cloud-init tells of errors: {what}",
	"`vmlab ssh {name} sudo cloud-init status --long` says more; correct the definition, then `vmlab reinstall {name}`"),
    BROKEN("no-ready-call", FIRST_BOOT, STALLED, CLOUD_INIT, never_ready,
	"its system was started and has not said that it is ready: {what}", "{hint}"),

    BROKEN("order-failed", ORDER, ORDER_FAILED, AGENT, NULL,
	"its order {count}, {about}, has failed: {what}",
	"remove the cause; `vmlab order resume {name} {count}` begins it again"),
    BROKEN("agent-silent", ORDER, ORDER_SILENT, AGENT, NULL,
	"its order {count}, {about}, was begun, and its agent has gone silent: {what}",
	"it may have lost power or network; the order is given up when its time is over" SCREEN),
    BROKEN("order-waits", ORDER, ORDER_WAITS, AGENT, NULL,
	"its order {count}, {about}, waits: {what}",
	"start it into the agent; `vmlab orders {name}` shows what waits"),
};

const struct explain_rule *explain_rule_at(size_t i)
{
	return i < sizeof(rules) / sizeof(*rules) ? &rules[i] : NULL;
}

/* What a machine did on its way before it was switched on last tells nothing of this one. */
static bool is_over(const struct explain_rule *rule, const struct explain_facts *f)
{
	int64_t at_ms = f->seen[rule->sign].at_ms;

	return rule->link >= EXPLAIN_LINK_DHCP && rule->link <= EXPLAIN_LINK_KERNEL &&
	       SEEN(POWER) && at_ms > 0 && at_ms < f->seen[EXPLAIN_POWER].at_ms;
}

bool explain_rule_applies(const struct explain_rule *rule, const struct explain_facts *f)
{
	if (is_over(rule, f))
		return false;
	return rule->applies ? rule->applies(f) : explain_is_seen(f, rule->sign);
}
