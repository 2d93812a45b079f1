import { NO_PASID } from '../iommu/iotlb.ts';
import { type Access, Permission, permissionNames, type Permissions, permits } from '../memory/access.ts';
import { type ContextEntry, HOST_DOMAIN, type HostCaches, type HostIotlbEntry, type NestedTable } from './caches.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import { NestedWalker } from './nested-walk.ts';
import { type PasidEntry, PasidReader } from './pasid-entry.ts';
import {
  cachedFault,
  contextFault,
  type HostFault,
  hostFault,
  pasidFault,
  unattachedFault,
  walkFault,
} from './fault.ts';

/** Where an access would lead. Sizes and addresses in bytes; `address` is host-physical. */
export type TranslationAnswer =
  | {
      readonly result: 'translated';
      readonly address: bigint;
      /** The guest-physical address on the way. */
      readonly gpa: bigint;
      /** Of the page. */
      readonly size: bigint;
      readonly permissions: readonly ('read' | 'write' | 'execute')[];
      /** `device`: the function keeps it itself. */
      readonly source: 'device' | 'iotlb' | 'walk';
    }
  | { readonly result: 'fault'; readonly code: number; readonly reason: string; readonly desc: string };

/**
 * What the host would do with an access, without a trace: caches are consulted as a DMA would, but nothing is counted,
 * filled or marked.
 */
export class HostLook {
  readonly #caches: HostCaches;
  readonly #walker: NestedWalker;
  readonly #reader: PasidReader;

  constructor(memory: HostMemory, caches: HostCaches, addressBits: number) {
    this.#caches = caches;
    this.#walker = new NestedWalker(memory, addressBits, true);
    this.#reader = new PasidReader(this.#walker.tables);
  }

  /** The entry that guest memory holds for a PASID now; null when there is none that can be used. */
  pasidEntry(nested: NestedTable, pasid: number): PasidEntry | null {
    this.#walker.tables.stage = nested.stage;
    return this.#reader.fetch(nested.table, nested.id, pasid, 0);
  }

  translate(source: HostFunction, address: bigint, access: Access, pasid = NO_PASID): TranslationAnswer {
    const context = this.#caches.context.peek(source.requester) ?? source.contextEntry;
    if (context === null) return refused(contextFault(source, access, address, pasid));
    const page = Number(address >> 12n);
    const held = source.atsEnabled ? source.deviceCache?.peek(pasid, page, neededRight(access)) : null;
    if (held) return cachedAnswer(held, address, page, access, 'device');
    if (pasid === NO_PASID) return this.#second(context, address, page, access, pasid);
    const { nested } = context;
    if (nested === null || pasid >= 2 ** source.capabilities.pasidBits) {
      return refused(pasidFault(source, context, access, address, pasid));
    }
    const cached = this.#caches.pasid.peek(this.#caches.pasidKey(source.requester, pasid));
    const entry = cached ?? this.#uncachedEntry(nested, pasid);
    if (entry === null && nested.attached !== null) return refused(unattachedFault(access, address, pasid));
    if (entry === null) {
      const { code, description } = this.#reader;
      return refused(hostFault(code, access, address, pasid, `: ${description}`));
    }
    if (entry.firstStage === null) return this.#second(context, address, page, access, pasid);
    const hit = this.#caches.peek(entry.nestedTable, entry.domainId, pasid, page);
    if (hit !== null) return cachedAnswer(hit, address, page, access);
    if (!this.#walker.nested(nested.stage, entry.firstStage, page, access)) {
      return refused(walkFault(this.#walker, access, address, pasid));
    }
    return this.#walked(address);
  }

  /** What a miss in the PASID cache would load. */
  #uncachedEntry(nested: NestedTable, pasid: number): PasidEntry | null {
    return nested.attached === null ? this.pasidEntry(nested, pasid) : (nested.attached.get(pasid) ?? null);
  }

  #second({ stage }: ContextEntry, address: bigint, page: number, access: Access, pasid: number): TranslationAnswer {
    const hit = this.#caches.peek(stage.id, HOST_DOMAIN, NO_PASID, page);
    if (hit !== null) return cachedAnswer(hit, address, page, access);
    if (!this.#walker.second(stage, page, access)) return refused(walkFault(this.#walker, access, address, pasid));
    return this.#walked(address);
  }

  #walked(address: bigint): TranslationAnswer {
    const { frame, guestPage, shift, permissions } = this.#walker;
    return {
      result: 'translated',
      address: at(frame, address),
      gpa: at(guestPage, address),
      size: 1n << BigInt(shift),
      permissions: permissionNames(permissions),
      source: 'walk',
    };
  }
}

/** The address with the offset of `address` in the 4 KiB page with this number. */
function at(page: number, address: bigint): bigint {
  return (BigInt(page) << 12n) | (address & 0xfffn);
}

function cachedAnswer(
  hit: HostIotlbEntry,
  address: bigint,
  page: number,
  access: Access,
  source: 'device' | 'iotlb' = 'iotlb',
): TranslationAnswer {
  if (!permits(hit.permissions, access)) return refused(cachedFault(hit, access, address));
  const inside = page - hit.page;
  return {
    result: 'translated',
    address: at(hit.frame + inside, address),
    gpa: at(hit.guestPage + inside, address),
    size: 1n << BigInt(hit.shift),
    permissions: permissionNames(hit.permissions),
    source,
  };
}

function neededRight(access: Access): Permissions {
  return access === 'none' ? Permission.none : Permission[access];
}

function refused({ code, reason, sentence }: HostFault): TranslationAnswer {
  return { result: 'fault', code, reason, desc: sentence };
}
