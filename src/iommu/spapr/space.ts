import { ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { IommuRegion } from '../../memory/iommu-region.ts';
import type { MmioOperations } from '../../memory/mmio.ts';
import { MemoryRegion, type RegionOwner } from '../../memory/region.ts';
import type { TraceParts } from '../../trace/trace.ts';
import { BypassableSpace, type BypassableRegions } from '../bypassable-space.ts';
import type { Place } from '../place.ts';
import type { IommuUnit } from '../unit.ts';
import type { TceGeometry } from './table.ts';
import type { DmaWindow } from './window.ts';

/** Where the requests of a space come from: a VIO device, or all functions behind a PCI host bridge. */
export interface TcePlace extends Place {
  /** Who sends requests with that requester id (16 bits); null where nobody, or where requests have none. */
  requesterOf(sourceId: number): string | null;
}

interface TceSpaceParts {
  readonly unit: IommuUnit;
  readonly place: TcePlace;
  /** The default window first. */
  readonly windows: readonly DmaWindow[];
  /** Of the regions and of the address space. */
  readonly names: { readonly root: string; readonly bypass: string; readonly space: string };
  readonly systemMemory: AddressSpace;
  /** Takes interrupt messages, translated or not; absent where devices send none. */
  readonly messages?: MmioOperations;
  readonly owner: RegionOwner;
  readonly trace: TraceParts;
}

/** Where the devices behind a PCI host bridge send interrupt messages to. */
export const MESSAGE_WINDOW = { start: 0x400_0000_0000n, size: 0x1_0000n } as const;

/** What an open window is and has. */
export interface OpenWindow {
  readonly window: DmaWindow;
  readonly geometry: TceGeometry;
}

/**
 * The address space of whoever shares DMA windows: a root that shows either the windows, and nothing between them, or
 * the system memory.
 */
export class TceSpace extends BypassableSpace<TcePlace> {
  readonly windows: readonly DmaWindow[];

  constructor(parts: TceSpaceParts) {
    const { unit, place, windows, trace } = parts;
    super({
      unit,
      place,
      regions: regionsOf(parts),
      hasObject: true,
      bindRefusal: `vIOMMU '${unit.name}' has no PASIDs: sPAPR maps pages by TCE tables, and binds no PASID table`,
      trace,
    });
    this.windows = windows;
  }

  get regions(): readonly IommuRegion[] {
    return this.openWindows().map(({ window }) => window.region);
  }

  /** The LIOBN of the default window. */
  get guestId(): number {
    return this.windows[0]!.liobn;
  }

  /** By ascending address. */
  openWindows(): OpenWindow[] {
    return this.windows
      .flatMap((window) => (window.geometry === null ? [] : [{ window, geometry: window.geometry }]))
      .sort((a, b) => (a.geometry.busOffset < b.geometry.busOffset ? -1 : 1));
  }

  /** What events call who sent a request. */
  nameOf(sourceId: number | undefined): string {
    return (sourceId === undefined ? null : this.place.requesterOf(sourceId)) ?? this.deviceName;
  }
}

function regionsOf({ windows, names, systemMemory, messages, owner }: TceSpaceParts): BypassableRegions {
  const { topology } = systemMemory;
  const root = MemoryRegion.container(topology, names.root, ADDRESS_SPACE_SIZE);
  const translated = MemoryRegion.container(topology, 'tce-windows', ADDRESS_SPACE_SIZE);
  const plain = MemoryRegion.alias(topology, names.bypass, systemMemory.root, 0n, ADDRESS_SPACE_SIZE);
  for (const region of [root, translated, plain]) region.owner = owner;
  topology.transaction(() => {
    for (const window of windows) translated.addSubregion(0n, window.root);
    root.addSubregion(0n, translated, 1);
    root.addSubregion(0n, plain);
    plain.setEnabled(false);
    if (messages === undefined) return;
    const window = MemoryRegion.mmio(topology, 'msi', MESSAGE_WINDOW.size, messages);
    window.owner = owner;
    root.addSubregion(MESSAGE_WINDOW.start, window, 2);
  });
  return { root, translated, plain, name: names.space };
}
