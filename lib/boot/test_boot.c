#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/boot/loader.h"
#include "lib/boot/offer.h"
#include "lib/boot/stranger.h"
#include "lib/definition/test_vm_from.h"
#include "lib/image/boot_args.h"

#define DATA "boot_handler/testdata/"

#define ID "\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\""

/* ---- the decision ------------------------------------------------------------------------ */

struct row {
	const char *fields;
	enum machine_state state;
	bool local;
	bool reinstall;
	bool has_needed;
	bool other_arch;
	const char *want;
};

static const struct row table[] = {
    {"", MACHINE_DECLARED, false, false, true, false, "install"},
    {"", MACHINE_DECLARED, false, false, false, false, "no-image"},
    {"", MACHINE_BOOTING, false, false, true, false, "install"},
    {"", MACHINE_INSTALLING, false, false, true, false, "install"},
    {"", MACHINE_INSTALLED, false, false, true, false, "local"},
    {"", MACHINE_INSTALLED, false, false, false, false, "local"},
    {"", MACHINE_READY, false, false, true, false, "local"},
    {"", MACHINE_FAILED, false, false, true, false, "failed"},
    {"", MACHINE_FAILED, false, false, false, false, "failed"},
    {"", MACHINE_FAILED, true, false, true, false, "local"},
    {"", MACHINE_DECLARED, true, false, true, false, "local"},
    {"", MACHINE_DECLARED, false, true, true, false, "install"},
    {"", MACHINE_FAILED, false, true, true, false, "install"},
    {"", MACHINE_READY, false, true, false, false, "no-image"},
    {"", MACHINE_DECLARED, false, false, true, true, "wrong-arch"},
    {"", MACHINE_READY, false, false, true, true, "local"},
    {",\"mode\":\"local\"", MACHINE_DECLARED, false, false, true, false, "local"},
    {",\"mode\":\"local\"", MACHINE_DECLARED, false, true, true, false, "local"},
    {",\"mode\":\"shell\"", MACHINE_READY, false, false, true, false, "shell"},
    {",\"mode\":\"shell\"", MACHINE_READY, true, false, false, false, "no-image"},
    {",\"mode\":\"agent\"", MACHINE_READY, true, false, true, false, "agent"},
    {",\"mode\":\"agent\"", MACHINE_DECLARED, false, false, false, false, "no-image"},
    {",\"mode\":\"agent\"", MACHINE_DECLARED, false, false, true, true, "wrong-arch"},
    {",\"pxeboot\":false", MACHINE_DECLARED, false, false, true, false, "local"},
    {",\"pxeboot\":false,\"kernel\":\"k\",\"initrd\":\"i\"", MACHINE_DECLARED, false, false, false,
	false, "no-image"},
    {",\"pxeboot\":false,\"kernel\":\"vmlinuz\",\"initrd\":\"initrd.img\"", MACHINE_DECLARED, false,
	false, true, false, "kernel"},
    {",\"kernel\":\"vmlinuz\",\"initrd\":\"initrd.img\"", MACHINE_DECLARED, false, false, true,
	false, "install"},
};

static void decisions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct row *row = &table[i];
		char json[300];

		snprintf(json, sizeof(json), "{" ID "%s}", row->fields);
		struct vm *vm = vm_from(json);
		struct boot_facts facts = {.vm = vm,
		    .life = {row->state, row->local, row->reinstall, 1, false},
		    .has_needed = row->has_needed,
		    .other_arch = row->other_arch};
		const char *got = boot_choice_name(boot_decide(&facts));
		if (strcmp(got, row->want) != 0)
			fail_msg("row %zu: got %s, want %s", i, got, row->want);
		/* What is ordered comes before, the disk and an image before the agent. */
		facts.agent_once = true;
		facts.has_needed = true;
		assert_string_equal(boot_choice_name(boot_decide(&facts)),
		    row->other_arch ? "wrong-arch" : "agent");
		facts.image_once = true;
		assert_string_equal(
		    boot_choice_name(boot_decide(&facts)), row->other_arch ? "wrong-arch" : "boot");
		facts.disk_once = true;
		assert_string_equal(boot_choice_name(boot_decide(&facts)), "local");
		facts.life.netboot_off = true;
		assert_string_equal(boot_choice_name(boot_decide(&facts)), "off");
		vm_free(vm);
	}
	struct boot_facts stranger = {.has_needed = true};
	assert_string_equal(boot_choice_name(boot_decide(&stranger)), "unknown");
	assert_string_equal(boot_choice_word(boot_decide(&stranger)), "wait");
}

/* ---- menus ------------------------------------------------------------------------------- */

/* Two of each to choose from; the texts are as their reader takes them. */
#define FILE_NAMED(name) {.file = name, .size_bytes = 1}
static const struct boot_image kernel_image = {.name = "live",
    .folder = "live/amd64",
    .title = "Live ${system} | \"13\"",
    .boot = {.kernel = FILE_NAMED("vmlinuz"),
	.initrd = {FILE_NAMED("initrd-1"), FILE_NAMED("initrd-2")},
	.initrds = 2,
	.args = "fetch={image_url}/fs ds=nocloud;s={server}/ who={name},{hostname},{mac},{arch}",
	.unattended_args =
	    "auto=true url={unattended_url} then={stage4_url} console=ttyS1 done={done_url}"}};
static const struct boot_image script_image = {.name = "studio",
    .folder = "studio",
    .boot = {.script = FILE_NAMED("stage2.ipxe"), .unattended_script = FILE_NAMED("auto.ipxe")}};
static const struct boot_image efi_image = {.name = "memtest86+",
    .folder = "memtest86+/amd64",
    .boot = {.efi = FILE_NAMED("boot.efi"), .kernel = FILE_NAMED("vmlinuz"), .args = "nopause"}};
static const struct boot_image only_efi_image = {
    .name = "tool", .folder = "tool/amd64", .boot = {.efi = FILE_NAMED("boot.efi")}};
static const struct boot_image iso_image = {
    .name = "cd", .folder = "cd/amd64", .boot = {.iso = FILE_NAMED("boot.iso")}};

static const struct boot_image named_as_a_word = {
    .name = "shell", .folder = "shell/amd64", .boot = {.kernel = FILE_NAMED("vmlinuz")}};
static const struct boot_offers offers = {
    .image = {&efi_image, &kernel_image, &script_image, &named_as_a_word}, .count = 4};

/* At the menu only what it offers can be chosen. */
static void choices(void **state)
{
	static const struct {
		const char *chosen, *want;
		bool has_needed;
	} rows[] = {{NULL, "menu", true}, {"local", "local", false}, {"install", "install", true},
	    {"install", "no-image", false}, {"shell", "shell", true}, {"agent", "agent", true},
	    {"menu", "menu", true}, {"kernel", "menu", true}, {"nonsense", "menu", true}};
	struct vm *vm = vm_from("{" ID ",\"mode\":\"menu\"}");
	struct vm *plain = vm_from("{" ID "}");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct boot_facts f = {
		    .vm = vm, .chosen = rows[i].chosen, .has_needed = rows[i].has_needed};
		struct boot_choice choice = boot_decide(&f);
		assert_string_equal(boot_choice_name(choice), rows[i].want);
		assert_int_equal(boot_is_chosen(&f, choice), strcmp(rows[i].want, "menu") != 0);
	}
	struct boot_facts f = {.vm = plain, .chosen = "local", .has_needed = true};
	assert_string_equal(boot_choice_name(boot_decide(&f)), "install");
	vm_free(vm);
	vm_free(plain);
}

/* An image whether or not there is one to install; those that cannot install by themselves do not.
 */
static void images_are_chosen(void **state)
{
	static const struct {
		const char *chosen;
		const struct boot_mode *want;
		const struct boot_image *image;
	} rows[] = {
	    {"live", &boot_mode_boot, &kernel_image},
	    {"live:unattended", &boot_mode_unattended, &kernel_image},
	    {"studio:unattended", &boot_mode_unattended, &script_image},
	    {"memtest86+", &boot_mode_boot, &efi_image},
	    {"memtest86+:unattended", &boot_mode_menu, NULL},
	    {"live:", &boot_mode_menu, NULL},
	    {"live:unattended:unattended", &boot_mode_menu, NULL},
	    {"live+unattended", &boot_mode_menu, NULL},
	    {"liv", &boot_mode_menu, NULL},
	    {"shell", &boot_mode_shell, NULL}, /* the mode's, whatever images are called */
	    {"shell:unattended", &boot_mode_menu, NULL},
	    {"", &boot_mode_menu, NULL},
	};
	struct vm *vm = vm_from("{" ID ",\"mode\":\"menu\"}");
	bool unattended;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct boot_image *image =
		    boot_offer_find(&offers, rows[i].chosen, &unattended);
		struct boot_facts f = {
		    .vm = vm, .chosen = rows[i].chosen, .offers = &offers, .image = image};
		assert_ptr_equal(image, rows[i].image);
		assert_ptr_equal(boot_decide(&f).mode, rows[i].want);
		f.other_arch = true;
		if (image)
			assert_string_equal(boot_choice_name(boot_decide(&f)), "wrong-arch");
	}
	vm_free(vm);
}

/* What waits for ever by what it is, and needs nothing. */
static void plan_nothing(const struct boot_facts *f, struct boot_plan *out)
{
	boot_say(out, f->vm->name);
}

static const struct boot_mode waiter = {.name = "waiter", .verb = BOOT_WAIT, .plan = plan_nothing};

static void told_again(void **state)
{
	const struct boot_choice install = {&boot_mode_install, BOOT_GOES},
				 local = {&boot_mode_local, BOOT_GOES},
				 shell = {&boot_mode_shell, BOOT_GOES},
				 off = {&boot_mode_off, BOOT_GOES},
				 failed = {&boot_mode_install, BOOT_FAILED},
				 unknown = {NULL, BOOT_UNKNOWN}, waits = {&waiter, BOOT_GOES};
	const int64_t day = 24 * 3600 * 1000;

	(void)state;
	assert_true(boot_choice_is_news(install, NULL, 0));
	assert_true(boot_choice_is_news(install, "local", 0));
	assert_false(boot_choice_is_news(install, "install", 59999));
	assert_true(boot_choice_is_news(install, "install", 60000));
	assert_false(boot_choice_is_news(local, "local", 4999));
	assert_true(boot_choice_is_news(local, "local", 5000));
	assert_true(boot_choice_is_news(shell, "shell", 5000));
	assert_false(boot_choice_is_news(off, "off", 4999));
	assert_true(boot_choice_is_news(off, "off", 5000));
	assert_false(boot_choice_is_news(failed, "failed", day));
	assert_false(boot_choice_is_news(unknown, "unknown", day));
	assert_false(boot_choice_is_news(waits, "waiter", day));
	assert_int_equal(boot_choice_verb(waits), BOOT_WAIT);
	assert_int_equal(boot_choice_verb(failed), BOOT_WAIT);
}

/* ---- what is expected -------------------------------------------------------------------- */

static const struct {
	const char *fields;
	enum machine_state state;
	bool local, noreboot, tells;
	enum boot_end want;
} ends[] = {
    {"", MACHINE_DECLARED, false, false, false, BOOT_END_READY},
    {"", MACHINE_FAILED, false, false, false, BOOT_END_READY},
    {"", MACHINE_INSTALLED, false, false, false, BOOT_END_READY},
    {"", MACHINE_READY, false, false, false, BOOT_END_ANSWERS},
    {"", MACHINE_READY, false, false, true, BOOT_END_READY},
    {"", MACHINE_DECLARED, true, false, false, BOOT_END_ANSWERS},
    {"", MACHINE_DECLARED, false, true, false, BOOT_END_INSTALLED},
    {"", MACHINE_INSTALLED, false, true, false, BOOT_END_READY},
    {",\"after_install\":\"poweroff\"", MACHINE_DECLARED, false, false, false, BOOT_END_INSTALLED},
    {",\"after_install\":\"kexec\"", MACHINE_DECLARED, false, false, false, BOOT_END_READY},
    {",\"mode\":\"shell\"", MACHINE_READY, false, false, true, BOOT_END_STARTED},
    {",\"mode\":\"local\"", MACHINE_DECLARED, false, false, false, BOOT_END_ANSWERS},
    {",\"mode\":\"local\"", MACHINE_READY, false, false, true, BOOT_END_READY},
    {",\"mode\":\"off\"", MACHINE_DECLARED, false, false, false, BOOT_END_ANSWERS},
    {",\"pxeboot\":false", MACHINE_DECLARED, false, false, false, BOOT_END_ANSWERS},
    {",\"pxeboot\":false,\"kernel\":\"k\",\"initrd\":\"i\"", MACHINE_DECLARED, false, false, false,
	BOOT_END_UNKNOWN},
};

static void expectations(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char json[300];

		snprintf(json, sizeof(json), "{" ID "%s}", ends[i].fields);
		struct vm *vm = vm_from(json);
		struct boot_facts facts = {.vm = vm,
		    .life = {.state = ends[i].state, .local = ends[i].local},
		    .noreboot = ends[i].noreboot,
		    .tells = ends[i].tells};
		enum boot_end got = boot_expects(&facts);
		if (got != ends[i].want)
			fail_msg("row %zu: got %d, want %d", i, (int)got, (int)ends[i].want);
		assert_int_equal(boot_end_parse(boot_end_name(got)), got);
		vm_free(vm);
	}
}

/* ---- scripts ----------------------------------------------------------------------------- */

static const struct boot_urls urls = {"http://192.168.100.1", "/initrds"};

static size_t script_for(
    const char *loader, struct boot_facts *f, struct boot_choice choice, char *buf)
{
	struct boot_plan plan;

	f->urls = &urls;
	boot_plan_make(f, choice, &plan);
	return boot_loader_find(loader)->render(&plan, f, buf);
}

static size_t script(struct boot_facts *f, struct boot_choice choice, char *buf)
{
	return script_for("ipxe", f, choice, buf);
}

static void compare_with(
    const char *loader, const char *name, struct boot_facts *f, struct boot_choice choice)
{
	char buf[BOOT_SCRIPT_MAX];
	struct err e = ERR_INIT;
	char path[200];
	char *want = NULL;
	size_t len;

	size_t n = script_for(loader, f, choice, buf);
	assert_int_equal(strlen(buf), n);
	snprintf(path, sizeof(path), DATA "%s.%s", name, loader);
	if (getenv("GOLDEN_UPDATE"))
		assert_true(atomic_file_replace(path, buf, n, 0644, &e) >= 0);
	if (file_read(path, 65536, &want, &len, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(buf, want);
	free(want);
}

/* In each loader's language. GOLDEN_UPDATE=1 writes the files anew; read the difference before
 * keeping it. */
static void compare(const char *name, struct boot_facts *f, struct boot_choice choice)
{
	compare_with("ipxe", name, f, choice);
	compare_with("grub", name, f, choice);
}

#define BOOTS ",\"mode\":\"boot\",\"image\":\"live\""

#define ONCE BOOTS ",\"unattended\":true"

static void golden_boot_images(void **state)
{
	struct vm *vm = vm_from("{" ID BOOTS "}");
	struct vm *once = vm_from("{" ID ONCE ",\"kernel_args\":\"quiet\"}");
	struct boot_facts f = {.vm = vm, .mac = &vm->mac, .attempt = 3, .image = &kernel_image};
	struct boot_choice boot = {&boot_mode_boot, BOOT_GOES};

	(void)state;
	assert_ptr_equal(boot_mode_of(vm), &boot_mode_boot);
	assert_ptr_equal(boot_mode_of(once), &boot_mode_unattended);
	f.image = &script_image;
	compare("boot-script", &f, boot);
	f.image = &efi_image;
	compare("boot-efi-and-kernel", &f, boot);
	f.image = &only_efi_image;
	compare("boot-efi", &f, boot);
	f.image = &iso_image;
	compare("boot-iso", &f, boot);
	f.vm = once;
	boot.mode = &boot_mode_unattended;
	f.image = &kernel_image;
	compare("boot-kernel-unattended", &f, boot);
	f.image = &script_image;
	compare("boot-script-unattended", &f, boot);
	vm_free(vm);
	vm_free(once);
}

/* By the disk once it is installed, until a reinstall is ordered; and each time else. */
static void boots_once(void **state)
{
	static const struct {
		enum machine_state state;
		bool local, reinstall;
		const char *want, *want_once;
		enum boot_end ends;
	} rows[] = {
	    {MACHINE_DECLARED, false, false, "boot", "boot", BOOT_END_INSTALLED},
	    {MACHINE_BOOTING, false, false, "boot", "boot", BOOT_END_INSTALLED},
	    {MACHINE_INSTALLED, false, false, "boot", "local", BOOT_END_ANSWERS},
	    {MACHINE_READY, false, false, "boot", "local", BOOT_END_ANSWERS},
	    {MACHINE_READY, false, true, "boot", "boot", BOOT_END_INSTALLED},
	    {MACHINE_DECLARED, true, false, "boot", "local", BOOT_END_ANSWERS},
	};
	struct vm *vm = vm_from("{" ID BOOTS "}"), *once = vm_from("{" ID ONCE "}");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct boot_facts f = {.vm = vm, .image = &kernel_image, .has_needed = true};
		f.life = (struct life){.state = rows[i].state,
		    .local = rows[i].local,
		    .reinstall = rows[i].reinstall,
		    .attempt = 1};
		assert_string_equal(boot_choice_name(boot_decide(&f)), rows[i].want);
		assert_int_equal(boot_expects(&f), BOOT_END_STARTED);
		f.vm = once;
		assert_string_equal(boot_choice_name(boot_decide(&f)), rows[i].want_once);
		assert_int_equal(boot_expects(&f), rows[i].ends);
		f.has_needed = false;
		assert_string_equal(boot_choice_name(boot_decide(&f)),
		    strcmp(rows[i].want_once, "local") == 0 ? "local" : "no-image");
	}
	vm_free(vm);
	vm_free(once);
}

/* "preset" of the menu that this machine is shown; "": none. */
static const char *preset_of(struct boot_facts *f, char buf[100])
{
	char script_text[BOOT_SCRIPT_MAX];
	const char *at;

	(void)script(f, boot_decide(f), script_text);
	at = strstr(script_text, "choose --default ");
	buf[0] = '\0';
	if (at)
		sscanf(at + strlen("choose --default "), "%99s", buf);
	return buf;
}

/* What erases the disk is not done again and again by nobody. */
static void the_default_of_a_menu(void **state)
{
	static const struct {
		const char *wanted;
		struct life life;
		const char *want;
	} rows[] = {
	    {"local", {.state = MACHINE_DECLARED}, "local"},
	    {"live", {.state = MACHINE_READY}, "live"},
	    {"gone", {.state = MACHINE_READY}, "local"},
	    {"off", {.state = MACHINE_READY}, "local"},
	    {"live:unattended", {.state = MACHINE_DECLARED}, "live:unattended"},
	    {"live:unattended", {.state = MACHINE_BOOTING}, "live:unattended"},
	    {"live:unattended", {.state = MACHINE_INSTALLED}, "local"},
	    {"live:unattended", {.state = MACHINE_READY}, "local"},
	    {"live:unattended", {.state = MACHINE_DECLARED, .local = true}, "local"},
	    {"live:unattended", {.state = MACHINE_DECLARED, .reinstall = true}, "live:unattended"},
	    {"memtest86+:unattended", {.state = MACHINE_DECLARED}, "local"},
	    {"install", {.state = MACHINE_DECLARED}, "install"},
	    {"install", {.state = MACHINE_INSTALLING}, "install"},
	    {"install", {.state = MACHINE_FAILED}, "local"},
	    {"install", {.state = MACHINE_READY}, "local"},
	};
	char json[200], buf[100];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(json, sizeof(json), "{" ID ",\"mode\":\"menu\",\"menu_default\":\"%s\"}",
		    rows[i].wanted);
		struct vm *vm = vm_from(json);
		struct boot_facts f = {
		    .vm = vm, .life = rows[i].life, .has_needed = true, .offers = &offers};
		const char *got = preset_of(&f, buf);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: got %s, want %s", i, got, rows[i].want);
		vm_free(vm);
	}
}

/* As many as there is room for, whatever they are called, and always what is the default. */
static void more_images_than_a_menu_has_room_for(void **state)
{
	static struct boot_image many[BOOT_OFFERS_MAX];
	struct boot_offers all = {.cut = false};
	char title[400], json[300], buf[100], text[BOOT_SCRIPT_MAX];

	(void)state;
	memset(title, 'x', sizeof(title) - 1);
	title[sizeof(title) - 1] = '\0';
	for (unsigned i = 0; i < BOOT_OFFERS_MAX; i++) {
		many[i] = kernel_image;
		memset(many[i].name, 'n', IMAGE_NAME_SIZE - 1);
		many[i].name[snprintf(many[i].name, IMAGE_NAME_SIZE, "image-%03u-", i)] = 'n';
		many[i].title = title;
		all.image[all.count++] = &many[i];
	}
	for (unsigned i = 0; i < BOOT_OFFERS_MAX; i += 7) {
		snprintf(json, sizeof(json),
		    "{" ID ",\"mode\":\"menu\",\"menu_default\":\"%s:unattended\"}", many[i].name);
		struct vm *vm = vm_from(json);
		struct boot_facts f = {.vm = vm, .has_needed = true, .offers = &all};
		assert_string_equal(preset_of(&f, buf), vm->menu_default);
		size_t n = script(&f, boot_decide(&f), text);
		unsigned items = 0;
		for (const char *line = text; (line = strstr(line, "\nitem ")); line++, items++)
			assert_true(strcspn(line + 1, "\n") < 160);
		assert_int_equal(items, BOOT_ITEMS_MAX);
		assert_non_null(strstr(text,
		    "\nitem --gap (381 more have no room here; menu_default can name one)\n"));
		assert_true(n < BOOT_SCRIPT_MAX);
		vm_free(vm);
	}
}

static void what_may_be_installed(void **state)
{
	static const struct {
		const char *says;
		bool may;
	} cases[] = {{"", true}, {",\"mode\":\"menu\"", true}, {",\"mode\":\"agent\"", false},
	    {",\"mode\":\"local\"", false}, {",\"mode\":\"shell\"", false},
	    {",\"mode\":\"wait\"", false}, {",\"mode\":\"off\"", false},
	    {",\"mode\":\"boot\",\"image\":\"live\"", false}, {",\"pxeboot\":false", false}};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "{" ID "%s}", cases[i].says);
		struct vm *vm = vm_from(text);
		assert_int_equal(boot_may_install(vm), cases[i].may);
		vm_free(vm);
	}
}

/* Each mode has a file. */
static void golden_modes(void **state)
{
	struct vm *vm = vm_from("{" ID ",\"image\":\"live\"}");
	struct boot_facts f = {
	    .vm = vm, .mac = &vm->mac, .attempt = 3, .has_needed = true, .image = &kernel_image};
	f.offers = &offers;
	const struct boot_mode *mode;
	char name[80];

	(void)state;
	for (unsigned i = 0; (mode = boot_mode_at(i)); i++) {
		snprintf(name, sizeof(name), "%s%s", mode->name,
		    mode->needs & BOOT_NEEDS_IMAGE ? "-amd64" : "");
		compare(name, &f, (struct boot_choice){mode, BOOT_GOES});
		assert_ptr_equal(boot_mode_find(mode->name), mode);
		assert_true(mode->summary && *mode->summary);
		assert_int_equal(!mode->started, mode->expects(&f) != BOOT_END_STARTED);
	}
	assert_ptr_equal(boot_mode_find("kernel"), &boot_mode_kernel);
	assert_null(boot_mode_find("install "));
	vm_free(vm);
}

static void golden(void **state)
{
	struct mac other = {{0x52, 0x54, 0, 0, 0, 0x99}};
	struct vm *vm = vm_from("{" ID "}");
	struct vm *arm = vm_from("{" ID ",\"arch\":\"arm64\",\"kernel_args\":\"quiet a=b\"}");
	struct vm *own = vm_from("{" ID ",\"pxeboot\":false,\"kernel\":\"k\",\"initrd\":\"i\"}");
	struct boot_facts f = {.vm = vm, .mac = &vm->mac, .attempt = 3};
	struct boot_choice choice = {&boot_mode_install, BOOT_NO_IMAGE};

	(void)state;
	f.missing = "there is no manifest.json";
	f.advice = "build it with: vmlab image build debian-13 --arch amd64";
	compare("no-image", &f, choice);
	choice.wait = BOOT_WRONG_ARCH;
	compare("wrong-arch", &f, choice);
	choice.wait = BOOT_FAILED;
	f.error_phase = PHASE_ROOTFS;
	f.error_reason = "hash differs\n#!ipxe\nshell ${x} || exit; `id` \xc3\xa4";
	compare("failed", &f, choice);
	f.vm = arm;
	f.mac = &other; /* found by its UUID: boots from another interface */
	choice.wait = BOOT_GOES;
	compare("install-arm64", &f, choice);
	f.vm = own;
	choice.mode = &boot_mode_kernel;
	compare("kernel", &f, choice);
	f.vm = NULL;
	choice.wait = BOOT_UNKNOWN;
	compare("unknown", &f, choice);
	f.stranger = &boot_stranger_local;
	compare("unknown-local", &f, choice);
	f.stranger = &boot_stranger_off;
	compare("unknown-off", &f, choice);
	f.stranger = &boot_stranger_menu;
	f.offers = &offers;
	f.arch = VM_ARCH_AMD64;
	compare("unknown-menu", &f, choice);
	f.chosen = "live";
	f.image = &kernel_image;
	assert_true(boot_stranger_chooses(&f));
	compare("unknown-menu-kernel", &f, choice);
	f.image = &script_image;
	compare("unknown-menu-script", &f, choice);
	f.image = NULL;
	f.chosen = "shell";
	assert_true(boot_stranger_chooses(&f));
	compare("unknown-menu-shell", &f, choice);
	f.chosen = "again";
	assert_false(boot_stranger_chooses(&f));
	f.chosen = "agent";
	assert_false(boot_stranger_chooses(&f));
	f.agent_image = "debian-13";
	assert_true(boot_stranger_chooses(&f));
	compare("unknown-menu-agent", &f, choice);
	f.chosen = NULL;
	f.stranger = &boot_stranger_agent;
	compare("unknown-agent", &f, choice);
	f.disk_once = true;
	compare("unknown-agent-disk-once", &f, choice);
	f.disk_once = false;
	f.agent_image = NULL;
	compare("unknown-agent-no-image", &f, choice);
	f.stranger = &boot_stranger_menu;
	f.mac = NULL; /* of all that it has nothing but its serial number */
	f.chosen = "live";
	f.image = &kernel_image;
	compare("unknown-menu-no-mac", &f, choice);
	f.stranger = NULL;
	assert_false(boot_stranger_chooses(&f));
	f.chosen = NULL;
	f.image = NULL;
	compare("unknown-no-mac", &f, choice);
	vm_free(vm);
	vm_free(arm);
	vm_free(own);
}

static void elsewhere(void **state)
{
	struct vm *vm = vm_from("{" ID "}");
	struct boot_facts f = {.vm = vm, .mac = &vm->mac, .elsewhere = "10.0.0.9\n${x}"};
	struct boot_choice choice = {&boot_mode_install, BOOT_GOES};
	char buf[BOOT_SCRIPT_MAX];

	(void)state;
	script(&f, choice, buf);
	assert_non_null(strstr(buf, "#!ipxe\n# what web1 itself would get: install\necho vmlab: "));
	assert_non_null(strstr(buf, "came from 10.0.0.9???x?\n"));
	assert_non_null(strstr(buf, "GUEST_ACCESS=any\ndhcp ||\n:again\n"));
	f.other_card = true;
	script(&f, choice, buf);
	assert_non_null(strstr(buf, "set mac in vms/web1.json to 52:54:00:00:00:11\n:again\n"));
	vm_free(vm);
}

/* Whatever a definition carries, iPXE must not interpret it. */
static void hostile_kernel_args(void **state)
{
	static const char *const bad[] = {
	    "a=${x}", "|| shell", "&& shell", "; shell", "# x", "a\nshell", "a\tb", "\xc3\xa4"};
	struct vm *vm = vm_from("{" ID "}");
	struct boot_facts f = {.vm = vm, .mac = &vm->mac};
	struct boot_choice choice = {&boot_mode_install, BOOT_GOES};
	char buf[BOOT_SCRIPT_MAX];
	char *huge = malloc(9001);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vm->kernel_args = (char *)bad[i];
		script(&f, choice, buf);
		assert_null(strstr(buf, bad[i]));
		assert_non_null(strstr(buf, "cannot be passed on"));
		assert_non_null(strstr(buf, "goto again"));
	}
	memset(huge, 'a', 9000);
	huge[9000] = '\0';
	/* At each length around what fits. */
	for (vm->kernel_args = huge; *vm->kernel_args; vm->kernel_args++) {
		size_t n = script(&f, choice, buf);
		assert_true(n < BOOT_SCRIPT_MAX && n == strlen(buf));
		assert_true(strstr(buf, "cannot be passed on") || strstr(buf, vm->kernel_args));
	}
	vm->kernel_args = NULL;
	free(huge);
	vm_free(vm);
}

/* Nor what a boot image carries, should its reader have let it through. */
static void hostile_image_args(void **state)
{
	static const char *const bad[] = {"a=${x}", "{name", "{who}", "|| shell", "a && shell",
	    "a ; shell", "#x", "a\nshell", "\xc3\xa4", "BOOTIF=x", "initrd=y"};
	struct vm *vm = vm_from("{" ID BOOTS "}");
	struct boot_image image = kernel_image;
	struct boot_facts f = {.vm = vm, .mac = &vm->mac, .image = &image};
	struct boot_choice choice = {&boot_mode_boot, BOOT_GOES};
	char buf[BOOT_SCRIPT_MAX], long_args[BOOT_ARGS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		image.boot.args = bad[i];
		script(&f, choice, buf);
		assert_non_null(strstr(buf, "cannot be passed on"));
		assert_null(strstr(buf, "shell"));
	}
	/* What grows in the making. */
	for (size_t n = 0; n + 16 < sizeof(long_args); n += 16) {
		memcpy(long_args + n, "{unattended_url}", 17);
		image.boot.args = long_args;
		size_t len = script(&f, choice, buf);
		assert_true(len < BOOT_SCRIPT_MAX && len == strlen(buf));
	}
	assert_non_null(strstr(buf, "cannot be passed on"));
	vm_free(vm);
}

static void url_rules(void **state)
{
	(void)state;
	assert_true(boot_url_valid("http://192.168.100.1"));
	assert_true(boot_url_valid("https://lab.example:8443/pxe"));
	assert_true(boot_url_valid("http://[fd56::1]:80"));
	assert_false(boot_url_valid("http://"));
	assert_false(boot_url_valid("http://a/"));
	assert_false(boot_url_valid("ftp://a"));
	assert_false(boot_url_valid("http://a b"));
	assert_false(boot_url_valid("http://${x}"));
	assert_false(boot_url_valid("http://a\n"));
	assert_true(boot_path_valid("/initrds"));
	assert_false(boot_path_valid("initrds"));
	assert_false(boot_path_valid("/"));
	assert_false(boot_path_valid("/a b"));
}

static void what_strangers_get_has_a_name(void **state)
{
	const struct boot_stranger *row, *found;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; (row = boot_stranger_at(i)); i++) {
		assert_int_equal(boot_stranger_find(row->name, &found, &e), 0);
		assert_ptr_equal(found, row);
	}
	assert_int_equal(boot_stranger_find("Wait", &found, &e), -EINVAL);
	assert_string_equal(e.msg,
	    "\"Wait\" is nothing that strangers can get: give wait (they ask again), local (they boot from disk), off (their firmware goes on to its next boot device), menu (a menu: disk, boot images, asking again) or agent (they take inventory and wait for orders)");
}

/* The first question is a static file's, the others are ours: both tell the same. */
static void the_tftp_script_tells_the_same(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	size_t len;

	(void)state;
	assert_int_equal(file_read("docker/stack/tftp/autoexec.ipxe", 16384, &text, &len, &e), 0);
	assert_non_null(strstr(text, "/ipxe?mac=${${nic}/mac}" BOOT_IPXE_SHOWS "\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decisions),
	    cmocka_unit_test(choices),
	    cmocka_unit_test(images_are_chosen),
	    cmocka_unit_test(the_default_of_a_menu),
	    cmocka_unit_test(more_images_than_a_menu_has_room_for),
	    cmocka_unit_test(told_again),
	    cmocka_unit_test(expectations),
	    cmocka_unit_test(the_tftp_script_tells_the_same),
	    cmocka_unit_test(what_strangers_get_has_a_name),
	    cmocka_unit_test(what_may_be_installed),
	    cmocka_unit_test(golden_modes),
	    cmocka_unit_test(golden),
	    cmocka_unit_test(elsewhere),
	    cmocka_unit_test(hostile_kernel_args),
	    cmocka_unit_test(hostile_image_args),
	    cmocka_unit_test(golden_boot_images),
	    cmocka_unit_test(boots_once),
	    cmocka_unit_test(url_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
