import { describe, expect, it } from 'vitest';
import { guestMemoryKiB, hasTcgMigrationDefect } from './guest-memory.ts';

describe('guest memory', () => {
  it.each([
    ['a multiple of 256 KiB grows by 8 KiB', 256 * 2 ** 20, 'tcg', 7, 262_152],
    ['a size that QEMU would round to a multiple grows too', 262_143 * 1024, 'tcg', 7, 262_152],
    ['any other size is only rounded to 8 KiB', 262_145 * 1024, 'tcg', 8, 262_152],
    ['fixed in 9.0', 256 * 2 ** 20, 'tcg', 9, 262_144],
    ['KVM was never affected', 256 * 2 ** 20, 'kvm', 7, 262_144],
  ] as const)('%s', (_name, bytes, acceleration, major, expected) => {
    const memoryKiB = guestMemoryKiB(bytes, acceleration, { major });
    expect(memoryKiB).toBe(expected);
    expect(hasTcgMigrationDefect(memoryKiB, acceleration, { major })).toBe(false);
  });
});
