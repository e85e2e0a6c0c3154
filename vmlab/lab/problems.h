/* problems.h - what is wrong with definitions, as file:line:column: sentence. */
#ifndef VMLAB_LAB_PROBLEMS_H
#define VMLAB_LAB_PROBLEMS_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/store/store.h"
#include "vmlab/lab/lab.h"

/* One line; parts that are 0 are left out. `folder` may be NULL. */
void problem_print(FILE *f, const char *folder, const char *file, struct vm_where where,
    bool warning, const char *text);

/* All of a snapshot; returns how many are errors. */
size_t problems_print(FILE *f, const struct lab *lab, const struct vm_snapshot *snap);

/* Those of one VM's file, <name>.json; returns how many are errors. */
size_t problems_print_vm(
    FILE *f, const struct lab *lab, const struct vm_snapshot *snap, const char *name);

/* Where the value of a top-level field stands in a file's text (NULL: not known); 0, 0 when it does
 * not, as with one from _defaults.json. */
struct vm_where problem_where(const char *text, size_t len, const char *field);

/* {"file","line","column","text","warning"}; new reference. */
json_t *problem_json(const struct vm_problem *p);

/* Whether a file in vms/ defines the VM, used or not. */
bool problems_has_file(const struct lab *lab, const char *name);

/* For a VM that no definition in force is of: when a file of its own is there, or all are held
 * back, prints what is wrong and fills `e`: true. False: there is no such file. */
bool problems_hide(FILE *f, const struct lab *lab, const struct vm_snapshot *snap, const char *name,
    struct err *e);

#endif
