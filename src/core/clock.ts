/** One appointment with the clock, until it ran or was cancelled. */
export interface TimerHandle {
  /** When it is due, in nanoseconds of the clock. */
  readonly at: bigint;
}

interface Timer extends TimerHandle {
  readonly run: () => void;
}

export interface VirtualClockOptions {
  /** Wraps each due timer: the machine gives it a number of its own as an operation. */
  readonly asOperation?: (timer: () => void) => void;
}

/**
 * Guest time in nanoseconds since the start, and what is due when. It never moves by itself: qtest's `clock_step` or
 * the daemon's real-time driver moves it. Reading the host's clock here was rejected: a run would not repeat.
 */
export class VirtualClock {
  readonly #asOperation: (timer: () => void) => void;
  readonly #watchers = new Set<() => void>();
  /** By time, and by the order of their making where the times are equal. */
  readonly #timers: Timer[] = [];
  #now = 0n;

  constructor(options: VirtualClockOptions = {}) {
    this.#asOperation = options.asOperation ?? ((timer) => timer());
  }

  /** Nanoseconds since the start. */
  get now(): bigint {
    return this.#now;
  }

  /** `run` is called once when the clock has come to `at`; one that is due already runs at the next move. */
  schedule(at: bigint, run: () => void): TimerHandle {
    const timer: Timer = { at, run };
    this.#timers.splice(this.#placeBehind(at), 0, timer);
    if (this.#timers[0] === timer) this.#tellWatchers();
    return timer;
  }

  /** A timer that has run, or was cancelled before, is left alone. */
  cancel(handle: TimerHandle): void {
    const place = this.#timers.findIndex((timer) => timer === handle);
    if (place < 0) return;
    this.#timers.splice(place, 1);
    if (place === 0) this.#tellWatchers();
  }

  /** When the next timer is due; null without any. It may lie in the past while the clock was only set. */
  nextDeadline(): bigint | null {
    return this.#timers[0]?.at ?? null;
  }

  /**
   * Moves to `at` and runs, in order, what is due until then; each timer sees the time it asked for. Those that they
   * schedule on the way run too. A time that lies behind `now` moves nothing, but what is overdue runs.
   */
  advanceTo(at: bigint): void {
    const end = at > this.#now ? at : this.#now;
    const first = this.#timers[0];
    for (let timer = this.#timers[0]; timer !== undefined && timer.at <= end; timer = this.#timers[0]) {
      this.#timers.shift();
      if (timer.at > this.#now) this.#now = timer.at;
      this.#asOperation(timer.run);
    }
    // A timer may itself have moved the clock further.
    if (end > this.#now) this.#now = end;
    if (this.#timers[0] !== first) this.#tellWatchers();
  }

  /** Moves to `at` and runs nothing: guest time that passes while the machine is stopped. Never goes back. */
  skipTo(at: bigint): void {
    if (at > this.#now) this.#now = at;
  }

  /** `watcher` is called when the next deadline may have changed; the returned function ends that. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** The time alone: whoever owns a timer saves when it is due, and schedules it again. */
  save(): { now: bigint } {
    return { now: this.#now };
  }

  restore(state: { now: bigint }): void {
    this.#now = state.now;
  }

  #placeBehind(at: bigint): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timers[middle]!.at <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #tellWatchers(): void {
    for (const watcher of this.#watchers) watcher();
  }
}
