import { naiveFirstStage, type NaivePage } from './naive.ts';

/**
 * A second model of a host function's caches, written with plain lists and bigints: what a DMA gets, what is kept of
 * it, and which caches held something old. Both contracts, with and without ATS. What it models of the IOTLB are the
 * translations through a guest's first stage; those of the second stage alone are the host's, which keeps them right.
 */

export interface Tables {
  /** The directory of the guest's PASID table. */
  readonly directory: bigint;
  /** The word at a guest-physical address; null outside RAM. */
  read(address: bigint): bigint | null;
}

export interface Entry {
  readonly root: bigint;
  readonly domain: number;
  readonly passThrough: boolean;
}

/** What a PASID is attached to, by contract iommufd; two of them are never the same page table. */
export interface Attached extends Entry {
  readonly id: number;
}

interface Page {
  readonly iova: bigint;
  readonly size: bigint;
  readonly frame: bigint;
  readonly write: boolean;
  readonly pasid: number;
  readonly domain: number;
  /** By contract iommufd, the id of what its PASID was attached to. */
  readonly table: number;
}

/** A translation in the IOTLB. */
export interface Cached extends Page {
  leaf: NaivePage['leaf'];
  dirty: boolean;
}

export interface Expectation {
  /** Null: the DMA faults. */
  readonly frame: bigint | null;
  /** The caches that events have to name, in that order. */
  readonly blamed: readonly string[];
}

interface Answer {
  readonly used: bigint | null;
  readonly current: bigint | null;
  readonly blamed: readonly string[];
  readonly entry: Entry | null;
  readonly hit: Cached | undefined;
}

/** What a flush covers; absent: any. `first` and `last` are addresses, inclusive. */
export interface FlushScope {
  readonly domain?: number;
  readonly pasid?: number | 'all' | 'none';
  readonly first?: bigint;
  readonly last?: bigint;
}

const PASS_THROUGH_PAGE = 1n << 21n;
/** Accessed, dirty, extended-accessed. */
const MARKS = 0x460n;
const DIRTY = 0x40n;

export class Oracle {
  readonly pasids = new Map<number, Entry>();
  readonly attached: Map<number, Attached> | null;
  cached: Cached[] = [];
  /** What the device keeps itself; null: it has no ATS. */
  held: Page[] | null;
  readonly #tables: Tables;
  #nextId = 1;

  constructor(tables: Tables, { iommufd, ats }: { readonly iommufd: boolean; readonly ats: boolean }) {
    this.#tables = tables;
    this.attached = iommufd ? new Map() : null;
    this.held = ats ? [] : null;
  }

  /** The entry that the guest's table has now. */
  fetch(pasid: number): Entry | null {
    const word = (address: bigint): bigint => this.#tables.read(address) ?? 0n;
    const directory = word(this.#tables.directory + 8n * BigInt(pasid >> 6));
    if ((directory & 1n) === 0n) return null;
    const at = (directory & ~0xfffn) + 64n * BigInt(pasid & 63);
    const first = word(at);
    const type = (first >> 6n) & 7n;
    if ((first & 1n) === 0n || (type !== 1n && type !== 4n)) return null;
    return { root: word(at + 16n) & ~0xfffn, domain: Number(word(at + 8n) & 0xffffn), passThrough: type === 4n };
  }

  walk(entry: Entry, iova: bigint): NaivePage | null {
    const leaf = { address: 0n, word: DIRTY };
    if (entry.passThrough) return { frame: iova >> 12n, write: true, size: PASS_THROUGH_PAGE, leaf };
    return naiveFirstStage((address) => this.#tables.read(address), entry.root, 4, iova);
  }

  /** What a DMA gets, which caches it must blame, and what is kept of it. */
  dma(pasid: number, iova: bigint, write: boolean): Expectation {
    const held = this.#lookupHeld(pasid, iova);
    if (held !== undefined && (held.write || !write)) {
      const answer = this.#ask(pasid, iova, write);
      const used = frameIn(held, iova);
      if (used === answer.current) return { frame: used, blamed: [] };
      return { frame: used, blamed: [...(answer.used === answer.current ? [] : answer.blamed), 'device'] };
    }
    const answer = this.#ask(pasid, iova, write);
    const served = this.#keep(answer, pasid, iova, write);
    if (this.held !== null && served !== null && answer.used !== null) {
      const kept = { ...served, write: served.write && (served.dirty || write) };
      const same = (one: Page): boolean => one.pasid === pasid && one.size === kept.size && one.iova === kept.iova;
      this.held = [...this.held.filter((one) => !same(one)), kept];
    }
    return { frame: answer.used, blamed: answer.used === answer.current ? [] : answer.blamed };
  }

  flush(scope: FlushScope): number {
    const before = this.cached.length;
    const gone = this.cached.filter((one) => covers(scope, one));
    this.cached = this.cached.filter((one) => !gone.includes(one));
    return before - this.cached.length;
  }

  flushHeld(scope: FlushScope): number {
    if (this.held === null) return 0;
    const before = this.held.length;
    this.held = this.held.filter((one) => !covers(scope, one));
    return before - this.held.length;
  }

  /** Contract iommufd: every page table in scope, and what devices keep of it. */
  flushAttached(scope: FlushScope): number {
    let dropped = 0;
    for (const [pasid, entry] of this.attached ?? []) {
      if (entry.passThrough || (scope.domain ?? entry.domain) !== entry.domain) continue;
      if ((scope.pasid ?? pasid) !== pasid) continue;
      dropped += this.flush({ ...scope, pasid });
      this.flushHeld({ ...scope, pasid });
    }
    return dropped;
  }

  flushPasids(condemned: (entry: Entry, pasid: number) => boolean): number {
    const gone = [...this.pasids].filter(([pasid, entry]) => condemned(entry, pasid));
    for (const [pasid] of gone) this.pasids.delete(pasid);
    return gone.length;
  }

  /** Contract iommufd: attaches what the table has now for the PASIDs in scope, and detaches what it has no more. */
  attach(pasids: readonly number[], inScope: (entry: Entry) => boolean): void {
    for (const pasid of pasids) {
      const old = this.attached!.get(pasid);
      const now = this.fetch(pasid);
      if (!(old !== undefined && inScope(old)) && !(now !== null && inScope(now))) continue;
      if (now === null || old === undefined || !leadsAlike(old, now)) {
        this.flush({ pasid });
        this.flushHeld({ pasid });
        this.attached!.delete(pasid);
        if (now !== null) this.attached!.set(pasid, { ...now, id: this.#nextId++ });
      }
    }
  }

  #lookupHeld(pasid: number, iova: bigint): Page | undefined {
    return smallest((this.held ?? []).filter((one) => one.pasid === pasid && frameIn(one, iova) !== null));
  }

  /** What the IOMMU answers, from its caches or from the tables. */
  #ask(pasid: number, iova: bigint, write: boolean): Answer {
    const end = (page: NaivePage | null): bigint | null =>
      page === null || (write && !page.write) ? null : page.frame;
    const now = this.fetch(pasid);
    const current = now === null ? null : end(this.walk(now, iova));
    const entry = this.attached !== null ? (this.attached.get(pasid) ?? null) : (this.pasids.get(pasid) ?? now);
    if (entry === null) return { used: null, current, blamed: ['pasid'], entry, hit: undefined };
    const hit = entry.passThrough ? undefined : this.#lookup(entry, pasid, iova);
    const middle = end(this.walk(entry, iova));
    const used = hit === undefined ? middle : write && !hit.write ? null : frameIn(hit, iova);
    // With the new PASID entry, the old translation would still be found; not where each has its own page table.
    const outlives =
      this.attached === null && hit !== undefined && now !== null && !now.passThrough && now.domain === entry.domain;
    const blamed = [...(middle !== current ? ['pasid'] : []), ...(outlives || used !== middle ? ['iotlb'] : [])];
    return { used, current, blamed, entry, hit };
  }

  /** Fills the caches of the IOMMU as a request does; returns the translation that served it. */
  #keep({ entry, hit, used }: Answer, pasid: number, iova: bigint, write: boolean): Cached | null {
    if (entry === null) return null;
    if (this.attached === null) this.pasids.set(pasid, entry);
    const page = this.walk(entry, iova);
    if (hit !== undefined) {
      if (write && hit.write && !hit.dirty) hit.dirty = this.#isSame(hit.leaf);
      const agrees = page?.frame === frameIn(hit, iova) && page.write === hit.write && page.size >= hit.size;
      if (agrees && (page.write || !write)) hit.leaf = page.leaf;
      return hit;
    }
    if (used === null || page === null) return null;
    const start = iova & ~(page.size - 1n);
    const made: Cached = {
      iova: start,
      size: page.size,
      frame: page.frame - ((iova - start) >> 12n),
      write: page.write,
      pasid,
      domain: entry.domain,
      table: this.attached?.get(pasid)?.id ?? 0,
      leaf: page.leaf,
      dirty: write || (page.leaf.word & DIRTY) !== 0n,
    };
    if (!entry.passThrough) this.cached.push(made);
    return made;
  }

  #lookup(entry: Entry, pasid: number, iova: bigint): Cached | undefined {
    const table = this.attached?.get(pasid)?.id ?? 0;
    return smallest(
      this.cached.filter(
        (one) =>
          one.pasid === pasid && one.domain === entry.domain && one.table === table && frameIn(one, iova) !== null,
      ),
    );
  }

  #isSame({ address, word }: NaivePage['leaf']): boolean {
    return ((this.#tables.read(address) ?? 0n) & ~MARKS) === (word & ~MARKS);
  }
}

function leadsAlike(one: Entry, other: Entry): boolean {
  if (one.domain !== other.domain || one.passThrough !== other.passThrough) return false;
  return one.passThrough || one.root === other.root;
}

function frameIn(page: Page, iova: bigint): bigint | null {
  if (iova < page.iova || iova >= page.iova + page.size) return null;
  return page.frame + ((iova - page.iova) >> 12n);
}

function smallest<P extends Page>(pages: P[]): P | undefined {
  return pages.sort((one, other) => Number(one.size - other.size))[0];
}

function covers({ domain, pasid, first, last }: FlushScope, one: Page): boolean {
  return (
    (domain === undefined || one.domain === domain) &&
    (pasid === undefined || (pasid === 'all' ? true : one.pasid === pasid)) &&
    (first === undefined || one.iova + one.size > first) &&
    (last === undefined || one.iova <= last)
  );
}
