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
 * Moves bytes from one socket to another until the first one ends, which ends the second.
 *
 * TLS hands out what it has decrypted in records of 16 KiB. Written one by one each of them wakes QEMU up, which costs more
 * than decrypting it: what arrives in one turn of the event loop is written at once. Towards TLS that would only add a copy,
 * since records are made of any write.
 */
export function pump(from: Socket, to: Socket, count: (bytes: number) => void): void {
  if (!pumpLarge(from, to, count)) pumpChunks(from, to, count);
  // A peer that refuses has often ended the connection before there was anything to move.
  if (from.readableEnded) to.end();
  else from.once('end', () => to.end());
  from.resume();
}

/** That a connection which is read in large pieces may have on their way. */
const PIECES = 3;

function pumpLarge(from: Socket, to: Socket, count: (bytes: number) => void): boolean {
  let underWay = 0;
  return readLarge(from, (piece, giveBack) => {
    count(piece.length);
    underWay += 1;
    to.write(piece, () => {
      underWay -= 1;
      giveBack();
      if (underWay === PIECES - 1) from.resume();
    });
    if (underWay === PIECES) from.pause();
  });
}

function pumpChunks(from: Socket, to: Socket, count: (bytes: number) => void): void {
  const gathers = 'authorized' in from;
  let waiting = 0;
  let held = false;
  let gathering = false;
  const release = (): void => {
    gathering = false;
    to.uncork();
  };
  from.on('data', (data: Buffer) => {
    const { length } = data;
    count(length);
    unswept += length;
    if (unswept >= SWEEP_BYTES) {
      unswept = 0;
      sweep?.({ type: 'minor' });
    }
    if (gathers && !gathering) {
      gathering = true;
      to.cork();
      setImmediate(release);
    }
    waiting += length;
    to.write(data, () => {
      waiting -= length;
      if (!held || waiting > WAITING_BYTES / 2) return;
      held = false;
      from.resume();
    });
    if (held || waiting < WAITING_BYTES) return;
    held = true;
    from.pause();
  });
}
