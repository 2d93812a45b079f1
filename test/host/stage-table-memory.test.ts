import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { HostMemory } from '../../src/host/memory.ts';
import { StageTableMemory } from '../../src/host/nested-walk.ts';
import { settingsOf } from '../../src/host/options.ts';
import { HostPageTable } from '../../src/host/page-table.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';

const SIZE = 0x10_0000n;
const ENTRY = 0x1008;

function rig() {
  const memory = new HostMemory();
  const operations = new OperationCounter();
  const host = { memory, capabilities: settingsOf({}).capabilities, operation: 0, invalidateRange: () => {} };
  const block = (name: string, value: number): RamBlock => {
    const made = new RamBlock(name, SIZE, operations);
    made.writeU32(ENTRY, value);
    return made;
  };
  const [one, two] = [block('one', 1), block('two', 2)];
  const stage = new HostPageTable(1, host);
  const other = new HostPageTable(2, host);
  stage.map(0n, SIZE, memory.hpaOf(one, 0), false);
  other.map(0n, SIZE, memory.hpaOf(two, 0), true);
  const tables = new StageTableMemory(memory, false);
  tables.stage = stage;
  const value = (address = ENTRY): number | null => (tables.read(address) ? tables.low : null);
  return { memory, one, two, stage, other, tables, value };
}

describe('guest memory through a second stage remembers the range that it found', () => {
  it('for as long as the stage is the same', () => {
    const { stage, other, tables, value } = rig();
    expect(value()).toBe(1);
    tables.stage = other;
    expect(value()).toBe(2);
    expect(tables.setBits(ENTRY, 4)).toBe(false);
    tables.stage = stage;
    expect(tables.setBits(ENTRY, 4)).toBe(true);
    expect(value()).toBe(5);
    tables.stage = null;
    expect(value()).toBeNull();
  });

  it('for as long as what is mapped is the same', () => {
    const { memory, two, stage, value } = rig();
    expect(value()).toBe(1);
    const before = stage.save();
    stage.unmap(0n, SIZE);
    expect(value()).toBeNull();
    stage.map(0n, SIZE / 2n, memory.hpaOf(two, 0), false);
    expect(value()).toBe(2);
    expect(value(Number(SIZE / 2n))).toBeNull();
    stage.restore(before);
    expect(value()).toBe(1);
  });

  it('for as long as the block has its frames', () => {
    const { memory, one, value } = rig();
    expect(value()).toBe(1);
    memory.release(one);
    expect(value()).toBeNull();
  });

  it('to its last byte and no further', () => {
    const { value } = rig();
    expect([value(Number(SIZE) - 8), value(Number(SIZE)), value(0)]).toEqual([0, null, 0]);
  });
});
