import { addObject } from '../devices/user-object.ts';
import { MemoryBackend } from '../devices/memory-backend.ts';
import { MemoryRegion } from '../memory/region.ts';
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
  /** The root of the system memory. */
  readonly system: MemoryRegion;
  /** The name of the object that holds the RAM. */
  readonly id: string;
  /** In bytes. */
  readonly size: bigint;
}

/** Makes the object that holds the machine's RAM. @throws CommandError for a bad size */
function makeBackend({ types, objects, id, size }: RamParts): MemoryBackend {
  const backend = addObject(types, objects, { 'qom-type': 'memory-backend-ram', id, size }, true);
  if (!(backend instanceof MemoryBackend)) throw new Error(`${id} is no RAM`);
  backend.attached = true;
  return backend;
}

/** Gives a machine without a board its RAM, from address 0 on. @throws CommandError for a bad size */
export function installPlainRam(parts: RamParts): MemoryBackend {
  const backend = makeBackend(parts);
  parts.system.addSubregion(0n, backend.region);
  return backend;
}

/**
 * Gives a q35 its RAM: it lies from address 0 on, and what does not fit below the PCI hole from 4 GiB on. Behind it,
 * with lower priority, lies `pci`, all that PCI decodes. @throws CommandError for a bad size
 */
export function installRam(parts: RamParts, pci: MemoryRegion): MemoryBackend {
  const backend = makeBackend(parts);
  const { system, size } = parts;
  const { topology } = system;
  topology.transaction(() => {
    const low = bytesBelow4G(size);
    system.addSubregion(0n, MemoryRegion.alias(topology, 'ram-below-4g', backend.region, 0n, low));
    if (size > low) {
      system.addSubregion(FOUR_GIB, MemoryRegion.alias(topology, 'ram-above-4g', backend.region, low, size - low));
    }
    system.addSubregion(0n, pci, -1);
  });
  return backend;
}
