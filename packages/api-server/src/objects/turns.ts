/** Runs what has the same key one after another, in the order in which it came; what has none runs at once. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  async take<T>(key: string | undefined, work: () => Promise<T>): Promise<T> {
    if (key === undefined) return await work();
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const over = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, over);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === over) this.#last.delete(key);
    }
  }
}
