import { matchesGlob } from '../core/glob.ts';
import { type Argument, compileFormat, renderFormat } from './points/format.ts';
import {
  pointsOff,
  tracePointFormats,
  type TracePointName,
  tracePointNames,
  type TracePoints,
} from './points/table.ts';

/** A trace point, and whether it is on. */
export interface TracePointState {
  readonly name: TracePointName;
  readonly enabled: boolean;
}

/**
 * Which trace points are on, and where their lines go: `vtd_dmar_enable enable 1`, as QEMU's log has them. Which are on
 * is no part of the model's state; nothing in the model depends on it.
 */
export class TraceLog {
  readonly #points = pointsOff();
  readonly #write: (line: string) => void;
  /** What stands for the addresses of objects: they are numbered as they are first named. */
  readonly #addresses = new WeakMap<object, number>();
  #lastAddress = 0;

  /** @param write takes one line, its end included; absent: lines go nowhere */
  constructor(write: (line: string) => void = () => {}) {
    this.#write = write;
  }

  /** What the rooms get: the same object for good, whose members come and go. */
  get points(): TracePoints {
    return this.#points;
  }

  /** The trace points that a glob names, in the order of the table. */
  find(pattern: string): readonly TracePointState[] {
    const found = tracePointNames.filter((name) => matchesGlob(pattern, name));
    return found.map((name) => ({ name, enabled: this.#points[name] !== null }));
  }

  /**
   * Switches the trace points that a glob names.
   * @returns false where those are none, although the pattern has no `*`: whoever wrote it meant one
   */
  set(pattern: string, enabled: boolean): boolean {
    const found = this.find(pattern);
    for (const { name } of found) {
      (this.#points as Record<TracePointName, unknown>)[name] = enabled ? this.#writer(name) : null;
    }
    return found.length > 0 || pattern.includes('*');
  }

  #writer(name: TracePointName): (...values: Argument[]) => void {
    const format = compileFormat(tracePointFormats[name], (object) => this.#addressOf(object));
    return (...values) => this.#write(`${name} ${renderFormat(format, values)}\n`);
  }

  #addressOf(object: object): number {
    let address = this.#addresses.get(object);
    if (address === undefined) this.#addresses.set(object, (address = ++this.#lastAddress));
    return address;
  }
}
