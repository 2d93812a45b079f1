import { ADDRESS_LAST, ADDRESS_SPACE_SIZE } from '../core/address.ts';
import { NO_ATTRIBUTES, Permission, permits } from './access.ts';
import type {
  Access,
  AccessError,
  AccessResult,
  Permissions,
  TransactionAttributes,
  TranslationFault,
} from './access.ts';
import type { FlatRange, FlatView } from './flat-view.ts';
import type { IommuObject } from './iommu-object.ts';
import { isIommuRegion } from './iommu-region.ts';
import { ListenerList } from './listener.ts';
import type { MemoryListener } from './listener.ts';
import { transferPiece } from './transfer.ts';
import type { MemoryRegion } from './region.ts';
import type { MemoryTopology } from './topology.ts';

/** What the owner of an address space tells about it. */
export interface AddressSpaceOperations {
  /** The IOMMU object behind the space, whether or not the space translates at the moment. */
  iommuGet?(space: AddressSpace): IommuObject | null;
  /** The device that issues its DMA here, by id or QOM path. */
  device?(space: AddressSpace): string | null;
}

/** Where an address of a space leads in the end. */
export interface Resolution {
  /** The space behind the last IOMMU region on the way, or the one that was asked. */
  readonly addressSpace: AddressSpace;
  /** The address in that space. */
  readonly address: bigint;
  /** What answers there; null when nothing does or a translation was refused. */
  readonly region: MemoryRegion | null;
  /** Relative to the region. */
  readonly offset: bigint;
  /** How many of the bytes from here on lead on likewise. */
  readonly length: bigint;
  /** Writes are not taken. */
  readonly readonly: boolean;
  /** What all translations on the way allow together. */
  readonly permissions: Permissions;
  /** The smallest page on the way, less one; all ones without a translation. */
  readonly mask: bigint;
  /** Why a translation was refused. */
  readonly fault: TranslationFault | null;
}

/** A unit whose target leads back into its own region would translate for ever; QEMU's topologies nest two deep. */
const MAX_TRANSLATIONS = 16;
const ALL_RIGHTS = Permission.readWrite | Permission.execute;

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
    let space: AddressSpace = this;
    let at = address;
    let length = ADDRESS_SPACE_SIZE;
    let mask = ADDRESS_LAST;
    let permissions: Permissions = ALL_RIGHTS;
    const nothing = (fault: TranslationFault | null): Resolution => {
      return {
        addressSpace: space,
        address: at,
        region: null,
        offset: 0n,
        length,
        readonly: false,
        permissions: 0,
        mask,
        fault,
      };
    };
    for (let depth = 0; depth <= MAX_TRANSLATIONS; depth += 1) {
      const view = space.flatView;
      const range = view.find(at);
      if (range === null) {
        length = smaller(length, view.gapEnd(at) - at + 1n);
        return nothing(null);
      }
      length = smaller(length, range.last - at + 1n);
      const { region } = range;
      const offset = at - range.start + range.offsetInRegion;
      if (!isIommuRegion(region)) {
        return {
          addressSpace: space,
          address: at,
          region,
          offset,
          length,
          readonly: range.readonly,
          permissions,
          mask,
          fault: null,
        };
      }
      const entry = region.translate(offset, access, attributes);
      if (!permits(entry.permissions, access)) {
        // The mask of a refused entry says nothing about the neighbours: only this smallest page is known to be bad.
        length = smaller(length, region.iommu.minPageSize - (offset % region.iommu.minPageSize));
        permissions = 0;
        return nothing(
          entry.fault ?? { sentence: `${region.name} does not translate address 0x${offset.toString(16)}` },
        );
      }
      const inPage = offset & entry.mask;
      length = smaller(length, entry.mask - inPage + 1n);
      mask &= entry.mask;
      permissions &= entry.permissions;
      space = entry.target;
      at = (entry.translated & ~entry.mask) | inPage;
    }
    return nothing({ sentence: `${this.name}: address 0x${address.toString(16)} is translated in a circle` });
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
    if (address > BigInt(Number.MAX_SAFE_INTEGER)) return null;
    const at = Number(address);
    const range = this.flatView.findNumber(at);
    if (range === null || range.region.block === null || (write && range.readonly)) return null;
    return at + length - 1 <= range.lastNumber ? range : null;
  }
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
