import type { Access } from '../../../../src/memory/access.ts';
import type { FirstStageTable } from '../../../../src/iommu/walk/first-stage.ts';
import { type Reading, SPECIFICATION } from '../../../../src/iommu/walk/reading.ts';
import type { WordMemory } from '../../support.ts';
import type { WalkOutcome } from '../walk-suite.ts';

export interface Variant {
  reading: Reading;
  addressWidth: number;
  oneGiB: boolean;
  writeProtect: boolean;
  extendedAccessed: boolean;
  /** What levels of four are narrowed to; QEMU does so by the PASID entry. */
  canonicalBits?: number;
}

/** By the specification, with all that it offers. */
export const SPEC: Variant = {
  reading: SPECIFICATION,
  addressWidth: 52,
  oneGiB: true,
  writeProtect: true,
  extendedAccessed: false,
};

export function tableOf(variant: Variant, root: number, levels: number): FirstStageTable {
  return {
    address: root,
    levels: levels === 5 ? 5 : 4,
    canonicalBits: variant.canonicalBits ?? (levels === 5 ? 57 : 48),
    writeProtect: variant.writeProtect,
    extendedAccessed: variant.extendedAccessed,
  };
}

const bit = (word: bigint, n: bigint): boolean => ((word >> n) & 1n) === 1n;

/** VT-d section 3.6 in bigint, one rule after the other. */
export function naiveFirstStage(
  variant: Variant,
  memory: WordMemory,
  request: { root: number; levels: number; address: bigint; access: Access; privileged: boolean },
): WalkOutcome {
  const { address, access, levels } = request;
  const { reading } = variant;
  const canonical = BigInt(tableOf(variant, request.root, levels).canonicalBits);
  if (BigInt.asUintN(64, BigInt.asIntN(Number(canonical), address)) !== address) return { code: 0x80, level: levels };
  const user = !request.privileged || reading.alwaysUser;
  const physical = (1n << BigInt(variant.addressWidth)) - 1n;
  const rights = { read: true, write: true, execute: reading.executeDisable };
  let table = BigInt(request.root);
  for (let level = levels; level > 0; level--) {
    const shift = BigInt(3 + 9 * level);
    const entry = Number(table + 8n * ((address >> shift) & 0x1ffn));
    if (!memory.pages.has(Math.floor(entry / 4096))) return { code: level === levels ? 0x73 : 0x70, level };
    const word = memory.at(entry);
    if (!bit(word, 0n)) return { code: 0x71, level };
    if (access !== 'none' && user && !bit(word, 2n)) return { code: 0x81, level };
    if (access === 'write' && !bit(word, 1n) && (user || variant.writeProtect)) return { code: 0x85, level };
    if (access === 'execute' && reading.executeDisable && bit(word, 63n)) return { code: 0x82, level };
    const mayBeLarge = level === 2 || (level === 3 && variant.oneGiB);
    const leaf = level === 1 || (mayBeLarge && bit(word, 7n));
    let reserved = 0x000f_ffff_ffff_f000n & ~physical;
    if (level >= 2 && !mayBeLarge) reserved |= 0x80n;
    if (leaf && level > 1) reserved |= ((1n << shift) - 1n) & ~0x1fffn;
    if ((word & reserved) !== 0n) return { code: 0x72, level };
    let wanted = 0n;
    if (access !== 'none') wanted = 0x20n | (variant.extendedAccessed ? 0x400n : 0n);
    if (access === 'write' && leaf) wanted |= 0x40n;
    const complete = reading.updateOnlyUntouched ? (word & wanted) !== 0n : (word & wanted) === wanted;
    if (wanted !== 0n && !complete && !memory.setBits(entry, Number(wanted))) return { code: 0x91, level };
    rights.write &&= bit(word, 1n);
    rights.execute &&= !bit(word, 63n);
    const next = word & 0x000f_ffff_ffff_f000n;
    if (leaf) {
      const size = 1n << shift;
      return { code: 0, level, address: (next & ~(size - 1n)) + (address & (size - 1n)), size, rights };
    }
    table = next;
  }
  throw new Error('unreachable');
}
