#include "record.h"
#include <string.h>

uint32_t crc32_ieee(const void *data, size_t length) {
  static uint32_t table[256];
  if (table[1] == 0) {
    for (uint32_t n = 0; n < 256; n++) {
      uint32_t c = n;
      for (int k = 0; k < 8; k++) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      table[n] = c;
    }
  }
  const uint8_t *bytes = data;
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < length; i++) crc = table[(crc ^ bytes[i]) & 0xFF] ^ (crc >> 8);
  return crc ^ 0xFFFFFFFFu;
}

static void seal(struct sector *sector) { sector->crc = crc32_ieee(sector, offsetof(struct sector, crc)); }

void record_build(struct sector block[SECTORS_PER_BLOCK], uint64_t run, uint64_t seq, uint64_t position) {
  for (uint32_t index = 0; index < SECTORS_PER_BLOCK; index++) {
    struct sector *sector = &block[index];
    memcpy(sector->magic, "GODWITS1", 8);
    sector->run = run;
    sector->seq = seq;
    sector->block = position;
    sector->index = index;
    sector->reserved = 0;
    uint64_t state = (run ^ (seq * 0x9E3779B97F4A7C15ull) ^ ((uint64_t)index << 56)) | 1;
    for (size_t i = 0; i < sizeof sector->fill; i++) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      sector->fill[i] = (uint8_t)state;
    }
    seal(sector);
  }
}

void superblock_build(struct sector block[SECTORS_PER_BLOCK], uint64_t run, uint64_t slots, uint64_t step) {
  memset(block, 0, BLOCK);
  for (uint32_t index = 0; index < SECTORS_PER_BLOCK; index++) {
    struct sector *sector = &block[index];
    memcpy(sector->magic, "GODWITS0", 8);
    sector->run = run;
    sector->seq = slots;
    sector->block = step;
    sector->index = index;
    seal(sector);
  }
}

int record_valid(const struct sector *sector, uint64_t run) {
  return memcmp(sector->magic, "GODWITS1", 8) == 0 && sector->run == run &&
         sector->crc == crc32_ieee(sector, offsetof(struct sector, crc));
}

static uint64_t gcd(uint64_t a, uint64_t b) {
  while (b != 0) {
    uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

uint64_t permutation_step(uint64_t slots) {
  uint64_t step = slots / 1000 * 618 + slots % 1000 * 618 / 1000;
  if (step == 0) step = 1;
  while (gcd(step, slots) != 1) step++;
  return step;
}
