/* On-disk format of the write oracle. src/record.ts reads the same layout: change both or neither. */
#ifndef GODWIT_RECORD_H
#define GODWIT_RECORD_H
#include <stdint.h>
#include <stddef.h>

enum { SECTOR = 512, BLOCK = 4096, SECTORS_PER_BLOCK = BLOCK / SECTOR, HOT_BLOCKS = 64, FIRST_SLOT = 1 + HOT_BLOCKS };

/* Every sector proves itself: crc covers all bytes before it. */
struct sector {
  char magic[8];      /* GODWITS1 record, GODWITS0 superblock (block 0) */
  uint64_t run;       /* which run wrote it */
  uint64_t seq;       /* number of the write; superblock: number of slots */
  uint64_t block;     /* where it belongs, in 4 KiB blocks; superblock: step of the permutation */
  uint32_t index;     /* which of the block's eight sectors */
  uint32_t reserved;
  uint8_t fill[468];  /* seeded by run, seq and index */
  uint32_t crc;       /* CRC-32 (IEEE) of the 508 bytes before */
};
_Static_assert(sizeof(struct sector) == SECTOR, "a sector is 512 bytes");

uint32_t crc32_ieee(const void *data, size_t length);
void record_build(struct sector block[SECTORS_PER_BLOCK], uint64_t run, uint64_t seq, uint64_t position);
void superblock_build(struct sector block[SECTORS_PER_BLOCK], uint64_t run, uint64_t slots, uint64_t step);
/* Nonzero when the sector is a whole record of this run. */
int record_valid(const struct sector *sector, uint64_t run);
/* Multiplier that makes seq -> seq * step % slots a permutation. */
uint64_t permutation_step(uint64_t slots);
#endif
