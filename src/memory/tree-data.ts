import type { AddressSpace } from './address-space.ts';
import { hiddenParts } from './hidden.ts';
import type { MemoryRegion, RegionKind } from './region.ts';
import type { MemoryTopology } from './topology.ts';

/** A region in the reply of `query-address-spaces`. Addresses are those of the space; `last` is inclusive. */
export interface RegionInfo {
  name: string;
  kind: RegionKind;
  start: bigint;
  last: bigint;
  priority: number;
  enabled: boolean;
  /** The region that an alias shows, and from which of its bytes on. */
  alias?: { region: string; offset: bigint };
  /** In the order in which they win: by descending priority, among equals the latest first. */
  children: RegionInfo[];
}

export interface AddressSpaceInfo {
  name: string;
  device?: string;
  /** The unit whose IOMMU object stands behind the space. */
  iommu?: string;
  root: RegionInfo;
}

export interface FlatViewInfo {
  ranges: { start: bigint; last: bigint; region: string; offset: bigint; kind: RegionKind; readonly: boolean }[];
  /** What does not show, and the region that lies over it or is disabled. */
  hidden: { region: string; start: bigint; last: bigint; by: string }[];
}

/** The reply of `query-address-spaces`, in the order of creation. */
export function describeAddressSpaces(topology: MemoryTopology): AddressSpaceInfo[] {
  return topology.addressSpaces().map((space) => {
    const { device } = space;
    const unit = space.iommuObject()?.unit;
    return {
      name: space.name,
      ...(device === null ? {} : { device }),
      ...(unit === undefined ? {} : { iommu: unit }),
      root: describeRegion(space.root, 0n),
    };
  });
}

/** The reply of `query-flat-view`, by ascending address. */
export function describeFlatView(space: AddressSpace): FlatViewInfo {
  const view = space.flatView;
  return {
    ranges: view.ranges.map((range) => ({
      start: range.start,
      last: range.last,
      region: range.region.name,
      offset: range.offsetInRegion,
      kind: range.kind,
      readonly: range.readonly,
    })),
    hidden: hiddenParts(space.root).map(({ region, start, last, by }) => ({
      region: region.name,
      start,
      last,
      by: by.name,
    })),
  };
}

/** `last` of an empty region is its `start`, as in the monitor's text; what leaves 64 bits is cut there. */
function describeRegion(region: MemoryRegion, base: bigint): RegionInfo {
  const start = base + region.address;
  const target = region.aliasTarget;
  return {
    name: region.name,
    kind: region.kind,
    start: inSpace(start),
    last: inSpace(region.size === 0n ? start : start + region.size - 1n),
    priority: region.priority,
    enabled: region.enabled,
    ...(target === null ? {} : { alias: { region: target.name, offset: region.aliasOffset } }),
    children: region.subregions.map((child) => describeRegion(child, start)),
  };
}

function inSpace(address: bigint): bigint {
  const top = (1n << 64n) - 1n;
  return address < 0n ? 0n : address > top ? top : address;
}
