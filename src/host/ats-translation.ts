import { Permission } from '../memory/access.ts';
import type { TableEntry } from '../iommu/iotlb.ts';
import type { DeviceCache, DeviceCacheEntry } from './device-cache.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import type { StaleDetector } from './stale.ts';
import { contextFault, type HostFault } from './fault.ts';
import type { HostTranslation } from './translation.ts';

export interface AtsTranslationParts {
  readonly memory: HostMemory;
  readonly detector: StaleDetector;
  readonly translation: HostTranslation;
}

/**
 * Requests of functions whose address translation services are on (PCI Express Base 5.0, section 10.2; VT-d, section
 * 4): each asks the IOMMU for a translation, keeps the answer, and issues requests that are translated already. Those go
 * past all but the context entry, whatever has become of the tables, until an invalidation reaches the device.
 */
export class AtsTranslation {
  /** Host frame of the 4 KiB page that was asked for. */
  frame = 0;
  /** Why there is none. */
  fault: HostFault | null = null;
  readonly #memory: HostMemory;
  readonly #detector: StaleDetector;
  readonly #translation: HostTranslation;

  constructor({ memory, detector, translation }: AtsTranslationParts) {
    this.#memory = memory;
    this.#detector = detector;
    this.#translation = translation;
  }

  /** As {@link HostTranslation.translate}, by the function's own cache. */
  translate(
    source: HostFunction,
    cache: DeviceCache,
    device: () => string,
    address: bigint,
    page: number,
    pasid: number,
    write: boolean,
  ): boolean {
    const held = cache.lookup(pasid, page, write ? Permission.write : Permission.read);
    if (held === null) return this.#ask(source, cache, device, address, page, pasid, write);
    const access = write ? 'write' : 'read';
    if (this.#translation.contextOf(source) === null) {
      this.fault = contextFault(source, access, address, pasid);
      return false;
    }
    this.frame = held.frame + (page - held.page);
    const context = source.contextEntry;
    if (
      held.verifiedWith !== context?.serial ||
      held.verifiedAt !== this.#memory.watchedWrites + context.stage.changes
    ) {
      this.#detector.checkDevice({ device: device(), address, page, pasid, access, source, entry: held });
    }
    return true;
  }

  /** A translation request. Of one for reading, only rights that need no more marking in the tables are kept. */
  #ask(
    source: HostFunction,
    cache: DeviceCache,
    device: () => string,
    address: bigint,
    page: number,
    pasid: number,
    write: boolean,
  ): boolean {
    const translation = this.#translation;
    if (!translation.translate(source, device, address, page, pasid, write)) {
      this.fault = translation.fault;
      return false;
    }
    this.frame = translation.frame;
    const served = translation.latest(source, page, pasid);
    if (served === null) return true;
    const { stage, entry, translation: found } = served;
    const words: readonly TableEntry[] = entry?.derivedFrom ?? [];
    const kept: Omit<DeviceCacheEntry, 'table'> = {
      ...found,
      domainId: entry?.domainId ?? found.domainId,
      pasid,
      permissions: found.dirty || write ? found.permissions : found.permissions & ~Permission.write,
      derivedFrom: [...words, ...found.derivedFrom],
      pasidWords: words.length,
      pageTable: entry?.nestedTable ?? found.table,
      parent: stage.id,
      // What the IOMMU's caches answered may be old itself: it is looked at when it is used.
      verifiedAt: -1,
    };
    cache.insert(kept);
    return true;
  }
}
