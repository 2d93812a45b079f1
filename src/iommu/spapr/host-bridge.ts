import type { TceSpace } from './space.ts';
import type { TceGeometry } from './table.ts';
import type { DmaWindow } from './window.ts';

/** What a PCI host bridge offers for DMA. */
export interface HostBridgeWindows {
  /** The default window, of 4 KiB pages; in bytes. */
  readonly address: bigint;
  readonly size: bigint;
  /** Guests may create windows of their own (dynamic DMA windows, DDW). */
  readonly dynamic: boolean;
  /** Where the window goes that is created beside another one. */
  readonly dynamicAddress: bigint;
  /** Log2 of the page sizes that a created window may have. */
  readonly pageShifts: readonly number[];
}

/** QEMU's defaults. */
export const DEFAULT_WINDOWS: HostBridgeWindows = {
  address: 0n,
  size: 0x4000_0000n,
  dynamic: true,
  dynamicAddress: 0x800_0000_0000_0000n,
  pageShifts: [12, 16, 21, 24],
};

/** How many windows a host bridge can have at a time. */
export const MOST_WINDOWS = 2;
/** How many TCEs a window can have: a guest fills it by one hypercall, which must not take for ever. */
export const MOST_TCES = 2 ** 20;
const DEFAULT_PAGE_SHIFT = 12;

/** Page sizes as RTAS tells them (LoPAPR, ibm,query-pe-dma-window): log2 of the size, and its bit. */
const PAGE_SIZE_BITS: readonly (readonly [number, number])[] = [
  [12, 0x001],
  [16, 0x002],
  [24, 0x004],
  [25, 0x008],
  [26, 0x010],
  [27, 0x020],
  [28, 0x040],
  [34, 0x080],
  [21, 0x100],
];

/** LIOBNs of the windows of a PCI host bridge. */
export function pciLiobn(index: number, window: number): number {
  return (0x8000_0000 | (index << 8) | window) >>> 0;
}

/** Bus unit id of a PCI host bridge. */
export function busUnitId(index: number): bigint {
  return 0x800_0000_2000_0000n + BigInt(index);
}

/** The DMA windows of one PCI host bridge, which all functions behind it share. */
export class DmaHostBridge {
  readonly index: number;
  readonly space: TceSpace;
  readonly offered: HostBridgeWindows;

  constructor(index: number, space: TceSpace, offered: HostBridgeWindows) {
    this.index = index;
    this.space = space;
    this.offered = offered;
    this.#openDefault();
  }

  get buid(): bigint {
    return busUnitId(this.index);
  }

  /** How many more windows there can be. */
  get windowsLeft(): number {
    return MOST_WINDOWS - this.space.openWindows().length;
  }

  /** The page sizes for windows, as RTAS tells them. */
  get pageSizeMask(): number {
    return PAGE_SIZE_BITS.reduce((mask, [shift, bit]) => mask | (this.offered.pageShifts.includes(shift) ? bit : 0), 0);
  }

  /**
   * Opens a window of 2^windowShift bytes: at the address of the default window where there is none, else at that of
   * the dynamic ones.
   * @param pageShift log2 of the size of its pages, `windowShift` at most
   * @returns null when no window is left, or it cannot be so large
   */
  create(pageShift: number, windowShift: number): { window: DmaWindow; geometry: TceGeometry } | null {
    const window = this.space.windows.find(({ geometry }) => geometry === null);
    const entries = 2 ** (windowShift - pageShift);
    if (window === undefined || entries > MOST_TCES) return null;
    const open = this.space.openWindows();
    const { address, dynamicAddress } = this.offered;
    const atDefault = open.length === 0 || open.some(({ geometry }) => geometry.busOffset === dynamicAddress);
    const geometry = { pageShift, busOffset: atDefault ? address : dynamicAddress, entries };
    window.open(geometry);
    return { window, geometry };
  }

  /** Back to the default window alone, with nothing mapped. */
  reset(): void {
    for (const window of this.space.windows) window.close();
    this.#openDefault();
  }

  #openDefault(): void {
    const { address, size } = this.offered;
    this.space.windows[0]!.open({
      pageShift: DEFAULT_PAGE_SHIFT,
      busOffset: address,
      entries: Number(size >> BigInt(DEFAULT_PAGE_SHIFT)),
    });
  }
}
