#include "lib/machine/file_system.h"

#define ROOT_ROW(ID, name_, ...) [STORAGE_FS_##ID] = {.name = #name_, .root = true, __VA_ARGS__}
#define OTHER_ROW(ID, name_, ...) [STORAGE_FS_##ID] = {.name = #name_, __VA_ARGS__}

const struct file_system file_systems[STORAGE_FS_COUNT] = {
    ROOT_FILE_SYSTEMS(ROOT_ROW, FS_COMMA),
    OTHER_FILE_SYSTEMS(OTHER_ROW, FS_COMMA),
};

const char *fs_word(size_t i)
{
	return i < STORAGE_FS_COUNT ? file_systems[i].name : NULL;
}

/* They are the first rows. */
const char *fs_root_word(size_t i)
{
	return i < STORAGE_FS_COUNT && file_systems[i].root ? file_systems[i].name : NULL;
}
