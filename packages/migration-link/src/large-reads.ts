import { Socket, type SocketConstructorOpts } from 'node:net';

/** Takes a piece that was read; its memory is not read into again before `giveBack` is called. */
export type TakePiece = (piece: Uint8Array, giveBack: () => void) => void;

const PIECE_BYTES = 256 * 1024;
const takers = new WeakMap<Socket, { take?: TakePiece }>();

/**
 * The same connection, to be read in large pieces by `readLarge`. Node reads 64 KiB at a time into memory that is new each time,
 * unless a socket is made with `onread`, which accepted ones never are: so another one takes over their handle. Copies of disks
 * are a fifth faster for it. Each connection has memory of its own, as many pieces as are taken and not given back, and one.
 *
 * `accepted` must be paused since it was accepted, and not be used any more. Should Node not let its handle go, it is
 * returned as it is, and read as any other.
 */
export function forLargeReads(accepted: Socket): Socket {
  // The cast is safe: what is there is checked. Node does not document the property, nor the option below.
  const inner = accepted as unknown as { _handle?: { useUserBuffer?: unknown } | null };
  const handle = inner._handle;
  if (typeof handle?.useUserBuffer !== 'function') return accepted;
  const taker: { take?: TakePiece } = {};
  const idle: Uint8Array[] = [];
  const options = {
    handle,
    allowHalfOpen: true,
    pauseOnCreate: true,
    onread: {
      // Asked once when the socket is made, and after every read.
      buffer: () => idle.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES),
      callback: (bytes: number, memory: Uint8Array) => {
        taker.take?.(memory.subarray(0, bytes), () => idle.push(memory));
        return true;
      },
    },
  };
  inner._handle = null;
  // The cast is safe: Node takes a handle of its own too.
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  takers.set(socket, taker);
  return socket;
}

/** Has what a socket reads from its next `resume` on taken by `take`; false unless it is one for large reads. */
export function readLarge(socket: Socket, take: TakePiece): boolean {
  const taker = takers.get(socket);
  if (taker === undefined) return false;
  taker.take = take;
  return true;
}
