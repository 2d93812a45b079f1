import { addObject } from '../../devices/user-object.ts';
import { MemoryBackend } from '../../devices/memory-backend.ts';
import { MemoryRegion } from '../../memory/region.ts';
import type { BoardParts } from './board.ts';

/** From this much RAM on (2816 MiB) q35 keeps only 2 GiB of it below 4 GiB, so that the PCI hole is one of GiB size. */
const SPLIT_FROM = 0xb000_0000n;
const LOW_WHEN_SPLIT = 0x8000_0000n;
const FOUR_GIB = 1n << 32n;

/** How much of `size` bytes of RAM a q35 has below 4 GiB, and how much from there on. */
export function splitRam(size: bigint): { readonly below: bigint; readonly above: bigint } {
  const below = size < SPLIT_FROM ? size : LOW_WHEN_SPLIT;
  return { below, above: size - below };
}

/** Makes the object that holds the machine's RAM. @throws CommandError for a bad size */
function makeBackend({ types, tree, type, memorySize: size }: BoardParts): MemoryBackend {
  const id = type.ramId;
  const backend = addObject(types, tree.objects, { 'qom-type': 'memory-backend-ram', id, size }, true);
  if (!(backend instanceof MemoryBackend)) throw new Error(`${id} is no RAM`);
  backend.attached = true;
  tree.machine.memoryBackend = backend;
  return backend;
}

/** RAM from address 0 on, in one piece. @throws CommandError for a bad size */
export function installPlainRam(parts: BoardParts): void {
  parts.memory.root.addSubregion(0n, makeBackend(parts).region);
}

/**
 * Gives a q35 its RAM: it lies from address 0 on, and what does not fit below the PCI hole from 4 GiB on. Behind it,
 * with lower priority, lies `pci`, all that PCI decodes. @throws CommandError for a bad size
 */
export function installSplitRam(parts: BoardParts, pci: MemoryRegion): void {
  const backend = makeBackend(parts);
  const { memorySize: size } = parts;
  const { root: system, topology } = parts.memory;
  topology.transaction(() => {
    const { below, above } = splitRam(size);
    system.addSubregion(0n, MemoryRegion.alias(topology, 'ram-below-4g', backend.region, 0n, below));
    if (above > 0n) {
      system.addSubregion(FOUR_GIB, MemoryRegion.alias(topology, 'ram-above-4g', backend.region, below, above));
    }
    system.addSubregion(0n, pci, -1);
  });
}
