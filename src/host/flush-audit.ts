import { hex } from '../core/address.ts';
import type { IotlbFlush, PasidCacheFlush } from '../memory/iommu-object.ts';
import type { Checks } from '../trace/checks.ts';
import type { HostIotlbEntry, NestedTable } from './caches.ts';
import type { HostFunction } from './function.ts';
import type { HostIommu } from './iommu.ts';
import type { PasidEntry } from './pasid-entry.ts';

/**
 * Looks at the host's caches before and after a flush that the guest asked for, by the words of the flush alone: what is
 * in its scope must be gone, and nothing else (check `flush-scope`); what went although the tables still give it is
 * counted (check `over-flush`). A flush that failed with an error promised nothing.
 */
export class FlushAudit {
  readonly #source: HostFunction;
  readonly #iommu: HostIommu;

  constructor(source: HostFunction, iommu: HostIommu) {
    this.#source = source;
    this.#iommu = iommu;
  }

  /** Carries an IOTLB flush out by `body`, which tells how many entries it dropped. */
  iotlb(flush: IotlbFlush, body: () => number): number {
    const { nested } = this.#source;
    if (nested === null || !this.#isWanted) return body();
    const tables = firstStageTags(nested);
    const domainId = flush.domainId ?? this.#domainOf(flush.pasid);
    const covers = (entry: HostIotlbEntry): boolean =>
      tables.has(entry.table) && inScope(flush, domainId, entry) && meets(flush, entry);
    const before = this.#iommu.caches.unordered();
    const needless = new Set(before.filter((entry) => covers(entry) && !this.#isStale(entry, nested)));
    const dropped = body();
    const after = new Set(this.#iommu.caches.unordered());
    const name = `IOTLB flush of ${words(flush, domainId)}`;
    this.#judge(name, 'translations', before, after, covers);
    const superfluous = before.filter((entry) => needless.has(entry) && !after.has(entry)).length;
    const desc = `The ${name} of '${this.#device}' dropped ${superfluous} of the translations that the tables still give`;
    this.#checks.count('over-flush', desc, superfluous);
    return dropped;
  }

  /** The same for a flush of the PASID cache, of a function whose table the host walks. */
  pasidCache(flush: PasidCacheFlush, body: () => number): number {
    const { nested, requester } = this.#source;
    if (nested === null || !this.#checks.isEnabled('flush-scope')) return body();
    const { caches } = this.#iommu;
    const own = (): PasidEntry[] =>
      caches.pasid.values().filter((entry) => caches.pasid.peek(caches.pasidKey(requester, entry.pasid)) === entry);
    const before = own();
    const dropped = body();
    const covers = (entry: PasidEntry): boolean => inScope(flush, flush.domainId, entry);
    this.#judge(
      `PASID-cache flush of ${words(flush, flush.domainId)}`,
      'PASID entries',
      before,
      new Set(own()),
      covers,
    );
    return dropped;
  }

  get #checks(): Checks {
    return this.#iommu.checks;
  }

  get #device(): string {
    return this.#source.device ?? this.#source.name;
  }

  get #isWanted(): boolean {
    return this.#checks.isEnabled('flush-scope') || this.#checks.isEnabled('over-flush');
  }

  #judge<Entry>(
    name: string,
    what: string,
    before: readonly Entry[],
    after: ReadonlySet<Entry>,
    covers: (entry: Entry) => boolean,
  ): void {
    const kept = before.filter((entry) => covers(entry) && after.has(entry)).length;
    const lost = before.filter((entry) => !covers(entry) && !after.has(entry)).length;
    const device = this.#device;
    if (kept > 0) {
      const desc = `The ${name} of '${device}' left ${kept} of the ${what} in its scope`;
      this.#checks.fail('flush-scope', { device, desc });
    }
    if (lost > 0) {
      const desc = `The ${name} of '${device}' took ${lost} of the ${what} outside its scope along`;
      this.#checks.fail('flush-scope', { device, desc });
    }
  }

  #domainOf(pasid: number | undefined): number | undefined {
    return pasid === undefined ? undefined : (this.#source.domainIdOf(pasid) ?? undefined);
  }

  #isStale(entry: HostIotlbEntry, nested: NestedTable): boolean {
    return this.#iommu.detector.isStale(entry, nested.stage, nested);
  }
}

/** The tags of what a function's PASIDs have in the IOTLB; those that pass through have the second stage's. */
function firstStageTags({ attached, id }: NestedTable): ReadonlySet<number> {
  if (attached === null) return new Set([id]);
  const entries = [...attached.values()].filter(({ firstStage }) => firstStage !== null);
  return new Set(entries.map(({ nestedTable }) => nestedTable));
}

function inScope(
  { granularity, pasid }: IotlbFlush | PasidCacheFlush,
  domainId: number | undefined,
  entry: { readonly domainId: number; readonly pasid: number },
): boolean {
  if (granularity === 'global') return true;
  if (domainId !== undefined && entry.domainId !== domainId) return false;
  return granularity === 'domain' || entry.pasid === pasid;
}

/** The page of an entry meets the range of a flush that has one. */
function meets({ granularity, address, size }: IotlbFlush, { page, shift }: HostIotlbEntry): boolean {
  if (granularity !== 'page' || address === undefined || size === undefined) return true;
  const first = BigInt(page) << 12n;
  return first < address + size && address < first + (1n << BigInt(shift));
}

function words(flush: IotlbFlush | PasidCacheFlush, domainId: number | undefined): string {
  if (flush.granularity === 'global') return 'everything';
  const domain = domainId === undefined ? [] : [`domain ${domainId}`];
  const pasid = flush.pasid === undefined ? [] : [`PASID ${flush.pasid}`];
  const range = 'address' in flush ? [`${hex(flush.size ?? 0n)} bytes at ${hex(flush.address)}`] : [];
  return [...domain, ...pasid, ...range].join(', ');
}
