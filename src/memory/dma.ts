import { ADDRESS_SPACE_SIZE, hex } from '../core/address.ts';
import type { OperationCounter } from '../core/operation.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { NO_ATTRIBUTES, sentenceOf } from './access.ts';
import type { TransactionAttributes } from './access.ts';
import type { AddressSpace } from './address-space.ts';

const PIECE = 4096;

/** One piece of a transfer, never across a 4 KiB boundary of the device's address. */
export interface DmaRequest {
  readonly address: bigint;
  readonly pasid?: number;
  readonly write: boolean;
  /** Filled by a read. */
  readonly bytes: Uint8Array;
  /** How many bytes of the transfer come behind this piece; absent: none. */
  readonly remaining?: number;
}

/** Why a piece did not move. */
export interface DmaFault {
  readonly sentence: string;
  readonly code?: number;
  readonly reason?: string;
}

export type DmaResult =
  | { readonly kind: 'moved' }
  | ({
      readonly kind: 'fault';
      /** How many leading bytes of the piece did move. */
      readonly moved?: number;
    } & DmaFault)
  | {
      readonly kind: 'wait';
      /** What for, as a sentence. */
      readonly reason: string;
      /** Takes what is to be called, once: the piece is tried again then; with a fault it ends the transfer. */
      onReady(resume: (fault?: DmaFault) => void): void;
    };

/** What moves the pieces: an address space, or the host's IOMMU. */
export interface DmaPath {
  move(request: DmaRequest): DmaResult;
}

export interface DmaFailure extends DmaFault {
  /** The first address that did not move. */
  readonly address: bigint;
}

export type DmaState = 'done' | 'waiting' | 'failed';

export interface DmaOptions {
  /** The number of the operation that began it. */
  readonly operation: number;
  /** From the device to memory. */
  readonly write: boolean;
  readonly address: bigint;
  /** What is written, or where a read is to land. */
  readonly data: Uint8Array;
  readonly pasid?: number;
  readonly path: DmaPath;
  /** With it, every resumption runs as `operation`. */
  readonly operations?: OperationCounter;
}

export interface SavedDma {
  operation: number;
  moved: number;
  state: DmaState | 'new';
  data: Uint8Array;
  failure: DmaFailure | null;
}

/**
 * A transfer that goes piece by piece and can wait between two of them. What has moved stays moved, whatever happens
 * to the rest.
 */
export class Dma implements Snapshottable<SavedDma> {
  readonly operation: number;
  readonly write: boolean;
  readonly address: bigint;
  readonly data: Uint8Array;
  readonly pasid: number | null;
  readonly #path: DmaPath;
  readonly #operations: OperationCounter | null;
  #state: DmaState | 'new' = 'new';
  #moved = 0;
  #failure: DmaFailure | null = null;
  #waitingFor: string | null = null;
  #callbacks: ((dma: Dma) => void)[] = [];

  constructor(options: DmaOptions) {
    this.operation = options.operation;
    this.write = options.write;
    this.address = options.address;
    this.data = options.data;
    this.pasid = options.pasid ?? null;
    this.#path = options.path;
    this.#operations = options.operations ?? null;
  }

  /** `new` until it is advanced first. */
  get state(): DmaState | 'new' {
    return this.#state;
  }

  /** How many bytes have moved, from the first on. */
  get moved(): number {
    return this.#moved;
  }

  get failure(): DmaFailure | null {
    return this.#failure;
  }

  /** What it waits for, as a sentence; null when it does not wait. */
  get waitingFor(): string | null {
    return this.#waitingFor;
  }

  /** Moves as many pieces as it can. An ended transfer stays as it ended. */
  advance(): DmaState {
    return this.#asOperation(() => this.#advance());
  }

  /** Calls `callback` when the transfer has ended, at once if it has. */
  onEnd(callback: (dma: Dma) => void): void {
    if (this.#ended) callback(this);
    else this.#callbacks.push(callback);
  }

  /** Ends a transfer that has not ended: it fails with `reason`, a sentence. */
  cancel(reason: string): void {
    if (!this.#ended) this.#fail({ sentence: reason, address: this.#position });
  }

  save(): SavedDma {
    return {
      operation: this.operation,
      moved: this.#moved,
      state: this.#state,
      data: this.data.slice(),
      failure: this.#failure,
    };
  }

  /** Takes back the progress of the same transfer. One that waited tries its piece again when it is advanced. */
  restore(state: SavedDma): void {
    this.data.set(state.data);
    this.#moved = state.moved;
    this.#state = state.state;
    this.#failure = state.failure;
    this.#waitingFor = null;
  }

  get #ended(): boolean {
    return this.#state === 'done' || this.#state === 'failed';
  }

  get #position(): bigint {
    return BigInt.asUintN(64, this.address + BigInt(this.#moved));
  }

  #asOperation<Result>(body: () => Result): Result {
    if (this.#operations === null || this.#operations.current === this.operation) return body();
    return this.#operations.resume(this.operation, body);
  }

  #advance(): DmaState {
    if (this.#state === 'done' || this.#state === 'failed') return this.#state;
    this.#waitingFor = null;
    while (this.#moved < this.data.length) {
      const address = this.address + BigInt(this.#moved);
      if (address >= ADDRESS_SPACE_SIZE) {
        return this.#fail({
          sentence: `The transfer reaches beyond the last address, ${hex(ADDRESS_SPACE_SIZE - 1n)}`,
          address: ADDRESS_SPACE_SIZE - 1n,
        });
      }
      const length = Math.min(PIECE - Number(address % BigInt(PIECE)), this.data.length - this.#moved);
      const result = this.#path.move({
        address,
        ...(this.pasid === null ? {} : { pasid: this.pasid }),
        write: this.write,
        bytes: this.data.subarray(this.#moved, this.#moved + length),
        remaining: this.data.length - this.#moved - length,
      });
      if (result.kind === 'wait') return this.#wait(result.reason, result.onReady.bind(result));
      if (result.kind === 'fault') {
        this.#moved += result.moved ?? 0;
        return this.#failAt(result);
      }
      this.#moved += length;
    }
    this.#state = 'done';
    this.#end();
    return 'done';
  }

  #wait(reason: string, onReady: (resume: (fault?: DmaFault) => void) => void): DmaState {
    this.#state = 'waiting';
    this.#waitingFor = reason;
    let resumed = false;
    onReady((fault) => {
      if (resumed || this.#ended) return;
      resumed = true;
      if (fault === undefined) this.advance();
      else this.#asOperation(() => this.#failAt(fault));
    });
    return this.#state;
  }

  #failAt({ sentence, code, reason }: DmaFault): DmaState {
    return this.#fail({
      sentence,
      ...(code !== undefined && { code }),
      ...(reason !== undefined && { reason }),
      address: this.#position,
    });
  }

  #fail(failure: DmaFailure): DmaState {
    this.#state = 'failed';
    this.#failure = failure;
    this.#waitingFor = null;
    this.#end();
    return 'failed';
  }

  #end(): void {
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const callback of callbacks) callback(this);
  }
}

export interface AddressSpaceDmaPathOptions {
  readonly attributes?: TransactionAttributes;
  /** The space that serves a PASID; null, or no such function: requests with a PASID are refused. */
  withPasid?(pasid: number): AddressSpace | null;
}

/** The path of an emulated device: through its address space, and so through the vIOMMU. */
export class AddressSpaceDmaPath implements DmaPath {
  readonly #space: AddressSpace;
  readonly #options: AddressSpaceDmaPathOptions;

  constructor(space: AddressSpace, options: AddressSpaceDmaPathOptions = {}) {
    this.#space = space;
    this.#options = options;
  }

  move(request: DmaRequest): DmaResult {
    const { address, pasid, write, bytes } = request;
    const space = pasid === undefined ? this.#space : (this.#options.withPasid?.(pasid) ?? null);
    if (space === null) {
      return {
        kind: 'fault',
        sentence: `Address space ${this.#space.name} takes no requests with PASID ${pasid ?? 0}`,
      };
    }
    const attributes = { ...(this.#options.attributes ?? NO_ATTRIBUTES), ...(pasid === undefined ? {} : { pasid }) };
    const result = write ? space.write(address, bytes, attributes) : space.read(address, bytes, attributes);
    if (result.error === null) return { kind: 'moved' };
    const bad = result.firstBad ?? address;
    const fault =
      result.error.kind === 'fault' ? result.error.fault : { sentence: sentenceOf(result.error, bad, write) };
    return { kind: 'fault', ...fault, moved: Number(bad - address) };
  }
}
