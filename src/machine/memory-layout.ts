import { addObject } from '../devices/user-object.ts';
import { MemoryBackendRam } from '../devices/memory-backend-ram.ts';
import { MemoryRegion } from '../memory/region.ts';
import type { RamBlock } from '../memory/ram-block.ts';
import type { MemoryTopology } from '../memory/topology.ts';
import type { QomObject } from '../qom/object.ts';
import type { TypeRegistry } from '../qom/type-registry.ts';

/** From this much RAM on (2816 MiB) q35 keeps only 2 GiB of it below 4 GiB, so that the PCI hole is one of GiB size. */
const SPLIT_FROM = 0xb000_0000n;
const LOW_WHEN_SPLIT = 0x8000_0000n;
const FOUR_GIB = 1n << 32n;

/** How much of `size` bytes of RAM a q35 has below 4 GiB. */
function bytesBelow4G(size: bigint): bigint {
  return size < SPLIT_FROM ? size : LOW_WHEN_SPLIT;
}

export interface RamParts {
  readonly types: TypeRegistry;
  readonly objects: QomObject;
  readonly topology: MemoryTopology;
  /** The root of the system memory. */
  readonly system: MemoryRegion;
  /** All that PCI decodes. */
  readonly pci: MemoryRegion;
  /** In bytes. */
  readonly size: bigint;
}

/** Gives a q35 its RAM: the object pc.ram, and its windows in the system memory. @throws CommandError for a bad size */
export function installRam({ types, objects, topology, system, pci, size }: RamParts): void {
  const backend = addObject(types, objects, { 'qom-type': 'memory-backend-ram', id: 'pc.ram', size }, true);
  if (!(backend instanceof MemoryBackendRam)) throw new Error('pc.ram is no RAM');
  backend.attached = true;
  layOutRam(topology, system, pci, backend.block);
}

/**
 * RAM lies from address 0 on, and what does not fit below the PCI hole from 4 GiB on. Behind it, with lower priority,
 * lies all that PCI decodes.
 */
function layOutRam(topology: MemoryTopology, system: MemoryRegion, pci: MemoryRegion, block: RamBlock): void {
  topology.transaction(() => {
    const ram = MemoryRegion.ram(topology, 'pc.ram', block);
    const low = bytesBelow4G(block.size);
    system.addSubregion(0n, MemoryRegion.alias(topology, 'ram-below-4g', ram, 0n, low));
    if (block.size > low) {
      const high = MemoryRegion.alias(topology, 'ram-above-4g', ram, low, block.size - low);
      system.addSubregion(FOUR_GIB, high);
    }
    system.addSubregion(0n, pci, -1);
  });
}
