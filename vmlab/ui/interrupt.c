#include "vmlab/ui/interrupt.h"

#include <signal.h>
#include <stddef.h>

#include "lib/base/clock.h"

static volatile sig_atomic_t pending;

static void on_signal(int signal_number)
{
	pending = signal_number;
}

void interrupt_install(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool interrupt_pending(void)
{
	return pending != 0;
}

void interrupt_sleep_ms(int ms)
{
	if (!pending)
		sleep_ms(ms);
}
