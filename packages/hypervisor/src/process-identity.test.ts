import { describe, expect, it } from 'vitest';
import { findProcessByArgument, identifyProcess, isSameProcessAlive } from './process-identity.ts';

describe('process identity', () => {
  it('knows this process again, but not another one that had its pid', () => {
    const self = identifyProcess(process.pid)!;
    expect(isSameProcessAlive(self)).toBe(true);
    expect(isSameProcessAlive({ ...self, startTime: `${Number(self.startTime) - 1}` })).toBe(false);
    expect(isSameProcessAlive({ ...self, bootId: 'another boot' })).toBe(false);
  });

  it('finds nothing where there is no process', () => {
    expect(identifyProcess(2 ** 22 + 1)).toBeUndefined();
    expect(findProcessByArgument('path=/no/such/machine')).toBeUndefined();
  });
});
