import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Offset, REGISTERS_BASE } from '../../../src/iommu/amd/registers.ts';
import { PLATFORMS } from '../units/platforms.ts';
import { type DeviceName, UnitRig } from '../units/rig.ts';

const AMD = PLATFORMS.find(({ kind }) => kind === 'amd-iommu')!;
const DEVICES: readonly DeviceName[] = ['agent0', 'nic0'];
const LAST = (1n << 64n) - 1n;
const READ_WRITE = 3n << 61n;

const DEVICE_TABLE = 0x10_0000n;
const COMMANDS = 0x18_0000n;
const EVENTS = 0x19_0000n;
const TABLE = 0x20_0000n;
const RING_OF_256 = 8n << 56n;

function rig(properties = 'dma-remap=on'): UnitRig {
  return new UnitRig(AMD, properties);
}

function put(all: UnitRig, address: bigint, ...words: bigint[]): void {
  const bytes = new DataView(new ArrayBuffer(8 * words.length));
  for (const [index, value] of words.entries()) bytes.setBigUint64(8 * index, BigInt.asUintN(64, value), true);
  all.must(() => all.machine.memory.write(address, new Uint8Array(bytes.buffer)));
}

function register(all: UnitRig, offset: number, value: bigint): void {
  put(all, REGISTERS_BASE + BigInt(offset), value);
}

/** Puts commands into the buffer from its start on, and has them carried out. */
function command(all: UnitRig, ...words: bigint[]): void {
  register(all, Offset.commandBase, COMMANDS | RING_OF_256);
  put(all, COMMANDS, ...words);
  register(all, Offset.commandTail, BigInt(8 * words.length));
}

function enable(all: UnitRig): void {
  register(all, Offset.deviceTable, DEVICE_TABLE | 0x1ffn);
  register(all, Offset.eventBase, EVENTS | RING_OF_256);
  register(all, Offset.control, 0x100dn);
}

/** The device is told to look at its entry again, then everything is. */
function refresh(all: UnitRig): void {
  for (const name of DEVICES) command(all, (2n << 60n) | BigInt(all.sourceId(name)), 0n);
  command(all, 8n << 60n, 0n);
}

/** What looks at the tables must come to an end, too. */
function look(all: UnitRig): void {
  for (const name of DEVICES) {
    for (const address of [0n, TABLE, 0xfee0_0000n, LAST - 7n]) {
      all.read(name, address);
      all.translate(name, address);
    }
    all.do(() => all.unit.mappings(all.space(name), { limit: 5, budget: 2000 }));
  }
  all.unit.describe();
  all.unit.iotlbEntries();
}

describe('a guest', () => {
  it('cannot end the daemon by registers, commands and tables of any content', () => {
    const anything = fc.bigInt(0n, LAST);
    const pointer = fc
      .tuple(fc.integer({ min: 0, max: 7 }), fc.bigInt(0n, 8n), fc.bigInt(0n, 7n))
      .map(([level, page, rights]) => (rights << 60n) | ((0x200n + page) << 12n) | (BigInt(level) << 9n) | 3n);
    const entry = fc.oneof(anything, pointer, pointer);
    const base = fc
      .tuple(fc.constantFrom(DEVICE_TABLE, COMMANDS, EVENTS, TABLE, REGISTERS_BASE), fc.bigInt(0n, 15n))
      .map(([address, size]) => address | (size << 56n));
    const write = fc.tuple(
      fc.constantFrom(...Object.values(Offset)),
      fc.oneof(base, anything, fc.bigInt(0n, 0xffffn), fc.constant(0x100dn)),
    );
    const order = fc.tuple(fc.bigInt(0n, 15n), fc.oneof(fc.constantFrom(0x10n, 0x18n, 0n), anything), anything);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2047), entry), { maxLength: 30 }),
        fc.array(entry, { minLength: 4, maxLength: 4 }),
        fc.array(write, { maxLength: 8 }),
        fc.array(order, { maxLength: 8 }),
        (entries, deviceEntry, writes, orders) => {
          const all = rig();
          for (const [index, value] of entries) put(all, TABLE + 8n * BigInt(index), value);
          for (const name of DEVICES) put(all, DEVICE_TABLE + 32n * BigInt(all.sourceId(name)), ...deviceEntry);
          enable(all);
          refresh(all);
          for (const [offset, value] of writes) all.do(() => register(all, offset, value));
          look(all);
          enable(all);
          for (const [opcode, low, high] of orders) command(all, (opcode << 60n) | (low & ((1n << 60n) - 1n)), high);
          look(all);
          expect(all.do(() => all.machine.reset())).toBe('{}');
        },
      ),
      { numRuns: 40, seed: 1 },
    );
  }, 60_000);

  it.each([1n, 3n, 6n])(
    'cannot keep the daemon busy by %s levels of tables that are one',
    (levels) => {
      const all = rig();
      for (let level = levels; level >= 1n; level--) {
        const table = TABLE + (levels - level) * 0x1000n;
        const next = level === 1n ? 0x100_0000n : table + 0x1000n;
        const entry = READ_WRITE | next | ((level - 1n) << 9n) | 1n;
        put(all, table, ...Array.from({ length: 512 }, () => entry));
      }
      const deviceEntry = READ_WRITE | TABLE | (levels << 9n) | 3n;
      for (const name of DEVICES) put(all, DEVICE_TABLE + 32n * BigInt(all.sourceId(name)), deviceEntry, 1n, 0n, 0n);
      enable(all);
      const start = performance.now();
      refresh(all);
      command(all, (3n << 60n) | (1n << 32n), 0x7fff_ffff_ffff_f001n);
      look(all);
      expect(performance.now() - start).toBeLessThan(20_000);
      expect(typeof all.read('agent0', 0x1000n)).toBe('bigint');
    },
    60_000,
  );

  it('cannot keep the daemon busy by a tail that lies beyond the command buffer', () => {
    const all = rig();
    enable(all);
    const start = performance.now();
    register(all, Offset.commandBase, COMMANDS | RING_OF_256);
    register(all, Offset.commandTail, 0x7_fff0n);
    register(all, Offset.commandBase, 0xffff_f000_0000n | RING_OF_256);
    register(all, Offset.commandTail, 0x7_fff0n);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});
