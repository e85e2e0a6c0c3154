/* state_line.h - what machines cause and only the log tells, as often as they like: a line of each
 * in 5 s. */
#ifndef BOOT_HANDLER_STATE_STATE_LINE_H
#define BOOT_HANDLER_STATE_STATE_LINE_H

enum state_line {
	STATE_LINE_CARD,    /* it asks with another card */
	STATE_LINE_FAILED,  /* its install failed */
	STATE_LINE_ALREADY, /* its disk says that it is installed */
	STATE_LINE_NO_FILE, /* there is no unattended file for it */
	STATE_LINES
};

#endif
