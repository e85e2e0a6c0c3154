/* define_file.h - a new definition on its way into vms/: judged by what is there, never over a file
 * that exists. */
#ifndef VMLAB_CMD_DEFINE_FILE_H
#define VMLAB_CMD_DEFINE_FILE_H

#include "vmlab/cmd/define.h"
#include "vmlab/lab/lab.h"

/* Writes vms/NAME.json; what it says and where it is are the caller's to free. Nothing is left of
 * one that the lab would not use. */
must_check int define_write(
    struct lab *lab, const struct define_words *w, char **path, char **text, struct err *e);

/* FIELD=VALUE, for the fields that have no option; into `more`. */
must_check int define_set(json_t *more, const char *text, struct err *e);

#endif
