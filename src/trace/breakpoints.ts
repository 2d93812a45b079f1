import { CommandError } from '../core/errors.ts';
import { matchesGlob } from '../core/glob.ts';
import { schema } from '../generated/schema.ts';
import type { ModelEvent } from './model-events.ts';
import type { Snapshottable } from './snapshot.ts';

/** Which events there are, and whether they say what device they are about. */
const MODEL_EVENTS: readonly { readonly name: string; readonly hasDevice: boolean }[] = Object.entries(schema.events)
  .filter(([, { model }]) => model)
  .map(([name, { data }]) => {
    const type = data === undefined ? undefined : schema.types[data];
    return { name, hasDevice: type?.kind === 'object' && type.members.some((member) => member.name === 'device') };
  });

export interface Breakpoint {
  readonly id: string;
  /** A glob over the names of model events. */
  readonly event: string;
  /** Only events about this device, by its name in events; absent: about any, or none. */
  readonly device?: string;
}

export interface BreakpointsState {
  readonly last: number;
  readonly breakpoints: Breakpoint[];
}

/** Where the model is to stop: at events of the model, by name and device. */
export class Breakpoints implements Snapshottable<BreakpointsState> {
  #breakpoints: readonly Breakpoint[] = [];
  #last = 0;

  /**
   * @returns the id of the new breakpoint
   * @throws CommandError when it could never be met
   */
  add(event: string, device?: string): string {
    const matching = MODEL_EVENTS.filter(({ name }) => matchesGlob(event, name));
    if (matching.length === 0) {
      throw new CommandError(
        `No event of the model matches '${event}': breakpoints are for those that carry a sequence number`,
      );
    }
    if (device !== undefined && !matching.some(({ hasDevice }) => hasDevice)) {
      throw new CommandError(`No event that matches '${event}' is about one device: leave 'device' out`);
    }
    const id = `break${++this.#last}`;
    this.#breakpoints = [...this.#breakpoints, { id, event, ...(device !== undefined && { device }) }];
    return id;
  }

  /** @throws CommandError when there is no such breakpoint */
  remove(id: string): void {
    if (!this.#breakpoints.some((one) => one.id === id)) {
      throw new CommandError(`There is no breakpoint '${id}': query-breaks lists them`);
    }
    this.#breakpoints = this.#breakpoints.filter((one) => one.id !== id);
  }

  /** In the order in which they were added. */
  list(): readonly Breakpoint[] {
    return this.#breakpoints;
  }

  /** The model stops at this event. */
  matches({ name, data }: ModelEvent): boolean {
    if (this.#breakpoints.length === 0) return false;
    const about = 'device' in data ? data.device : undefined;
    return this.#breakpoints.some(
      ({ event, device }) => matchesGlob(event, name) && (device === undefined || device === about),
    );
  }

  save(): BreakpointsState {
    return { last: this.#last, breakpoints: this.#breakpoints.map((one) => ({ ...one })) };
  }

  restore(state: BreakpointsState): void {
    this.#last = state.last;
    this.#breakpoints = state.breakpoints.map((one) => ({ ...one }));
  }
}
