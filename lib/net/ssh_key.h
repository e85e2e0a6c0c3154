/* ssh_key.h - lines of authorized_keys (sshd(8)): "[options] type base64 [comment]". Pure. */
#ifndef LIB_NET_SSH_KEY_H
#define LIB_NET_SSH_KEY_H

#include <stdbool.h>
#include <stddef.h>

/* True for a key of a type OpenSSH takes, whose base64 names the same type inside (RFC 4253, 6.6);
 * options may stand in front. */
bool ssh_key_valid(const char *line);

/* Copies "type base64" of the first line into out. False when that is no key or has options in
 * front, as a host's own key never has, or when it does not fit. */
bool ssh_key_bare(const char *line, char *out, size_t size);

/* Calls one() for each line that is neither empty nor a comment, without a byte order mark and what
 * Windows ends lines with. Edits text. */
void ssh_key_each_line(char *text, void (*one)(void *ctx, int number, const char *line), void *ctx);

/* Why the whole file is of no use, such as its encoding; NULL: it may be. */
const char *ssh_key_file_useless(const char *text, size_t len);

/* Why a line is no key, for a person: a private key, another type, half of one. */
const char *ssh_key_complaint(const char *line);

#endif
