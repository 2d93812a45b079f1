import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueueError } from '../../src/virtio/descriptor-chain.ts';
import { Feature } from '../../src/virtio/features.ts';
import { DEVICE, INDIRECT, Ring } from './ring.ts';

const [NEXT, WRITE, INDIRECT_FLAG] = [1, 2, 4];

describe('split ring', () => {
  it('gives a chain as what the device reads and what it writes, and takes it back', () => {
    const ring = new Ring();
    ring.ram.set([1, 2, 3, 4, 5, 6], 0x8000);
    ring.describe(3, { address: 0x8000, length: 2, flags: NEXT, next: 1 });
    ring.describe(1, { address: 0x8002, length: 4, flags: NEXT, next: 0 });
    ring.describe(0, { address: 0x9000, length: 3, flags: WRITE });
    expect(ring.queue.pop()).toBeNull();
    ring.offer(3);
    const chain = ring.queue.pop()!;
    expect([chain.head, chain.readableLength, chain.writableLength]).toEqual([3, 6, 3]);
    expect([...chain.read(0, 100)!]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...chain.read(1, 3)!]).toEqual([2, 3, 4]);
    expect(chain.write(1, Uint8Array.of(7, 8))).toBe(true);
    expect(chain.write(2, Uint8Array.of(7, 8))).toBe(false);
    expect([...ring.ram.subarray(0x9000, 0x9003)]).toEqual([0, 7, 8]);
    ring.queue.push(chain, 3);
    expect([ring.usedIndex, ring.used(0)]).toEqual([1, [3, 3]]);
    expect(ring.queue.pop()).toBeNull();
  });

  it('follows the first descriptor to an indirect table', () => {
    const ring = new Ring(2);
    ring.describe(0, { address: INDIRECT, length: 48, flags: INDIRECT_FLAG });
    ring.describe(0, { address: 0x8000, length: 1, flags: NEXT, next: 2 }, INDIRECT);
    ring.describe(2, { address: 0x8001, length: 1, flags: NEXT, next: 1 }, INDIRECT);
    ring.describe(1, { address: 0x9000, length: 1, flags: WRITE }, INDIRECT);
    ring.offer(0);
    const chain = ring.queue.pop()!;
    expect([chain.head, chain.readableLength, chain.writableLength]).toEqual([0, 2, 1]);
  });

  it('hands a chain out again that was given back unserved', () => {
    const ring = new Ring();
    ring.describe(0, { address: 0x8000, length: 1, flags: 0 });
    ring.offer(0);
    ring.queue.pop();
    ring.queue.unpop();
    expect(ring.queue.pop()?.head).toBe(0);
  });

  it('interrupts as the driver asks: by flag, or where its event index is passed', () => {
    const byFlag = new Ring();
    byFlag.describe(0, { address: 0x8000, length: 1, flags: WRITE });
    byFlag.offer(0);
    byFlag.serve();
    byFlag.driverFlags = 1;
    byFlag.offer(0);
    byFlag.serve();
    expect(byFlag.interrupts).toBe(1);

    const byIndex = new Ring(8, [Feature.version1, Feature.eventIndex]);
    byIndex.describe(0, { address: 0x8000, length: 1, flags: WRITE });
    byIndex.usedEvent = 3;
    const told: number[] = [];
    for (let count = 0; count < 6; count += 1) {
      byIndex.offer(0);
      byIndex.serve();
      told.push(byIndex.interrupts);
    }
    // The first is told whatever the index says; then the one that passes it.
    expect(told).toEqual([1, 1, 1, 2, 2, 2]);
    expect(byIndex.availableEvent).toBe(6);
  });

  it.each([
    ['Guest says index 9 is available', (ring: Ring) => ring.offer(9)],
    ['Guest moved available index from 0 to 9', (ring: Ring) => Array.from({ length: 8 }, () => ring.offer(0))],
    ['Zero sized buffers', (ring: Ring) => ring.describe(0, { address: 1, length: 0, flags: 0 })],
    ['Looped descriptor', (ring: Ring) => ring.describe(0, { address: 1, length: 1, flags: NEXT, next: 0 })],
    ['Desc next is 8', (ring: Ring) => ring.describe(0, { address: 1, length: 1, flags: NEXT, next: 8 })],
    ['Invalid size for indirect', (ring: Ring) => ring.describe(0, { address: 1, length: 8, flags: INDIRECT_FLAG })],
    ['cannot be read', (ring: Ring) => (ring.queue.descriptors = 0xffff_0000n)],
    [
      'Incorrect order',
      (ring: Ring) => {
        ring.describe(0, { address: 1, length: 1, flags: WRITE | NEXT, next: 1 });
        ring.describe(1, { address: 1, length: 1, flags: 0 });
      },
    ],
  ])('refuses what the specification does not allow: %s', (sentence, breakRule) => {
    const ring = new Ring();
    ring.describe(0, { address: 0x8000, length: 1, flags: 0 });
    breakRule(ring);
    ring.offer(0);
    let error: unknown;
    try {
      ring.queue.pop();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(QueueError);
    expect(String(error)).toContain(sentence);
  });

  it('serves every request once and in order, across the end of the ring and of the index', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 60 }),
        fc.boolean(),
        (bursts, saved) => {
          const ring = new Ring(8);
          for (let index = 0; index < 8; index += 1)
            ring.describe(index, { address: 0x8000, length: index + 1, flags: WRITE });
          let served = 0;
          for (const burst of bursts) {
            const heads = Array.from({ length: burst }, (_, index) => (served + index) % 8);
            for (const head of heads) ring.offer(head);
            if (saved) {
              const state = ring.queue.save();
              ring.queue.reset();
              ring.queue.restore(state);
            }
            expect(ring.serve()).toEqual(heads);
            served += burst;
            expect(ring.usedIndex).toBe(served & 0xffff);
            expect(ring.used(served - 1)[1]).toBe(((served - 1) % 8) + 1);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('has no size beyond 1024, and keeps its place after a refused one', () => {
    const ring = new Ring();
    for (const size of [0, 1025]) ring.queue.size = size;
    expect(ring.queue.size).toBe(8);
    ring.queue.size = 3;
    expect([ring.queue.size, DEVICE % 4]).toEqual([3, 0]);
  });
});
