#ifndef GODWIT_HEARTBEAT_H
#define GODWIT_HEARTBEAT_H
#include "config.h"

struct counters {
  uint64_t acknowledged, pages_checked, memory_errors, io_errors;
};

/* A datagram every few milliseconds, with what `look` gives at that moment. Never waits for the network. */
void heartbeat_start(const struct oracle_config *config, struct counters (*look)(void));
#endif
