/**
 * The numbering of causes. The state of the model changes only through a monitor command, a qtest line, a device's
 * DMA or a timer; each is one operation with a number, and everything that it causes carries that number.
 */
export class OperationCounter {
  #last = 0;
  #current = 0;
  #beforeEach: (() => void) | null = null;
  readonly #ending: (() => void)[] = [];

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
    this.#beforeEach?.();
    return this.resume(++this.#last, body);
  }

  /**
   * `hook` is called before each operation that is not part of another one: guest time comes to the present there, and
   * stands still while an operation runs. Operations that the hook itself runs do not call it again. Null ends that.
   */
  beforeEach(hook: (() => void) | null): void {
    let running = false;
    this.#beforeEach =
      hook &&
      ((): void => {
        if (running) return;
        running = true;
        try {
          hook();
        } finally {
          running = false;
        }
      });
  }

  /** Runs `body` on behalf of an operation that was suspended, a DMA that waited for instance. */
  resume<T>(operation: number, body: () => T): T {
    const outer = this.#current;
    if (outer === operation) return body();
    // What the outer operation has not told yet it tells under its own number.
    if (outer !== 0) this.#end();
    this.#current = operation;
    try {
      return body();
    } finally {
      this.#end();
      this.#current = outer;
    }
  }

  /** `listener` is called as the last thing of every operation and before each interruption, with its number current. */
  onEnd(listener: () => void): void {
    this.#ending.push(listener);
  }

  save(): { last: number } {
    return { last: this.#last };
  }

  restore(state: { last: number }): void {
    this.#last = state.last;
  }

  #end(): void {
    for (const listener of this.#ending) listener();
  }
}
