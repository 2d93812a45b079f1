import type { TranslationControl } from './invalidation.ts';
import type { RegisterFile } from '../register-file.ts';
import { Offset } from './registers.ts';

/** CAP.MAMV: log2 of the most pages that a page-selective invalidation can name. */
export const MAX_ADDRESS_MASK = 18;

/** ICC of CCMD and IVT of IOTLB. */
const DO_IT = 1n << 63n;
const CONTEXT_ACTUAL = 59n;
const IOTLB_ACTUAL = 57n;

/** Granularities asked for; those done are reported in the same numbers. */
const Granularity = { reserved: 0, global: 1, domain: 2, selective: 3 } as const;

/**
 * Invalidation by registers (VT-d, section 6.5.1): done when the write returns. While the queue is enabled such a
 * request is left standing, with ICC or IVT set.
 */
export class RegisterInvalidation {
  readonly #file: RegisterFile;
  readonly #translation: TranslationControl;
  readonly #queueEnabled: () => boolean;

  constructor(file: RegisterFile, translation: TranslationControl, queueEnabled: () => boolean) {
    this.#file = file;
    this.#translation = translation;
    this.#queueEnabled = queueEnabled;
  }

  /** Software wrote the upper half of CCMD. A domain is invalidated with all others, and so reported as global. */
  contextWritten(): void {
    const command = this.#file.get64(Offset.CCMD);
    if ((command & DO_IT) === 0n || this.#queueEnabled()) return;
    const asked = field(command, 61n, 2);
    const domainId = field(command, 0n, 16);
    if (asked === Granularity.global) this.#translation.invalidateContext({ granularity: 'global' });
    if (asked === Granularity.domain) this.#translation.invalidateContext({ granularity: 'domain', domainId });
    if (asked === Granularity.selective) {
      const sourceId = field(command, 16n, 16);
      const functionMask = field(command, 32n, 2) as 0 | 1 | 2 | 3;
      this.#translation.invalidateContext({ granularity: 'device', domainId, sourceId, functionMask });
    }
    const done = asked === Granularity.domain ? Granularity.global : asked;
    this.#complete(Offset.CCMD, command, CONTEXT_ACTUAL, done);
  }

  /** Software wrote the upper half of IOTLB. */
  iotlbWritten(): void {
    const command = this.#file.get64(Offset.IOTLB);
    if ((command & DO_IT) === 0n || this.#queueEnabled()) return;
    this.#complete(Offset.IOTLB, command, IOTLB_ACTUAL, this.#invalidateIotlb(command));
  }

  /** @returns the granularity that was done */
  #invalidateIotlb(command: bigint): number {
    const asked = field(command, 60n, 2);
    const domainId = field(command, 32n, 16);
    switch (asked) {
      case Granularity.global:
        this.#translation.invalidateIotlb({ granularity: 'global' });
        return asked;
      case Granularity.domain:
        this.#translation.invalidateIotlb({ granularity: 'domain', domainId });
        return asked;
      case Granularity.selective: {
        const where = this.#file.get64(Offset.IVA);
        const addressMask = field(where, 0n, 6);
        if (addressMask > MAX_ADDRESS_MASK) return Granularity.reserved;
        const leafOnly = field(where, 6n, 1) === 1;
        const address = where & ~0xfffn;
        this.#translation.invalidateIotlb({ granularity: 'page', domainId, address, addressMask, leafOnly });
        return asked;
      }
      default:
        return Granularity.reserved;
    }
  }

  #complete(offset: number, command: bigint, actualBit: bigint, actual: number): void {
    this.#file.set64(offset, (command & ~DO_IT & ~(3n << actualBit)) | (BigInt(actual) << actualBit));
  }
}

function field(value: bigint, low: bigint, bits: number): number {
  return Number(BigInt.asUintN(bits, value >> low));
}
