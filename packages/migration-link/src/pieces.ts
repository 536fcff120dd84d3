/** Takes bytes that were read; their memory is not read into again before `giveBack` is called, which is idempotent. */
export type TakePiece = (bytes: Uint8Array, giveBack: () => void) => void;

interface Piece {
  readonly memory: Uint8Array;
  /** How often something of it is taken and not given back. */
  taken: number;
}

/** The memory that one connection is read into, piece after piece: what is taken and not given back, and a little more. */
export interface Pieces {
  /** Where the next bytes that are read belong. */
  room(): Uint8Array;
  /** That many have been read into the room that was given last. */
  filled(bytes: number): void;
  /** Has what was read and not taken yet taken, in order. */
  handOver(): void;
}

const MOST_IDLE = 3;

/** Rooms are never smaller than `leastBytes`: the rest of a piece that is stays unused. */
export function createPieces(pieceBytes: number, leastBytes: number, take: TakePiece): Pieces {
  const idle: Piece[] = [];
  let piece: Piece | undefined;
  let from = 0;
  let to = 0;

  const release = (one: Piece): void => {
    if (one.taken === 0 && one !== piece && idle.length < MOST_IDLE) idle.push(one);
  };
  const handOver = (): void => {
    if (piece === undefined || from === to) return;
    const one = piece;
    const bytes = one.memory.subarray(from, to);
    from = to;
    one.taken += 1;
    let given = false;
    take(bytes, () => {
      if (given) return;
      given = true;
      one.taken -= 1;
      release(one);
    });
  };
  const leave = (): void => {
    handOver();
    const left = piece;
    piece = undefined;
    if (left !== undefined) release(left);
  };
  return {
    room() {
      if (pieceBytes - to < leastBytes) leave();
      if (piece === undefined) {
        piece = idle.pop() ?? { memory: Buffer.allocUnsafeSlow(pieceBytes), taken: 0 };
        from = 0;
        to = 0;
      }
      return piece.memory.subarray(to);
    },
    filled(bytes) {
      to += bytes;
    },
    handOver,
  };
}
