/*
 * The write oracle: two threads (the other is heartbeat.c) and a process that share nothing but counters.
 *   writer     numbered records with O_DIRECT + fdatasync; only then is a number acknowledged. One writer, in order:
 *              "acknowledged n" therefore means that every number up to n is on stable storage.
 *   dirtier    checks every page against what it wrote there last time, then dirties it. A process of its own: with one
 *              address space for everything an emulated processor would keep its translations far longer than under any
 *              real load, and QEMU goes through all of them for each page whose changes it begins to track.
 */
#define _GNU_SOURCE
#include "oracle.h"
#include "heartbeat.h"
#include "record.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const struct oracle_config *config;
static _Atomic uint64_t acknowledged, io_errors;
/* Shared with the process that dirties memory. */
static struct {
  _Atomic uint64_t pages_checked, memory_errors;
} *memory_counters;
static atomic_int stopping;

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void sleep_us(uint64_t us) {
  struct timespec t = {.tv_sec = (time_t)(us / 1000000u), .tv_nsec = (long)(us % 1000000u) * 1000};
  nanosleep(&t, NULL);
}

/* Keeps a pace: the deadline moves on by one period, and is dropped rather than caught up after a pause. */
static void pace(uint64_t *deadline, uint64_t period_us) {
  uint64_t now = now_us();
  *deadline += period_us;
  if (*deadline <= now) *deadline = now;
  else sleep_us(*deadline - now);
}

/* ---- disk ---- */

static void read_text(const char *path, char *text, size_t size) {
  int fd = open(path, O_RDONLY);
  ssize_t length = fd < 0 ? 0 : read(fd, text, size - 1);
  if (fd >= 0) close(fd);
  text[length > 0 ? length : 0] = '\0';
  text[strcspn(text, "\n")] = '\0';
}

/* A virtio disk has a file for it; a SCSI disk the page that it tells it with, which has four bytes before it. */
static void read_serial(const char *name, char *serial, size_t size) {
  char path[300], page[68] = {0};
  snprintf(path, sizeof path, "/sys/block/%s/serial", name);
  read_text(path, serial, size);
  if (serial[0] != '\0') return;
  snprintf(path, sizeof path, "/sys/block/%s/device/vpd_pg80", name);
  int fd = open(path, O_RDONLY);
  if (fd >= 0 && read(fd, page, sizeof page - 1) > 4) snprintf(serial, size, "%s", page + 4);
  if (fd >= 0) close(fd);
}

/* By serial when one was given; else a disk that holds our records, or nothing in its first and no volume descriptor. */
static int is_data_disk(const char *name, int fd) {
  char serial[64];
  if (config->disk_serial[0] != '\0') {
    read_serial(name, serial, sizeof serial);
    return strcmp(serial, config->disk_serial) == 0;
  }
  uint8_t first[SECTOR], descriptor[8] = {0};
  if (pread(fd, first, sizeof first, 0) != SECTOR) return 0;
  if (pread(fd, descriptor, sizeof descriptor, 32768) == 8 && memcmp(descriptor + 1, "CD001", 5) == 0) return 0;
  if (first[510] == 0x55 && first[511] == 0xAA) return 0;
  if (memcmp(first, "GODWITS0", 8) == 0) return 1;
  for (int i = 0; i < SECTOR; i++) if (first[i] != 0) return 0;
  return 1;
}

static int open_data_disk(char *path, size_t size, uint64_t *bytes) {
  for (;;) {
    for (int i = 0; i < 2 * 26; i++) {
      char name[4] = {i < 26 ? 'v' : 's', 'd', (char)('a' + i % 26), '\0'};
      snprintf(path, size, "/dev/%s", name);
      int probe = open(path, O_RDONLY);
      if (probe < 0) continue;
      int found = is_data_disk(name, probe);
      close(probe);
      if (!found) continue;
      int fd = open(path, O_RDWR | O_DIRECT);
      if (fd >= 0 && ioctl(fd, BLKGETSIZE64, bytes) == 0 && *bytes >= (FIRST_SLOT + 8) * (uint64_t)BLOCK) return fd;
      if (fd >= 0) close(fd);
    }
    sleep_us(200000);
  }
}

/* Writes all of it or counts the error and tries again: an unacknowledged number may wait, never be skipped. */
static void write_block(int fd, const void *block, uint64_t position) {
  while (pwrite(fd, block, BLOCK, (off_t)(position * BLOCK)) != BLOCK) {
    atomic_fetch_add(&io_errors, 1);
    sleep_us(20000);
  }
}

static void flush_disk(int fd) {
  while (fdatasync(fd) != 0) {
    atomic_fetch_add(&io_errors, 1);
    sleep_us(20000);
  }
}

/* After a reboot the numbers go on where the disk says they were. */
static uint64_t last_sequence(int fd, uint64_t blocks) {
  enum { CHUNK = 1 << 20 };
  uint8_t *chunk = NULL;
  uint64_t last = 0;
  if (posix_memalign((void **)&chunk, BLOCK, CHUNK) != 0) return 0;
  for (uint64_t at = 0; at < blocks * BLOCK; at += CHUNK) {
    ssize_t length = pread(fd, chunk, CHUNK, (off_t)at);
    for (ssize_t offset = 0; offset + BLOCK <= length; offset += BLOCK) {
      const struct sector *sector = (const struct sector *)(chunk + offset);
      if (memcmp(sector->magic, "GODWITS1", 8) == 0 && record_valid(sector, config->run) && sector->seq > last) last = sector->seq;
    }
  }
  free(chunk);
  return last;
}

static void *writer(void *unused) {
  (void)unused;
  char path[32];
  uint64_t bytes = 0;
  struct sector *block = NULL;
  int fd = open_data_disk(path, sizeof path, &bytes);
  if (posix_memalign((void **)&block, BLOCK, BLOCK) != 0) abort();
  uint64_t slots = bytes / BLOCK - FIRST_SLOT, step = permutation_step(slots), seq = 0;
  if (pread(fd, block, BLOCK, 0) == BLOCK && memcmp(block->magic, "GODWITS0", 8) == 0 && block->run == config->run) {
    slots = block->seq;
    step = block->block;
    seq = last_sequence(fd, FIRST_SLOT + slots);
  } else {
    superblock_build(block, config->run, slots, step);
    write_block(fd, block, 0);
    flush_disk(fd);
  }
  atomic_store(&acknowledged, seq);
  printf("godwit-oracle: disk=%s slots=%" PRIu64 " from=%" PRIu64 "\n", path, slots, seq + 1);
  uint64_t period = 1000000u / (config->writes_per_second ? config->writes_per_second : 1), deadline = now_us();
  while (config->writes_per_second > 0 && !atomic_load(&stopping)) {
    seq++;
    uint64_t slot = FIRST_SLOT + seq % slots * step % slots, hot = 1 + seq % HOT_BLOCKS;
    record_build(block, config->run, seq, slot);
    write_block(fd, block, slot);
    record_build(block, config->run, seq, hot);
    write_block(fd, block, hot);
    flush_disk(fd);
    atomic_store(&acknowledged, seq);
    pace(&deadline, period);
  }
  return NULL;
}

/* ---- memory ---- */

static uint64_t page_pattern(uint64_t page, uint32_t pass) { return (page * 0x9E3779B97F4A7C15ull) ^ ((uint64_t)pass << 32 | pass) ^ config->run; }

/* Memory that is in use, cannot be packed, and never changes. */
static void fill_ballast(void) {
  const size_t bytes = (size_t)config->ballast_mib << 20;
  if (bytes == 0) return;
  uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), state = config->run | 1;
  if (words == MAP_FAILED) abort();
  for (size_t i = 0; i < bytes / sizeof *words; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    words[i] = state;
  }
}

static void dirty_memory(void) {
  enum { WORDS = 4096 / sizeof(uint64_t) };
  fill_ballast();
  const uint64_t pages = (uint64_t)config->memory_mib << 8;
  if (pages == 0) return;
  uint64_t *memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint32_t *passes = calloc(pages, sizeof *passes);
  if (memory == MAP_FAILED || passes == NULL) abort();
  const uint64_t tick_us = 10000, per_second = (uint64_t)config->dirty_mib_per_second << 8;
  uint64_t deadline = now_us(), credit = 0, next = 0;
  for (uint64_t page = 0; page < pages; page++) {
    uint64_t *words = memory + page * WORDS, pattern = page_pattern(page, 0);
    for (int w = 0; w < WORDS; w++) words[w] = pattern + (uint64_t)w;
    if (page % 256 == 255) sleep_us(1000);
  }
  for (;;) {
    for (credit += per_second * tick_us / 1000000u; credit > 0; credit--, next = (next + 1) % pages) {
      uint64_t *words = memory + next * WORDS, was = page_pattern(next, passes[next]), will = page_pattern(next, passes[next] + 1), wrong = 0;
      passes[next]++;
      for (int w = 0; w < WORDS; w++) {
        wrong |= words[w] ^ (was + (uint64_t)w);
        words[w] = will + (uint64_t)w;
      }
      if (wrong != 0) {
        if (atomic_fetch_add(&memory_counters->memory_errors, 1) < 8) printf("godwit-oracle: MEMERR page %" PRIu64 "\n", next);
      }
      atomic_fetch_add(&memory_counters->pages_checked, 1);
    }
    pace(&deadline, tick_us);
  }
}

/* Before any thread is started: a process has only the one that forked it. */
static void start_dirtier(void) {
  const pid_t parent = getpid();
  memory_counters = mmap(NULL, sizeof *memory_counters, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory_counters == MAP_FAILED) abort();
  const pid_t child = fork();
  if (child < 0) abort();
  if (child > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGTERM, SIG_DFL);
  if (getppid() == parent) {
    mlockall(MCL_CURRENT);
    dirty_memory();
    for (;;) pause(); /* what was filled stays in use */
  }
  _exit(0);
}

/* ---- report ---- */

static struct counters count(void) {
  return (struct counters){
      .acknowledged = atomic_load(&acknowledged),
      .pages_checked = atomic_load(&memory_counters->pages_checked),
      .memory_errors = atomic_load(&memory_counters->memory_errors),
      .io_errors = atomic_load(&io_errors),
  };
}

static void on_terminate(int signal) {
  (void)signal;
  atomic_store(&stopping, 1);
}

void oracle_run(const struct oracle_config *given) {
  config = given;
  pthread_t writing;
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGTERM, on_terminate);
  printf("godwit-oracle: run=%016" PRIx64 " writes=%u/s dirty=%u MiB/s of %u MiB heartbeat=%u ms report=%s:%u\n", config->run,
         config->writes_per_second, config->dirty_mib_per_second, config->memory_mib, config->heartbeat_ms, config->report_address,
         config->report_port);
  start_dirtier();
  mlockall(MCL_CURRENT);
  heartbeat_start(config, count);
  pthread_create(&writing, NULL, writer, NULL);
  pthread_join(writing, NULL);
  while (!atomic_load(&stopping)) pause();
  exit(0);
}
