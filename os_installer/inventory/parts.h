/* parts.h - what an inventory is made of: each reads below `root` and returns a new reference, null
 * where the machine does not tell, NULL when out of memory. */
#ifndef OS_INSTALLER_INVENTORY_PARTS_H
#define OS_INSTALLER_INVENTORY_PARTS_H

#include <jansson.h>

json_t *inventory_system(const char *root);
json_t *inventory_board(const char *root);
json_t *inventory_chassis(const char *root);
json_t *inventory_bios(const char *root);
json_t *inventory_firmware(const char *root);
json_t *inventory_cpu(const char *root);
json_t *inventory_memory(const char *root);
json_t *inventory_disks(const char *root);
json_t *inventory_nics(const char *root);
json_t *inventory_pci(const char *root);
json_t *inventory_usb(const char *root);
json_t *inventory_tpm(const char *root);
json_t *inventory_kernel(const char *root);

#endif
