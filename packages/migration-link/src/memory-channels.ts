import type { Socket } from 'node:net';
import { firstByte } from './large-reads.ts';

/** How QEMU begins a further channel (multifd): 0x11223344. The main stream begins with "QEVM", or is the rest of one. */
const FURTHER_CHANNEL = 0x11;

/**
 * QEMU before 8.0 takes the first connection that it accepts for the main one of a migration, and on their way connections
 * overtake each other: so further channels, told by their first byte, wait until QEMU has the main one. QEMU hears of no
 * connection before its first byte is here. A channel that breaks while it waits is passed on as well, and breaks them all:
 * without it QEMU would wait.
 */
export function mainChannelFirst(connect: (far: Socket) => Socket): (far: Socket) => void {
  let hasMain = false;
  let waiting: Socket[] = [];
  const join = (far: Socket, first: number | undefined): void => {
    if (hasMain) return void connect(far);
    if (first === FURTHER_CHANNEL) return void waiting.push(far);
    connect(far).once('connect', () => {
      hasMain = true;
      for (const other of waiting) if (!other.destroyed) connect(other);
      waiting = [];
    });
  };
  return (far) => {
    void firstByte(far).then((first) => {
      if (first === undefined) far.destroy(); // it was never used
      else if (!far.destroyed) join(far, first);
    });
  };
}
