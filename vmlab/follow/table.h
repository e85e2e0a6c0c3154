/* table.h - the list of VMs as aligned columns. Pure: JSON in, text out. */
#ifndef VMLAB_FOLLOW_TABLE_H
#define VMLAB_FOLLOW_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/err.h"

#define TABLE_COLUMNS_MAX 24

struct table_column;

/* What to show. */
struct table {
	const struct table_column *columns[TABLE_COLUMNS_MAX];
	size_t count;
	bool chosen;    /* the user said which: none is left out for want of room */
	unsigned width; /* of the terminal; 0: no limit */
	int64_t now_ms;
};

/* The usual columns, or with `wide` all of them. */
void table_usual(struct table *t, bool wide);
/* The columns of machines, whose rows are those of the API's /machines. */
void table_machines(struct table *t);
/* Those of orders: the API's of one machine. */
void table_orders(struct table *t);
/* Columns by name, separated by commas. -EINVAL with the names there are. */
must_check int table_choose(struct table *t, const char *names, struct err *e);

/* `vms`: array of VM objects of the API with "container" added (its status, or null). Where the
 * columns do not fit into the width, those that matter least are left out, and what does not fit
 * beside the rest stands in lines of its own below. */
void table_print(FILE *f, const struct table *t, const json_t *vms);

void table_sort(const char **names, size_t count);

/* True when that column is shown. */
bool table_has(const struct table *t, const char *name);

#endif
