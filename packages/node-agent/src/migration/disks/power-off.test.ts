import type { MachineEvent } from '@godwit/hypervisor';
import { describe, expect, it } from 'vitest';
import { watchPowerOff } from './power-off.ts';

function watch() {
  const listeners = new Set<(event: MachineEvent) => void>();
  const watched = watchPowerOff({
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  const happens = (event: MachineEvent) => listeners.forEach((listener) => listener(event));
  return { ...watched, happens };
}

describe('a guest that is copied', () => {
  it('ends the copy when it switches itself off', () => {
    const { check, happens } = watch();
    expect(check).not.toThrow();
    happens({ type: 'shutdown', atMs: 0, guestInitiated: true });
    expect(check).toThrow(/switched itself off/);
  });

  it.each<MachineEvent>([
    { type: 'shutdown', atMs: 0, guestInitiated: false },
    { type: 'reset', atMs: 0, guestInitiated: true },
    { type: 'stopped', atMs: 0 },
  ])('does not end it by $type', (event) => {
    const { check, happens } = watch();
    happens(event);
    expect(check).not.toThrow();
  });

  it('is not watched any longer than asked for', () => {
    const { check, end, happens } = watch();
    end();
    happens({ type: 'shutdown', atMs: 0, guestInitiated: true });
    expect(check).not.toThrow();
  });
});
