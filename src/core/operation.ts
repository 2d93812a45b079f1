/**
 * The numbering of causes. The state of the model changes only through a monitor command, a qtest line, a device's
 * DMA or a timer; each is one operation with a number, and everything that it causes carries that number.
 */
export class OperationCounter {
  #last = 0;
  #current = 0;

  /** The operation that is running; 0 while the machine is being built. */
  get current(): number {
    return this.#current;
  }

  /** The highest number given so far. */
  get last(): number {
    return this.#last;
  }

  /** Runs `body` as a new operation. One that starts inside another (a batch) belongs to the outer one. */
  run<T>(body: () => T): T {
    if (this.#current !== 0) return body();
    return this.resume(++this.#last, body);
  }

  /** Runs `body` on behalf of an operation that was suspended, a DMA that waited for instance. */
  resume<T>(operation: number, body: () => T): T {
    const outer = this.#current;
    this.#current = operation;
    try {
      return body();
    } finally {
      this.#current = outer;
    }
  }

  save(): { last: number } {
    return { last: this.#last };
  }

  restore(state: { last: number }): void {
    this.#last = state.last;
  }
}
