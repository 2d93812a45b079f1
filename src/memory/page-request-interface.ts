import type { TimerHandle, VirtualClock } from '../core/clock.ts';
import { ADDRESS_SPACE_SIZE, hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { Checks } from '../trace/checks.ts';
import { FaultPath } from '../trace/fault-path.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { HeldBackState } from '../trace/held-back.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { DmaFault, DmaRequest, DmaResult } from './dma.ts';
import type { PageGroupAnswer, PageRequestSink, PageResponder, PageResponse } from './page-request.ts';

/** Group indices are 9 bits wide; no more requests than that are ever open. */
export const PAGE_GROUPS = 512;
/** How many pages of one transfer a device asks for at once. */
export const PAGES_PER_GROUP = 32;
/** Guest time, in nanoseconds, after which a group without a response fails the check page-response-once. */
export const RESPONSE_LIMIT = 60_000_000_000n;
const PAGE = 4096n;

export interface PageRequestInterfaceParts {
  /** The device's id, or its QOM path where it has none. */
  readonly device: () => string;
  readonly sink: PageRequestSink;
  readonly checks: Checks;
  readonly faults: FaultPoints;
  readonly clock: VirtualClock;
  /** How many requests may be open at a time: 1 to 512, default 512. */
  readonly outstanding?: number;
}

/** What a device wants: some pages, all with the same right. */
export interface PagesWanted {
  /** First bytes, the page that is needed now first; at least one, at most {@link PAGES_PER_GROUP}. */
  readonly pages: readonly bigint[];
  readonly pasid?: number;
  readonly write: boolean;
}

/** A group that has not been answered. */
export interface OpenGroup {
  readonly group: number;
  /** Null: of requests without PASID. */
  readonly pasid: number | null;
  readonly write: boolean;
  /** First bytes of the pages, in the order in which they were asked for. */
  readonly pages: readonly bigint[];
  /** How many transfers wait for it. */
  readonly transfers: number;
}

/** Goes on with a transfer; with a fault, it ends. */
type Resume = (fault?: DmaFault) => void;

interface Group {
  readonly index: number;
  readonly pasid: number | null;
  readonly write: boolean;
  readonly pages: readonly bigint[];
  /** When it will have been open for too long; null once that was told. */
  deadline: bigint | null;
  timer: TimerHandle | null;
  readonly waiting: Resume[];
}

interface Answered {
  readonly index: number;
  readonly pasid: number | null;
  readonly response: PageResponse;
}

export interface PageRequestInterfaceState {
  next: number;
  open: { index: number; pasid: number | null; write: boolean; pages: bigint[]; deadline: bigint | null }[];
  answered: Answered[];
  /** Responses that an injected fault holds back. */
  responses: HeldBackState<Answered>;
}

/**
 * The device's side of page requests (PCI Express Base 5.0, section 10.4): it puts what a transfer misses into groups,
 * holds the transfer until software has answered the group, and sees that each group is answered once.
 *
 * Transfers that wait are not saved: one that is restored tries its piece again, and joins the group that is still
 * open for it.
 */
export class PageRequestInterface implements PageResponder, Snapshottable<PageRequestInterfaceState> {
  readonly #parts: PageRequestInterfaceParts;
  readonly #outstanding: number;
  /** By index, in the order in which they were asked. */
  readonly #open = new Map<number, Group>();
  /** The latest answer to each index that was not used again since. */
  readonly #answered = new Map<number, Answered>();
  /** The way of a response to the device. */
  readonly #responses: FaultPath<Answered, void>;
  /** Transfers that found the queue full, or too many requests open. */
  #parked: Resume[] = [];
  #next = 0;

  constructor(parts: PageRequestInterfaceParts) {
    this.#parts = parts;
    const { clock, device, faults } = parts;
    this.#responses = new FaultPath({
      point: 'page-response',
      faults,
      clock,
      device,
      carryOut: (response) => this.#arrive(response),
    });
    this.#outstanding = Math.min(parts.outstanding ?? PAGE_GROUPS, PAGE_GROUPS);
  }

  /** Indices of the groups that wait for an answer, in the order in which they were asked. */
  get openGroups(): readonly number[] {
    return [...this.#open.keys()];
  }

  /** The same with what they ask for. */
  describe(): OpenGroup[] {
    return [...this.#open.values()].map(({ index, pasid, write, pages, waiting }) => ({
      group: index,
      pasid,
      write,
      pages: [...pages],
      transfers: waiting.length,
    }));
  }

  /**
   * Asks for pages, or joins the group that asks for the first of them already.
   * @returns what holds the transfer; null when nobody takes the request
   */
  ask(wanted: PagesWanted): Extract<DmaResult, { kind: 'wait' }> | null {
    const joined = this.#groupFor(wanted);
    if (joined !== null) return this.#held(joined);
    const room = this.#outstanding - this.#pagesOpen();
    if (room <= 0) return this.#park(`${this.#outstanding} page requests of it are open, as many as it can have`);
    const group = this.#make(wanted, wanted.pages.slice(0, room));
    const outcome = this.#send(group);
    if (outcome === 'refused') return null;
    if (outcome === 'overflow') return this.#park("the guest's page request queue is full");
    this.#admit(group);
    return this.#held(group);
  }

  /**
   * Answers a group on behalf of software, as the command `page-response` does.
   * @throws CommandError when there is no such open group
   */
  respond(answer: PageGroupAnswer): void {
    const open = this.#find(this.#open, answer);
    if (open !== null) {
      this.#take(open, answer.response);
      return;
    }
    const device = this.#parts.device();
    const tag = answer.pasid === undefined ? '' : ` with PASID ${answer.pasid ?? 'none'}`;
    const before = this.#find(this.#answered, answer);
    if (before !== null) {
      this.#tellTwice(before, answer.response);
      throw new CommandError(
        `Page request group ${before.index} of device '${device}' was answered already, with '${before.response}': ` +
          'each group takes one response',
      );
    }
    const others = this.openGroups.length === 0 ? 'none is' : `open are ${this.openGroups.join(', ')}`;
    throw new CommandError(
      `Device '${device}' has no open page request group ${answer.group}${tag}: ${others}; take the group from ` +
        'IOMMU_PAGE_REQUEST',
    );
  }

  respondToPages(answer: PageGroupAnswer): void {
    const open = this.#find(this.#open, answer);
    if (open !== null) this.#take(open, answer.response);
    else {
      const before = this.#find(this.#answered, answer);
      if (before !== null) this.#tellTwice(before, answer.response);
    }
  }

  retryPages(): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const resume of parked) resume();
  }

  /**
   * Closes the groups of a PASID, or all: what they asked for is gone. The transfers that wait for them fail, and each
   * group fails the check, since software never answered it.
   * @param reason why, as the end of a sentence: `its PASID table was unbound`
   */
  abandon(reason: string, pasid?: number): void {
    const gone = [...this.#open.values()].filter((group) => pasid === undefined || group.pasid === pasid);
    for (const group of gone) this.#close(group);
    for (const group of gone) {
      if (group.deadline !== null) this.#blame(group, `got no response before ${reason}`);
      const fault = { sentence: `The page request ${whatOf(group)} was never answered: ${reason}` };
      for (const resume of group.waiting) resume(fault);
    }
    this.retryPages();
  }

  /** A reset of the function: everything is forgotten, and nobody is to blame. */
  reset(): void {
    const gone = [...this.#open.values()];
    for (const group of gone) this.#close(group);
    this.#answered.clear();
    this.#responses.drop();
    this.#next = 0;
    const waiting = [...gone.flatMap((group) => group.waiting), ...this.#parked];
    this.#parked = [];
    for (const resume of waiting) resume({ sentence: 'The device was reset while it waited for a page' });
  }

  save(): PageRequestInterfaceState {
    return {
      next: this.#next,
      open: [...this.#open.values()].map(({ index, pasid, write, pages, deadline }) => ({
        index,
        pasid,
        write,
        pages: [...pages],
        deadline,
      })),
      answered: [...this.#answered.values()].map((one) => ({ ...one })),
      responses: this.#responses.save(),
    };
  }

  restore(state: PageRequestInterfaceState): void {
    for (const group of [...this.#open.values()]) this.#close(group);
    this.#parked = [];
    this.#answered.clear();
    this.#next = state.next;
    for (const one of state.answered) this.#answered.set(one.index, { ...one });
    this.#responses.restore(state.responses);
    for (const saved of state.open) {
      const group: Group = { ...saved, pages: [...saved.pages], timer: null, waiting: [] };
      this.#open.set(group.index, group);
      this.#watch(group);
    }
  }

  #groupFor({ pages, pasid, write }: PagesWanted): Group | null {
    const [page] = pages;
    for (const group of this.#open.values()) {
      if (group.pasid !== (pasid ?? null) || (write && !group.write)) continue;
      if (page !== undefined && group.pages.includes(page)) return group;
    }
    return null;
  }

  #pagesOpen(): number {
    let count = 0;
    for (const group of this.#open.values()) count += group.pages.length;
    return count;
  }

  /** Indices are taken in turn, past those that are open. */
  #make({ pasid, write }: PagesWanted, pages: readonly bigint[]): Group {
    while (this.#open.has(this.#next)) this.#next = (this.#next + 1) % PAGE_GROUPS;
    const index = this.#next;
    this.#next = (index + 1) % PAGE_GROUPS;
    return { index, pasid: pasid ?? null, write, pages, deadline: null, timer: null, waiting: [] };
  }

  /** Without room for the last request, software sees no whole group, and the unit answers in its place. */
  #send({ index, pasid, pages, write }: Group): 'queued' | 'refused' | 'overflow' {
    let outcome: 'queued' | 'refused' | 'overflow' = 'refused';
    for (const [at, address] of pages.entries()) {
      const last = at === pages.length - 1;
      outcome = this.#parts.sink.requestPage({
        address,
        write,
        group: index,
        last,
        ...(pasid !== null && { pasid }),
      });
      if (outcome === 'refused') break;
    }
    return outcome;
  }

  #admit(group: Group): void {
    this.#answered.delete(group.index);
    group.deadline = this.#parts.clock.now + RESPONSE_LIMIT;
    this.#open.set(group.index, group);
    this.#watch(group);
  }

  #watch(group: Group): void {
    if (group.deadline === null) return;
    group.timer = this.#parts.clock.schedule(group.deadline, () => {
      group.deadline = null;
      this.#blame(group, `has had no response for ${RESPONSE_LIMIT / 1_000_000_000n} s of guest time`);
    });
  }

  #close(group: Group): void {
    if (group.timer !== null) this.#parts.clock.cancel(group.timer);
    this.#open.delete(group.index);
  }

  #held(group: Group): Extract<DmaResult, { kind: 'wait' }> {
    return {
      kind: 'wait',
      reason: `The page request ${whatOf(group)}, group ${group.index}, has not been answered`,
      onReady: (resume) => void group.waiting.push(resume),
    };
  }

  #park(why: string): Extract<DmaResult, { kind: 'wait' }> {
    return {
      kind: 'wait',
      reason: `Device '${this.#parts.device()}' cannot ask for a page: ${why}`,
      onReady: (resume) => void this.#parked.push(resume),
    };
  }

  #find<Kept extends { readonly pasid: number | null }>(
    among: ReadonlyMap<number, Kept>,
    { group, pasid }: PageGroupAnswer,
  ): Kept | null {
    const found = among.get(group);
    return found !== undefined && (pasid === undefined || found.pasid === pasid) ? found : null;
  }

  #take({ index, pasid }: Group, response: PageResponse): void {
    this.#responses.take({ index, pasid, response });
  }

  /** A response reaches the device, which may have had one, or have given up, since it was sent. */
  #arrive({ index, pasid, response }: Answered): void {
    const group = { group: index, pasid, response };
    const open = this.#find(this.#open, group);
    const before = this.#find(this.#answered, group);
    if (open !== null) this.#deliver(open, response);
    else if (before !== null) this.#tellTwice(before, response);
  }

  /** The response is there: its transfers go on, or fail. */
  #deliver(group: Group, response: PageResponse): void {
    this.#close(group);
    this.#answered.set(group.index, { index: group.index, pasid: group.pasid, response });
    const fault = { sentence: `The page request ${whatOf(group)} was answered with '${response}'` };
    for (const resume of group.waiting) {
      if (response === 'success') resume();
      else resume(fault);
    }
    this.retryPages();
  }

  #tellTwice({ index, response }: Answered, second: PageResponse): void {
    const device = this.#parts.device();
    const desc =
      `Page request group ${index} of device '${device}' was answered with '${response}', and now with '${second}': ` +
      'a group takes one response';
    this.#parts.checks.fail('page-response-once', { device, desc });
  }

  #blame(group: Group, what: string): void {
    const device = this.#parts.device();
    const desc = `Page request group ${group.index} of device '${device}', ${whatOf(group)}, ${what}`;
    this.#parts.checks.fail('page-response-once', { device, desc });
  }
}

function whatOf({ pages, pasid }: { pages: readonly bigint[]; pasid: number | null }): string {
  const more = pages.length === 1 ? '' : ` and ${pages.length - 1} more`;
  return `for ${hex(pages[0] ?? 0n)}${more}${pasid === null ? '' : ` with PASID ${pasid}`}`;
}

/**
 * The pages that a transfer asks for when a piece of it finds none: that one, and of those behind it the missing ones.
 * @param isMissing looks at a page of the transfer without leaving a trace
 */
export function pagesToAsk(request: DmaRequest, isMissing: (page: bigint) => boolean): bigint[] {
  const { address, bytes, remaining = 0 } = request;
  const first = address - (address % PAGE);
  const end = address + BigInt(bytes.length + remaining);
  const pages = [first];
  for (let page = first + PAGE; page < end && page < ADDRESS_SPACE_SIZE; page += PAGE) {
    if (page >= first + BigInt(PAGES_PER_GROUP) * PAGE) break;
    if (isMissing(page)) pages.push(page);
  }
  return pages;
}
