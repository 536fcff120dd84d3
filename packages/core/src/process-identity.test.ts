import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  findProcessByArgument,
  identifyProcess,
  isSameProcessAlive,
  leadsItsSession,
  signalProcess,
} from './process-identity.ts';

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

  it.each([true, false])('knows whether a process began its session (%s), and ends no other one', async (detached) => {
    const child = spawn('cat', { detached, stdio: ['pipe', 'ignore', 'ignore'] });
    const self = identifyProcess(child.pid ?? -1)!;
    expect(leadsItsSession(self.pid)).toBe(detached);
    expect(signalProcess({ ...self, startTime: '1' }, 'SIGKILL')).toBe(false);
    expect(signalProcess(self, 'SIGKILL')).toBe(true);
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(signalProcess(self, 'SIGKILL')).toBe(false);
  });
});
