import { formatBdf } from '../core/bdf.ts';
import { NO_PASID } from '../iommu/iotlb.ts';
import { permissionNames } from '../memory/access.ts';
import type { PasidTableFormat } from '../memory/iommu-object.ts';
import type { HostIotlbEntry } from './caches.ts';
import type { CacheStatistics } from './fixed-cache.ts';
import type { HostFunction } from './function.ts';
import type { HostIommu } from './iommu.ts';

/** What query-host-iommu returns. Absent members are left out. */
export interface HostIommuInfo {
  capabilities: {
    'address-bits': number;
    'page-sizes': readonly bigint[];
    'pasid-bits': number;
    nesting: boolean;
    formats: readonly PasidTableFormat[];
    ats: boolean;
    'page-requests': boolean;
    'dirty-tracking': boolean;
    coherency: boolean;
    'errata-772415': boolean;
    'max-page-tables': number;
  };
  /** By address. */
  functions: {
    bdf: string;
    group?: number;
    'physical-function'?: string;
    device?: string;
    'pasid-bits': number;
    ats: boolean;
    'page-requests': boolean;
  }[];
  /** By id. */
  'page-tables': {
    id: number;
    kind: 'second-stage' | 'nested';
    parent?: number;
    devices: string[];
    pasids?: number[];
  }[];
  caches: CacheStatistics[];
}

/** One entry of the host's IOTLB as query-iotlb returns it; sizes and addresses in bytes, `address` host-physical. */
export interface HostIotlbInfo {
  device?: string;
  /** The guest's; 0 for second-stage entries, which the host manages. */
  'domain-id': number;
  pasid?: number;
  iova: bigint;
  address: bigint;
  /** The guest-physical address on the way; absent for second-stage entries, whose iova it is. */
  gpa?: bigint;
  size: bigint;
  permissions: readonly ('read' | 'write' | 'execute')[];
  stage: 'first' | 'second' | 'nested';
  level: number;
  /** The tables now give something else, whatever the access. */
  stale: boolean;
  /** In the device's own cache; absent: in the IOTLB. */
  cache?: 'device';
}

const nameOf = (device: HostFunction): string => device.device ?? device.name;

export function describeHostIommu(iommu: HostIommu, functions: readonly HostFunction[]): HostIommuInfo {
  const { capabilities } = iommu;
  const stages = iommu.pageTables.map((table) => ({
    id: table.id,
    kind: table.kind,
    devices: table.functions.map(nameOf),
  }));
  // A table whose PASIDs are attached one by one is none of the host's.
  const bound = iommu.nestedTables.filter(({ attached }) => attached === null);
  const nested = bound.map(({ id, stage, owner }) => ({
    id,
    kind: 'nested' as const,
    parent: stage.id,
    devices: [nameOf(owner)],
  }));
  const single = iommu.nestedPages.all.map(({ id, kind, parent, users }) => ({
    id,
    kind,
    parent: parent.id,
    devices: [...new Set(users.map((user) => nameOf(user.function)))],
    pasids: users.map(({ pasid }) => pasid),
  }));
  return {
    capabilities: {
      'address-bits': capabilities.addressBits,
      'page-sizes': capabilities.pageSizes,
      'pasid-bits': capabilities.pasidBits,
      nesting: capabilities.nesting,
      formats: capabilities.formats,
      ats: capabilities.ats,
      'page-requests': capabilities.pageRequests,
      'dirty-tracking': capabilities.dirtyTracking,
      coherency: capabilities.coherency,
      'errata-772415': capabilities.errata772415,
      'max-page-tables': iommu.nestedPages.limit,
    },
    functions: functions.map((device) => ({
      bdf: device.name,
      ...(device.group === null ? {} : { group: device.group }),
      ...(device.physicalFunction === null ? {} : { 'physical-function': formatBdf(device.physicalFunction) }),
      ...(device.device === null ? {} : { device: device.device }),
      'pasid-bits': device.pasidBits,
      ats: device.ats,
      'page-requests': device.pageRequests,
    })),
    'page-tables': [...stages, ...nested, ...single].sort((one, other) => one.id - other.id),
    caches: [...iommu.caches.statistics(), ...functions.flatMap(describeDeviceCache)],
  };
}

/** The cache of a function whose ATS are on. */
function describeDeviceCache(source: HostFunction): CacheStatistics[] {
  const cache = source.deviceCache;
  if (cache?.enabled !== true) return [];
  const { size: entries, capacity: size, hits, misses } = cache;
  return [{ name: `device:${nameOf(source)}`, entries, size, hits, misses }];
}

/**
 * The host's cached translations by iova, domain id and PASID (those without first); what a function keeps itself comes
 * behind what the IOTLB has. An entry names its device where it belongs to one: a second stage that several devices
 * share serves all of them.
 */
export function describeIotlb(iommu: HostIommu, functions: readonly HostFunction[], device?: string): HostIotlbInfo[] {
  const shown: HostIotlbInfo[] = [];
  for (const entry of iommu.caches.translations()) {
    const nesting = iommu.nestingOf(entry.table);
    const stage = nesting?.stage ?? iommu.pageTable(entry.table);
    const names = (nesting?.owners ?? stage?.functions ?? []).map(nameOf);
    if (device !== undefined && !names.includes(device)) continue;
    const stale = stage === null || iommu.detector.isStale(entry, stage, nesting?.source ?? null);
    shown.push(describeEntry(entry, names.length === 1 ? names[0] : undefined, stale));
  }
  for (const source of functions) {
    const context = source.contextEntry;
    if (device !== undefined && nameOf(source) !== device) continue;
    for (const entry of source.deviceCache?.entries() ?? []) {
      const nested = entry.pasid === NO_PASID ? null : (context?.nested ?? null);
      const stale =
        context === null ||
        (entry.pasid !== NO_PASID && nested === null) ||
        iommu.detector.isStale(entry, context.stage, nested, true);
      shown.push({ ...describeEntry(entry, nameOf(source), stale), cache: 'device' });
    }
  }
  // Equal tags of two tables stay in the order of the tables: the sort is stable.
  return shown.sort(
    (one, other) =>
      ascending(one.iova, other.iova) ||
      one['domain-id'] - other['domain-id'] ||
      (one.pasid ?? NO_PASID) - (other.pasid ?? NO_PASID),
  );
}

function describeEntry(entry: HostIotlbEntry, device: string | undefined, stale: boolean): HostIotlbInfo {
  return {
    ...(device !== undefined && { device }),
    'domain-id': entry.domainId,
    ...(entry.pasid !== NO_PASID && { pasid: entry.pasid }),
    iova: BigInt(entry.page) << 12n,
    address: BigInt(entry.frame) << 12n,
    ...(entry.stage !== 'second' && { gpa: BigInt(entry.guestPage) << 12n }),
    size: 1n << BigInt(entry.shift),
    permissions: permissionNames(entry.permissions),
    stage: entry.stage,
    level: entry.level,
    stale,
  };
}

function ascending(one: bigint, other: bigint): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
