import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { HostMemory } from '../../src/host/memory.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';

const GIB = 1n << 30n;
const block = (name: string, size: bigint) => new RamBlock(name, size, new OperationCounter());

describe('HostMemory', () => {
  it('places blocks in the order in which they are first seen, far from guest addresses, with holes between', () => {
    const memory = new HostMemory();
    const [one, two] = [block('one', 5000n), block('two', 2n * GIB)];
    expect(memory.hpaOf(two, 0x1234n)).toBe(0x8_0000_0000_1234n);
    expect(memory.hpaOf(one, 0)).toBe(0x8_0000_c000_0000n);
    expect(memory.hpaOf(two, 0)).toBe(0x8_0000_0000_0000n);
    expect(memory.locate(0x8_0000_c000_0005n)).toEqual({ block: one, offset: 5 });
    expect(memory.locate(0x8_0000_8000_0000n)).toBe(null);
    expect(memory.locate(5n)).toBe(null);
    expect(() => memory.hpaOf(one, 5000)).toThrow('0x1388 is outside RAM block one');
  });

  it('reads and writes by host-physical address, inside one block', () => {
    const memory = new HostMemory();
    const ram = block('ram', 0x2000n);
    const hpa = memory.hpaOf(ram, 0x1ffe);
    memory.write(hpa, Uint8Array.of(7, 8));
    const bytes = new Uint8Array(2);
    ram.read(0x1ffe, bytes);
    expect([...bytes]).toEqual([7, 8]);
    memory.read(hpa, bytes);
    expect([...bytes]).toEqual([7, 8]);
    expect(() => memory.read(hpa, new Uint8Array(3))).toThrow('are not inside one RAM block');
    expect(() => memory.write(0x1000n, bytes)).toThrow('2 bytes at host-physical 0x1000');
    expect([memory.bytesFrom(hpa), memory.bytesFrom(0n)]).toEqual([2, 0]);
  });

  it('uses the frames of a released block again', () => {
    const memory = new HostMemory();
    const [one, two, three] = [block('one', GIB), block('two', GIB), block('three', GIB)];
    const first = memory.hpaOf(one, 0);
    memory.hpaOf(two, 0);
    memory.release(one);
    expect(memory.locate(first)).toBe(null);
    expect(memory.hpaOf(three, 0)).toBe(first);
  });

  it('has no room for more than 2^51 bytes', () => {
    const memory = new HostMemory();
    const large = 1n << 44n;
    for (let index = 0; index < 127; index++) memory.hpaOf(block(`block${index}`, large), 0);
    expect(() => memory.hpaOf(block('last', large), 0)).toThrow('The host has no 17592186044416 contiguous bytes left');
  });

  it('counts writes to watched pages, and never down', () => {
    const memory = new HostMemory();
    const [one, two] = [block('one', 0x2000n), block('two', 0x1000n)];
    memory.hpaOf(one, 0);
    memory.hpaOf(two, 0);
    const start = memory.watchedWrites;
    one.watch(0);
    one.write(0x1000, Uint8Array.of(1));
    expect(memory.watchedWrites).toBe(start);
    one.write(0, Uint8Array.of(1));
    const now = memory.watchedWrites;
    expect(now).toBeGreaterThan(start);
    memory.release(one);
    expect(memory.watchedWrites).toBeGreaterThan(now);
  });

  it('restores known blocks at once and others when they come', () => {
    const memory = new HostMemory();
    const [one, two] = [block('one', GIB), block('two', GIB)];
    memory.hpaOf(one, 0);
    const base = memory.hpaOf(two, 0);
    const copy = new HostMemory();
    const newTwo = block('two', GIB);
    copy.hpaOf(newTwo, 0);
    copy.restore(memory.save());
    expect(copy.save()).toEqual(memory.save());
    expect(copy.hpaOf(newTwo, 0)).toBe(base);
    expect(copy.hpaOf(block('one', GIB), 1)).toBe(0x8_0000_0000_0001n);
    expect(copy.hpaOf(block('three', GIB), 0)).toBe(0x8_0001_0000_0000n);
  });
});
