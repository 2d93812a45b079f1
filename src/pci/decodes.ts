import type { MemoryRegion } from '../memory/region.ts';

/** The two spaces in which the functions of a bus answer. */
export interface PciDecodes {
  readonly memory: MemoryRegion;
  readonly io: MemoryRegion;
}
