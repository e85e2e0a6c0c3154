#include "vmlab/lab/lab_name.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "vmlab-"
#define HASH_LENGTH 7 /* "-" and six digits */
#define FOLDER_MAX (LAB_NAME_SIZE - 1 - HASH_LENGTH - (sizeof(PREFIX) - 1))

/* Everything but a-z and 0-9 becomes a single '-', none at the ends. */
static void plain(const char *text, size_t len, char *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < max; i++) {
		char c = text[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			out[n++] = c;
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = '\0';
}

/* FNV-1a. */
static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261U;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619U;
	return h;
}

void lab_name_make(const char *vms_dir, const char *hashed, char name[LAB_NAME_SIZE])
{
	size_t end = strlen(vms_dir), begin;
	char folder[FOLDER_MAX + 1];

	while (end > 0 && vms_dir[end - 1] != '/')
		end--;
	while (end > 0 && vms_dir[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && vms_dir[begin - 1] != '/'; begin--)
		;
	plain(vms_dir + begin, end - begin, folder, FOLDER_MAX);
	const char *prefix =
	    strcmp(folder, "vmlab") == 0 || strncmp(folder, PREFIX, 6) == 0 ? "" : PREFIX;
	if (hashed)
		snprintf(name, LAB_NAME_SIZE, "%s%s-%06" PRIx32, prefix, *folder ? folder : "lab",
		    hash(hashed) & 0xffffff);
	else
		snprintf(name, LAB_NAME_SIZE, "%s%s", prefix, *folder ? folder : "lab");
}
