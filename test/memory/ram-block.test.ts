import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { bytes } from './support.ts';

function block(size = 1n << 20n): RamBlock {
  return new RamBlock('ram', size, new OperationCounter());
}

function read(ram: RamBlock, offset: number, length: number): number[] {
  const into = new Uint8Array(length).fill(0xee);
  ram.read(offset, into);
  return [...into];
}

describe('RamBlock', () => {
  it('reads zeros where nothing was written, and costs nothing there', () => {
    const ram = block();
    expect(read(ram, 4090, 12)).toEqual(new Array(12).fill(0));
    expect(ram.touchedBytes).toBe(0);
  });

  it('has 1 TiB for the price of the pages that were touched', () => {
    const ram = block(1n << 40n);
    ram.write(0, bytes(1));
    ram.write(2 ** 40 - 1, bytes(2));
    ram.write(2 ** 39 + 4095, bytes(3, 4));
    expect(read(ram, 2 ** 40 - 1, 1)).toEqual([2]);
    expect(read(ram, 2 ** 39 + 4095, 2)).toEqual([3, 4]);
    expect(ram.touchedBytes).toBe(4 * 4096);
  });

  it('tells pages apart up to 16 TiB', () => {
    const ram = block(1n << 44n);
    const offsets = [0, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 43 + 2 ** 31, 2 ** 44 - 4096];
    for (const [index, offset] of offsets.entries()) ram.writeU32(offset + 4, index + 1);
    expect(offsets.map((offset) => ram.readU32(offset + 4))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ram.touchedBytes).toBe(6 * 4096);
    expect(ram.save().pages.map((page) => page.offset)).toEqual(offsets);
  });

  it('refuses what is not inside', () => {
    const ram = block(8192n);
    expect(() => ram.read(8191, new Uint8Array(2))).toThrow(RangeError);
    expect(() => ram.write(-1, bytes(1))).toThrow('1 bytes at 0x-1 are not inside RAM block ram');
    expect(() => ram.orLow(8192, 1)).toThrow(RangeError);
    expect(ram.touchedBytes).toBe(0);
    expect(() => block(0n)).toThrow(RangeError);
    expect(() => block((1n << 44n) + 1n)).toThrow('the limit is 17592186044416');
  });

  it('is little-endian in its words and entries', () => {
    const ram = block();
    ram.write(0x1008, bytes(0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0xff));
    ram.entry(0x1008);
    expect([ram.low, ram.high]).toEqual([0x44332211, 0xff776655]);
    expect(ram.readU32(0x100c)).toBe(0xff776655);
    expect(ram.readU8(0x1009)).toBe(0x22);
    ram.writeU32(0x1008, 0xdeadbeef);
    expect(read(ram, 0x1008, 5)).toEqual([0xef, 0xbe, 0xad, 0xde, 0x55]);
    ram.entry(0x2000);
    expect([ram.low, ram.high]).toEqual([0, 0]);
  });

  it('ORs accessed and dirty bits in, also at bit 31, without recording a write', () => {
    const ram = block();
    ram.watch(0);
    ram.orLow(8, 0x8000_0020);
    ram.orLow(8, 1);
    ram.entry(8);
    expect(ram.low).toBe(0x8000_0021);
    expect(ram.lastWrite(8)).toBe(0);
    expect(ram.watchedWrites).toBe(0);
  });

  it('records the operation of the last write to each word of a watched page only', () => {
    const operations = new OperationCounter();
    const ram = new RamBlock('ram', 1n << 20n, operations);
    operations.run(() => ram.write(0x1000, bytes(1)));
    ram.watch(0x1ff8);
    expect(ram.isWatched(0x1000)).toBe(true);
    expect(ram.isWatched(0x2000)).toBe(false);
    expect(ram.lastWrite(0x1000)).toBe(0);
    operations.run(() => ram.write(0x100f, bytes(1, 2)));
    operations.run(() => ram.write(0x1fff, bytes(1, 2)));
    operations.run(() => ram.writeU32(0x1014, 7));
    expect([0x1000, 0x1008, 0x1010, 0x1018, 0x1ff8, 0x2000].map((at) => ram.lastWrite(at))).toEqual([0, 2, 4, 0, 3, 0]);
    expect(ram.watchedWrites).toBe(3);
    ram.watch(0x1000);
    expect(ram.lastWrite(0x1008)).toBe(2);
  });

  it('behaves like an array, and takes its state back', () => {
    const size = 5 * 4096;
    const write = fc.record({
      offset: fc.integer({ min: 0, max: size - 1 }),
      data: fc.uint8Array({ minLength: 1, maxLength: 5000 }),
    });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 12 }), (writes) => {
        const ram = block(BigInt(size));
        const naive = new Uint8Array(size);
        for (const { offset, data } of writes) {
          const fitting = data.subarray(0, size - offset);
          ram.write(offset, fitting);
          naive.set(fitting, offset);
        }
        const whole = new Uint8Array(size);
        ram.read(0, whole);
        expect(Buffer.compare(whole, naive)).toBe(0);
        const copy = block(BigInt(size));
        copy.write(4096, bytes(1, 2, 3));
        copy.restore(ram.save());
        copy.read(0, whole);
        expect(Buffer.compare(whole, naive)).toBe(0);
        expect(copy.touchedBytes).toBe(ram.touchedBytes);
      }),
    );
  });

  it('saves sparsely, with what was recorded, and independently of later writes', () => {
    const operations = new OperationCounter();
    const ram = new RamBlock('ram', 1n << 40n, operations);
    ram.watch(2 ** 39);
    operations.run(() => ram.write(2 ** 39 + 8, bytes(5)));
    const state = ram.save();
    operations.run(() => ram.write(2 ** 39 + 8, bytes(6)));
    expect(state.pages.map((page) => page.offset)).toEqual([2 ** 39]);
    ram.restore(state);
    expect(read(ram, 2 ** 39 + 8, 1)).toEqual([5]);
    expect(ram.lastWrite(2 ** 39 + 8)).toBe(1);
    expect(ram.watchedWrites).toBe(1);
  });
});
