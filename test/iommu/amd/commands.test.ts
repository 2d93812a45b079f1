import { describe, expect, it } from 'vitest';
import { decodeCommand } from '../../../src/iommu/amd/commands.ts';

const opcode = (number: bigint, low = 0n): bigint => (number << 60n) | low;

describe('commands', () => {
  it.each<[string, bigint, bigint, ReturnType<typeof decodeCommand>]>([
    [
      'COMPLETION_WAIT stores, interrupts, and is done with reserved bits too',
      opcode(1n, 0x0010_0000_001a_0003n),
      0x55n,
      {
        command: { kind: 'completion-wait', store: { address: 0x1a_0000n, data: 0x55n }, interrupt: true },
        illegal: 1,
      },
    ],
    [
      'INVALIDATE_DEVTAB_ENTRY',
      opcode(2n, 0x118n),
      0n,
      { command: { kind: 'device-table-entry', deviceId: 0x118 }, illegal: null },
    ],
    ['… with reserved bits is left out', opcode(2n, 0x10_0018n), 0n, { command: { kind: 'nothing' }, illegal: 2 }],
    [
      'INVALIDATE_IOMMU_PAGES of one page',
      opcode(3n, 7n << 32n),
      0x1234_5000n,
      { command: { kind: 'pages', domainId: 7, leafOnly: true, first: 0x12345, last: 0x12345 }, illegal: null },
    ],
    [
      '… of the block that the address encodes',
      opcode(3n, 7n << 32n),
      0x1234_7003n,
      { command: { kind: 'pages', domainId: 7, leafOnly: false, first: 0x12340, last: 0x1234f }, illegal: null },
    ],
    [
      '… of everything, for a PASID, with reserved bits',
      opcode(3n, (7n << 32n) | 0x10_0009n),
      0x7fff_ffff_ffff_f007n,
      {
        command: { kind: 'pages', domainId: 7, pasid: 9, leafOnly: false, first: 0, last: 2 ** 52 - 1 },
        illegal: 3,
      },
    ],
    [
      'INVALIDATE_IOTLB_PAGES of one page',
      opcode(4n, 0x18n),
      0x5000n,
      { command: { kind: 'iotlb-pages', deviceId: 0x18, page: 5, first: 5, pages: 1 }, illegal: null },
    ],
    [
      '… of all of a device',
      opcode(4n, 0x18n),
      0x1n,
      { command: { kind: 'iotlb-pages', deviceId: 0x18, first: 0, pages: 2 }, illegal: null },
    ],
    ['… with reserved bits is left out', opcode(4n, 0x18n), 0x2n, { command: { kind: 'nothing' }, illegal: 4 }],
    ['INVALIDATE_INTERRUPT_TABLE', opcode(5n, 0x18n), 0n, { command: { kind: 'nothing' }, illegal: null }],
    ['PREFETCH with reserved bits', opcode(6n, 1n << 16n), 0n, { command: { kind: 'nothing' }, illegal: 6 }],
    ['COMPLETE_PPR', opcode(7n), 4n, { command: { kind: 'nothing' }, illegal: null }],
    ['INVALIDATE_ALL with reserved bits is done', opcode(8n, 1n), 0n, { command: { kind: 'all' }, illegal: 8 }],
    ['an unknown one is told by the other word', opcode(15n), opcode(3n), { command: { kind: 'nothing' }, illegal: 3 }],
  ])('%s', (_what, low, high, decoded) => {
    expect(decodeCommand(low, high)).toEqual(decoded);
  });
});
