import { NO_PASID } from '../iommu/iotlb.ts';
import type { DmaPath, DmaRequest, DmaResult } from '../memory/dma.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import type { HostTranslation } from './translation.ts';

const PAGE = 4096;
const MOVED: DmaResult = Object.freeze({ kind: 'moved' });

/** The way of an assigned device's DMA: through the host's IOMMU into host-physical memory. */
export class HostDmaPath implements DmaPath {
  readonly #function: HostFunction;
  readonly #device: () => string;
  readonly #translation: HostTranslation;
  readonly #memory: HostMemory;

  constructor(source: HostFunction, device: () => string, translation: HostTranslation, memory: HostMemory) {
    this.#function = source;
    this.#device = device;
    this.#translation = translation;
    this.#memory = memory;
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
    const translation = this.#translation;
    const found = translation.translate(this.#function, this.#device, address, page, request.pasid ?? NO_PASID, write);
    if (!found) return { kind: 'fault', ...translation.fault! };
    const host = translation.frame * PAGE + offset;
    if (write) this.#memory.write(host, bytes);
    else this.#memory.read(host, bytes);
    return MOVED;
  }
}
