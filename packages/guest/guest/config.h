#ifndef GODWIT_CONFIG_H
#define GODWIT_CONFIG_H
#include <stdint.h>

/* What the oracle is told: `key: value` lines under `#godwit-oracle` in the user-data, or oracle.key=value on the kernel command line. */
struct oracle_config {
  int present;
  uint64_t run;
  char report_address[64];
  unsigned report_port;
  char address[64];
  unsigned prefix;
  char gateway[64];
  char disk_serial[64];
  unsigned writes_per_second;
  unsigned memory_mib;
  unsigned ballast_mib;
  unsigned dirty_mib_per_second;
  unsigned heartbeat_ms;
};

void config_load(struct oracle_config *config);
#endif
