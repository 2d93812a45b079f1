import { NO_PASID } from '../iommu/iotlb.ts';
import type { DmaPath, DmaRequest, DmaResult } from '../memory/dma.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import type { AtsTranslation } from './ats-translation.ts';
import type { HostTranslation } from './translation.ts';

const PAGE = 4096;
const MOVED: DmaResult = Object.freeze({ kind: 'moved' });

/** What a path needs of the host's IOMMU. */
export interface DmaPathParts {
  readonly translation: HostTranslation;
  readonly ats: AtsTranslation;
  readonly memory: HostMemory;
}

/** The way of an assigned device's DMA: through the host's IOMMU into host-physical memory. */
export class HostDmaPath implements DmaPath {
  readonly #function: HostFunction;
  readonly #device: () => string;
  readonly #translation: HostTranslation;
  readonly #ats: AtsTranslation;
  readonly #memory: HostMemory;

  /** @param device names the function in events */
  constructor(source: HostFunction, device: () => string, iommu: DmaPathParts) {
    this.#function = source;
    this.#device = device;
    this.#translation = iommu.translation;
    this.#ats = iommu.ats;
    this.#memory = iommu.memory;
  }

  move(request: DmaRequest): DmaResult {
    const { address, write, bytes } = request;
    // A double holds addresses below 2^53 exactly; above, the two parts are taken from the bigint.
    const number = Number(address);
    let page: number;
    let offset: number;
    if (number < Number.MAX_SAFE_INTEGER) {
      page = Math.floor(number / PAGE);
      offset = number - page * PAGE;
    } else {
      page = Number(address >> 12n);
      offset = Number(address & 0xfffn);
    }
    const source = this.#function;
    const cache = source.deviceCache;
    const pasid = request.pasid ?? NO_PASID;
    let frame: number;
    if (cache === null || !cache.enabled) {
      const translation = this.#translation;
      if (!translation.translate(source, this.#device, address, page, pasid, write)) {
        return source.pages.missed(request, translation.fault!);
      }
      frame = translation.frame;
    } else {
      const ats = this.#ats;
      if (!ats.translate(source, cache, this.#device, address, page, pasid, write)) {
        return source.pages.missed(request, ats.fault!);
      }
      frame = ats.frame;
    }
    const host = frame * PAGE + offset;
    if (write) this.#memory.write(host, bytes);
    else this.#memory.read(host, bytes);
    return MOVED;
  }
}
