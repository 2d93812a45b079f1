import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { OperationCounter } from '../../src/core/operation.ts';
import { Dma, type DmaPath } from '../../src/memory/dma.ts';
import type { PageRequest, PageRequestOutcome } from '../../src/memory/page-request.ts';
import {
  PageRequestInterface,
  PAGES_PER_GROUP,
  pagesToAsk,
  RESPONSE_LIMIT,
} from '../../src/memory/page-request-interface.ts';
import { Trace } from '../../src/trace/trace.ts';

const PAGE = 4096n;

/** A device that may use the pages in `present`, and asks for the others with PASID 1 unless told otherwise. */
function rig(options: { outstanding?: number } = {}) {
  const operations = new OperationCounter();
  const { parts } = new Trace(operations);
  const failed: string[] = [];
  parts.events.subscribe((event) => {
    if (event.name === 'MODEL_CHECK_FAILED') failed.push(event.data.desc);
  });
  const clock = new VirtualClock({ asOperation: (timer) => operations.run(timer) });
  const asked: PageRequest[] = [];
  const present = new Set<bigint>();
  let outcome: (request: PageRequest) => PageRequestOutcome = () => 'queued';
  const groups = new PageRequestInterface({
    device: () => 'nic0',
    checks: parts.checks,
    faults: parts.faults,
    clock,
    ...options,
    sink: {
      requestPage: (request) => {
        asked.push(request);
        return outcome(request);
      },
    },
  });
  const dma = (address: bigint, length: number, { pasid = 1, write = false } = {}): Dma => {
    const path: DmaPath = {
      move: (request) => {
        const page = request.address & ~0xfffn;
        if (present.has(page)) return { kind: 'moved' };
        const pages = pagesToAsk(request, (other) => !present.has(other));
        return groups.ask({ pages, pasid, write }) ?? { kind: 'fault', sentence: 'nobody takes requests' };
      },
    };
    const made = new Dma({ operation: 1, write, address, data: new Uint8Array(length), pasid, path });
    made.advance();
    return made;
  };
  const answer = (group: number, response: 'success' | 'invalid' | 'failure' = 'success'): void =>
    operations.run(() => groups.respond({ group, response }));
  const answers = (set: (request: PageRequest) => PageRequestOutcome): void => void (outcome = set);
  return { groups, asked, present, dma, answer, answers, clock, failed, faults: parts.faults };
}

describe('page request groups', () => {
  it('hold what a transfer misses, the last request marked, and let it go on once they are answered', () => {
    const { asked, present, dma, answer } = rig();
    present.add(0x2000n);
    const transfer = dma(0x1ff0n, 0x2020);
    expect(asked).toEqual([
      { address: 0x1000n, pasid: 1, write: false, group: 0, last: false },
      { address: 0x3000n, pasid: 1, write: false, group: 0, last: false },
      { address: 0x4000n, pasid: 1, write: false, group: 0, last: true },
    ]);
    expect([transfer.state, transfer.moved]).toEqual(['waiting', 0]);
    for (const page of [0x1000n, 0x3000n, 0x4000n]) present.add(page);
    answer(0);
    expect([transfer.state, transfer.moved]).toEqual(['done', 0x2020]);
  });

  it('take their indices in turn, past those that are open, and have a bounded size', () => {
    const { asked, dma, answer, groups } = rig();
    dma(0n, (PAGES_PER_GROUP + 3) * 4096);
    expect(asked).toHaveLength(PAGES_PER_GROUP);
    for (let index = 1; index < 512; index += 1) {
      dma(BigInt(index) << 32n, 1);
      if (index !== 7) answer(index, 'failure');
    }
    expect(groups.openGroups).toEqual([0, 7]);
    dma(1n << 60n, 1);
    dma(1n << 61n, 1);
    expect(groups.openGroups).toEqual([0, 7, 1, 2]);
  });

  it('are joined by another transfer that needs the same page, not by one that wants to write', () => {
    const { asked, present, dma, answer, groups } = rig();
    const first = dma(0x1000n, 8);
    const second = dma(0x1010n, 8);
    expect(asked).toHaveLength(1);
    const writer = dma(0x1000n, 8, { write: true });
    const stranger = dma(0x1000n, 8, { pasid: 2 });
    expect(groups.openGroups).toEqual([0, 1, 2]);
    present.add(0x1000n);
    answer(0);
    expect([first, second, writer, stranger].map(({ state }) => state)).toEqual(['done', 'done', 'waiting', 'waiting']);
  });

  it('fail every transfer that waits with an answer that is no success', () => {
    const { dma, answer, present } = rig();
    present.add(0n);
    const transfers = [dma(0xff8n, 16), dma(0x1000n, 8)];
    answer(0, 'invalid');
    expect(transfers.map(({ state, moved }) => [state, moved])).toEqual([
      ['failed', 8],
      ['failed', 0],
    ]);
    expect(transfers[0]!.failure).toEqual({
      sentence: "The page request for 0x1000 with PASID 1 was answered with 'invalid'",
      address: 0x1000n,
    });
  });

  it('ask again where the page is missing all the same', () => {
    const { asked, dma, answer } = rig();
    const transfer = dma(0x1000n, 8);
    answer(0);
    expect([transfer.state, asked.map(({ group }) => group)]).toEqual(['waiting', [0, 1]]);
  });

  it('reach to the last address and not beyond', () => {
    const { asked, dma } = rig();
    dma((1n << 64n) - 2n * PAGE, 0x2000);
    expect(asked.map(({ address, last }) => [address, last])).toEqual([
      [(1n << 64n) - 2n * PAGE, false],
      [(1n << 64n) - PAGE, true],
    ]);
  });
});

describe('a request', () => {
  it('that nobody takes is a fault', () => {
    const { dma, answers, groups } = rig();
    answers(() => 'refused');
    expect(dma(0x1000n, 8).failure?.sentence).toBe('nobody takes requests');
    expect(groups.openGroups).toEqual([]);
  });

  it('that finds the queue full is made again when there is room', () => {
    const { dma, answers, groups, asked, present, answer } = rig();
    answers(({ last }) => (last ? 'overflow' : 'queued'));
    const transfer = dma(0x1000n, 0x2000);
    expect([transfer.state, groups.openGroups]).toEqual(['waiting', []]);
    expect(transfer.waitingFor).toBe("Device 'nic0' cannot ask for a page: the guest's page request queue is full");
    expect(() => answer(0)).toThrow('no open page request group 0: none is');
    answers(() => 'queued');
    groups.retryPages();
    expect(asked.map(({ group }) => group)).toEqual([0, 0, 1, 1]);
    for (const page of [0x1000n, 0x2000n]) present.add(page);
    answer(1);
    expect(transfer.state).toBe('done');
  });

  it('waits while as many are open as the device can have', () => {
    const { dma, answer, asked, present } = rig({ outstanding: 3 });
    const first = dma(0x1000n, 0x2000);
    const second = dma(0x8000n, 0x2000);
    const third = dma(0x1_0000n, 8);
    expect(asked.map(({ address, last }) => [address, last])).toEqual([
      [0x1000n, false],
      [0x2000n, true],
      [0x8000n, true],
    ]);
    expect(third.waitingFor).toBe(
      "Device 'nic0' cannot ask for a page: 3 page requests of it are open, as many as it can have",
    );
    for (const page of [0x1000n, 0x2000n, 0x8000n, 0x9000n, 0x1_0000n]) present.add(page);
    answer(0);
    expect([first, second, third].map(({ state }) => state)).toEqual(['done', 'waiting', 'done']);
  });
});

describe('the answer', () => {
  it('to a group that is not open is refused, and lost when the guest gives it', () => {
    const { answer, dma, groups, failed } = rig();
    dma(0x1000n, 8);
    dma(0x2000n, 8);
    expect(() => answer(5)).toThrow(
      "Device 'nic0' has no open page request group 5: open are 0, 1; take the group from IOMMU_PAGE_REQUEST",
    );
    expect(() => groups.respond({ group: 1, pasid: 9, response: 'success' })).toThrow(
      'no open page request group 1 with PASID 9: open are 0, 1',
    );
    groups.respondToPages({ group: 1, pasid: null, response: 'success' });
    groups.respondToPages({ group: 5, pasid: 1, response: 'success' });
    expect([groups.openGroups, failed]).toEqual([[0, 1], []]);
  });

  it('may come once: a second one fails the check, and changes nothing', () => {
    const { answer, dma, groups, failed } = rig();
    dma(0x1000n, 8);
    answer(0, 'invalid');
    expect(() => answer(0)).toThrow(
      "Page request group 0 of device 'nic0' was answered already, with 'invalid': each group takes one response",
    );
    groups.respondToPages({ group: 0, pasid: 1, response: 'failure' });
    expect(failed).toEqual([
      "Page request group 0 of device 'nic0' was answered with 'invalid', and now with 'success': a group takes one response",
      "Page request group 0 of device 'nic0' was answered with 'invalid', and now with 'failure': a group takes one response",
    ]);
  });

  it('fails the check when it has not come after the limit; the transfer waits on', () => {
    const { answer, clock, dma, failed, present } = rig();
    const transfer = dma(0x1000n, 8);
    clock.advanceTo(RESPONSE_LIMIT - 1n);
    expect(failed).toEqual([]);
    clock.advanceTo(RESPONSE_LIMIT * 3n);
    expect(failed).toEqual([
      "Page request group 0 of device 'nic0', for 0x1000 with PASID 1, has had no response for 60 s of guest time",
    ]);
    present.add(0x1000n);
    answer(0);
    expect([transfer.state, failed.length]).toEqual(['done', 1]);
  });

  it('in time leaves no timer', () => {
    const { answer, clock, dma, failed } = rig();
    dma(0x1000n, 8);
    answer(0, 'failure');
    expect(clock.nextDeadline()).toBeNull();
    expect(failed).toEqual([]);
  });
});

describe('a response on its way', () => {
  it('can get lost: the group stays open, and is told of when it has been for too long', () => {
    const { answer, clock, dma, failed, faults, groups, present } = rig();
    faults.inject({ point: 'page-response', kind: 'lose' });
    const transfer = dma(0x1000n, 8);
    present.add(0x1000n);
    answer(0);
    expect([transfer.state, groups.openGroups]).toEqual(['waiting', [0]]);
    clock.advanceTo(RESPONSE_LIMIT);
    expect(failed).toHaveLength(1);
    answer(0);
    expect(transfer.state).toBe('done');
  });

  it('can come late: a second one in the meantime makes it one too many', () => {
    const { answer, clock, dma, failed, faults, groups, present } = rig();
    faults.inject({ point: 'page-response', kind: 'delay', delayMs: 5 });
    const transfer = dma(0x1000n, 8);
    present.add(0x1000n);
    answer(0);
    const state = structuredClone(groups.save());
    groups.restore(state);
    expect(groups.save()).toEqual(state);
    clock.advanceTo(4_999_999n);
    expect(groups.openGroups).toEqual([0]);
    answer(0, 'failure');
    expect(failed).toEqual([]);
    clock.advanceTo(5_000_000n);
    expect(failed).toEqual([
      "Page request group 0 of device 'nic0' was answered with 'failure', and now with 'success': a group takes one response",
    ]);
    expect(transfer.state).not.toBe('done');
  });

  it('can come behind the next one, or when nobody waits any more', () => {
    const { answer, clock, dma, failed, faults, groups, present } = rig();
    faults.inject({ point: 'page-response', kind: 'reorder' });
    const transfers = [dma(0x1000n, 8), dma(0x2000n, 8)];
    present.add(0x1000n).add(0x2000n);
    answer(0);
    expect(groups.openGroups).toEqual([0, 1]);
    answer(1);
    expect(transfers.map(({ state }) => state)).toEqual(['done', 'done']);
    faults.inject({ point: 'page-response', kind: 'delay', delayMs: 1 });
    dma(0x3000n, 8);
    answer(2);
    groups.reset();
    expect(clock.nextDeadline()).toBeNull();
    expect(failed).toEqual([]);
  });
});

describe('what was asked for', () => {
  it('can go: the transfers of that PASID fail, and so does the check', () => {
    const { dma, groups, failed } = rig();
    const [first, other] = [dma(0x1000n, 8), dma(0x1000n, 8, { pasid: 2 })];
    groups.abandon('its table was unbound', 1);
    expect(first.failure?.sentence).toBe(
      'The page request for 0x1000 with PASID 1 was never answered: its table was unbound',
    );
    expect([other.state, groups.openGroups]).toEqual(['waiting', [1]]);
    expect(failed).toEqual([
      "Page request group 0 of device 'nic0', for 0x1000 with PASID 1, got no response before its table was unbound",
    ]);
  });

  it('is forgotten at a reset, without blame', () => {
    const { dma, groups, failed, clock, answer } = rig();
    const transfer = dma(0x1000n, 8);
    groups.reset();
    expect([transfer.state, groups.openGroups, failed, clock.nextDeadline()]).toEqual(['failed', [], [], null]);
    expect(() => answer(0)).toThrow('none is');
    dma(0x1000n, 8);
    expect(groups.openGroups).toEqual([0]);
  });

  it('is saved: a transfer that comes back joins the group that is still open', () => {
    const { dma, groups, asked, answer, present, clock, failed } = rig();
    dma(0x1000n, 8);
    dma(0x2000n, 8);
    answer(1, 'failure');
    const state = structuredClone(groups.save());
    groups.reset();
    groups.restore(state);
    expect(groups.save()).toEqual(state);
    expect(groups.openGroups).toEqual([0]);
    const again = dma(0x1000n, 8);
    expect(asked).toHaveLength(2);
    present.add(0x1000n);
    expect(() => answer(1)).toThrow("answered already, with 'failure'");
    answer(0);
    expect([again.state, clock.nextDeadline(), failed.length]).toEqual(['done', null, 1]);
  });
});

describe('any program of transfers and answers', () => {
  /** Steps: 0 to 3 a transfer, 4 a success, 5 a refusal, 6 a second answer, 7 a queue that fills, 8 one with room. */
  const step = fc.record({
    kind: fc.nat({ max: 8 }),
    page: fc.nat({ max: 9 }),
    pages: fc.integer({ min: 1, max: 40 }),
  });

  it('leaves nobody waiting once all is answered, and blames exactly the second answers', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 80 }), (steps, outstanding) => {
        const { groups, asked, present, dma, answers, failed, clock } = rig({ outstanding });
        const transfers: Dma[] = [];
        const answered: number[] = [];
        let seconds = 0;
        const answerOne = (response: 'success' | 'failure', at: number): void => {
          const open = groups.describe();
          const group = open[at % Math.max(open.length, 1)];
          if (group === undefined) return;
          if (response === 'success') for (const page of group.pages) present.add(page);
          groups.respond({ group: group.group, pasid: group.pasid, response });
          answered.push(group.group);
        };
        for (const { kind, page, pages } of steps) {
          if (kind <= 3)
            transfers.push(dma(BigInt(page) << 14n, pages * 4096, { pasid: 1 + (page % 2), write: kind === 3 }));
          if (kind === 4 || kind === 5) answerOne(kind === 4 ? 'success' : 'failure', page);
          if (kind === 6 && answered.length > 0) {
            const group = answered[page % answered.length]!;
            if (!groups.openGroups.includes(group)) {
              groups.respondToPages({ group, response: 'success' });
              seconds += 1;
            }
          }
          if (kind === 7) answers(({ last }) => (last ? 'overflow' : 'queued'));
          if (kind === 8) {
            answers(() => 'queued');
            groups.retryPages();
          }
          const open = groups.describe();
          expect(open.reduce((sum, group) => sum + group.pages.length, 0)).toBeLessThanOrEqual(outstanding);
          expect(new Set(groups.openGroups).size).toBe(open.length);
        }
        answers(() => 'queued');
        groups.retryPages();
        while (groups.openGroups.length > 0) answerOne('success', 0);
        expect(transfers.filter(({ state }) => state === 'waiting')).toEqual([]);
        expect(failed).toHaveLength(seconds);
        expect(clock.nextDeadline()).toBeNull();
        const lasts = asked.filter(({ last }) => last).length;
        expect(answered.length).toBeLessThanOrEqual(lasts);
      }),
      { seed: 4, numRuns: 300 },
    );
  });
});
