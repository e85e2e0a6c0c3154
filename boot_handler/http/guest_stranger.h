/* guest_stranger.h - remembers who asked what to boot and has no definition. */
#ifndef BOOT_HANDLER_HTTP_GUEST_STRANGER_H
#define BOOT_HANDLER_HTTP_GUEST_STRANGER_H

#include "boot_handler/http/call.h"

/* `loader` asks; `chose` is what was chosen at the menu, NULL: nothing this time. */
void guest_note_stranger(const struct call *c, const char *loader, const char *chose);

#endif
