import { IntelGuestDriver } from '../../src/guest/intel-driver.ts';
import { REGISTERS_BASE } from '../../src/iommu/intel/registers.ts';
import { registerRig } from '../iommu/intel/register-rig.ts';

const PAGE = 4096n;

/** Index of the context entry of the tests' device, 00:03.0. */
export const CONTEXT_ENTRY_DEVICE = 0x18;

/** The driver on the register level of a unit, whose translation side only notes what it is told. RAM: 256 MiB. */
export function guestRig(given: Parameters<typeof registerRig>[0]) {
  const rig = registerRig({ intremap: 'off', ...given });
  const driver = new IntelGuestDriver({ memory: rig.memory, registers: REGISTERS_BASE });
  const word = (address: bigint): bigint => {
    const bytes = new Uint8Array(8);
    rig.memory.read(address, bytes);
    return new DataView(bytes.buffer).getBigUint64(0, true);
  };
  const words = (address: bigint, count: number): bigint[] =>
    Array.from({ length: count }, (_, index) => word(address + BigInt(index * 8)));
  return { ...rig, driver, word, words, walk: (table: bigint, levels: number) => walk(word, table, levels) };
}

/** Every page that a table maps, by a plain recursion of the test's own: first address, entry, size in bytes. */
function walk(
  word: (address: bigint) => bigint,
  table: bigint,
  levels: number,
  base = 0n,
): { iova: bigint; entry: bigint; size: bigint }[] {
  const span = PAGE << BigInt(9 * (levels - 1));
  return Array.from({ length: 512 }, (_, index) => BigInt(index)).flatMap((index) => {
    const entry = word(table + index * 8n);
    const iova = base + index * span;
    if ((entry & 3n) === 0n) return [];
    if (levels === 1 || (entry & 0x80n) !== 0n) return [{ iova, entry, size: span }];
    return walk(word, entry & 0x000f_ffff_ffff_f000n, levels - 1, iova);
  });
}
