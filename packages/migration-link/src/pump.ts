import type { Socket } from 'node:net';
import { readLarge } from './large-reads.ts';

/** What may wait to be written on one side; a reader is told to stop beyond it, and to go on at half of it. */
const WAITING_BYTES = 512 * 1024;

/**
 * Every chunk read is memory that V8 gives back only once 64 MiB of it have gathered. A look at the youngest objects after this
 * much keeps a carrier small and takes a fraction of a millisecond. Absent without `--expose-gc`.
 */
const SWEEP_BYTES = 4 * 1024 * 1024;
const sweep = globalThis.gc;
let unswept = 0;

/**
 * Moves bytes from one socket to another until the first one ends, which ends the second: in large pieces from a socket made
 * for that, in the chunks that Node makes from any other.
 */
export function pump(from: Socket, to: Socket, count: (bytes: number) => void): void {
  from.resume();
  const write = writeWhileRoom(from, to);
  const isLarge = readLarge(from, (bytes, giveBack) => {
    count(bytes.length);
    write(bytes, giveBack);
  });
  if (!isLarge) {
    const gathers = 'authorized' in from;
    from.on('data', (data: Buffer) => {
      count(data.length);
      sweepAfter(data.length);
      if (gathers) gatherWrites(to);
      write(data);
    });
  }
  // A peer that refuses has often ended the connection before there was anything to move.
  if (from.readableEnded) to.end();
  else from.once('end', () => to.end());
}

/** Writes to `to`; while too much of it waits, nothing is read from `from`. */
function writeWhileRoom(from: Socket, to: Socket): (data: Uint8Array, written?: () => void) => void {
  let waiting = 0;
  let held = false;
  return (data, written) => {
    const { length } = data;
    waiting += length;
    to.write(data, () => {
      waiting -= length;
      written?.();
      if (!held || waiting > WAITING_BYTES / 2) return;
      held = false;
      from.resume();
    });
    if (waiting < WAITING_BYTES) return;
    held = true;
    from.pause();
  };
}

/** To be called before writes: those of one turn of the event loop wake the reader up once. */
function gatherWrites(to: Socket): void {
  if (to.writableCorked > 0) return;
  to.cork();
  setImmediate(() => to.uncork());
}

function sweepAfter(bytes: number): void {
  unswept += bytes;
  if (unswept < SWEEP_BYTES) return;
  unswept = 0;
  sweep?.({ type: 'minor' });
}
