#include "lib/definition/loader_choice.h"

#include <string.h>

#include "lib/definition/field.h"

#define SIGNED "shim"

/* As in docker/loaders/loaders.table; a test compares them. */
static const char *const words[] = {"undionly", "ipxe", "lpxelinux", "snponly", "shim"};

const char *loader_word(size_t i)
{
	return i < sizeof(words) / sizeof(*words) ? words[i] : NULL;
}

bool loader_is_own(const char *loader)
{
	return strchr(loader, '.') != NULL;
}

const char *loader_of(const struct vm *vm)
{
	return vm->loader ? vm->loader : vm->secure_boot ? SIGNED : NULL;
}

void vm_check_secure_boot(struct json_reader *r, const struct vm *vm)
{
	if (!vm->secure_boot)
		return;
	if (vm->firmware == VM_FIRMWARE_BIOS)
		json_refuse_member(r, "secure_boot", "exists only with \"firmware\": \"uefi\"");
	else if (vm->arch != VM_ARCH_AMD64)
		json_refuse_member(r, "secure_boot", "exists only with \"arch\": \"amd64\"");
	else if (vm->loader && !loader_is_own(vm->loader) && strcmp(vm->loader, SIGNED) != 0)
		json_refuse_member(r, "loader",
		    "\"%s\" is not signed, and with \"secure_boot\" the firmware refuses it: remove it, or write \"" SIGNED
		    "\"",
		    vm->loader);
}

int vm_judge_loader(struct json_reader *r, const char *text)
{
	const char *word;

	for (size_t i = 0; (word = loader_word(i)); i++)
		if (strcmp(word, text) == 0)
			return 0;
	if (loader_is_own(text))
		return 0;
	return json_refuse(r,
	    "\"%s\" is no loader: write undionly, ipxe, snponly, lpxelinux or shim, or the name of a file in images/_loaders/, such as \"my.efi\"",
	    text);
}
