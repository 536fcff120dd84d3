import { closeSync, openSync, readSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@godwit/core/wait';
import { createLineSplitter } from '@godwit/qmp';
import { MACHINE_FILES } from '../qemu-arguments.ts';

export interface SerialLine {
  /** When it was seen here, at most a few milliseconds after it was printed. */
  readonly atMs: number;
  readonly text: string;
}

export interface SerialWatch extends Disposable {
  readonly lines: readonly SerialLine[];
  /** Greatest number that the guest printed after this letter; 0 when there is none yet. */
  highest(letter: 'W' | 'H' | 'E'): number;
  /** Waits until the guest has printed that letter with a greater number. */
  past(letter: 'W' | 'H', number: number, timeoutMs?: number): Promise<void>;
  /** Longest time between two neighbouring heartbeats; with `next`, the machine it moved to, across the move. */
  longestGapMs(next?: SerialWatch): number;
}

const LOOK_MS = 2;

/** Follows what a machine prints on its serial port, from the beginning, through the log that QEMU writes. */
export function watchSerial(directory: string): SerialWatch {
  const lines: SerialLine[] = [];
  const highest = { W: 0, H: 0, E: 0 };
  const buffer = Buffer.alloc(65_536);
  let position = 0;
  let file: number | undefined;
  const feed = createLineSplitter((text) => {
    lines.push({ atMs: performance.timeOrigin + performance.now(), text });
    const match = /^([WHE]) (\d+)$/.exec(text);
    // The cast is safe: the pattern allows these letters only.
    if (match) highest[match[1] as 'W' | 'H' | 'E'] = Number(match[2]);
  });
  const look = (): void => {
    file ??= tryOpen(join(directory, MACHINE_FILES.serialLog));
    if (file === undefined) return;
    for (;;) {
      const count = readSync(file, buffer, 0, buffer.length, position);
      if (count === 0) return;
      position += count;
      feed(buffer.toString('latin1', 0, count));
    }
  };
  const timer = setInterval(look, LOOK_MS);
  return {
    lines,
    highest(letter) {
      look();
      return highest[letter];
    },
    async past(letter, number, timeoutMs = 10_000) {
      const what = `${letter} ${number} from the guest in ${directory}`;
      await waitFor(() => highest[letter] > number, { what, timeoutMs, intervalMs: LOOK_MS });
    },
    longestGapMs(next) {
      const beats = [...lines, ...(next?.lines ?? [])].filter((line) => line.text.startsWith('H '));
      let longest = 0;
      for (let i = 1; i < beats.length; i++) longest = Math.max(longest, beats[i]!.atMs - beats[i - 1]!.atMs);
      return longest;
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      look();
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

/** Types on the serial port, as a user at the console would. */
export async function typeOnSerial(directory: string, text: string): Promise<void> {
  const socket = connect(join(directory, MACHINE_FILES.serialSocket));
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.resume();
  await new Promise<void>((resolve) => socket.write(text, () => resolve()));
  // QEMU drops what it has not read when the other end goes at once.
  await pause(100);
  socket.destroy();
}

function tryOpen(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined; // QEMU has not made it yet
  }
}
