/* Says that the guest executes, sooner than anything else in it does: with the highest priority, and little code. */
#define _GNU_SOURCE
#include "heartbeat.h"
#include "datagram.h"
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* One beat in so many goes the ordinary way, which finds out where the observer is. */
#define REFRESH_EVERY 256

static const struct oracle_config *config;
static struct counters (*look)(void);

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void read_boot_id(char *text, int size) {
  FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
  if (file == NULL || fgets(text, size, file) == NULL) text[0] = '\0';
  if (file != NULL) fclose(file);
  text[strcspn(text, "\n")] = '\0';
}

static char *number_text(char *at, uint64_t number) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  *at++ = ' ';
  while (count > 0) *at++ = digits[--count];
  return at;
}

static _Noreturn void *beat(void *unused) {
  (void)unused;
  struct sched_param fifo = {.sched_priority = 50};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &fifo);
  char boot[40], text[256];
  static struct datagram way;
  read_boot_id(boot, sizeof boot);
  const int head = snprintf(text, sizeof text, "GWO1 %016" PRIx64 " %s", config->run, boot);
  datagram_open(&way, config->report_address, (uint16_t)config->report_port);
  const uint64_t period = (uint64_t)config->heartbeat_ms * 1000u;
  uint64_t deadline = now_us();
  for (uint64_t number = 1;; number++) {
    const struct counters seen = look();
    const uint64_t told[] = {number, seen.acknowledged, seen.pages_checked, seen.memory_errors, seen.io_errors, now_us()};
    char *end = text + head;
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) end = number_text(end, told[i]);
    const size_t length = (size_t)(end - text);
    if (number % REFRESH_EVERY == 0) datagram_refresh(&way, text, length);
    else datagram_send(&way, text, length);
    /* The pace is kept; beats that a pause has made late are dropped rather than caught up with. */
    const uint64_t now = now_us();
    deadline += period;
    if (deadline <= now) deadline = now;
    struct timespec rest = {.tv_sec = (time_t)((deadline - now) / 1000000u), .tv_nsec = (long)((deadline - now) % 1000000u) * 1000};
    nanosleep(&rest, NULL);
  }
}

void heartbeat_start(const struct oracle_config *given, struct counters (*looks)(void)) {
  pthread_t thread;
  config = given;
  look = looks;
  if (config->report_port != 0 && config->heartbeat_ms != 0) pthread_create(&thread, NULL, beat, NULL);
}
