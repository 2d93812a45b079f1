import type { HostFunction } from '../host/function.ts';
import type { DmaPath } from '../memory/dma.ts';
import type { VfioContainer } from './container.ts';
import type { VfioListener } from './listener.ts';

export interface VfioDeviceParts {
  /** The guest device's id, or its QOM path where it has none. */
  readonly name: string;
  readonly container: VfioContainer;
  readonly function: HostFunction & { readonly group: number };
  /** Declared to share memory with others that are, too. */
  readonly shared: boolean;
  /** Null where no IOMMU stands before the device. */
  readonly listener: VfioListener | null;
  /** Takes everything back that attaching it did. */
  release(): void;
}

/** A host function in the hands of a guest device. */
export class VfioDevice {
  readonly name: string;
  readonly container: VfioContainer;
  readonly function: HostFunction;
  readonly group: number;
  readonly shared: boolean;
  readonly listener: VfioListener | null;
  /** The way of the device's DMA: through the host's IOMMU, never through the guest's address space. */
  readonly dmaPath: DmaPath;
  readonly #release: () => void;

  constructor(parts: VfioDeviceParts) {
    this.name = parts.name;
    this.container = parts.container;
    this.function = parts.function;
    this.group = parts.function.group;
    this.shared = parts.shared;
    this.listener = parts.listener;
    this.dmaPath = parts.function.dmaPath(() => parts.name);
    this.#release = () => parts.release();
  }

  /** Gives the function back: no mapping, listener or cached entry of it is left. To be called once. */
  release(): void {
    this.#release();
  }
}
