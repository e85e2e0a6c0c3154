/* profile.c - what a profile has besides the fields of a definition: which machines it is for, and
 * what they are called. */
#include <errno.h>
#include <string.h>

#include "lib/definition/field.h"
#include "lib/definition/match.h"

static int judge_name(struct json_reader *r, const char *text)
{
	struct err e = ERR_INIT;

	return match_name_check(text, &e) < 0 ? json_refuse(r, "%s", e.msg) : 0;
}

static int read_match(struct json_reader *r, json_t *value)
{
	return match_read(r, value);
}

#define SIZE_SCHEMA "{\"type\":\"string\",\"pattern\":\"" VM_SIZE_PATTERN "\"}"
#define PATTERNS                                                                                   \
	"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"}}]}"

const struct vm_field vm_profile_fields[] = {
    {.name = "match",
	.kind = VM_STRUCTURED,
	.read = read_match,
	.schema =
	    "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":false,\"properties\":{\"serial\":" PATTERNS
	    ",\"uuid\":" PATTERNS ",\"mac\":" PATTERNS ",\"product\":" PATTERNS
	    ",\"manufacturer\":" PATTERNS ",\"arch\":" PATTERNS ",\"min_memory\":" SIZE_SCHEMA
	    ",\"max_memory\":" SIZE_SCHEMA ",\"min_disk\":" SIZE_SCHEMA ",\"max_disk\":" SIZE_SCHEMA
	    "}}",
	.summary =
	    "Which machines without a definition it is for, by what they show: `serial`, `uuid`, `mac`, `product` and `manufacturer` with `*`, `?` and `[a-z]` as in file names, in upper or lower case, `arch`, and `min_memory`, `max_memory`, `min_disk`, `max_disk` (its largest), which the agent tells. All that is given must hold; of a list one. What a machine did not show does not match.",
	.example = "{\"manufacturer\": \"Dell*\", \"product\": [\"PowerEdge R6*\"]}"},
    {.name = "name",
	.kind = VM_TEXT,
	.max = 120,
	.is = "a pattern of at most 120 bytes",
	.judge = judge_name,
	.summary =
	    "What a machine that `match` fits is called: a name with `{serial}`, `{uuid}` or `{mac}`, also `{product}`, `{manufacturer}` and `{arch}`. What no name can have becomes a hyphen.",
	.example = "\"node-{serial}\""},
};
const size_t vm_profile_field_count = sizeof(vm_profile_fields) / sizeof(vm_profile_fields[0]);
_Static_assert(sizeof(vm_profile_fields) / sizeof(vm_profile_fields[0]) <= VM_PROFILE_FIELDS_MAX,
    "VM_PROFILE_FIELDS_MAX");
