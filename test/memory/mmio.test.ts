import { describe, expect, it } from 'vitest';
import type { AddressSpace } from '../../src/memory/address-space.ts';
import { BusError } from '../../src/memory/mmio.ts';
import type { MmioOperations } from '../../src/memory/mmio.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { bytes, newTopology, recordingRegisters } from './support.ts';

function spaceOf(operations: MmioOperations, at = 0n, size = 0x100n): AddressSpace {
  const topology = newTopology();
  const root = MemoryRegion.container(topology, 'root', 1n << 64n);
  root.addSubregion(at, MemoryRegion.mmio(topology, 'registers', size, operations));
  return topology.createAddressSpace('space', root);
}

const upTo8 = { valid: { max: 8 }, implementation: { max: 8 } } as const;

describe('MMIO', () => {
  it.each([1, 2, 4, 8])('makes one access of %i aligned bytes', (size) => {
    const { operations, log } = recordingRegisters(upTo8, () => 0x8877665544332211n);
    const space = spaceOf(operations, 0x1000n);
    const into = new Uint8Array(size).fill(0xee);
    expect(space.read(0x1010n, into)).toEqual({ ok: true, good: size, firstBad: null, error: null });
    expect([...into]).toEqual([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88].slice(0, size));
    space.write(0x1010n, into);
    const value = 0x8877665544332211n & ((1n << BigInt(8 * size)) - 1n);
    expect(log).toEqual([`read 16+${size}`, `write 16+${size}=0x${value.toString(16)}`]);
  });

  it('splits a transfer into the largest aligned accesses', () => {
    const { operations, log } = recordingRegisters(upTo8);
    spaceOf(operations).write(1n, new Uint8Array(18));
    expect(log.map((line) => line.replace('=0x0', ''))).toEqual([
      'write 1+1',
      'write 2+2',
      'write 4+4',
      'write 8+8',
      'write 16+2',
      'write 18+1',
    ]);
  });

  it('takes 4 bytes at most where the region says nothing', () => {
    const { operations, log } = recordingRegisters();
    spaceOf(operations).read(8n, new Uint8Array(8));
    expect(log).toEqual(['read 8+4', 'read 12+4']);
  });

  it('splits by what is implemented, low part first, and puts the parts together', () => {
    const { operations, log } = recordingRegisters(
      { valid: { max: 8 }, implementation: { max: 2 } },
      (offset) => BigInt(offset) | 0xffff_0000n,
    );
    const space = spaceOf(operations);
    const into = new Uint8Array(8);
    space.read(0x10n, into);
    expect([...into]).toEqual([0x10, 0, 0x12, 0, 0x14, 0, 0x16, 0]);
    space.write(0x10n, bytes(1, 2, 3, 4));
    expect(log.slice(4)).toEqual(['write 16+2=0x201', 'write 18+2=0x403']);
  });

  it('widens what is narrower than implemented', () => {
    const { operations, log } = recordingRegisters({ implementation: { min: 4, max: 4 } }, () => 0xaabbccddn);
    const space = spaceOf(operations);
    const into = new Uint8Array(1);
    space.read(0x10n, into);
    space.write(0x11n, bytes(0x7f));
    expect([...into]).toEqual([0xdd]);
    expect(log).toEqual(['read 16+4', 'write 17+4=0x7f']);
  });

  it('does not answer to sizes that are not valid: zeros and a decode error', () => {
    const { operations, log } = recordingRegisters({ valid: { min: 4, max: 4 } }, () => 0xffff_ffffn);
    const space = spaceOf(operations, 0x1000n);
    const into = new Uint8Array(6).fill(0xee);
    expect(space.read(0x1000n, into)).toEqual({ ok: false, good: 4, firstBad: 0x1004n, error: { kind: 'decode' } });
    expect([...into]).toEqual([0xff, 0xff, 0xff, 0xff, 0, 0]);
    expect(space.write(0x1002n, bytes(1, 2)).firstBad).toBe(0x1002n);
    expect(log).toEqual(['read 0+4']);
  });

  it('goes unaligned where the region allows it', () => {
    const { operations, log } = recordingRegisters({ valid: { max: 4, unaligned: true } });
    spaceOf(operations).read(3n, new Uint8Array(4));
    expect(log).toEqual(['read 3+4']);
  });

  it('asks the region last', () => {
    const asked: unknown[] = [];
    const { operations, log } = recordingRegisters({
      accepts: (offset, size, write, attributes) => {
        asked.push([offset, size, write, attributes]);
        return !write;
      },
    });
    const space = spaceOf(operations);
    expect(space.write(4n, bytes(1), { requester: 0x18 }).ok).toBe(false);
    expect(space.read(4n, new Uint8Array(1)).ok).toBe(true);
    expect(asked).toEqual([
      [4, 1, true, { requester: 0x18 }],
      [4, 1, false, {}],
    ]);
    expect(log).toEqual(['read 4+1']);
  });

  it('tells that the device answered with an error, and goes on behind it', () => {
    const { operations } = recordingRegisters({
      read: (offset) => {
        if (offset === 4) throw new BusError();
        return 0x01010101n;
      },
    });
    const into = new Uint8Array(12).fill(0xee);
    expect(spaceOf(operations).read(0n, into)).toEqual({ ok: false, good: 8, firstBad: 4n, error: { kind: 'device' } });
    expect([...into]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
  });

  it('lets any other exception through, since it is a bug', () => {
    const { operations } = recordingRegisters({
      write: () => {
        throw new TypeError('bug');
      },
    });
    expect(() => spaceOf(operations).write(0n, bytes(1))).toThrow('bug');
  });
});
