/* lab_name.h - what a lab is called that nobody gave a name: after the folder that holds its vms/.
 *
 * Pure. "vmlab-<folder>", in the letters that container and volume names allow; where another
 * folder has that name already, with six more letters made of the whole path, and if need be of
 * more. */
#ifndef VMLAB_LAB_LAB_NAME_H
#define VMLAB_LAB_LAB_NAME_H

#define LAB_NAME_SIZE 41

/* `vms_dir` is the absolute path of vms/, which need not exist. `hashed`: what the six letters are
 * made of, or NULL for none. */
void lab_name_make(const char *vms_dir, const char *hashed, char name[LAB_NAME_SIZE]);

#endif
