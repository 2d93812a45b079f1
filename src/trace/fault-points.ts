import { CommandError } from '../core/errors.ts';
import { SeededRandom } from '../core/random.ts';
import type { FaultKind, FaultPoint } from '../generated/types.ts';
import type { Snapshottable } from './snapshot.ts';

export type { FaultKind, FaultPoint } from '../generated/types.ts';

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

/**
 * How each step can go wrong. The other combinations have no meaning: who binds, attaches or detaches waits for the
 * answer, so that it can be a refusal, but cannot be lost or late; the same holds for the time at which the host maps and
 * unmaps; and a page response has nobody who would hear that it failed.
 */
const KINDS: Readonly<Record<FaultPoint, readonly FaultKind[]>> = {
  map: ['fail', 'lose'],
  unmap: ['fail', 'lose'],
  bind: ['fail'],
  attach: ['fail'],
  detach: ['fail'],
  invalidate: ['fail', 'lose', 'delay', 'reorder'],
  listener: ['fail', 'lose', 'delay', 'reorder'],
  'page-response': ['lose', 'delay', 'reorder'],
};

/** What is to go wrong. */
export interface FaultOrder {
  readonly point: FaultPoint;
  readonly kind: FaultKind;
  /** How many passes are let through first; default 0. */
  readonly after?: number;
  /** How many passes are hit then; default 1. */
  readonly count?: number;
  /** With kind `delay`, and only there: milliseconds of guest time, from 1. */
  readonly delayMs?: number;
  /** Each pass is hit or not by a toss of this seed; absent: each is hit. */
  readonly seed?: number;
  /** Only passes of this device count; absent: all do. */
  readonly device?: string;
}

/** What a step is to do that was told to go wrong. */
export type FaultHit =
  | { readonly kind: 'fail' /** A sentence for whoever asked. */; readonly desc: string }
  | { readonly kind: 'lose' }
  | { readonly kind: 'delay' /** Of guest time. */; readonly nanoseconds: bigint }
  | { readonly kind: 'reorder' };

/** What query-faults-injected tells of one. */
export interface FaultInfo {
  readonly id: string;
  readonly point: FaultPoint;
  readonly kind: FaultKind;
  readonly after: number;
  readonly count: number;
  readonly 'delay-ms'?: number;
  readonly seed?: number;
  readonly device?: string;
  /** How many passes it has hit. */
  readonly hits: number;
}

interface Fault extends FaultOrder {
  readonly id: string;
  readonly after: number;
  readonly count: number;
  readonly random: SeededRandom | null;
  passes: number;
  hits: number;
}

export interface FaultPointsState {
  readonly last: number;
  readonly faults: { id: string; order: FaultOrder; passes: number; hits: number; random: number | null }[];
}

/**
 * The steps of the model that can be made to go wrong, and what was ordered there. A step calls {@link reach} each
 * time that it is passed. A fault that has hit as often as it was to stays listed, and lets everything through.
 */
export class FaultPoints implements Snapshottable<FaultPointsState> {
  readonly #faults = new Map<string, Fault>();
  #last = 0;

  /**
   * A step is passed. Each fault of that point counts the pass, in the order of their injection, until one of them
   * takes it.
   * @param device whom the step is about
   * @returns what the step shall do instead; null: as always
   */
  reach(point: FaultPoint, device?: string): FaultHit | null {
    if (this.#faults.size === 0) return null;
    for (const fault of this.#faults.values()) {
      if (fault.point !== point || (fault.device !== undefined && fault.device !== device)) continue;
      fault.passes += 1;
      if (fault.passes <= fault.after || fault.hits >= fault.count) continue;
      if (fault.random !== null && fault.random.below(2) === 0) continue;
      fault.hits += 1;
      return hitOf(fault);
    }
    return null;
  }

  /**
   * A step is passed that can fail, and nothing else.
   * @throws CommandError when it does
   */
  pass(point: 'bind' | 'attach' | 'detach', device?: string): void {
    const hit = this.reach(point, device);
    if (hit?.kind === 'fail') throw new CommandError(hit.desc);
  }

  /**
   * Orders a fault.
   * @returns its id
   * @throws CommandError when the combination has no meaning
   */
  inject(order: FaultOrder): string {
    check(order);
    const id = `fault${++this.#last}`;
    this.#faults.set(id, faultOf(id, order));
    return id;
  }

  /** In the order of their injection. */
  list(): FaultInfo[] {
    return [...this.#faults.values()].map(({ id, point, kind, after, count, delayMs, seed, device, hits }) => ({
      id,
      point,
      kind,
      after,
      count,
      ...(delayMs !== undefined && { 'delay-ms': delayMs }),
      ...(seed !== undefined && { seed }),
      ...(device !== undefined && { device }),
      hits,
    }));
  }

  /** Takes back one fault, or all. What was delayed already still comes. @throws CommandError when there is no such one */
  clear(id?: string): void {
    if (id === undefined) this.#faults.clear();
    else if (!this.#faults.delete(id)) {
      throw new CommandError(`There is no injected fault '${id}': query-faults-injected lists them`);
    }
  }

  save(): FaultPointsState {
    return {
      last: this.#last,
      faults: [...this.#faults.values()].map(({ id, passes, hits, random, ...order }) => ({
        id,
        order,
        passes,
        hits,
        random: random && random.save().state,
      })),
    };
  }

  restore(state: FaultPointsState): void {
    this.#last = state.last;
    this.#faults.clear();
    for (const { id, order, passes, hits, random } of state.faults) {
      const fault = faultOf(id, order);
      if (random !== null) fault.random?.restore({ state: random });
      this.#faults.set(id, Object.assign(fault, { passes, hits }));
    }
  }
}

function faultOf(id: string, order: FaultOrder): Fault {
  const { seed } = order;
  const random = seed === undefined ? null : new SeededRandom(seed);
  return { ...order, id, after: order.after ?? 0, count: order.count ?? 1, random, passes: 0, hits: 0 };
}

function hitOf({ id, kind, point, passes, delayMs }: Fault): FaultHit {
  switch (kind) {
    case 'fail':
      return { kind, desc: `Injected fault '${id}': pass ${passes} of fault point ${point} fails` };
    case 'delay':
      return { kind, nanoseconds: BigInt(delayMs ?? 0) * NANOSECONDS_PER_MILLISECOND };
    default:
      return { kind };
  }
}

/** @throws CommandError when the combination has no meaning */
function check({ point, kind, delayMs }: FaultOrder): void {
  const kinds = KINDS[point];
  if (!kinds.includes(kind)) {
    throw new CommandError(`Fault point '${point}' has no kind '${kind}': choose ${kinds.join(', ')}`);
  }
  if (kind === 'delay' && delayMs === undefined) {
    throw new CommandError("Kind 'delay' needs 'delay-ms', in milliseconds of guest time");
  }
  if (kind !== 'delay' && delayMs !== undefined) {
    throw new CommandError(`Kind '${kind}' takes no 'delay-ms': leave it out, or choose kind 'delay'`);
  }
}
