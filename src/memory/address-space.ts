import { NO_ATTRIBUTES } from './access.ts';
import type { Access, AccessError, AccessResult, TransactionAttributes } from './access.ts';
import type { FlatRange, FlatView } from './flat-view.ts';
import type { IommuObject } from './iommu-object.ts';
import { ListenerList } from './listener.ts';
import type { MemoryListener } from './listener.ts';
import { resolve } from './resolve.ts';
import type { Resolution } from './resolve.ts';
import { transferPiece } from './transfer.ts';
import type { MemoryRegion } from './region.ts';
import type { MemoryTopology } from './topology.ts';

const LARGEST_NUMBER = BigInt(Number.MAX_SAFE_INTEGER);

/** What the owner of an address space tells about it. */
export interface AddressSpaceOperations {
  /** The IOMMU object behind the space, whether or not the space translates at the moment. */
  iommuGet?(space: AddressSpace): IommuObject | null;
  /** The device that issues its DMA here, by id or QOM path. */
  device?(space: AddressSpace): string | null;
}

/** What a device, or the processor, sees of a topology. */
export class AddressSpace {
  readonly topology: MemoryTopology;
  readonly name: string;
  readonly root: MemoryRegion;
  readonly operations: AddressSpaceOperations;
  readonly #listeners: ListenerList;
  #view: FlatView | null = null;
  #generation = -1;

  /** For {@link MemoryTopology.createAddressSpace}. */
  constructor(topology: MemoryTopology, name: string, root: MemoryRegion, operations: AddressSpaceOperations) {
    this.topology = topology;
    this.name = name;
    this.root = root;
    this.operations = operations;
    this.#listeners = new ListenerList(this);
  }

  /** What is visible since the last commit. A space that nobody looked at since shows the open transaction's state. */
  get flatView(): FlatView {
    if (this.#view === null || this.#generation !== this.topology.generation) {
      this.#view = this.topology.viewOf(this.root);
      this.#generation = this.topology.isOpen ? -1 : this.topology.generation;
    }
    return this.#view;
  }

  /** The device that issues its DMA here, by id or QOM path; null for spaces of none. */
  get device(): string | null {
    return this.operations.device?.(this) ?? null;
  }

  /** The IOMMU object behind this space: how a consumer finds out that an IOMMU is exposed. */
  iommuObject(): IommuObject | null {
    return this.operations.iommuGet?.(this) ?? null;
  }

  /** By ascending priority, among equals in the order in which they were added. */
  get listeners(): readonly MemoryListener[] {
    return this.#listeners.all;
  }

  /**
   * Adds a listener and tells it of everything that is visible.
   * @throws what `regionAdd` threw; the listener then got deletes for what it had accepted and is not added
   */
  addListener(listener: MemoryListener): void {
    this.#listeners.add(listener);
  }

  /** Removes a listener after telling it that everything goes. One that is not there is left alone. */
  removeListener(listener: MemoryListener): void {
    this.#listeners.remove(listener);
  }

  /** For the topology: tells the listeners what a commit changed. */
  update(attempt: (call: () => void) => void): void {
    this.#listeners.update(attempt);
  }

  /** Fills `into` from `address`; what cannot be read is zeros. RAM in any size, MMIO in accesses that it takes. */
  read(address: bigint, into: Uint8Array, attributes: TransactionAttributes = NO_ATTRIBUTES): AccessResult {
    return this.#transfer(address, into, false, attributes);
  }

  /** Writes `bytes` at `address`; what cannot be written is dropped. */
  write(address: bigint, bytes: Uint8Array, attributes: TransactionAttributes = NO_ATTRIBUTES): AccessResult {
    return this.#transfer(address, bytes, true, attributes);
  }

  /** Where `address` leads, through all IOMMU regions on the way. */
  translate(address: bigint, access: Access, attributes: TransactionAttributes = NO_ATTRIBUTES): Resolution {
    return resolve(this, address, access, attributes);
  }

  #transfer(address: bigint, bytes: Uint8Array, write: boolean, attributes: TransactionAttributes): AccessResult {
    const direct = this.#directRange(address, bytes.length, write);
    if (direct !== null) {
      const offset = Number(address) - direct.startNumber + direct.offsetNumber;
      if (write) direct.region.block?.write(offset, bytes);
      else direct.region.block?.read(offset, bytes);
      return { ok: true, good: bytes.length, firstBad: null, error: null };
    }
    let good = 0;
    let firstBad: bigint | null = null;
    let firstError: AccessError | null = null;
    let done = 0;
    while (done < bytes.length) {
      const at = address + BigInt(done);
      const target = this.translate(at, write ? 'write' : 'read', attributes);
      const rest = BigInt(bytes.length - done);
      const piece = bytes.subarray(done, done + Number(smaller(target.length, rest)));
      const outcome = transferPiece(target, piece, write, attributes);
      if (outcome.error === null) {
        good += outcome.length;
      } else if (firstError === null) {
        firstBad = at;
        firstError = outcome.error;
      }
      done += outcome.length;
    }
    return { ok: firstError === null, good, firstBad, error: firstError };
  }

  /** The RAM range that holds the whole transfer: the usual case, without bigint. */
  #directRange(address: bigint, length: number, write: boolean): FlatRange | null {
    if (address > LARGEST_NUMBER) return null;
    const at = Number(address);
    const range = this.flatView.findNumber(at);
    if (range === null || range.region.block === null || (write && range.readonly)) return null;
    return at + length - 1 <= range.lastNumber ? range : null;
  }
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
