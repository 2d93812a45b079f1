import { describe, expect, it } from 'vitest';
import type { QueuedPageRequest } from '../../../src/iommu/intel/page-request-queue.ts';
import { registerRig } from './register-rig.ts';

const QUEUE = 0x20_0000n;
const SVM = {
  intremap: 'off',
  'scalable-mode': true,
  fsts: true,
  'device-iotlb': true,
  'pasid-bits': 20,
  svm: true,
} as const;

const REQUEST: QueuedPageRequest = {
  sourceId: 0x118,
  pasid: 0xabcde,
  address: 0x7fff_1234_5678n,
  read: true,
  write: false,
  execute: false,
  privileged: false,
  group: 0x155,
  last: true,
};

function rig() {
  const made = registerRig(SVM);
  made.write('PQA', QUEUE);
  made.write('PEDATA', 0x77n);
  made.write('PEADDR', 0xfee0_3000n);
  return made;
}

describe('the page request queue', () => {
  it('takes requests as descriptors of 32 bytes', () => {
    const { level, word, read } = rig();
    expect(level.pageRequests.request(REQUEST)).toBe('queued');
    const other = { ...REQUEST, read: false, write: true, execute: true, privileged: true, last: false };
    expect(level.pageRequests.request(other)).toBe('queued');
    expect([0n, 8n, 16n, 24n].map((at) => word(QUEUE + at))).toEqual([
      0x000a_bcde_0118_0101n,
      0x7fff_1234_5aadn,
      0n,
      0n,
    ]);
    expect([32n, 40n].map((at) => word(QUEUE + at))).toEqual([0x003a_bcde_0118_0101n, 0x7fff_1234_5aaan]);
    expect([read('PQT'), read('PQH'), read('PRS')]).toEqual([0x40n, 0n, 1n]);
  });

  it('tells software once until it has served the queue', () => {
    const { level, messages, write, read } = rig();
    level.pageRequests.request(REQUEST);
    level.pageRequests.request(REQUEST);
    expect(messages).toEqual([{ address: 0xfee0_3000n, data: 0x77 }]);
    write('PRS', 1n);
    write('PECTL', 0x8000_0000n);
    level.pageRequests.request(REQUEST);
    expect([messages.length, read('PECTL')]).toEqual([1, 0xc000_0000n]);
    write('PRS', 1n);
    expect(read('PECTL')).toBe(0x8000_0000n);
    level.pageRequests.request(REQUEST);
    write('PECTL', 0n);
    expect([messages.length, read('PECTL')]).toEqual([2, 0n]);
  });

  it('overflows when it is full, until software clears PRO', () => {
    const { level, messages, write, read } = rig();
    for (let at = 0; at < 127; at += 1) expect(level.pageRequests.request(REQUEST)).toBe('queued');
    write('PRS', 1n);
    expect(level.pageRequests.request(REQUEST)).toBe('overflow');
    expect([read('PRS'), read('PQT'), messages.length]).toEqual([2n, 127n * 32n, 2]);
    write('PQH', 32n);
    expect(level.pageRequests.request(REQUEST)).toBe('overflow');
    write('PRS', 2n);
    expect(level.pageRequests.request(REQUEST)).toBe('queued');
    expect(read('PQT')).toBe(0n);
  });

  it('is larger by PQS', () => {
    const { level, write, read } = rig();
    write('PQA', QUEUE | 1n);
    for (let at = 0; at < 255; at += 1) level.pageRequests.request(REQUEST);
    expect([read('PRS'), read('PQT')]).toEqual([1n, 255n * 32n]);
  });

  it('overflows when it cannot be written', () => {
    const { level, write, read } = rig();
    write('PQA', 0xf000_0000n);
    expect(level.pageRequests.request(REQUEST)).toBe('overflow');
    expect([read('PRS'), read('PQT')]).toEqual([2n, 0n]);
  });
});
