import type { TableEntry } from '../iommu/iotlb.ts';
import type { TableChange } from '../iommu/stale-report.ts';
import type { StageTableMemory } from './nested-walk.ts';

/**
 * The latest change of one of those words; of several by one operation, the first. Null when all are what they were.
 * @param marks bits of the low half that do not count, because walks set them: none in PASID entries
 */
export function changeOf(tables: StageTableMemory, words: readonly TableEntry[], marks: number): TableChange | null {
  let latest: TableChange | null = null;
  for (const word of words) {
    const there = tables.read(word.address);
    if (there && isSame(tables, word, marks)) continue;
    // Nobody wrote it there: then the second stage shows another page in its place.
    const change = writeTo(tables, word, marks) ?? { since: tables.stage?.lastChange ?? 0 };
    if (latest === null || change.since > latest.since) latest = change;
  }
  return latest;
}

/**
 * The latest write to one of those words of a PASID entry since they are watched, whether it changed anything or not; of
 * several by one operation, the first that did. Null when there was none.
 */
export function latestWrite(tables: StageTableMemory, words: readonly TableEntry[]): TableChange | null {
  let latest: TableChange | null = null;
  for (const word of words) {
    const write = writeTo(tables, word, 0);
    if (write === null) continue;
    const changes = write.write?.was !== undefined && latest?.write?.was === undefined;
    if (latest === null || write.since > latest.since || (write.since === latest.since && changes)) latest = write;
  }
  return latest;
}

/** The later one; the first when both came with one operation. */
export function laterOf(one: TableChange | null, other: TableChange | null): TableChange | null {
  return one === null || (other !== null && other.since > one.since) ? other : one;
}

/** The last write to a word since it is watched; null when there was none. */
function writeTo(tables: StageTableMemory, word: TableEntry, marks: number): TableChange | null {
  const since = tables.lastWrite(word.address);
  if (since === 0 || !tables.read(word.address)) return null;
  const was = isSame(tables, word, marks) ? {} : { was: valueOf(word) };
  return { since, write: { address: BigInt(word.address), ...was, is: valueOf(tables) } };
}

function isSame(
  one: Pick<TableEntry, 'low' | 'high'>,
  other: Pick<TableEntry, 'low' | 'high'>,
  marks: number,
): boolean {
  return ((one.low ^ other.low) & ~marks) === 0 && one.high === other.high;
}

function valueOf({ low, high }: Pick<TableEntry, 'low' | 'high'>): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
