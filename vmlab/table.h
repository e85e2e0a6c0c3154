/* table.h - the list of VMs as aligned columns. Pure: JSON in, text out. */
#ifndef VMLAB_TABLE_H
#define VMLAB_TABLE_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* `vms`: array of VM objects of the API with "container" added (its status, or null). */
void table_print(FILE *f, const json_t *vms, int64_t now_ms);

void table_sort(const char **names, size_t count);

#endif
