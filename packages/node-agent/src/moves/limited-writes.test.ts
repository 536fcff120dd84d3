import type { MigrationProgress, Stored, VirtualMachineInstance } from '@godwit/api';
import { expect, it } from 'vitest';
import { tellLimitedWrites } from './limited-writes.ts';

const limited = (...limits: readonly (number | undefined)[]): MigrationProgress => ({
  updatedAt: '2026-01-01T00:00:00.000Z',
  stage: 'CopyingDisks',
  bytesTotal: 2,
  bytesDone: 1,
  volumes: limits.map((limit, index) => ({
    name: `volume${index}`,
    bytesTotal: 2,
    bytesDone: 1,
    ...(limit !== undefined && { writeLimitBytesPerSecond: limit }),
  })),
});

it('tells each limit of each volume once', () => {
  const said: string[] = [];
  const events = { record: (...event: readonly unknown[]) => void said.push(String(event[3])) };
  // The cast is safe: it is passed on only.
  const tell = tellLimitedWrites(events, {} as Stored<VirtualMachineInstance>);
  tell(limited(undefined, undefined));
  expect(said).toEqual([]);
  for (const limits of [[undefined, 2048], [undefined, 2048], [4096, 2048], [4096, 1024], []]) tell(limited(...limits));
  expect(said.map((message) => /Volume (\w+) .* write (.*) to it/.exec(message)?.slice(1))).toEqual([
    ['volume1', '2 KiB/s'],
    ['volume0', '4 KiB/s'],
    ['volume1', '1 KiB/s'],
  ]);
});
