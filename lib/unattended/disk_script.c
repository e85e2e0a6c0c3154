#include "lib/unattended/disk_script.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "lib/definition/disk_choice.h"
#include "lib/unattended/shell.h"

#define BY_PATH "/dev/disk/by-path/"

static bool read_match(const struct vm *vm, struct disk_match *out)
{
	const json_t *first = json_array_get(json_object_get(vm->more, "disks"), 0);
	const json_t *match = json_object_get(first, "match");
	struct json_path bad;

	return json_is_object(match) && disk_match_parse(match, out, &bad, NULL) == 0;
}

static bool has_size(const struct vm *vm)
{
	return json_array_size(json_object_get(vm->more, "disks")) > 0;
}

/* ---- conditions: each ends with `continue` where it does not hold --------------------------- */

static void write_lower(FILE *f, const char *text)
{
	char lower[DISK_PATH_SIZE + DISK_TEXT_SIZE];
	size_t n = 0;

	for (; *text && n + 1 < sizeof(lower); text++)
		lower[n++] = (char)tolower((unsigned char)*text);
	lower[n] = '\0';
	shell_word(f, lower);
}

static void equal(FILE *f, const char *variable, const char *text)
{
	if (!text[0])
		return;
	fprintf(f, "[ \"$%s\" = ", variable);
	write_lower(f, text);
	fputs(" ] || continue;\n", f);
}

/* All but what fnmatch(3) interprets stands in quotes. */
static void write_pattern(FILE *f, const char *pattern)
{
	bool in_set = false;

	for (const char *p = pattern; *p; p++) {
		char one[2] = {(char)tolower((unsigned char)*p), '\0'};
		bool opens = *p == '[' && !in_set && p[1] && strchr(p + 2, ']');
		bool closes = *p == ']' && in_set && p[-1] != '[';

		if (opens || closes)
			in_set = opens;
		if (opens || closes || isalnum((unsigned char)*p) ||
		    strchr(in_set ? "-!^" : "*?", *p))
			fputc(one[0], f);
		else
			shell_word(f, one);
	}
}

static void model(FILE *f, const char *pattern)
{
	if (!pattern[0])
		return;
	fputs("case \"$model\" in ", f);
	write_pattern(f, pattern);
	fputs(") ;; *) continue ;; esac;\n", f);
}

static void path(FILE *f, const char *text)
{
	if (!text[0])
		return;
	if (strncmp(text, BY_PATH, strlen(BY_PATH)) == 0)
		text += strlen(BY_PATH);
	fputs("found=;\nfor link in /dev/\"$name\" /dev/disk/by-path/*; do\n"
	      "[ \"$(readlink -f \"$link\")\" = /dev/\"$name\" ] || continue;\n"
	      "if [ \"$link\" = ",
	    f);
	shell_word(f, text);
	fputs(" ] || [ \"${link##*/}\" = ", f);
	shell_word(f, strchr(text, '/') ? "" : text);
	fputs(" ]; then found=1; fi;\ndone;\n[ \"$found\" ] || continue;\n", f);
}

static void sizes(FILE *f, const struct disk_match *m)
{
	if (m->min_bytes)
		fprintf(f, "[ \"$bytes\" -ge %" PRIu64 " ] || continue;\n", m->min_bytes);
	if (m->max_bytes)
		fprintf(f, "[ \"$bytes\" -le %" PRIu64 " ] || continue;\n", m->max_bytes);
}

/* ---- facts ------------------------------------------------------------------------------- */

#define LOWER "tr A-Z a-z"

static void facts(FILE *f, const struct disk_match *m)
{
	if (m->transport[0])
		fputs(
		    "device=$(readlink -f \"$sys\");\n"
		    "case \"$name:$device/\" in nvme*) transport=nvme ;; mmcblk*) transport=mmc ;; "
		    "vd*) transport=virtio ;; xvd*) transport=xen ;; */usb*) transport=usb ;; "
		    "*/ata*) transport=sata ;; */end_device-*) transport=sas ;; "
		    "*/session*) transport=iscsi ;; */rport-*) transport=fc ;; *) transport=scsi ;; esac;\n",
		    f);
	if (m->model[0])
		fputs(
		    "model=$(cat \"$sys/device/model\" \"$sys/device/name\" 2>/dev/null | head -n 1 | "
		    "sed 's/^ *//; s/ *$//' | " LOWER ");\n",
		    f);
	if (m->serial[0])
		fputs(
		    "serial=$(cat \"$sys/serial\" \"$sys/device/serial\" 2>/dev/null | head -n 1 | "
		    "sed 's/^ *//; s/ *$//' | " LOWER ");\n"
		    "[ \"$serial\" ] || serial=$(udevadm info -q property -n /dev/\"$name\" "
		    "2>/dev/null | sed -n 's/^ID_SCSI_SERIAL=//p; s/^ID_SERIAL_SHORT=//p' | head -n 1 | " LOWER
		    ");\n",
		    f);
	if (m->wwn[0])
		fputs(
		    "wwn=$(cat \"$sys/wwid\" \"$sys/device/wwid\" 2>/dev/null | head -n 1 | " LOWER
		    ");\n"
		    "[ \"$wwn\" ] || wwn=$(udevadm info -q property -n /dev/\"$name\" 2>/dev/null | "
		    "sed -n 's/^ID_WWN=//p' | head -n 1 | " LOWER ");\n"
		    "wwn=$(echo \"$wwn\" | sed 's/^wwn-//; s/^naa[.]//; s/^eui[.]//; s/^nvme[.]//; "
		    "s/^uuid[.]//; s/^t10[.]//; s/^0x//');\n",
		    f);
}

/* ---- choosing ------------------------------------------------------------------------------ */

static void keep_better(FILE *f, const struct vm *vm, const struct disk_match *m)
{
	if (!m) {
		fprintf(f,
		    "exact=0; [ \"$bytes\" -eq %" PRIu64 " ] && exact=1;\n"
		    "if [ \"$exact\" -gt \"$best\" ] || "
		    "{ [ \"$exact\" = \"$best\" ] && [ \"$bytes\" -gt \"$disk_bytes\" ]; }; then "
		    "disk=$name; disk_bytes=$bytes; best=$exact; fi;\n",
		    has_size(vm) ? vm->disk_bytes[0] : 0);
		return;
	}
	fputs("fitting=\"$fitting /dev/$name\";\n", f);
	if (m->pick == DISK_PICK_NONE)
		fputs("[ -z \"$disk\" ] || several=1;\ndisk=$name; disk_bytes=$bytes;\n", f);
	else
		fprintf(f,
		    "if [ -z \"$disk\" ] || [ \"$bytes\" -%s \"$disk_bytes\" ]; then "
		    "disk=$name; disk_bytes=$bytes; several=;\n"
		    "elif [ \"$bytes\" -eq \"$disk_bytes\" ]; then several=1; fi;\n",
		    m->pick == DISK_PICK_LARGEST ? "gt" : "lt");
}

static void conditions(FILE *f, const struct disk_match *m)
{
	facts(f, m);
	path(f, m->path);
	equal(f, "serial", m->serial);
	equal(f, "wwn", disk_wwn_digits(m->wwn));
	model(f, m->model);
	equal(f, "transport", m->transport);
	sizes(f, m);
}

void disk_script_write(const struct vm *vm, FILE *f)
{
	struct disk_match match;
	const struct disk_match *m = read_match(vm, &match) ? &match : NULL;

	fputs("disk=; disk_bytes=0; best=0; several=; fitting=;\n"
	      "for sys in /sys/block/*; do\n"
	      "name=${sys##*/};\n"
	      "case \"$name\" in nvme*|vd*|sd*|xvd*|hd*|mmcblk*) ;; *) continue ;; esac;\n"
	      "case \"$name\" in *boot[0-9]|*rpmb|nvme*c*n*) continue ;; esac;\n"
	      "sectors=$(cat \"$sys/size\" 2>/dev/null); bytes=$((${sectors:-0} * 512));\n"
	      "[ \"$bytes\" -gt 0 ] || continue;\n"
	      "[ \"$(cat \"$sys/removable\")$(cat \"$sys/ro\")\" = 00 ] || continue;\n",
	    f);
	if (m)
		conditions(f, m);
	keep_better(f, vm, m);
	fputs("done;\n"
	      "if [ \"$several\" ]; then "
	      "echo \"several disks match disks[0].match:$fitting\" >&2; exit 1; fi;\n"
	      "if [ -z \"$disk\" ]; then echo \"no disk ",
	    f);
	fputs(m ? "matches disks[0].match" : "to install on is here", f);
	fputs("\" >&2; exit 1; fi;\n", f);
}
