import { ShadowEntry, type ShadowDecoder } from '../shadow.ts';
import type { SecondStageWalker } from '../walk/second-stage.ts';

const PAGE_SIZE_BIT = 1 << 7;
const ALL_ONES = 0xffff_ffff;

/** Reads second-stage entries for those who shadow them: reserved bits change nothing, no rights unmap. */
export class SecondStageDecoder implements ShadowDecoder {
  rights = 0;
  frame = 0;
  shift = 0;
  next = 0;
  readonly #walker: SecondStageWalker;

  constructor(walker: SecondStageWalker) {
    this.#walker = walker;
  }

  decode(level: number, low: number, high: number, above: number): number {
    if ((low === ALL_ONES && high === ALL_ONES) || this.#walker.isReserved(level, low, high))
      return ShadowEntry.unknown;
    this.rights = above & low & 3;
    if (this.rights === 0) return ShadowEntry.absent;
    this.frame = this.#walker.frameOf(low, high);
    if (level === 1 || (low & PAGE_SIZE_BIT) !== 0) {
      this.shift = 3 + 9 * level;
      return ShadowEntry.page;
    }
    this.next = level - 1;
    return ShadowEntry.table;
  }
}
