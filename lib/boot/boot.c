#include "lib/boot/boot.h"

#include <stdio.h>
#include <string.h>

#include "lib/image/own_kernel.h"

#define BOOT_EVENT_EVERY_MS 5000
#define LOADING_EVENT_EVERY_MS 60000

static bool is_unattended(const struct vm *vm)
{
	const json_t *wanted = json_object_get(vm->more, "unattended");

	return wanted && !json_is_false(wanted);
}

const struct boot_mode *boot_mode_of(const struct vm *vm)
{
	const struct boot_mode *mode = boot_mode_at(vm->mode);

	if (vm->pxeboot)
		return mode == &boot_mode_boot && is_unattended(vm) ? &boot_mode_unattended : mode;
	return own_kernel_wanted(vm) ? &boot_mode_kernel : &boot_mode_local;
}

const char *boot_mode_said(const struct vm *vm, char buf[BOOT_MODE_SAID_SIZE])
{
	if (!vm->pxeboot)
		return vm->role && *vm->role ? "\"role\" and no \"pxeboot\": true"
					     : "\"pxeboot\": false";
	snprintf(buf, BOOT_MODE_SAID_SIZE, "\"mode\": \"%s\"", boot_mode_name(vm->mode));
	return buf;
}

bool boot_may_install(const struct vm *vm)
{
	const struct boot_mode *mode = boot_mode_of(vm);

	return mode->needs & BOOT_NEEDS_DISK || mode == &boot_mode_menu;
}

const char *boot_image_name(const struct vm *vm)
{
	return boot_mode_of(vm)->needs & BOOT_NEEDS_BOOT ? vm->image : vm->distro;
}

enum image_use boot_image_use(const struct vm *vm)
{
	const struct boot_mode *mode = boot_mode_of(vm);

	if (!(mode->needs & BOOT_NEEDS_BOOT))
		return IMAGE_INSTALLED;
	return mode->needs & BOOT_NEEDS_DISK ? IMAGE_UNATTENDED : IMAGE_BOOTED;
}

enum boot_verb boot_choice_verb(struct boot_choice choice)
{
	return choice.wait ? BOOT_WAIT : choice.mode->verb;
}

bool boot_choice_is_news(struct boot_choice choice, const char *before, int64_t ago_ms)
{
	if (!before || strcmp(before, boot_choice_name(choice)) != 0)
		return true;
	switch (boot_choice_verb(choice)) {
	case BOOT_WAIT:
		return false;
	case BOOT_DISK:
	case BOOT_NEXT:
	case BOOT_MENU:
		return ago_ms >= BOOT_EVENT_EVERY_MS;
	case BOOT_KERNEL:
	case BOOT_CHAIN:
	case BOOT_SAN:
		return ago_ms >= (choice.mode->needs & BOOT_NEEDS_DISK ? LOADING_EVENT_EVERY_MS
								       : BOOT_EVENT_EVERY_MS);
	}
	return true;
}

bool boot_is_chosen(const struct boot_facts *f, struct boot_choice choice)
{
	return f->vm && f->chosen && !f->life.netboot_off &&
	       boot_mode_of(f->vm) == &boot_mode_menu && choice.mode != &boot_mode_menu;
}

/* A menu has only boot images that are there. */
static bool is_offered(const struct boot_facts *f, struct boot_choice choice)
{
	return choice.mode->needs & BOOT_NEEDS_BOOT && boot_is_chosen(f, choice);
}

/* What was ordered comes before what the definition says. */
static const struct boot_mode *boot_mode_now(const struct boot_facts *f)
{
	if (f->life.netboot_off)
		return &boot_mode_off;
	if (f->disk_once)
		return &boot_mode_local;
	if (f->image_once)
		return &boot_mode_boot;
	return f->agent_once ? &boot_mode_agent : boot_mode_of(f->vm);
}

struct boot_choice boot_decide(const struct boot_facts *f)
{
	if (!f->vm)
		return (struct boot_choice){NULL, BOOT_UNKNOWN};

	const struct boot_mode *mode = boot_mode_now(f);
	struct boot_choice choice = mode->choose ? mode->choose(f) : (struct boot_choice){mode, 0};
	if (boot_choice_verb(choice) != BOOT_KERNEL)
		return choice;
	if (f->other_arch)
		choice.wait = BOOT_WRONG_ARCH;
	else if (choice.mode->needs && !f->has_needed && !is_offered(f, choice))
		choice.wait = BOOT_NO_IMAGE;
	return choice;
}

static const struct {
	const char *name, *word;
} waits[BOOT_WAITS] = {
    [BOOT_UNKNOWN] = {"unknown", "wait"},
    [BOOT_NO_IMAGE] = {"no-image", "no-image"},
    [BOOT_FAILED] = {"failed", "failed"},
    [BOOT_WRONG_ARCH] = {"wrong-arch", "wait"},
};

const char *boot_choice_name(struct boot_choice choice)
{
	return choice.wait ? waits[choice.wait].name : choice.mode->name;
}

const char *boot_choice_word(struct boot_choice choice)
{
	return choice.wait ? waits[choice.wait].word : choice.mode->name;
}

enum boot_end boot_expects(const struct boot_facts *f)
{
	if (!f->vm)
		return BOOT_END_UNKNOWN;
	return boot_mode_now(f)->expects(f);
}

static const char *const ends[] = {
    [BOOT_END_READY] = "ready",
    [BOOT_END_INSTALLED] = "installed",
    [BOOT_END_STARTED] = "started",
    [BOOT_END_ANSWERS] = "answers",
};

const char *boot_end_name(enum boot_end end)
{
	return ends[end];
}

enum boot_end boot_end_parse(const char *name)
{
	for (size_t i = 1; name && i < sizeof(ends) / sizeof(*ends); i++)
		if (strcmp(ends[i], name) == 0)
			return (enum boot_end)i;
	return BOOT_END_UNKNOWN;
}

static bool url_characters(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "-._~:/[]%")] == '\0';
}

bool boot_url_valid(const char *url)
{
	size_t len = strlen(url);
	const char *host = NULL;

	if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	return host && *host && *host != '/' && len <= 200 && url[len - 1] != '/' &&
	       url_characters(url);
}

bool boot_path_valid(const char *path)
{
	size_t len = strlen(path);

	return path[0] == '/' && len > 1 && len <= 100 && path[len - 1] != '/' &&
	       url_characters(path) && !strpbrk(path, ":[]");
}
