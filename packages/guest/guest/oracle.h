#ifndef GODWIT_ORACLE_H
#define GODWIT_ORACLE_H
#include "config.h"

/* Runs until SIGTERM, which lets the write under way finish. Never returns. */
_Noreturn void oracle_run(const struct oracle_config *config);
#endif
