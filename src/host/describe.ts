import { NO_PASID } from '../iommu/iotlb.ts';
import { permissionNames } from '../memory/access.ts';
import type { PasidTableFormat } from '../memory/iommu-object.ts';
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
  };
  /** By address. */
  functions: {
    bdf: string;
    group?: number;
    device?: string;
    'pasid-bits': number;
    ats: boolean;
    'page-requests': boolean;
  }[];
  /** By id. */
  'page-tables': { id: number; kind: 'second-stage' | 'nested'; parent?: number; devices: string[] }[];
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
}

const nameOf = (device: HostFunction): string => device.device ?? device.name;

export function describeHostIommu(iommu: HostIommu, functions: readonly HostFunction[]): HostIommuInfo {
  const { capabilities } = iommu;
  const stages = iommu.pageTables.map((table) => ({
    id: table.id,
    kind: table.kind,
    devices: table.functions.map(nameOf),
  }));
  const nested = iommu.nestedTables.map(({ id, stage, owner }) => ({
    id,
    kind: 'nested' as const,
    parent: stage.id,
    devices: [nameOf(owner)],
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
    },
    functions: functions.map((device) => ({
      bdf: device.name,
      ...(device.group === null ? {} : { group: device.group }),
      ...(device.device === null ? {} : { device: device.device }),
      'pasid-bits': device.pasidBits,
      ats: device.ats,
      'page-requests': device.pageRequests,
    })),
    'page-tables': [...stages, ...nested].sort((one, other) => one.id - other.id),
    caches: iommu.caches.statistics(),
  };
}

/**
 * The host's cached translations by iova, domain id and PASID (those without first). An entry names its device where
 * it belongs to one: a second stage that several devices share serves all of them.
 */
export function describeIotlb(iommu: HostIommu, device?: string): HostIotlbInfo[] {
  const shown: HostIotlbInfo[] = [];
  for (const entry of iommu.caches.translations()) {
    const nested = iommu.nestedTable(entry.table);
    const users = nested === null ? (iommu.pageTable(entry.table)?.functions ?? []) : [nested.owner];
    const names = users.map(nameOf);
    if (device !== undefined && !names.includes(device)) continue;
    shown.push({
      ...(names.length === 1 ? { device: names[0]! } : {}),
      'domain-id': entry.domainId,
      ...(entry.pasid === NO_PASID ? {} : { pasid: entry.pasid }),
      iova: BigInt(entry.page) << 12n,
      address: BigInt(entry.frame) << 12n,
      ...(nested === null ? {} : { gpa: BigInt(entry.guestPage) << 12n }),
      size: 1n << BigInt(entry.shift),
      permissions: permissionNames(entry.permissions),
      stage: entry.stage,
      level: entry.level,
      stale: nested !== null && iommu.detector.isStale(entry, nested),
    });
  }
  // Equal tags of two tables stay in the order of the tables: the sort is stable.
  return shown.sort(
    (one, other) =>
      ascending(one.iova, other.iova) ||
      one['domain-id'] - other['domain-id'] ||
      (one.pasid ?? NO_PASID) - (other.pasid ?? NO_PASID),
  );
}

function ascending(one: bigint, other: bigint): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
