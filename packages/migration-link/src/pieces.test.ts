import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPieces } from './pieces.ts';

function reader(pieceBytes: number, leastBytes: number) {
  const taken: { readonly bytes: Uint8Array; readonly giveBack: () => void }[] = [];
  const pieces = createPieces(pieceBytes, leastBytes, (bytes, giveBack) => taken.push({ bytes, giveBack }));
  let next = 0;
  const memories = new Set<ArrayBufferLike>();
  /** Reads up to `count` bytes, each one more than the last. */
  const read = (count: number): void => {
    const room = pieces.room();
    memories.add(room.buffer);
    const bytes = Math.min(count, room.length);
    for (let at = 0; at < bytes; at++) room[at] = next++ % 256;
    pieces.filled(bytes);
  };
  return { pieces, taken, read, memories, wasRead: () => next };
}

describe('pieces', () => {
  it('hand over what came in several reads as one', () => {
    const { pieces, taken, read } = reader(100, 10);
    read(5);
    read(7);
    expect(taken).toEqual([]);
    pieces.handOver();
    pieces.handOver();
    expect(taken.map(({ bytes }) => [...bytes])).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]);
  });

  it('hand over by themselves what leaves too little room, and never offer less', () => {
    const { pieces, taken, read } = reader(100, 20);
    read(85);
    expect(pieces.room()).toHaveLength(100);
    expect(taken.map(({ bytes }) => bytes.length)).toEqual([85]);
  });

  it('read into memory again once all of it is given back, and not before', () => {
    const { pieces, taken, read, memories } = reader(30, 20);
    for (let count = 0; count < 3; count++) {
      read(9);
      pieces.handOver();
      read(6);
      pieces.handOver();
    }
    read(1);
    expect(memories.size).toBe(4);
    taken[0]?.giveBack();
    read(30);
    read(1);
    expect(memories.size).toBe(5);
    taken[1]?.giveBack();
    read(30);
    read(1);
    expect(memories.size).toBe(5);
  });

  it('are given back once, however often that is said', () => {
    const { pieces, taken, read, memories } = reader(30, 20);
    read(8);
    pieces.handOver();
    read(7);
    pieces.handOver();
    read(1);
    taken[0]?.giveBack();
    taken[0]?.giveBack();
    read(30);
    read(30);
    expect(memories.size).toBe(3);
  });

  it('take little memory for small reads, also when nobody takes anything off them', () => {
    const { pieces, read, memories } = reader(256, 64);
    for (let count = 0; count < 100; count++) {
      read(2);
      pieces.handOver();
    }
    expect(memories.size).toBe(2);
  });

  it('lose, double and overwrite nothing, whatever is read, handed over and given back when', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('read' as const), count: fc.integer({ min: 1, max: 70 }) }),
      fc.constant({ kind: 'hand over' as const }),
      fc.record({ kind: fc.constant('give back' as const), which: fc.nat(5) }),
    );
    fc.assert(
      fc.property(fc.constantFrom(1, 16, 50), fc.array(step, { maxLength: 200 }), (leastBytes, steps) => {
        const { pieces, taken, read, wasRead } = reader(50, leastBytes);
        const held: { readonly bytes: Uint8Array; readonly giveBack: () => void; readonly from: number }[] = [];
        let handed = 0;
        const collect = (): void => {
          for (const one of taken.splice(0)) {
            held.push({ ...one, from: handed });
            handed += one.bytes.length;
          }
        };
        const isIntact = ({ bytes, from }: { bytes: Uint8Array; from: number }): boolean =>
          bytes.every((byte, index) => byte === (from + index) % 256);
        for (const one of steps) {
          if (one.kind === 'read') read(one.count);
          else if (one.kind === 'hand over') pieces.handOver();
          else held.splice(one.which, 1)[0]?.giveBack();
          collect();
          if (!held.every(isIntact)) return false;
        }
        pieces.handOver();
        collect();
        return held.every(isIntact) && handed === wasRead();
      }),
    );
  });
});
