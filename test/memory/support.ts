import fc from 'fast-check';
import { OperationCounter } from '../../src/core/operation.ts';
import type { FlatRange } from '../../src/memory/flat-view.ts';
import type { MmioOperations } from '../../src/memory/mmio.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { MemoryTopology } from '../../src/memory/topology.ts';

export const PAGE = 4096n;

export function newTopology(): MemoryTopology {
  return new MemoryTopology(new OperationCounter());
}

export function ram(topology: MemoryTopology, name: string, size: bigint): MemoryRegion {
  return MemoryRegion.ram(topology, name, new RamBlock(name, size, topology.operations));
}

export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** Registers that remember every access as text, and answer a read with `answer(offset, size)`. */
export function recordingRegisters(
  options: Partial<MmioOperations> = {},
  answer: (offset: number, size: number) => bigint = () => 0n,
): { operations: MmioOperations; log: string[] } {
  const log: string[] = [];
  const operations: MmioOperations = {
    read: (offset, size) => {
      log.push(`read ${offset}+${size}`);
      return answer(offset, size);
    },
    write: (offset, size, value) => {
      log.push(`write ${offset}+${size}=0x${value.toString(16)}`);
    },
    ...options,
  };
  return { operations, log };
}

/** A range in words, for comparing views. */
export function rangeText(range: FlatRange): string {
  const rights = range.readonly ? ' readonly' : '';
  return `${range.start}-${range.last} ${range.region.name}@${range.offsetInRegion}${rights}`;
}

/** How a random region is made; indices are taken modulo what there is. Sizes and addresses are in units. */
export interface RegionRecipe {
  readonly kind: 'container' | 'leaf' | 'alias';
  readonly size: number;
  readonly children: { readonly index: number; readonly address: number; readonly priority: number }[];
  readonly target: number;
  readonly aliasOffset: number;
  readonly enabled: boolean;
  readonly readonly: boolean;
}

export const UNITS = 64;

export const recipes: fc.Arbitrary<RegionRecipe[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('container', 'leaf', 'alias'),
    size: fc.integer({ min: 0, max: UNITS }),
    children: fc.array(
      fc.record({
        index: fc.nat({ max: 20 }),
        address: fc.integer({ min: 0, max: UNITS - 1 }),
        priority: fc.integer({ min: -2, max: 2 }),
      }),
      { maxLength: 4 },
    ),
    target: fc.nat({ max: 20 }),
    aliasOffset: fc.integer({ min: 0, max: UNITS - 1 }),
    enabled: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    readonly: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  }),
  { minLength: 1, maxLength: 12 },
);

export interface RandomTree {
  readonly topology: MemoryTopology;
  readonly root: MemoryRegion;
  readonly regions: MemoryRegion[];
}

/** Builds regions from the first recipe on; each may hold, or show, only earlier ones, so that nothing is circular. */
export function buildTree(list: readonly RegionRecipe[], unit: bigint): RandomTree {
  const topology = newTopology();
  const regions: MemoryRegion[] = [];
  for (const [index, recipe] of list.entries()) {
    const region = makeRegion(topology, regions, recipe, `r${index}`, unit);
    for (const child of recipe.children) addChild(region, regions, child, unit);
    region.setEnabled(recipe.enabled);
    region.setReadonly(recipe.readonly);
    regions.push(region);
  }
  const root = MemoryRegion.container(topology, 'root', BigInt(UNITS) * unit);
  for (const region of regions) if (region.parent === null) root.addSubregion(0n, region);
  return { topology, root, regions };
}

function addChild(
  parent: MemoryRegion,
  regions: readonly MemoryRegion[],
  child: RegionRecipe['children'][number],
  unit: bigint,
): void {
  const region = regions[child.index % Math.max(regions.length, 1)];
  if (region === undefined || region.parent !== null || parent.kind === 'alias') return;
  parent.addSubregion(BigInt(child.address) * unit, region, child.priority);
}

function makeRegion(
  topology: MemoryTopology,
  regions: readonly MemoryRegion[],
  recipe: RegionRecipe,
  name: string,
  unit: bigint,
): MemoryRegion {
  const size = BigInt(recipe.size) * unit;
  const target = regions[recipe.target % Math.max(regions.length, 1)];
  if (recipe.kind === 'container') return MemoryRegion.container(topology, name, size);
  if (recipe.kind === 'alias' && target !== undefined) {
    return MemoryRegion.alias(topology, name, target, BigInt(recipe.aliasOffset) * unit, size);
  }
  return MemoryRegion.reservation(topology, name, size);
}

/** What answers at one address of `region`, by definition: the slow way. */
export function answering(region: MemoryRegion, offset: bigint, isReadonly = false): string | null {
  if (!region.enabled || offset < 0n || offset >= region.size) return null;
  const protectedHere = isReadonly || region.readonly;
  if (region.aliasTarget !== null) return answering(region.aliasTarget, offset + region.aliasOffset, protectedHere);
  for (const child of region.subregions) {
    const found = answering(child, offset - child.address, protectedHere);
    if (found !== null) return found;
  }
  return region.terminates ? `${region.name}@${offset}${protectedHere ? ' readonly' : ''}` : null;
}
