import { describe, expect, it } from 'vitest';
import { EMPTY_BLOCK } from '../../../src/iommu/s390/information-block.ts';
import { ANCHOR, IOVA, PAGES, refresh, register, rig, SEGMENT, withFunction } from './rig.ts';

const DONE = { cc: 0 };
const REFUSED = { cc: 3 };
const failed = (status: number) => ({ cc: 1, status });
const program = (exception: string) => ({ exception });

describe('function handles and states', () => {
  it('begins disabled, and every instruction refuses its handle', () => {
    const { unit, plug } = rig();
    plug(3, 'dev0');
    const [own] = unit.functions.all();
    expect(own).toMatchObject({ state: 'disabled', uid: 1, fid: 0, handle: 0x2_0000, target: 'dev0' });
    expect(register(unit, own!)).toEqual(REFUSED);
    expect(refresh(unit, own!, IOVA, 0x1000n)).toEqual(REFUSED);
    expect(unit.control.store({ handle: own!.handle, dmaSpace: 0, operation: 0 })).toEqual({
      cc: 0,
      block: EMPTY_BLOCK,
    });
    expect(unit.control.store({ handle: 0x8002_0000, dmaSpace: 0, operation: 0 })).toEqual(REFUSED);
    expect(unit.control.store({ handle: 99, dmaSpace: 0, operation: 0 })).toEqual(REFUSED);
    expect(unit.control.store({ handle: 0, dmaSpace: 1, operation: 0 })).toEqual(failed(28));
  });

  it('is enabled by CLP, which answers with the new handle; the former names nobody', () => {
    const { unit, plug } = rig();
    plug(3, 'dev0');
    const { logicalProcessor: clp } = unit;
    expect(clp.set(0x2_0000, 'enable', 0)).toEqual({ response: 0x103 });
    expect(clp.set(0x2_0000, 'enable', 2)).toEqual({ response: 0x104 });
    expect(clp.set(0x2_0000, 'disable', 0)).toEqual({ response: 0x102 });
    expect(clp.set(0x2_0000, 'enable', 1)).toEqual({ response: 0x10, handle: 0x8002_0000 });
    expect(clp.set(0x2_0000, 'enable', 1)).toEqual({ response: 0x101 });
    expect(clp.set(0x8002_0000, 'enable', 1)).toEqual({ response: 0x102 });
    expect(clp.list()).toEqual([
      { 'vendor-id': 0x1234, 'device-id': 1, configured: true, fid: 0, handle: 0x8002_0000 },
    ]);
    expect(clp.query(0x8002_0000)).toMatchObject({ response: 0x10, function: { 'start-dma': 0x1_0000_0000n } });
    expect(clp.set(0x8002_0000, 'disable', 0)).toEqual({ response: 0x10, handle: 0x2_0000 });
  });

  it('goes to standby and back by SCLP', () => {
    const { unit, own } = withFunction();
    const { logicalProcessor: sclp } = unit;
    expect(sclp.configure(0)).toBe(0x120);
    expect(sclp.configure(7)).toBe(0x9f0);
    register(unit, own);
    expect(sclp.deconfigure(0)).toBe(0x20);
    expect(own).toMatchObject({ state: 'standby', handle: 0x2_0000 });
    expect(own.iommu.registration).toBeNull();
    expect(sclp.deconfigure(0)).toBe(0x120);
    expect(register(unit, own)).toEqual(REFUSED);
    expect(sclp.configure(0)).toBe(0x20);
    expect(own.state).toBe('disabled');
  });

  it('hands out ids, and refuses those that are taken in QEMU’s words', () => {
    const { unit } = rig();
    const wish = { uid: null, fid: null, target: 'a', relaxedTranslation: true };
    unit.addFunction({ ...wish, uid: 7, fid: 9 });
    expect(() => unit.addFunction({ ...wish, uid: 7, target: 'b' })).toThrow('uid 7 already in use');
    expect(() => unit.addFunction({ ...wish, fid: 9, target: 'b' })).toThrow('fid 9 already in use');
    expect(() => unit.addFunction(wish)).toThrow('target a already has an associated zpci device');
    expect(() => unit.addFunction({ ...wish, target: null })).toThrow('target must be defined');
    expect(unit.addFunction({ ...wish, target: 'b' })).toMatchObject({ uid: 1, fid: 0, index: 1, state: 'reserved' });
  });
});

describe('MPCIFC', () => {
  it('registers, registers anew and ends a registration, each in its turn', () => {
    const { unit, own, space } = withFunction();
    expect(register(unit, own, {}, 5)).toEqual(failed(24));
    expect(register(unit, own, {}, 6)).toEqual(failed(24));
    expect(space.region?.enabled).toBe(false);
    expect(register(unit, own, { base: IOVA + 0x123n, limit: 0x2_0000_0000n })).toEqual(DONE);
    expect(own.iommu.registration).toEqual({ base: IOVA, limit: 0x2_0000_0fffn, anchor: ANCHOR });
    expect(space.region).toMatchObject({ name: 'iommu-s390-0001', size: 0x2_0000_1000n });
    expect(register(unit, own)).toEqual(failed(24));
    expect(register(unit, own, {}, 6)).toEqual(DONE);
    expect(space.region?.size).toBe(0x400_0000_0000n);
    expect(register(unit, own, {}, 5)).toEqual(DONE);
    expect(space.region?.enabled).toBe(false);
  });

  it.each([
    ['an end below the start', { base: 0x3_0000_0000n, limit: 0x2_0000_0000n }],
    ['a start below SDMA', { base: 0xffff_f000n }],
    ['an end above EDMA', { limit: 1n << 57n }],
    ['a segment table', { anchor: ANCHOR & ~4n }],
    ['a region-first table', { anchor: ANCHOR | 8n }],
    ['no tables, for an emulated function', { anchor: ANCHOR & ~0x800n }],
  ])('meets an operand exception: %s', (_what, block) => {
    const { unit, own } = withFunction();
    expect(register(unit, own, block)).toEqual(program('operand'));
    expect(own.iommu.registration).toBeNull();
  });

  it('knows DMA space 0, format 0 and its own operations only', () => {
    const { unit, own } = withFunction();
    const modify = (operands: object, block: object | null = {}) =>
      unit.control.modify({ handle: own.handle, dmaSpace: 0, operation: 4, ...operands }, () =>
        block === null ? null : { ...EMPTY_BLOCK, ...block },
      );
    for (const operation of [4, 5, 6]) expect(modify({ operation, dmaSpace: 1 })).toEqual(failed(28));
    expect(modify({}, { format: 1 })).toEqual(program('operand'));
    expect(modify({ operation: 1 })).toEqual(program('operand'));
    expect(modify({ operation: 8 })).toEqual(program('operand'));
    expect(modify({}, null)).toEqual(program('addressing'));
    expect(modify({ handle: 5 }, null)).toEqual(REFUSED);
  });

  it('registers interrupts once; a message sets its bit and the summary bit', () => {
    const { unit, own, device, memory } = withFunction();
    expect(register(unit, own, {}, 3)).toEqual(failed(24));
    expect(register(unit, own, { interrupts: 0x3002_0801, bitVector: 0x3000n, summary: 0x4000n }, 2)).toEqual(DONE);
    expect(register(unit, own, {}, 2)).toEqual(failed(24));
    const { addressSpace } = device;
    addressSpace.write(0xfe00_0000_0000_0000n, Uint8Array.of(3, 0, 0, 0));
    const bytes = new Uint8Array(2);
    memory.read(0x3000n, bytes);
    expect([...bytes]).toEqual([0, 0x10]);
    memory.read(0x4000n, bytes);
    expect([...bytes]).toEqual([0x40, 0]);
    expect(register(unit, own, {}, 3)).toEqual(DONE);
  });

  it('resets an error by way of blocked or at once, and nothing else', () => {
    const { unit, own } = withFunction();
    expect(register(unit, own, {}, 7)).toEqual(failed(24));
    expect(register(unit, own, {}, 9)).toEqual(failed(24));
    own.fail(4, IOVA, 'read');
    expect(register(unit, own, {}, 9)).toEqual(DONE);
    expect(own.state).toBe('blocked');
    expect(register(unit, own, {}, 9)).toEqual(failed(24));
    expect(register(unit, own, {}, 7)).toEqual(DONE);
    expect(own.state).toBe('enabled');
  });
});

describe('STPCIFC', () => {
  it('stores what is registered and the state; a handle without the bit gets it', () => {
    const { unit, own } = withFunction();
    register(unit, own);
    const store = (handle = own.handle) => unit.control.store({ handle, dmaSpace: 0, operation: 0 });
    expect(store()).toMatchObject({ cc: 0, block: { controls: 0x90, base: IOVA, anchor: ANCHOR } });
    own.fail(4, IOVA, 'read');
    expect(store().block?.controls).toBe(0xf0);
    register(unit, own, {}, 9);
    expect(store().block?.controls).toBe(0xd0);
    expect(store(0x2_0000)).toMatchObject({ cc: 0, handle: 0x8002_0000 });
  });
});

describe('RPCIT', () => {
  it.each([
    ['nothing is registered', 'none', IOVA, 0x1000n, 1],
    ['the range ends below', 'base', IOVA, 0x1000n, 2],
    ['the range begins above', 'limit', 0x400_0000_0000n, 0x1000n, 2],
  ])('ends in error: %s', (_what, given, start, length, code) => {
    const { unit, own, seen } = withFunction();
    if (given !== 'none') register(unit, own, given === 'base' ? { base: 0x2_0000_0000n } : {});
    expect(refresh(unit, own, start, length)).toEqual(failed(8));
    expect(own.state).toBe('error');
    expect(unit.events.take()).toEqual({ content: 1, code, handle: own.handle, fid: 0, address: start });
    expect(seen.at(-1)).toMatchObject({ name: 'IOMMU_FAULT', data: { device: 'dev0', code, address: start } });
    expect(refresh(unit, own, start, length)).toEqual(failed(40));
  });

  it.each([
    ['a segment entry of 0', SEGMENT, 0n, 7],
    ['a page entry of 0', PAGES, 0n, 7],
    ['a segment entry of another type', SEGMENT, PAGES | 4n, 9],
    ['a segment entry that leads to 0', SEGMENT, 1n, 9],
    ['a page entry that leads to 0', PAGES, 0x200n, 9],
  ])('meets %s', (_what, address, entry, code) => {
    const { unit, own, store } = withFunction();
    register(unit, own);
    store(address, entry);
    expect(refresh(unit, own, IOVA, 0x1000n)).toEqual(failed(8));
    expect(unit.events.take()).toMatchObject({ code, address: IOVA });
  });

  it.each([
    ['length', 6n, 8],
    ['offset', 0x47n, 8],
    ['type', 3n, 9],
  ])('wants whole segment tables of the right kind: %s', (_what, flags, code) => {
    const { unit, own, store } = withFunction();
    register(unit, own);
    store(0x10_0000n + 8n * (IOVA >> 31n), SEGMENT | flags);
    expect(refresh(unit, own, IOVA, 0x1000n)).toEqual(failed(8));
    expect(unit.events.take()).toMatchObject({ code });
  });

  it('takes an even register, and an enabled function', () => {
    const { unit, own } = withFunction();
    expect(unit.control.refresh(own.handle, 3, IOVA, 0x1000n)).toEqual(program('specification'));
    expect(unit.control.refresh(5, 2, IOVA, 0x1000n)).toEqual(REFUSED);
    register(unit, own);
    expect(refresh(unit, own, IOVA, 0x1000n)).toEqual(DONE);
    expect(own.refreshes).toBe(1);
  });

  it('tells when the mappings are used up, and goes on when some are given up', () => {
    const { unit, own, store } = withFunction();
    register(unit, own);
    own.iommu.limit = 3;
    for (let page = 0n; page < 5n; page++) store(PAGES + 8n * page, 0x20_0000n + page * 0x1000n);
    expect(refresh(unit, own, IOVA, 0x2000n)).toEqual(DONE);
    expect(refresh(unit, own, IOVA, 0x5000n)).toEqual(failed(16));
    expect(own.iommu.pages.all().map(({ page }) => page - 0x10_0000)).toEqual([0, 1, 2]);
    // The pages that go make room for one that the same range had refused before.
    store(PAGES + 8n * 4n, 0x400n);
    store(PAGES + 8n * 2n, 0x400n);
    store(PAGES + 8n * 1n, 0x400n);
    expect(refresh(unit, own, IOVA, 0x5000n)).toEqual(DONE);
    expect(own.iommu.pages.all().map(({ page }) => page - 0x10_0000)).toEqual([0, 3]);
  });
});
