import { ADDRESS_SPACE_SIZE } from '../core/address.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { MemoryRegion } from '../memory/region.ts';
import type { AdoptRegion } from './region-object.ts';

/**
 * What a function's requests go through first: a space that shows what is behind the function as long as its command
 * register lets it be a bus master, and nothing else.
 */
export class BusMaster {
  readonly space: AddressSpace;
  readonly #window: MemoryRegion;

  /** `root` is for it alone; `behind` is the space that the IOMMU, or the system, gives the function. */
  constructor(root: MemoryRegion, name: string, behind: AddressSpace, adopt: AdoptRegion, enabled: boolean) {
    const { topology } = root;
    this.#window = MemoryRegion.alias(topology, 'bus master', behind.root, 0n, ADDRESS_SPACE_SIZE);
    adopt(this.#window);
    topology.transaction(() => {
      this.#window.setEnabled(enabled);
      root.addSubregion(0n, this.#window);
    });
    this.space = topology.createAddressSpace(name, root);
  }

  set enabled(enabled: boolean) {
    this.#window.setEnabled(enabled);
  }

  /** The function goes. */
  destroy(): void {
    this.space.topology.destroyAddressSpace(this.space);
  }
}
