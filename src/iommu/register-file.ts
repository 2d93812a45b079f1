import type { Snapshottable } from '../trace/snapshot.ts';

/** One register as data. Bits that are in no mask read as the reset value and ignore writes. */
export interface RegisterDefinition {
  readonly name: string;
  readonly offset: number;
  /** In bytes. */
  readonly width: 4 | 8;
  readonly reset: bigint;
  /** Takes what is written. */
  readonly writable: bigint;
  /** Is cleared by writing 1. */
  readonly writeOneToClear: bigint;
  /** Reads as 0 whatever it holds. */
  readonly writeOnly: bigint;
}

/** Of one access, in bytes. */
type Width = 2 | 4 | 8;

export interface RegisterFileState {
  readonly bytes: Uint8Array;
}

/**
 * The registers as memory with masks. Software reads and writes through the masks, hardware past them. What a write
 * sets off is not its business.
 */
export class RegisterFile implements Snapshottable<RegisterFileState> {
  readonly definitions: readonly RegisterDefinition[];
  readonly #values: DataView;
  readonly #writable: DataView;
  readonly #writeOneToClear: DataView;
  readonly #writeOnly: DataView;

  /** @param size - of the whole file in bytes */
  constructor(definitions: readonly RegisterDefinition[], size: number) {
    this.definitions = definitions;
    const view = (): DataView => new DataView(new ArrayBuffer(size));
    this.#values = view();
    this.#writable = view();
    this.#writeOneToClear = view();
    this.#writeOnly = view();
    for (const { offset, width, writable, writeOneToClear, writeOnly } of definitions) {
      store(this.#writable, offset, width, writable);
      store(this.#writeOneToClear, offset, width, writeOneToClear);
      store(this.#writeOnly, offset, width, writeOnly);
    }
    this.reset();
  }

  /** As software reads; all ones beyond the file. */
  readBySoftware(offset: number, width: Width): bigint {
    if (offset + width > this.#values.byteLength) return (1n << BigInt(8 * width)) - 1n;
    return load(this.#values, offset, width) & ~load(this.#writeOnly, offset, width);
  }

  /** As software writes; dropped beyond the file. */
  writeBySoftware(offset: number, width: Width, value: bigint): void {
    if (offset + width > this.#values.byteLength) return;
    const old = load(this.#values, offset, width);
    const writable = load(this.#writable, offset, width);
    const cleared = load(this.#writeOneToClear, offset, width) & value;
    store(this.#values, offset, width, ((old & ~writable) | (value & writable)) & ~cleared);
  }

  /** A register of 4 bytes, or a half of a longer one, with what software cannot see. */
  get32(offset: number): number {
    return this.#values.getUint32(offset, true);
  }

  set32(offset: number, value: number): void {
    this.#values.setUint32(offset, value, true);
  }

  /** Sets and then clears bits of a register of 4 bytes. */
  change32(offset: number, set: number, clear: number): void {
    this.set32(offset, ((this.get32(offset) | set) & ~clear) >>> 0);
  }

  get64(offset: number): bigint {
    return this.#values.getBigUint64(offset, true);
  }

  set64(offset: number, value: bigint): void {
    this.#values.setBigUint64(offset, value, true);
  }

  /** Every register back to what it is after power-on. */
  reset(): void {
    new Uint8Array(this.#values.buffer).fill(0);
    for (const { offset, width, reset } of this.definitions) store(this.#values, offset, width, reset);
  }

  save(): RegisterFileState {
    return { bytes: new Uint8Array(this.#values.buffer.slice(0)) };
  }

  /** @throws RangeError for a state of another size */
  restore(state: RegisterFileState): void {
    const { byteLength } = this.#values;
    if (state.bytes.length !== byteLength) {
      throw new RangeError(`a saved register file has ${state.bytes.length} bytes; this one has ${byteLength}`);
    }
    new Uint8Array(this.#values.buffer).set(state.bytes);
  }
}

function load(view: DataView, offset: number, width: Width): bigint {
  if (width === 8) return view.getBigUint64(offset, true);
  return BigInt(width === 4 ? view.getUint32(offset, true) : view.getUint16(offset, true));
}

function store(view: DataView, offset: number, width: Width, value: bigint): void {
  if (width === 8) view.setBigUint64(offset, value, true);
  else if (width === 4) view.setUint32(offset, Number(value), true);
  else view.setUint16(offset, Number(value), true);
}
