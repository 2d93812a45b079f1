import { CommandError } from '../../core/errors.ts';
import { Handle, type ZpciFunction } from './function.ts';

const LARGEST_UID = 0xffff;
const LARGEST_FID = 0xffff_ffff;

/** The zPCI functions of a machine, in the order in which they came. */
export class ZpciFunctions {
  readonly #functions: ZpciFunction[] = [];
  #nextIndex = 0;

  all(): readonly ZpciFunction[] {
    return this.#functions;
  }

  /** By exactly this handle: one of a former state names nobody. */
  byHandle(handle: number): ZpciFunction | null {
    return this.#functions.find((one) => one.handle === handle) ?? null;
  }

  byIndex(index: number): ZpciFunction | null {
    return this.#functions.find((one) => one.index === index) ?? null;
  }

  byTarget(target: string): ZpciFunction | null {
    return this.#functions.find((one) => one.target === target) ?? null;
  }

  byFid(fid: number): ZpciFunction | null {
    return this.#functions.find((one) => one.fid === fid) ?? null;
  }

  /** The index of a new function. @throws CommandError when none is left */
  freeIndex(): number {
    let index = this.#nextIndex;
    while (this.byIndex(index) !== null) {
      index = (index + 1) & Handle.index;
      if (index === this.#nextIndex) throw new CommandError('no slot for plugging zpci device');
    }
    return index;
  }

  /** Null asks for the smallest that is free. @throws CommandError when it is taken */
  chooseUid(wanted: number | null): number {
    const taken = new Set(this.#functions.map(({ uid }) => uid));
    if (wanted !== null) {
      if (taken.has(wanted)) throw new CommandError(`uid ${wanted} already in use`);
      return wanted;
    }
    for (let uid = 1; uid <= LARGEST_UID; uid++) if (!taken.has(uid)) return uid;
    throw new CommandError('no free uid could be found');
  }

  /** Null asks for the smallest that is free. @throws CommandError when it is taken */
  chooseFid(wanted: number | null): number {
    const taken = new Set(this.#functions.map(({ fid }) => fid));
    if (wanted !== null) {
      if (taken.has(wanted)) throw new CommandError(`fid ${wanted} already in use`);
      return wanted;
    }
    for (let fid = 0; fid <= LARGEST_FID; fid++) if (!taken.has(fid)) return fid;
    throw new CommandError('no free fid could be found');
  }

  /** @throws CommandError when the target has a function already, or none is named */
  checkTarget(target: string | null): string {
    if (target === null || target === '') throw new CommandError('target must be defined');
    if (this.byTarget(target) !== null) {
      throw new CommandError(`target ${target} already has an associated zpci device`);
    }
    return target;
  }

  add(one: ZpciFunction): void {
    this.#functions.push(one);
    this.#nextIndex = (one.index + 1) & Handle.index;
  }

  remove(one: ZpciFunction): void {
    const at = this.#functions.indexOf(one);
    if (at >= 0) this.#functions.splice(at, 1);
  }
}
