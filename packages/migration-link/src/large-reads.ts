import { Socket, type SocketConstructorOpts } from 'node:net';
import { createPieces, type TakePiece } from './pieces.ts';

const PIECE_BYTES = 256 * 1024;
/** What a piece must have room for to be read into. TLS hands out what it has decrypted record by record. */
const ROOM_BYTES = { plain: 64 * 1024, record: 16 * 1024 };

interface Reader {
  take: TakePiece | undefined;
  /** What came before anybody took it. */
  readonly early: Parameters<TakePiece>[];
  handOver(): void;
}
const readers = new WeakMap<Socket, Reader>();

/**
 * The same connection, to be read in large pieces by `readLarge`. Node reads 64 KiB at a time, of TLS 16 KiB, into memory that
 * is new each time, unless a socket is made with `onread`, which accepted ones never are: so another one takes over their
 * handle. Copies of disks are a fifth faster for it.
 *
 * What TLS decrypts in one turn of the event loop is handed over as one: written record by record each would wake QEMU up, which
 * costs more than decrypting it.
 *
 * `accepted` must be paused since it was accepted, or have just proved who it is, and not be used any more. Should Node not
 * let its handle go, it is returned as it is, and read as any other.
 */
export function forLargeReads(accepted: Socket): Socket {
  // The cast is safe: what is there is checked. Node does not document the property, nor the option below.
  const inner = accepted as unknown as { _handle?: { useUserBuffer?: unknown } | null };
  const handle = inner._handle;
  if (typeof handle?.useUserBuffer !== 'function') return accepted;
  const gathers = 'authorized' in accepted;
  const pieces = createPieces(PIECE_BYTES, gathers ? ROOM_BYTES.record : ROOM_BYTES.plain, (bytes, giveBack) => {
    if (reader.take === undefined) reader.early.push([bytes, giveBack]);
    else reader.take(bytes, giveBack);
  });
  const reader: Reader = { take: undefined, early: [], handOver: () => pieces.handOver() };
  let gathering = false;
  const gathered = (): void => {
    gathering = false;
    pieces.handOver();
  };
  const options = {
    handle,
    allowHalfOpen: true,
    pauseOnCreate: true,
    onread: {
      // Asked once when the socket is made, and after every read.
      buffer: () => pieces.room(),
      callback: (bytes: number) => {
        pieces.filled(bytes);
        if (!gathers) pieces.handOver();
        else if (!gathering) {
          gathering = true;
          setImmediate(gathered);
        }
        return true;
      },
    },
  };
  inner._handle = null;
  // The cast is safe: Node takes a handle of its own too.
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  readers.set(socket, reader);
  return socket;
}

/** Has what a socket reads from its next `resume` on taken by `take`; false unless it is one for large reads. */
export function readLarge(socket: Socket, take: TakePiece): boolean {
  const reader = readers.get(socket);
  if (reader === undefined) return false;
  reader.take = take;
  for (const piece of reader.early.splice(0)) take(...piece);
  // Before anybody who waits for the end too.
  if (socket.readableEnded) reader.handOver();
  else socket.prependOnceListener('end', () => reader.handOver());
  return true;
}

/** The first byte of a socket that nobody has read from, which stays the first to be read; undefined when it ends without. */
export function firstByte(socket: Socket): Promise<number | undefined> {
  const first = Promise.withResolvers<number | undefined>();
  const reader = readers.get(socket);
  if (reader === undefined) {
    socket.once('readable', () => {
      // The cast is safe: no encoding is set.
      const byte = socket.read(1) as Buffer | null;
      if (byte !== null) socket.unshift(byte);
      first.resolve(byte?.[0]);
    });
    return first.promise;
  }
  const [piece] = reader.early;
  if (piece !== undefined || socket.readableEnded) return Promise.resolve(piece?.[0][0]);
  const ended = (): void => {
    reader.handOver();
    first.resolve(undefined);
  };
  reader.take = (...taken) => {
    reader.take = undefined;
    reader.early.push(taken);
    socket.off('end', ended).pause();
    first.resolve(taken[0][0]);
  };
  socket.once('end', ended).resume();
  return first.promise;
}
