/* interrupt.h - Ctrl-C and SIGTERM as something to ask about, for commands that follow a lab. */
#ifndef VMLAB_UI_INTERRUPT_H
#define VMLAB_UI_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void);
bool interrupt_pending(void);

/* Sleeps, shorter when interrupted. */
void interrupt_sleep_ms(int ms);

#endif
