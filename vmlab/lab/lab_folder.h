/* lab_folder.h - by what a lab knows its folder again: not by its path alone, which another folder
 * may have tomorrow, but by the folder itself.
 */
#ifndef VMLAB_LAB_LAB_FOLDER_H
#define VMLAB_LAB_LAB_FOLDER_H

#include <stdbool.h>

#define LAB_FOLDER_ID_SIZE 128

/* The folder that holds vms/ (which may be replaced any time, as version control does), by inode
 * number and time of birth: together no other one has them, now or later, and both stay when it is
 * renamed. With the name of vms/ in it. A file system without births leaves the inode. Empty when
 * there is no such folder. */
void lab_folder_id(const char *vms_dir, char id[LAB_FOLDER_ID_SIZE]);

/* Whether what was made with this label "vmlab.folder" (NULL: by an older version) and this path
 * belongs to the folder at `vms_dir` with that id. Pure. */
bool lab_folder_is(const char *label, const char *path, const char *vms_dir, const char *id);

#endif
