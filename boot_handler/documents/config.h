/* config.h - the installer's configuration, GET /config/<mac>. Pure.
 *
 * pvmlab's keys (cloud_init_url distro arch rootfs_url kmods_url kernel_url reboot_on_success) have
 * pvmlab's meanings, so its installer works with this document, too.
 */
#ifndef BOOT_HANDLER_DOCUMENTS_CONFIG_H
#define BOOT_HANDLER_DOCUMENTS_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/boot/boot.h"
#include "boot_handler/sources/image.h"
#include "lib/base/err.h"
#include "lib/definition/vm.h"

/* `nic`: the card that the machine asked with. `noreboot`: vms/<name>.noreboot is there.
 * "reinstall" says whether the install was ordered, or is the first as far as is known here: then a
 * disk that says it is installed is left as it is. *out is a new reference. Fails only for want of
 * memory. */
must_check int config_build(const struct vm *vm, const struct mac *nic, struct life memory,
    bool noreboot, const struct image_manifest *image, const struct boot_urls *urls,
    const char *domain, json_t **out, struct err *e);

#endif
