import { ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { IommuRegion, type IommuRegionOperations } from '../../memory/iommu-region.ts';
import type { MmioOperations } from '../../memory/mmio.ts';
import { MemoryRegion, type RegionOwner } from '../../memory/region.ts';
import type { TraceParts } from '../../trace/trace.ts';
import { BypassableSpace } from '../bypassable-space.ts';
import type { PciPlace } from '../place.ts';
import type { IommuUnit } from '../unit.ts';
import { FIRST_DMA_ADDRESS, LAST_DMA_ADDRESS } from './tables.ts';

/** Where functions write their interrupt messages. */
const MESSAGE_ADDRESS = 0xfe00_0000_0000_0000n;
const PAGE = 0x1000n;

interface FunctionSpaceParts {
  readonly unit: IommuUnit;
  readonly place: PciPlace;
  readonly systemMemory: AddressSpace;
  /** RAM in bytes: what a direct mapping shows. */
  readonly memorySize: bigint;
  readonly owner: RegionOwner;
  readonly messages: MmioOperations;
  readonly trace: TraceParts;
}

/**
 * One function's address space. Without a registration it shows nothing but the page for interrupt messages. While
 * tables are registered it shows an IOMMU region from address 0 to the registered limit; a direct mapping shows guest
 * memory from the first DMA address on.
 */
export class FunctionSpace extends BypassableSpace<PciPlace> {
  readonly #window: MemoryRegion;
  readonly #owner: RegionOwner;
  #region: IommuRegion | null = null;
  /** The id of the function (FID) that sits here. */
  #guestId: number | null = null;

  constructor(parts: FunctionSpaceParts) {
    const { unit, place, systemMemory, memorySize, owner, messages, trace } = parts;
    const { topology } = systemMemory;
    const root = MemoryRegion.container(topology, `iommu-root-${place.name}`, ADDRESS_SPACE_SIZE);
    const window = MemoryRegion.container(topology, `iommu-s390-${place.name}`, ADDRESS_SPACE_SIZE);
    const direct = MemoryRegion.alias(topology, `iommu-dm-s390-${place.name}`, systemMemory.root, 0n, memorySize);
    const notify = MemoryRegion.mmio(topology, `msix-s390-${place.name}`, PAGE, messages);
    for (const region of [root, window, direct, notify]) region.owner = owner;
    topology.transaction(() => {
      root.addSubregion(MESSAGE_ADDRESS, notify, 1);
      root.addSubregion(0n, window);
      root.addSubregion(FIRST_DMA_ADDRESS, direct);
      direct.setEnabled(false);
    });
    super({
      unit,
      place,
      regions: { root, translated: window, plain: direct, name: `iommu-pci-${place.name}` },
      hasObject: true,
      bindRefusal: 'zPCI functions make no requests with PASID, so no PASID table can be bound; use DMA without PASID',
      trace,
    });
    this.#window = window;
    this.#owner = owner;
  }

  override get regions(): readonly IommuRegion[] {
    return this.#region === null ? [] : [this.#region];
  }

  /** Null while no function is plugged; it shows while tables are registered. */
  get region(): IommuRegion | null {
    return this.#region;
  }

  get guestId(): number {
    return this.#guestId ?? 0;
  }

  set guestId(id: number | null) {
    this.#guestId = id;
  }

  /** Where the requests sit, as a requester id. */
  get sourceId(): number {
    return this.place.sourceId;
  }

  /** A function was plugged: from now on there is an IOMMU region, which does not show yet. */
  attach(name: string, operations: IommuRegionOperations): void {
    const region = new IommuRegion(this.#window.topology, name, LAST_DMA_ADDRESS + 1n, operations);
    region.owner = this.#owner;
    region.setEnabled(false);
    this.#region = region;
    this.#change(() => this.#window.addSubregion(0n, region));
  }

  /** The function has gone. */
  detach(): void {
    const region = this.#region;
    this.#region = null;
    if (region !== null) this.#change(() => this.#window.removeSubregion(region));
  }

  /** Tables are registered: the IOMMU region shows, up to the address `limit` (inclusive). */
  open(limit: bigint): void {
    this.close();
    this.#change(() => {
      this.#region?.setSize(limit + 1n);
      this.#region?.setEnabled(true);
    });
  }

  /** The registration has ended: the IOMMU region hides, and with it goes all that its listeners had been told. */
  close(): void {
    this.#change(() => this.#region?.setEnabled(false));
  }

  /** The guest is not told of a listener that cannot follow; that one is left without what it refused. */
  #change(change: () => void): void {
    try {
      this.#window.topology.transaction(change);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
}
