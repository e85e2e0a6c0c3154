/* file_system.h - the file systems that a definition may ask for: a row each. How one is made,
 * mounted and grown is its file in os_installer/fs/, which the row names.
 */
#ifndef LIB_MACHINE_FILE_SYSTEM_H
#define LIB_MACHINE_FILE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FS_MIB (UINT64_C(1) << 20)

/* Calls FS(ID, name, members of struct file_system...) for each row, with GLUE() between two. The
 * first ones may be "/", and the very first is what is taken where nothing is said. */
#define ROOT_FILE_SYSTEMS(FS, GLUE)                                                                \
	FS(EXT4, ext4, .min_bytes = 16 * FS_MIB, .label_max = 16,                                  \
	    .magic = {{1080, 2, "\x53\xef"}})                                                      \
	GLUE()                                                                                     \
	FS(XFS, xfs, .min_bytes = 300 * FS_MIB, .label_max = 12, .magic = {{0, 4, "XFSB"}})        \
	GLUE()                                                                                     \
	FS(BTRFS, btrfs, .min_bytes = 256 * FS_MIB, .label_max = 16,                               \
	    .slack_bytes = 256 * FS_MIB, /* its metadata twice, and in large pieces */             \
	    .magic = {{65600, 8, "_BHRfS_M"}})
#define OTHER_FILE_SYSTEMS(FS, GLUE)                                                               \
	FS(VFAT, vfat, .min_bytes = 64 * FS_MIB, /* FAT32 */                                       \
	    .label_max = 11, .label_without_dot = true, .short_serial = true,                      \
	    .magic = {{82, 5, "FAT32"}, {54, 4, "FAT1"}})                                          \
	GLUE()                                                                                     \
	FS(SWAP, swap, .min_bytes = FS_MIB, .label_max = 15, .magic = {{4086, 10, "SWAPSPACE2"}})
#define FILE_SYSTEMS(FS, GLUE)                                                                     \
	ROOT_FILE_SYSTEMS(FS, GLUE)                                                                \
	GLUE() OTHER_FILE_SYSTEMS(FS, GLUE)

/* For FS and GLUE: lists of the names in JSON and in prose, and for arrays. */
#define FS_IN_JSON(ID, name_, ...) "\"" #name_ "\""
#define FS_JSON_COMMA() ","
#define FS_IN_PROSE(ID, name_, ...) "`" #name_ "`"
#define FS_PROSE_COMMA() ", "
#define FS_WORD(ID, name_, ...) #name_
#define FS_BLANK() " "
#define FS_COMMA() ,

#define FS_ENUM(ID, name_, ...) STORAGE_FS_##ID
enum storage_fs { FILE_SYSTEMS(FS_ENUM, FS_COMMA), STORAGE_FS_COUNT };

/* Bytes at a place of every file system of a kind; len 0: none. */
struct fs_magic {
	uint32_t offset;
	uint8_t len;
	const char *bytes;
};
#define FS_MAGICS 2

/* What is not said of one is false or 0. */
struct file_system {
	const char *name;     /* the kernel's */
	bool root;            /* it keeps owners and links: it may be "/" */
	uint64_t min_bytes;   /* the least it takes */
	uint64_t slack_bytes; /* what it needs as "/" beyond what any does */
	size_t label_max;
	bool label_without_dot; /* its mkfs makes none, and says so only when the disk is erased */
	bool short_serial;      /* "1234-ABCD" in place of a UUID */
	struct fs_magic magic[FS_MAGICS];
};

extern const struct file_system file_systems[STORAGE_FS_COUNT];

/* For lib/base/words.h: the names of all, and of those that may be "/". */
const char *fs_word(size_t i);
const char *fs_root_word(size_t i);

#endif
