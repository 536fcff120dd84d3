import type { RunState } from './contract/machine.ts';

const STATES: Readonly<Record<string, RunState>> = {
  running: 'running',
  paused: 'paused',
  prelaunch: 'paused',
  suspended: 'paused',
  watchdog: 'paused',
  debug: 'paused',
  'save-vm': 'paused',
  'restore-vm': 'paused',
  colo: 'paused',
  inmigrate: 'incoming',
  postmigrate: 'postmigrate',
  'finish-migrate': 'finish-migrate',
  shutdown: 'shutdown',
  'io-error': 'io-error',
  'internal-error': 'internal-error',
  'guest-panicked': 'internal-error',
};

/** Our word for QEMU's run state (`qemu/qemu:qapi/run-state.json`); one we do not know is an internal error. */
export function runStateOf(status: string): RunState {
  return STATES[status] ?? 'internal-error';
}
