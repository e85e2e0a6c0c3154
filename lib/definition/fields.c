/* fields.c - the fields of a definition: the only list of them. The reader, vms/vm.schema.json and
 * vms/REFERENCE.md are all made from it.
 *
 * A field that is a text, a number, a size, a flag or a word is a row here and a member of struct
 * vm (vm.h), nothing else: field.h says what a row can say.
 * From here it goes to the installer by a row of install_config.c, to a VM by one of
 * lib/machine/vm_setting.c.
 */
#include <stddef.h>

#include "lib/definition/field.h"
#include "lib/definition/menu_choice.h"
#include "lib/definition/mode.h"
#include "lib/machine/file_system.h"

/* What a value is, and the member of struct vm that it goes to. */
#define KIND(kind_, member_) .kind = kind_, .member = offsetof(struct vm, member_)
#define TEXT(member_) KIND(VM_TEXT, member_)
#define NUMBER(member_, min_, max_) KIND(VM_NUMBER, member_), .min = min_, .max = max_
#define SIZE(member_) KIND(VM_SIZE, member_)
#define FLAG(member_) KIND(VM_FLAG, member_)
#define WORD(member_, word_) KIND(VM_WORD, member_), .word = word_
#define STRUCTURED(read_) .kind = VM_STRUCTURED, .read = read_

#define MIB (UINT64_C(1) << 20)

/* JSON Schema of structured values. */
#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define SIZE_SCHEMA "{\"type\":\"string\",\"pattern\":\"" VM_SIZE_PATTERN "\"}"
#define AMOUNT                                                                                     \
	"{\"type\":\"string\",\"pattern\":\"^([0-9]+([KMGTkmgt](i?[Bb])?)?|[0-9]{1,3}%|rest)$\"}"
#define ROOT_FS ROOT_FILE_SYSTEMS(FS_IN_JSON, FS_JSON_COMMA)
#define ROOT_FS_PROSE ROOT_FILE_SYSTEMS(FS_IN_PROSE, FS_PROSE_COMMA)
#define ANY_FS FILE_SYSTEMS(FS_IN_JSON, FS_JSON_COMMA)
#define STORAGE                                                                                    \
	"{\"type\":\"object\",\"properties\":{"                                                    \
	"\"root\":{\"type\":\"object\",\"properties\":{\"fs\":{\"enum\":[" ROOT_FS "]"             \
	"}}},\"swap\":" AMOUNT ",\"partitions\":{\"type\":\"array\",\"maxItems\":12,\"items\":{"   \
	"\"type\":\"object\",\"properties\":{\"mount\":" TEXT_SCHEMA ",\"size\":" AMOUNT           \
	",\"fs\":{\"enum\":[" ANY_FS "]},\"label\":" TEXT_SCHEMA "}}}}}"
#define SSH_KEY_ITEMS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"

static const char *arch_machine(size_t i)
{
	return i < VM_ARCH_COUNT ? arches[i].machine : NULL;
}

/* One row's length would move all others. */
/* clang-format off */
const struct vm_field vm_fields[] = {
    {.name = "name",
	TEXT(name),
	.judge = vm_judge_name,
	.pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_])?$",
	.flags = VM_FIELD_REQUIRED | VM_FIELD_OWN,
	.summary =
	    "The machine's name in the lab: 1 to 63 lower-case letters, digits and hyphens. Capitals, `_` and `.`, as pvmlab takes them, stay in the name; in DNS and as host name the machine has lower case and `-` for them.",
	.example = "\"web1\""},
    {.name = "profile",
	STRUCTURED(vm_read_profile),
	.schema = "{\"anyOf\":[" TEXT_SCHEMA
		  ",{\"type\":\"array\",\"maxItems\":16,\"items\":" TEXT_SCHEMA "}]}",
	.flags = VM_FIELD_NAMES_PROFILES,
	.summary =
	    "What it shares with others: the name of a file in `_profiles/` without its `.json`, or a list of them. A field of a later one replaces that of an earlier one, both replace `_defaults.json`, and the definition's own replace all. `vmlab show` prints what comes of it.",
	.example = "[\"rack\", \"web\"]"},
    {.name = "mac",
	.kind = VM_TEXT,
	.judge = vm_judge_mac,
	.pattern = "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$",
	.flags = VM_FIELD_IDENTIFIES | VM_FIELD_OWN,
	.absent = "the one that the machine has which first shows `serial` or `uuid`",
	.summary = "MAC address of the interface it boots from.",
	.example = "\"52:54:00:00:00:11\""},
    {.name = "ip",
	.kind = VM_TEXT,
	.judge = vm_judge_ip,
	.pattern = "^[0-9.]+(/[0-9]+)?$",
	.flags = VM_FIELD_OWN,
	.absent = "an address from the DHCP range",
	.summary =
	    "IPv4 address it always gets, inside the lab's network; a prefix length may follow.",
	.example = "\"192.168.100.11\""},
    {.name = "ipv6",
	.kind = VM_TEXT,
	.judge = vm_judge_ipv6,
	.pattern = "^[0-9A-Fa-f:.]+(/[0-9]+)?$",
	.flags = VM_FIELD_OWN,
	.absent = "an address of its own making",
	.summary = "IPv6 address it always gets; a prefix length may follow.",
	.example = "\"fd56:6d6c:6162::11\""},
    {.name = "subnet",
	.kind = VM_TEXT,
	.judge = vm_judge_subnet,
	.pattern = "^[0-9.]+/[0-9]+$",
	.summary = "Network of `ip`; checked against it.",
	.example = "\"192.168.100.0/24\""},
    {.name = "subnetv6",
	.kind = VM_TEXT,
	.judge = vm_judge_subnetv6,
	.pattern = "^[0-9A-Fa-f:.]+/[0-9]+$",
	.summary = "Network of `ipv6`; checked against it.",
	.example = "\"fd56:6d6c:6162::/64\""},
    {.name = "arch",
	WORD(arch, vm_arch_name),
	.alias = arch_machine,
	.summary = "Processor architecture; " ARCH_SYNONYMS ".",
	.example = "\"amd64\""},
    {.name = "distro",
	TEXT(distro),
	.max = 64,
	.first = "a-z0-9",
	.bytes = "a-z0-9._-",
	.is =
	    "an image name: write lower-case letters, digits, '.', '_' and '-', such as \"debian-13\"",
	.builtin_text = "debian-13",
	.flags = VM_FIELD_INSTALLED,
	.summary = "Image to install: the name of a directory in `images/`.",
	.example = "\"debian-13\""},
    {.name = "hostname",
	TEXT(hostname),
	.max = 253,
	.judge = vm_judge_hostname,
	.pattern = "^[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$",
	.flags = VM_FIELD_INSTALLED | VM_FIELD_OWN,
	.absent = "`name`",
	.summary = "Host name inside the machine; may be fully qualified.",
	.example = "\"web1.example.org\""},
    {.name = "role",
	TEXT(role),
	.max = 64,
	.summary =
	    "What the machine is for, in your own words. A file that has it is taken for one of pvmlab's tool, which leaves out what is false: without `\"pxeboot\": true` the machine boots its disk, and is not installed.",
	.example = "\"target\""},
    {.name = "cpus",
	NUMBER(cpus, 1, 512),
	.builtin = 2,
	.summary = "Number of virtual CPUs.",
	.example = "2"},
    {.name = "memory",
	SIZE(memory_bytes),
	.min = 64 * MIB,
	.max = 16 * MIB * MIB,
	.unit = MIB,
	.builtin = 1024 * MIB,
	.summary = "Memory: a number of MiB, or a size such as `\"1G\"`.",
	.example = "\"1G\""},
    {.name = "disks",
	STRUCTURED(vm_read_disks),
	.schema =
	    "{\"type\":\"array\",\"maxItems\":8,\"items\":{\"type\":\"object\",\"properties\":{\"size\":" SIZE_SCHEMA
	    ",\"match\":{\"type\":\"object\",\"minProperties\":1,\"properties\":{\"path\":" TEXT_SCHEMA
	    ",\"serial\":" TEXT_SCHEMA ",\"wwn\":" TEXT_SCHEMA ",\"model\":" TEXT_SCHEMA
	    ",\"transport\":{\"enum\":[\"virtio\",\"nvme\",\"sata\",\"sas\",\"scsi\",\"usb\",\"mmc\",\"iscsi\",\"fc\",\"xen\"]},\"min_size\":" SIZE_SCHEMA
	    ",\"max_size\":" SIZE_SCHEMA ",\"pick\":{\"enum\":[\"largest\",\"smallest\"]}}}}}}",
	.absent = "one disk of 10 GiB",
	.summary =
	    "Its disks, at most 8; the first is installed to. `size` is a virtual disk's size (10 GiB without it). `match` says which of a machine's disks is the first: `path` (`/dev/sda`, or where it is plugged in, such as `pci-0000:00:1f.2-ata-1`), `serial`, `wwn`, `model` (`*`, `?` and `[a-z]` as in file names), `transport`, `min_size`, `max_size`. All that is given must hold; `pick`, `largest` or `smallest`, takes one of those left. Anything but exactly one disk is refused, with a list of all.",
	.example = "[{\"size\": \"8G\"}]"},
    {.name = "firmware",
	WORD(firmware, vm_firmware_name),
	.summary =
	    "Firmware of the machine; `bios` only with `amd64`. A machine that was started by the other one is not installed.",
	.example = "\"uefi\""},
    {.name = "secure_boot",
	FLAG(secure_boot),
	.summary =
	    "Secure Boot, with `uefi` and `amd64` only: a VM's firmware has Microsoft's keys and starts nothing that is not signed, from the first start on, and `loader` is `shim`. The image must have shim and a signed GRUB for the disk, and kernels must be signed by Debian; those of `vmlab image build` are.",
	.example = "true"},
    {.name = "uuid",
	.kind = VM_TEXT,
	.judge = vm_judge_uuid,
	.pattern = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
	.flags = VM_FIELD_IDENTIFIES | VM_FIELD_OWN,
	.summary =
	    "SMBIOS system UUID, in upper or lower case; a machine that boots with an unknown MAC is found by it, unless its own card is there: while the machine is ready, or had a lease or was heard of within the last hour, only `mac` says that it has another one. A UUID that vendors leave unset, such as all zeros, is refused. `vmlab` gives a VM without it one of its own, the same each time.",
	.example = "\"6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\""},
    {.name = "serial",
	TEXT(serial),
	.judge = vm_judge_serial,
	.pattern = "^[!-~]([ -~]{0,62}[!-~])?$",
	.flags = VM_FIELD_IDENTIFIES | VM_FIELD_OWN,
	.summary =
	    "SMBIOS system serial number, printable ASCII, in upper or lower case; a machine that boots with an unknown MAC is found by it, as by `uuid`. One that vendors leave unset, such as `Default string`, is refused.",
	.example = "\"CZ3021ABCD\""},
    {.name = "mode",
	WORD(mode, boot_mode_name),
	.says = boot_mode_summary,
	.summary = "What a network boot does",
	.example = "\"install\""},
    {.name = "menu_default",
	TEXT(menu_default),
	.valid = menu_choice_valid,
	.pattern = MENU_CHOICE_PATTERN,
	.is =
	    "a choice of the menu: write local, install, shell, the name of a boot image, or that name with :unattended behind it",
	.builtin_text = "local",
	.summary =
	    "With `mode` `menu`: what is booted when nobody chooses: `local`, `install`, `shell`, the name of a boot image, or that name with `:unattended` behind it to be installed by it. Where it cannot be had it is the first of the menu, the disk; so it is for what erases the disk once that has ended, well or not, until `vmlab reinstall`.",
	.example = "\"debian-installer-13:unattended\""},
    {.name = "menu_timeout",
	NUMBER(menu_timeout, 0, 86400),
	.builtin = 30,
	.summary = "With `mode` `menu`: seconds until then; 0 waits for a choice.",
	.example = "10"},
    {.name = "loader",
	TEXT(loader),
	.max = 64,
	.first = "A-Za-z0-9",
	.bytes = "A-Za-z0-9._-",
	.is =
	    "a loader: write undionly, ipxe, snponly, lpxelinux or shim, or the name of a file in images/_loaders/, such as \"my.efi\"",
	.judge = vm_judge_loader,
	.absent = "what fits its firmware; with `secure_boot`, `shim`",
	.summary =
	    "The program that its firmware loads from the network. `ipxe` has drivers of its own, `snponly` (UEFI) and `undionly` (BIOS) use the firmware's, `lpxelinux` (BIOS) fetches iPXE over HTTP, `shim` (UEFI) and the GRUB that it loads are signed for Secure Boot; where the firmware cannot run the one that is named, it gets what fits. The name of a file in `images/_loaders/`, which has a dot in it, stands for that file. docker/README.md has the table.",
	.example = "\"snponly\""},
    {.name = "image",
	TEXT(image),
	.max = 64,
	.first = "a-z0-9",
	.bytes = "a-z0-9.+_-",
	.is =
	    "the name of a boot image: write lower-case letters, digits, '.', '_', '+' and '-', such as \"debian-installer-13\"",
	.summary =
	    "Boot image that `\"mode\": \"boot\"` boots: the name of a directory in `images/`, as `vmlab image add` makes it.",
	.example = "\"debian-installer-13\""},
    {.name = "after_install",
	WORD(after_install, vm_after_name),
	.summary =
	    "What follows a successful installation; `kexec` starts the installed system at once, without firmware and boot loader (and reboots where that cannot be done). The file `<name>.noreboot` in this folder keeps the machine in the installer as well.",
	.example = "\"reboot\""},
    {.name = "hooks",
	STRUCTURED(vm_read_hooks),
	.schema =
	    "{\"type\":\"object\",\"properties\":{\"post_install\":{\"type\":\"array\",\"maxItems\":16,\"items\":" TEXT_SCHEMA
	    "}}}",
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "`post_install`: scripts that run, in this order, as root inside the installed system (in a chroot), before it boots for the first time. Each is a text; without a `#!` line `/bin/sh` runs it. Output goes to the installer's log; one that fails, fails the installation.",
	.example = "{\"post_install\": [\"#!/bin/sh\\nset -e\\necho installed >/etc/motd\\n\"]}"},
    {.name = "unattended",
	STRUCTURED(vm_read_unattended),
	.schema =
	    "{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,99}$\"}]}",
	.absent = "another system's installer asks at the screen",
	.summary =
	    "`true`: an installer that is not ours gets a file by which it installs without a question, made from this definition: preseed, kickstart or autoinstall, as its image needs. Or the name of a file of your own in `_unattended/` of this folder, in which `{{field}}` is replaced. `vmlab validate` tells what such an installer cannot do.",
	.example = "true"},
    {.name = "kernel_args",
	TEXT(kernel_args),
	.max = 1024,
	.judge = vm_judge_kernel_args,
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "More kernel arguments, for the installer and the installed system: plain ASCII without any of `\" ' \\ $ ; & | < > { } #` or a backquote.",
	.example = "\"mitigations=off\""},
    {.name = "ssh_keys",
	STRUCTURED(vm_read_ssh_keys),
	.schema = SSH_KEY_ITEMS,
	.flags = VM_FIELD_INSTALLED,
	.summary = "Public SSH keys of the default user, each one line as in `authorized_keys`.",
	.example =
	    "[\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x ann\"]"},
    {.name = "ssh_key",
	STRUCTURED(vm_read_ssh_key),
	.schema = TEXT_SCHEMA,
	.flags = VM_FIELD_INSTALLED,
	.summary = "One more public SSH key of the default user.",
	.example =
	    "\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x ann\""},
    {.name = "users",
	STRUCTURED(vm_read_users),
	.schema =
	    "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":" TEXT_SCHEMA
	    ",\"ssh_authorized_keys\":" SSH_KEY_ITEMS
	    ",\"lock_passwd\":{\"type\":\"boolean\"}}}]}}",
	.absent = "the user `lab`, who may use sudo and logs in with a key",
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "Users to create, each with the keys of cloud-init's `users` list. The first who can have SSH keys gets the lab's; `root` may be one of them. Passwords stay locked unless you say otherwise.",
	.example = "[{\"name\": \"ann\", \"groups\": [\"sudo\"], \"shell\": \"/bin/bash\"}]"},
    {.name = "packages",
	STRUCTURED(vm_read_packages),
	.schema = "{\"type\":\"array\"}",
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "Packages that cloud-init installs at the first boot, as `apt-get install` takes them: `nginx`, `nginx=1.22.1-9`, `nginx/stable`. What would remove one (`nginx-`) is refused.",
	.example = "[\"nginx\"]"},
    {.name = "write_files",
	STRUCTURED(vm_read_write_files),
	.schema =
	    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\"],\"properties\":{\"path\":{\"type\":\"string\",\"pattern\":\"^/\"},\"content\":" TEXT_SCHEMA
	    ",\"encoding\":" TEXT_SCHEMA ",\"owner\":" TEXT_SCHEMA
	    ",\"permissions\":{\"type\":\"string\",\"pattern\":\"^(0o)?[0-7]{3,5}$\"},\"append\":{\"type\":\"boolean\"},\"defer\":{\"type\":\"boolean\"}}}}",
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "Files that cloud-init writes at the first boot: `path`, `content`, `owner`, `permissions`, `encoding`, `append`, `defer`.",
	.example =
	    "[{\"path\": \"/etc/motd\", \"content\": \"hello\\n\", \"permissions\": \"0644\"}]"},
    {.name = "runcmd",
	STRUCTURED(vm_read_runcmd),
	.schema =
	    "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":" TEXT_SCHEMA
	    "}]}}",
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "Commands that cloud-init runs at the first boot: texts for the shell, or lists of words.",
	.example = "[[\"systemctl\", \"enable\", \"--now\", \"nginx\"]]"},
    {.name = "user_data",
	STRUCTURED(vm_read_user_data),
	.schema = "{\"type\":[\"string\",\"object\"]}",
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "cloud-init user-data in place of what is made from the fields above: an object of cloud-config, or a text that begins with its `#` line.",
	.example = "{\"timezone\": \"Europe/Berlin\"}"},
    {.name = "network_config",
	STRUCTURED(vm_read_network_config),
	.schema = "{\"type\":\"object\"}",
	.absent = "DHCP on the interface it boots from",
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "cloud-init network-config, format 1 or 2. Its static addresses inside the lab's network are this machine's alone, as `ip` is.",
	.example =
	    "{\"version\": 2, \"ethernets\": {\"lan\": {\"match\": {\"name\": \"e*\"}, \"dhcp4\": true}}}"},
    {.name = "storage",
	STRUCTURED(vm_read_storage),
	.schema = STORAGE,
	.absent =
	    "GPT: EFI system partition of 512 MiB (BIOS: 1 MiB for GRUB), the rest for `/`, ext4",
	.flags = VM_FIELD_INSTALLED,
	.summary =
	    "Partitions in place of the standard ones. `root`: the file system of `/`, one of " ROOT_FS_PROSE
	    ". `swap`: size of a swap partition. `partitions`: more of them in their order, each with `mount`, `size` (such as `\"4G\"`, `\"20%\"` of the whole disk or, once, `\"rest\"`), `fs` (also `vfat`, or `swap` without `mount`) and `label`. One may be `/`; where none takes the rest, `/` does. `vmlab plan` prints the result.",
	.example =
	    "{\"root\": {\"fs\": \"xfs\"}, \"swap\": \"2G\", \"partitions\": [{\"mount\": \"/var\", \"size\": \"20%\"}]}"},
    {.name = "pxeboot",
	FLAG(pxeboot),
	.builtin = true,
	.absent = "`true`; in a file with `role`, as pvmlab's tool writes them, `false`",
	.summary =
	    "`false` with `kernel` and `initrd`: boot these from the image directory; `false` without them: boot from disk.",
	.example = "true"},
    {.name = "kernel",
	TEXT(kernel),
	.max = 128,
	.first = "A-Za-z0-9_+",
	.bytes = "A-Za-z0-9._+-",
	.is =
	    "the name of a file in the image's directory: write letters, digits, '.', '_', '+' and '-', no slash",
	.summary = "Kernel: a file name in the image directory.",
	.example = "\"vmlinuz\""},
    {.name = "initrd",
	TEXT(initrd),
	.max = 128,
	.first = "A-Za-z0-9_+",
	.bytes = "A-Za-z0-9._+-",
	.is =
	    "the name of a file in the image's directory: write letters, digits, '.', '_', '+' and '-', no slash",
	.summary = "Initrd: a file name in the image directory.",
	.example = "\"initrd.img\""},
    {.name = "ssh_port",
	.kind = VM_NUMBER,
	.max = 65535,
	.flags = VM_FIELD_CARRIED,
	.summary = "pvmlab's forwarded SSH port; without effect here.",
	.example = "2222"},
    {.name = "docker_images_path",
	.kind = VM_TEXT,
	.flags = VM_FIELD_CARRIED,
	.summary = "pvmlab's; without effect here.",
	.example = "\"/srv/docker_images\""},
    {.name = "vms_path",
	.kind = VM_TEXT,
	.flags = VM_FIELD_CARRIED,
	.summary = "pvmlab's; without effect here.",
	.example = "\"/srv/vms\""},
    {.name = "pxe_boot_stack_tar",
	.kind = VM_TEXT,
	.flags = VM_FIELD_CARRIED,
	.summary = "pvmlab's; without effect here.",
	.example = "\"pxeboot_stack.tar\""},
};
/* clang-format on */
const size_t vm_field_count = sizeof(vm_fields) / sizeof(vm_fields[0]);
_Static_assert(sizeof(vm_fields) / sizeof(vm_fields[0]) <= VM_FIELDS_MAX, "VM_FIELDS_MAX");
