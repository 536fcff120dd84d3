/** Where progress goes; `process.stdout` is one. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** One line that is redrawn on a terminal; elsewhere a line for each new state and otherwise at most one per interval. */
export class LiveLine {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  readonly #intervalMs: number;
  #drawn = false;
  #last: { readonly state: string; readonly atMs: number } | undefined;

  constructor(output: ProgressOutput, options: { readonly now: () => number; readonly intervalMs?: number }) {
    this.#output = output;
    this.#now = options.now;
    this.#intervalMs = options.intervalMs ?? 2000;
  }

  /** `state` names what a reader off a terminal must not miss a change of. */
  update(line: string, state: string): void {
    if (this.#output.isTTY === true) {
      this.#output.write(`\r\x1b[2K${line}`);
      this.#drawn = true;
      return;
    }
    const now = this.#now();
    if (this.#last?.state === state && now - this.#last.atMs < this.#intervalMs) return;
    this.#last = { state, atMs: now };
    this.#output.write(`${line}\n`);
  }

  /** A line that stays. */
  print(line: string): void {
    this.#output.write(`${this.#drawn ? '\r\x1b[2K' : ''}${line}\n`);
    this.#drawn = false;
    this.#last = undefined;
  }
}
