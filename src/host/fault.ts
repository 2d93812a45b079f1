import { hex, PAGE_SIZE } from '../core/address.ts';
import { faultReason } from '../iommu/faults.ts';
import { NO_PASID } from '../iommu/iotlb.ts';
import type { Access } from '../memory/access.ts';
import type { ContextEntry, HostIotlbEntry } from './caches.ts';
import type { HostFunction } from './function.ts';
import type { NestedWalker } from './nested-walk.ts';

/** Why a request got no page, for a reply or a DMA's result. */
export interface HostFault {
  readonly code: number;
  readonly reason: string;
  readonly sentence: string;
}

/** A fault with its sentence; `where` begins with the blank or the colon that joins it. */
export function hostFault(code: number, access: Access, address: bigint, pasid: number, where: string): HostFault {
  const { reason } = faultReason(code);
  const verb = access === 'none' ? 'lookup' : access;
  const space = pasid === NO_PASID ? '' : ` with PASID ${pasid}`;
  // Code 0 stands for a request that hardware would give no reason for.
  const number = code === 0 ? '' : ` (reason ${hex(code)})`;
  return { code, reason, sentence: `The ${verb} at address ${hex(address)}${space} faulted${where}${number}` };
}

/** A cached translation without the right that is asked for; its own tables, as they were, decide the reason. */
export function cachedFault(hit: HostIotlbEntry, access: Access, address: bigint): HostFault {
  const second = access === 'write' ? 0x05 : 0x06;
  const nested = access === 'write' ? 0x85 : access === 'execute' ? 0x82 : 0x79;
  const code = hit.stage === 'nested' ? nested : second;
  return hostFault(code, access, address, hit.pasid, ': the cached translation gives no such right');
}

/** What ended a walk, with stage and level. */
export function walkFault(walker: NestedWalker, access: Access, address: bigint, pasid: number): HostFault {
  const { code, level, stage } = walker;
  const { description } = faultReason(code);
  const where = stage === 'first' ? ` in the first stage, level ${level}` : " in the host's second stage";
  const page = hex(walker.guestPage * PAGE_SIZE);
  const text = code === 0x79 || code === 0x74 ? `${description}, guest-physical ${page}` : description;
  return hostFault(code, access, address, pasid, `${where}: ${text}`);
}

/** The fault of a function that no container has attached. */
export function contextFault(source: HostFunction, access: Access, address: bigint, pasid: number): HostFault {
  return hostFault(0x02, access, address, pasid, `: host function ${source.name} is attached to no page table`);
}

/** The fault of a PASID where there can be none. */
export function pasidFault(
  source: HostFunction,
  context: ContextEntry,
  access: Access,
  address: bigint,
  pasid: number,
): HostFault {
  if (context.nested === null) {
    return hostFault(0x00, access, address, pasid, `: no PASID table is bound for host function ${source.name}`);
  }
  const { pasidBits } = source.capabilities;
  return hostFault(0x46, access, address, pasid, `: host function ${source.name} has ${pasidBits} PASID bits`);
}

/** The fault of a PASID that the host has nothing for, where the guest's are attached one by one. */
export function unattachedFault(access: Access, address: bigint, pasid: number): HostFault {
  return hostFault(0x59, access, address, pasid, ': the PASID is attached to no page table');
}
