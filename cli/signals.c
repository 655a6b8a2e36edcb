/* Catching the signals that ask a program to stop. The flag is the only state. */
#include "cli/signals.h"

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

const volatile sig_atomic_t *signals_catch(void)
{
    /* Without SA_RESTART, so that a read that waits returns. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &caught;
}
