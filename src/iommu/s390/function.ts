import type { Access } from '../../memory/access.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { AdapterInterrupts } from './adapter-interrupts.ts';
import { ErrorCode } from './errors.ts';
import type { FunctionIommu, TranslatingFunction } from './function-iommu.ts';
import { Availability, type PendingEvents } from './pending-events.ts';

/**
 * Reserved: no PCI function is plugged. Standby: it is not configured. Disabled: configured, and not enabled by CLP.
 * Blocked: loads and stores of an enabled function pass again behind an error, DMA does, too. Error: nothing does.
 */
export type FunctionState = 'reserved' | 'standby' | 'disabled' | 'enabled' | 'blocked' | 'error';

/** Parts of a function handle. */
export const Handle = {
  enabled: 0x8000_0000,
  index: 0xffff,
  assigned: 0x1_0000,
  emulated: 0x2_0000,
} as const;

export interface FunctionState390 {
  readonly uid: number;
  readonly state: FunctionState;
  readonly handle: number;
  readonly interrupts: AdapterInterrupts | null;
  readonly refreshes: number;
}

/** What the function is to the unit, once it is plugged. */
export interface FunctionParts {
  readonly index: number;
  /** Function id (FID), 32 bits. */
  readonly fid: number;
  /** User-defined id (UID), 1 to 0xffff. */
  readonly uid: number;
  /** The id of the PCI device. */
  readonly target: string;
  /** A registration without tables is allowed, for assigned functions. */
  readonly relaxedTranslation: boolean;
}

/** A PCI function as s390 software knows it: by function handle and ids, with a state and an IOMMU of its own. */
export class ZpciFunction implements TranslatingFunction, Snapshottable<FunctionState390> {
  readonly index: number;
  readonly fid: number;
  readonly uid: number;
  readonly target: string;
  readonly #relaxedTranslation: boolean;
  readonly #events: PendingEvents;
  readonly #onError: (source: ZpciFunction, code: number, address: bigint, access: Access) => void;
  state: FunctionState = 'reserved';
  interrupts: AdapterInterrupts | null = null;
  /** How often RPCIT succeeded. */
  refreshes = 0;
  #handle: number;
  #plugged: { readonly device: PciDevice; readonly iommu: FunctionIommu; readonly assigned: boolean } | null = null;

  /** `onError` is told of every error of a translation. */
  constructor(
    parts: FunctionParts,
    events: PendingEvents,
    onError: (source: ZpciFunction, code: number, address: bigint, access: Access) => void,
  ) {
    this.index = parts.index;
    this.fid = parts.fid;
    this.uid = parts.uid;
    this.target = parts.target;
    this.#relaxedTranslation = parts.relaxedTranslation;
    this.#events = events;
    this.#onError = onError;
    this.#handle = parts.index;
  }

  get handle(): number {
    return this.#handle;
  }

  /** Null while reserved. */
  get device(): PciDevice | null {
    return this.#plugged?.device ?? null;
  }

  /** @throws Error (a bug of the caller) while reserved */
  get iommu(): FunctionIommu {
    if (this.#plugged === null) throw new Error(`zPCI function ${this.target} has no PCI device`);
    return this.#plugged.iommu;
  }

  get enabled(): boolean {
    return (this.#handle & Handle.enabled) !== 0;
  }

  get takesRequests(): boolean {
    return this.state === 'enabled' || this.state === 'blocked';
  }

  /** The function may register an address space without tables. */
  get relaxedTranslation(): boolean {
    return this.#relaxedTranslation && this.#plugged?.assigned === true;
  }

  /** A PCI device is there. It begins as configured and disabled. */
  plug(device: PciDevice, iommu: FunctionIommu, assigned: boolean): void {
    this.#plugged = { device, iommu, assigned };
    iommu.owner = this;
    iommu.space.guestId = this.fid;
    this.state = 'disabled';
    this.#handle = (this.index | (assigned ? Handle.assigned : Handle.emulated)) >>> 0;
    if (device.hotplugged) this.#tell(Availability.configured);
  }

  /** The PCI device has gone. */
  unplug(): void {
    const plugged = this.#plugged;
    if (plugged === null) return;
    this.#tell(Availability.reserved);
    this.#release();
    this.state = 'reserved';
    plugged.iommu.owner = null;
    plugged.iommu.space.guestId = null;
    this.#plugged = null;
  }

  /** By CLP. */
  enable(): void {
    this.#handle = (this.#handle | Handle.enabled) >>> 0;
    this.state = 'enabled';
  }

  /** By CLP, or a reset of the machine: registrations end. */
  disable(): void {
    this.#release();
    this.#handle = (this.#handle & ~Handle.enabled) >>> 0;
    this.state = 'disabled';
  }

  /** By SCLP, from standby. */
  configure(): void {
    this.state = 'disabled';
  }

  /** By SCLP: the function goes to standby, disabled. */
  deconfigure(): void {
    this.disable();
    this.state = 'standby';
  }

  reset(): void {
    if (this.state !== 'reserved' && this.state !== 'standby') this.disable();
  }

  /** A request, or a refresh, met an error: nothing passes until software resets it. */
  fail(code: number, address: bigint, access: Access): void {
    this.state = 'error';
    this.report(code, address);
    this.#onError(this, code, address, access);
  }

  /** Queues an error event for the guest. */
  report(code: number, address: bigint): void {
    this.#events.add({ content: 1, code, handle: this.#handle, fid: this.fid, address });
  }

  save(): FunctionState390 {
    const { uid, state, interrupts, refreshes } = this;
    return { uid, state, handle: this.#handle, interrupts: interrupts && { ...interrupts }, refreshes };
  }

  /** The IOMMU is saved by the unit. */
  restore(saved: FunctionState390): void {
    this.state = saved.state;
    this.#handle = saved.handle;
    this.interrupts = saved.interrupts && { ...saved.interrupts };
    this.refreshes = saved.refreshes;
  }

  #release(): void {
    this.interrupts = null;
    if (this.iommu.registration !== null) this.iommu.deregister();
  }

  #tell(code: number): void {
    this.#events.add({ content: 2, code, handle: this.#handle, fid: this.fid, address: BigInt(ErrorCode.none) });
  }
}
