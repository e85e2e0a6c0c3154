/* What the machine was started by, its TPM, and the kernel that runs. */
#include "os_installer/inventory/parts.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/machine/arch.h"
#include "os_installer/inventory/below.h"

#define EFI_GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c" /* UEFI 2.10, 3.3 */

static bool is_there(const char *root, const char *path)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	return access(whole, F_OK) == 0;
}

static bool count_one(void *ctx, const char *folder, const char *name)
{
	(void)folder;
	(void)name;
	return ++*(int *)ctx;
}

/* Four bytes of attributes stand before a variable's own. Firmware that knows no Secure Boot has
 * variables, but not this one; without any, they cannot be read. */
static json_t *secure_boot(const char *root)
{
	char folder[PATH_MAX];
	uint8_t bytes[5] = {0};
	int variables = 0;

	if (below_bytes(bytes, sizeof(bytes), "%s/sys/firmware/efi/efivars/SecureBoot-" EFI_GLOBAL,
		root) == 5)
		return json_boolean(bytes[4] == 1);
	snprintf(folder, sizeof(folder), "%s/sys/firmware/efi/efivars", root);
	below_each(folder, 1, count_one, &variables);
	return variables ? json_false() : json_null();
}

json_t *inventory_firmware(const char *root)
{
	bool uefi = is_there(root, "/sys/firmware/efi");
	json_t *type = uefi                         ? json_string("uefi")
		       : arch_of(host_arch())->bios ? json_string("bios")
						    : json_null();

	return json_pack(
	    "{s:o, s:o}", "type", type, "secure_boot", uefi ? secure_boot(root) : json_null());
}

/* By its driver, or without one by the table that firmware made for it. */
json_t *inventory_tpm(const char *root)
{
	long long major;

	if (!below_number(&major, 10, "%s/sys/class/tpm/tpm0/tpm_version_major", root))
		major = is_there(root, "/sys/firmware/acpi/tables/TPM2")   ? 2
			: is_there(root, "/sys/firmware/acpi/tables/TCPA") ? 1
									   : 0;
	return major == 2 ? json_string("2.0") : major == 1 ? json_string("1.2") : json_null();
}

json_t *inventory_kernel(const char *root)
{
	return below_json_text("%s/proc/sys/kernel/osrelease", root);
}
