import type { OperationCounter } from '../core/operation.ts';
import { noTracePoints, type TracePoints } from '../trace/points/table.ts';
import { AddressSpace } from './address-space.ts';
import type { AddressSpaceOperations } from './address-space.ts';
import { FlatView, effectiveRoot } from './flat-view.ts';
import type { MemoryRegion } from './region.ts';

/**
 * The memory side of one machine: its address spaces, and the transactions in which regions change. Views are
 * rendered at most once per transaction, and only when somebody looks or listens.
 */
export class MemoryTopology {
  readonly operations: OperationCounter;
  readonly points: TracePoints;
  readonly #spaces: AddressSpace[] = [];
  readonly #views = new Map<MemoryRegion, FlatView>();
  readonly #empty = new FlatView(null);
  #depth = 0;
  #changed = false;
  #publishing = false;
  #generation = 0;

  constructor(operations: OperationCounter, points: TracePoints = noTracePoints) {
    this.operations = operations;
    this.points = points;
  }

  /** Grows whenever a view may have changed, so that who caches a range knows when to look again. */
  get generation(): number {
    return this.#generation;
  }

  /** A transaction has changed something that no view shows yet. */
  get isOpen(): boolean {
    return this.#changed;
  }

  /** In the order of creation. */
  addressSpaces(): readonly AddressSpace[] {
    return this.#spaces;
  }

  /** Opens a transaction; inside another one it belongs to the outer one. */
  begin(): void {
    this.#depth += 1;
  }

  /**
   * Closes the transaction; the outermost one makes its changes visible and tells the listeners.
   * @throws whatever a listener threw first, after all of them were told
   */
  commit(): void {
    if (this.#depth === 0) throw new Error('A memory transaction was committed that had not begun');
    this.#depth -= 1;
    if (this.#depth === 0 && this.#changed && !this.#publishing) this.#publish();
  }

  /** Runs `body` in a transaction. What it changed before it threw stays changed. */
  transaction<T>(body: () => T): T {
    this.begin();
    try {
      return body();
    } finally {
      this.commit();
    }
  }

  /** Called by regions from inside a transaction when they change. */
  noteChange(): void {
    this.#changed = true;
  }

  createAddressSpace(name: string, root: MemoryRegion, operations: AddressSpaceOperations = {}): AddressSpace {
    const space = new AddressSpace(this, name, root, operations);
    this.#spaces.push(space);
    return space;
  }

  /** Removes the space; its listeners get deletes for all that they were told of, and are removed. */
  destroyAddressSpace(space: AddressSpace): void {
    const index = this.#spaces.indexOf(space);
    if (index < 0) throw new Error(`Address space ${space.name} is not part of this topology`);
    for (const listener of [...space.listeners].reverse()) space.removeListener(listener);
    this.#spaces.splice(index, 1);
  }

  /**
   * The view of `root`, shared by all spaces whose roots come down to the same region. While a transaction has
   * changed something a new view is rendered for the asker and not kept.
   */
  viewOf(root: MemoryRegion): FlatView {
    const effective = effectiveRoot(root);
    if (effective === null) return this.#empty;
    if (this.#changed) return new FlatView(effective);
    let view = this.#views.get(effective);
    if (view === undefined) {
      view = new FlatView(effective);
      this.#views.set(effective, view);
      this.points.flatview_new?.(view, effective);
    }
    return view;
  }

  #publish(): void {
    const errors: unknown[] = [];
    this.#publishing = true;
    try {
      // A listener may change regions itself; that is published in another round, never inside this one.
      while (this.#changed) {
        this.#changed = false;
        this.#generation += 1;
        for (const [root, view] of this.#views) this.points.flatview_destroy?.(view, root);
        this.#views.clear();
        this.#tell(errors);
      }
    } finally {
      this.#publishing = false;
    }
    if (errors.length > 0) throw errors[0];
  }

  #tell(errors: unknown[]): void {
    const listening = this.#spaces.filter((space) => space.listeners.length > 0);
    const all = listening.flatMap((space) => space.listeners).sort((a, b) => a.priority - b.priority);
    for (const listener of all) attempt(errors, () => listener.begin?.());
    for (const space of listening) space.update((call) => attempt(errors, call));
    for (const listener of all) attempt(errors, () => listener.commit?.());
  }
}

function attempt(errors: unknown[], call: () => void): void {
  try {
    call();
  } catch (error) {
    errors.push(error);
  }
}
