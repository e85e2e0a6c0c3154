/* gaps.c - what no format of another installer can say, whatever it is. */
#include "lib/unattended/format.h"

#include <string.h>

#include "lib/definition/login.h"

static void tell(const struct unattended_teller *t, const char *field, const char *sentence)
{
	t->gap(t->ctx, field, sentence);
}

static bool any_user(const struct vm *vm, const char *key)
{
	const json_t *user;
	size_t i;

	json_array_foreach(json_object_get(vm->more, "users"), i, user)
		if (key ? vm_user_says(user, key)
			: json_is_string(user) && strcmp(json_string_value(user), "default") == 0)
			return true;
	return false;
}

static void users(const struct vm *vm, const struct unattended_teller *t)
{
	static const char *const without[][2] = {
	    {"ssh_import_id",
		"\"ssh_import_id\" of a user is fetched by cloud-init only: write the keys into \"ssh_authorized_keys\""},
	    {"ssh_redirect_user", "\"ssh_redirect_user\" is known to cloud-init only"},
	    {"doas", "\"doas\" of a user is known to cloud-init only: use \"sudo\", or a hook"},
	    {"selinux_user", "\"selinux_user\" is known to cloud-init only: use a hook"},
	};

	for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++)
		if (any_user(vm, without[i][0]))
			tell(t, "users", without[i][1]);
	if (any_user(vm, NULL))
		tell(t, "users",
		    "\"default\" is the user `lab` there: another system's installer has no user of its own");
}

void unattended_gaps(
    const struct unattended_format *format, const struct vm *vm, const struct unattended_teller *t)
{
	users(vm, t);
	if (vm->after_install == VM_AFTER_KEXEC || vm->after_install == VM_AFTER_SHELL)
		tell(t, "after_install",
		    "another system's installer reboots: only \"poweroff\" is something else to it");
	if (json_array_size(json_object_get(vm->more, "runcmd")) > 0)
		tell(t, "runcmd",
		    "runs at the end of the installation, before the new system's first boot: services can be enabled, not started");
	if (format->gaps)
		format->gaps(vm, t);
}
