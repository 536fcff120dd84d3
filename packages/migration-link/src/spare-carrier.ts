import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { carrierArguments } from './carrier-options.ts';

const SPARE_MS = 30_000;
const MAIN = fileURLToPath(new URL('./carrier-main.ts', import.meta.url));

export type CarrierProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** A process that waits to be told what to carry: it takes longer to start than the whole switch of a guest. */
let spare: { readonly child: CarrierProcess; readonly end: NodeJS.Timeout } | undefined;

function spawnCarrier(): CarrierProcess {
  return spawn(process.execPath, [...carrierArguments, MAIN], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // V8 frees what was read on other threads: with an arena for each, little of it would come back.
    env: { ...process.env, MALLOC_ARENA_MAX: '1' },
  });
}

/**
 * A migration is likely to begin here: has a carrier ready for the next `startCarrier`, and takes it back after a while. Never
 * fails: without one, the next carrier is started when it is needed.
 */
export function expectCarrier(): void {
  if (spare !== undefined) {
    spare.end.refresh();
    return;
  }
  const child = spareCarrier();
  if (child === undefined) return;
  const drop = (): void => {
    if (spare?.child === child) spare = undefined;
  };
  child.once('exit', drop).once('error', drop);
  child.stdin.on('error', () => undefined); // it ended before it was needed
  const end = setTimeout(() => {
    drop();
    child.stdin.end();
  }, SPARE_MS);
  end.unref();
  child.unref();
  for (const pipe of pipesOf(child)) pipe.unref();
  spare = { child, end };
}

/** Undefined when the machine has no room for another process. */
function spareCarrier(): CarrierProcess | undefined {
  try {
    const child = spawnCarrier();
    if (child.pid !== undefined) return child;
    // Without a process it may have no pipes either, whatever its type says.
    child.once('error', () => undefined);
  } catch {
    // The same, with other limits.
  }
  return undefined;
}

/** The casts are safe: pipes of a child are sockets. */
const pipesOf = ({ stdin, stdout, stderr }: CarrierProcess): readonly Socket[] => [
  stdin as Socket,
  stdout as Socket,
  stderr as Socket,
];

/** The one that waits, or a new one. */
export function takeCarrier(): CarrierProcess {
  const taken = spare;
  spare = undefined;
  if (taken === undefined || taken.child.exitCode !== null || taken.child.signalCode !== null) return spawnCarrier();
  clearTimeout(taken.end);
  taken.child.removeAllListeners('exit').removeAllListeners('error').ref();
  for (const pipe of pipesOf(taken.child)) pipe.ref();
  return taken.child;
}
