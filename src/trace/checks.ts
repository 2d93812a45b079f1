import type { OperationCounter } from '../core/operation.ts';
import type { CheckName } from '../generated/types.ts';
import type { ModelEvents } from './model-events.ts';
import type { Snapshottable } from './snapshot.ts';

export type { CheckName } from '../generated/types.ts';

/** All checks, in the order in which they are listed. */
const NAMES: readonly CheckName[] = Object.keys({
  'stale-translation': true,
  'mapping-survives-invalidation': true,
  'bad-unmap': true,
  'transient-empty-table': true,
  'layout-after-reset': true,
  'dead-notifier': true,
  'host-capabilities': true,
  'page-response-once': true,
  'flush-scope': true,
  'over-flush': true,
  isolation: true,
} satisfies Record<CheckName, true>) as CheckName[];

/** One violation of a check. */
export interface Violation {
  /** Sequence number of the event that told of it; absent for one that is only counted. */
  readonly sequence?: number;
  /** The operation in which it was seen. */
  readonly operation: number;
  /** A sentence. */
  readonly desc: string;
}

export interface CheckInfo {
  readonly name: CheckName;
  readonly enabled: boolean;
  readonly stop: boolean;
  /** How often it failed, since the start. */
  readonly violations: number;
  /** The latest one; absent before the first. */
  readonly last?: Violation;
}

interface Check {
  enabled: boolean;
  stop: boolean;
  violations: number;
  last: Violation | null;
}

export interface ChecksState {
  readonly checks: { name: CheckName; enabled: boolean; stop: boolean; violations: number; last: Violation | null }[];
}

export interface ChecksParts {
  readonly events: ModelEvents;
  readonly operations: OperationCounter;
}

/**
 * The checks that the rooms of the model make, each on by default and off by its name. A check that is off looks at
 * nothing: whoever makes an expensive one asks {@link isEnabled} first.
 */
export class Checks implements Snapshottable<ChecksState> {
  readonly #events: ModelEvents;
  readonly #operations: OperationCounter;
  readonly #checks: ReadonlyMap<CheckName, Check>;
  #stop: ((name: CheckName) => void) | null = null;

  constructor({ events, operations }: ChecksParts) {
    this.#events = events;
    this.#operations = operations;
    this.#checks = new Map(NAMES.map((name) => [name, { enabled: true, stop: false, violations: 0, last: null }]));
  }

  isEnabled(name: CheckName): boolean {
    return this.#of(name).enabled;
  }

  /** Counts a violation and emits MODEL_CHECK_FAILED for it; nothing while the check is off. `desc` is a sentence. */
  fail(name: CheckName, { device, desc }: { readonly device?: string; readonly desc: string }): void {
    if (!this.isEnabled(name)) return;
    this.#events.emit('MODEL_CHECK_FAILED', { check: name, ...(device !== undefined && { device }), desc });
    this.record(name, { sequence: this.#events.sequence, desc });
  }

  /** Counts a violation that an event of its own, with this sequence number, has told of; nothing while it is off. */
  record(name: CheckName, { sequence, desc }: { readonly sequence: number; readonly desc: string }): void {
    this.#add(name, 1, { sequence, operation: this.#operations.current, desc });
  }

  /** Counts violations that no event tells of; nothing while the check is off. */
  count(name: CheckName, desc: string, times = 1): void {
    if (times > 0) this.#add(name, times, { operation: this.#operations.current, desc });
  }

  /** Turns a check on or off, and says whether a violation stops the machine; what is absent stays as it is. */
  set(name: CheckName, { enabled, stop }: { readonly enabled?: boolean; readonly stop?: boolean }): void {
    const check = this.#of(name);
    check.enabled = enabled ?? check.enabled;
    check.stop = stop ?? check.stop;
  }

  list(): CheckInfo[] {
    return NAMES.map((name) => {
      const { enabled, stop, violations, last } = this.#of(name);
      return { name, enabled, stop, violations, ...(last !== null && { last }) };
    });
  }

  /** `stop` is called after a violation of a check that shall stop the machine. */
  onStop(stop: (name: CheckName) => void): void {
    this.#stop = stop;
  }

  save(): ChecksState {
    return {
      checks: NAMES.map((name) => {
        const { last, ...check } = this.#of(name);
        return { name, ...check, last: last && { ...last } };
      }),
    };
  }

  restore(state: ChecksState): void {
    for (const { name, ...saved } of state.checks) Object.assign(this.#of(name), saved);
  }

  #add(name: CheckName, times: number, violation: Violation): void {
    const check = this.#of(name);
    if (!check.enabled) return;
    check.violations += times;
    check.last = violation;
    if (check.stop) this.#stop?.(name);
  }

  #of(name: CheckName): Check {
    const check = this.#checks.get(name);
    if (check === undefined) throw new Error(`There is no check ${name}`);
    return check;
  }
}
