#include "vmlab/image/image_help.h"

#include "lib/machine/arch.h"
#include "vmlab/image/image.h"

/* The page of all, and a page for each, are put together of these. */
#define USAGE_BUILD                                                                                \
	"vmlab image build debian-13|debian-12 [--arch A] [--kernel cloud|generic]\n"              \
	"                         [--include PKG,...]\n"
#define USAGE_IMPORT_TAR "vmlab image import NAME --arch A ROOTFS.tar[.zst|.gz|.xz]\n"
#define USAGE_IMPORT_DISK                                                                          \
	"vmlab image import NAME --arch A DISK.{raw[.zst|.gz|.xz]|qcow2} [--kernel-from IMAGE]\n"
#define USAGE_BUILD_BOOT                                                                           \
	"vmlab image build debian-installer-13|debian-installer-12|memtest86+ [--arch A]\n"        \
	"       vmlab image build raspberrypi\n"
#define USAGE_ADD                                                                                          \
	"vmlab image add NAME --arch A --kernel F [--initrd F]... [--args TEXT]\n"                         \
	"                         [--unattended-args TEXT] [--replace]\n"                                  \
	"       vmlab image add NAME --arch A --script F.ipxe | --efi F.efi [--args TEXT] | --iso F.iso\n" \
	"                         [--replace]\n"
#define USAGE_LS "vmlab image ls [--json]\n"
#define USAGE_RM "vmlab image rm NAME [--arch A] [-y]\n"
#define WHAT_BUILD                                                                                 \
	"build   makes one from Debian's archive with mmdebstrap, as root or with user namespaces.\n"
#define WHAT_IMPORT                                                                                         \
	"import  makes one of any distribution's root file system: a tarball with a kernel in /boot,\n"     \
	"        its modules in /lib/modules, grub-install and cloud-init. \"-\" reads it from stdin.\n"    \
	"        A whole disk (raw or qcow2, told by its content) is written to the machine's disk as it\n" \
	"        is; then its last partition grows and cloud-init's seed is put in.\n"
#define WHAT_BUILD_BOOT                                                                               \
	"        Of Debian's own installer and of Memtest86+ it makes a boot image. raspberrypi is\n" \
	"        what Raspberry Pi 4, 400, CM4 and 5 boot from the network: their firmware (of\n"     \
	"        Debian's non-free-firmware), Debian 13's kernel and its drivers, which needs depmod.\n"
#define WHAT_ADD                                                                                        \
	"add     makes a boot image of files that are there: a kernel of Linux with its initrds in\n"   \
	"        their order, a script of iPXE, a program for UEFI, or an ISO. A definition boots it\n" \
	"        with \"mode\": \"boot\", \"image\": NAME.\n"
#define WHAT_LS                                                                                    \
	"ls      lists the images there are, and the backups of machines' disks while the stack runs.\n"
#define WHAT_RM "rm      removes one, or a backup; asks before when a definition names it.\n"
#define OPTION_ARCH "  --arch A         " ARCH_OR " (build: this machine's unless given; rm: all)\n"
#define OPTION_IMAGES                                                                              \
	"  --images DIR     where images are kept (VMLAB_IMAGES; default images/ beside vms/)\n"
#define OPTION_KERNEL                                                                              \
	"  --kernel KIND    cloud: small, for virtual machines (default)\n"                        \
	"                   generic: drivers for real hardware as well\n"
#define OPTION_KERNEL_FROM                                                                                \
	"  --kernel-from I  import of a disk: the image whose kernel and drivers the installer runs on\n" \
	"                   (default: the newest kernel of that architecture)\n"
#define OPTION_INCLUDE "  --include PKGS   more packages for the image, separated by commas\n"
#define OPTION_ADD                                                                                             \
	"  --kernel F       add: a bzImage, an Image of arm64, or any kernel that is a program for UEFI\n"     \
	"  --initrd F       add: loaded with it; may be said several times\n"                                  \
	"  --args TEXT      add: words for the kernel or program; {server}, {server_host}, {image_url},\n"     \
	"                   {mac}, {name}, {hostname}, {arch}, {unattended_url}, {stage4_url} and\n"           \
	"                   {done_url} stand for the machine's\n"                                              \
	"  --unattended-args TEXT\n"                                                                           \
	"                   add: more words where a definition says \"unattended\"\n"                          \
	"  --replace        add: also where there is an image of that name and architecture, which machines\n" \
	"                   then get at their next boot\n"
#define OPTION_YES "  -y, --yes        rm: do not ask\n"
#define OPTION_JSON "  --json           for scripts\n"
#define EXAMPLE_BUILD                                                                              \
	"  vmlab image build debian-13\n"                                                          \
	"  vmlab image build debian-13 --arch arm64 --include vim-tiny,htop\n"
#define EXAMPLE_ADD                                                                                \
	"  vmlab image add rescue --arch amd64 --kernel vmlinuz --initrd initrd.img --args 'boot=live'\n"
#define EXAMPLE_IMPORT                                                                             \
	"  vmlab image import cloud --arch amd64 debian-13-genericcloud-amd64.qcow2\n"             \
	"  docker export $(docker create my-vm-rootfs) | vmlab image import my-vm --arch amd64 -\n"

const char image_help[] =
    "usage: " USAGE_BUILD "       " USAGE_BUILD_BOOT "       " USAGE_IMPORT_TAR
    "       " USAGE_IMPORT_DISK "       " USAGE_ADD "       " USAGE_LS "       " USAGE_RM "\n"
    "An image is what a machine installs: the root file system as one tarball, its kernel, and\n"
    "the drivers an installer can need. A VM definition names it in \"distro\". A boot image is\n"
    "what a machine boots instead: a live system, a tool, or another system's installer.\n"
    "\n" WHAT_BUILD WHAT_BUILD_BOOT WHAT_IMPORT WHAT_ADD WHAT_LS WHAT_RM
    "\n" OPTION_ARCH OPTION_IMAGES OPTION_KERNEL OPTION_KERNEL_FROM OPTION_INCLUDE OPTION_ADD
	OPTION_YES OPTION_JSON "\n"
    "Examples\n" EXAMPLE_BUILD EXAMPLE_IMPORT EXAMPLE_ADD;

const char image_build_help[] =
    "usage: " USAGE_BUILD "       " USAGE_BUILD_BOOT "\n" WHAT_BUILD WHAT_BUILD_BOOT
    "\n" OPTION_ARCH OPTION_IMAGES OPTION_KERNEL OPTION_INCLUDE "\nExamples\n" EXAMPLE_BUILD;
const char image_import_help[] =
    "usage: " USAGE_IMPORT_TAR "       " USAGE_IMPORT_DISK "\n" WHAT_IMPORT
    "\n" OPTION_ARCH OPTION_IMAGES OPTION_KERNEL_FROM "\nExamples\n" EXAMPLE_IMPORT;
const char image_ls_help[] = "usage: " USAGE_LS "\n" WHAT_LS "\n" OPTION_IMAGES OPTION_JSON;
const char image_rm_help[] =
    "usage: " USAGE_RM "\n" WHAT_RM "\n" OPTION_ARCH OPTION_IMAGES OPTION_YES;
const char image_add_help[] = "usage: " USAGE_ADD "\n" WHAT_ADD
			      "\n" OPTION_ARCH OPTION_IMAGES OPTION_ADD "\nExamples\n" EXAMPLE_ADD;
