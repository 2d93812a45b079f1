import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type RegisterRig, registerRig } from './register-rig.ts';

interface Step {
  op: string;
  reg?: string;
  value?: string | number;
  size?: number;
  offset?: string | number;
  addr?: string | number;
  hex?: string;
  u64?: (string | number)[];
  u32?: (string | number)[];
  len?: number;
  byte?: number;
  data?: string | number;
  iova?: string;
  clear?: boolean;
}

interface Result {
  step: number;
  value?: string;
  data?: string;
  regs?: Record<string, string>;
  faults?: Record<string, unknown>;
  after_clear?: Record<string, string>;
}

interface Recording {
  scenario: { machine: { iommu?: Record<string, boolean | number> }; steps: Step[] };
  answers: Record<string, { results: Result[] }>;
}

const VERSION = '11.1.3';
const DIRECTORY = new URL('../../conformance/vtd/scenarios/', import.meta.url);

/** Steps that nothing but the register level takes part in. */
const PLAYABLE = ['mem_write', 'mem_fill', 'mem_read', 'reg_write', 'reg_read', 'dump_regs', 'faults', 'clear_faults'];
const isPlayable = ({ op, iova }: Step): boolean =>
  PLAYABLE.includes(op) || op === 'edu_msi' || (op === 'dma_write' && iova?.startsWith('0xfee') === true);

const REGISTER_NAMES: Record<string, string> = { FRCD_LO: 'FRCD', FRCD_HI: 'FRCD_HIGH' };
const PROPERTIES: Record<string, string> = {
  aw_bits: 'aw-bits',
  scalable: 'scalable-mode',
  first_stage: 'fsts',
  fs1gp: 'fs1gp',
  caching_mode: 'caching-mode',
  device_iotlb: 'device-iotlb',
  snoop_control: 'snoop-control',
  dma_translation: 'dma-translation',
  stale_tm: 'stale-tm',
};
/** The test device's requester ID: 00:03.0. */
const REQUESTER = 0x18;

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const big = (value: string | number | undefined): bigint => BigInt(value ?? 0);

function bytesOf(step: Step): Uint8Array {
  if (step.hex !== undefined) return Uint8Array.from(Buffer.from(step.hex, 'hex'));
  const words = step.u64 ?? step.u32 ?? [];
  const size = step.u64 === undefined ? 4 : 8;
  const bytes = Buffer.alloc(words.length * size);
  for (const [at, word] of words.entries()) {
    if (size === 8) bytes.writeBigUInt64LE(BigInt.asUintN(64, big(word)), 8 * at);
    else bytes.writeUInt32LE(Number(big(word)), 4 * at);
  }
  return bytes;
}

function faults(rig: RegisterRig): Record<string, unknown> {
  return {
    fsts: hex(rig.read('FSTS')),
    fectl: hex(rig.read('FECTL')),
    frcd_lo: hex(rig.read('FRCD')),
    frcd_hi: hex(rig.read('FRCD_HIGH')),
  };
}

function clearFaults(rig: RegisterRig): void {
  rig.write('FRCD_HIGH', 1n << 63n);
  rig.write('FSTS', 0x11n);
}

function place(rig: RegisterRig, step: Step): { offset: number; size: number } {
  const name = step.reg ?? '';
  const register = rig.level.registers().find((one) => one.name === (REGISTER_NAMES[name] ?? name));
  const offset = register?.offset ?? Number(name);
  return { offset: offset + Number(step.offset ?? 0), size: step.size ?? register?.width ?? 4 };
}

/** Plays a step; what it answered with, in the form of the recording. */
function play(rig: RegisterRig, step: Step, expected: Result | undefined): Record<string, unknown> {
  switch (step.op) {
    case 'mem_write':
      rig.memory.write(big(step.addr), bytesOf(step));
      return {};
    case 'mem_fill':
      rig.memory.write(big(step.addr), new Uint8Array(Number(step.size)).fill(step.byte ?? 0));
      return {};
    case 'mem_read': {
      const bytes = new Uint8Array(step.len ?? 0);
      rig.memory.read(big(step.addr), bytes);
      return { data: Buffer.from(bytes).toString('hex') };
    }
    case 'reg_write': {
      const { offset, size } = place(rig, step);
      rig.writeAt(offset, size, BigInt.asUintN(8 * size, big(step.value)));
      return {};
    }
    case 'reg_read': {
      const { offset, size } = place(rig, step);
      return { value: hex(rig.readAt(offset, size)) };
    }
    case 'dump_regs': {
      const names = Object.keys(expected?.regs ?? {});
      return { regs: Object.fromEntries(names.map((name) => [name, hex(rig.read(REGISTER_NAMES[name] ?? name))])) };
    }
    case 'edu_msi':
      rig.interrupt(big(step.addr), Number(step.data), REQUESTER);
      return { faults: faults(rig) };
    case 'dma_write': {
      rig.interrupt(big(step.iova), Buffer.from(step.hex ?? '', 'hex').readUInt32LE());
      const seen = { faults: faults(rig) };
      if (step.clear === true) clearFaults(rig);
      return seen;
    }
    case 'faults': {
      const seen = { faults: faults(rig) };
      if (step.clear !== true) return seen;
      clearFaults(rig);
      return { ...seen, after_clear: { fsts: hex(rig.read('FSTS')), fectl: hex(rig.read('FECTL')) } };
    }
    case 'clear_faults':
      clearFaults(rig);
      return {};
    default:
      throw new Error(`step ${step.op} is not for the register level`);
  }
}

function configured({ machine }: Recording['scenario']): RegisterRig {
  const { intremap = false, ...rest } = machine.iommu ?? {};
  const given = Object.entries(rest).map(([key, value]) => [PROPERTIES[key] ?? key, value] as const);
  return registerRig({ ...Object.fromEntries(given), intremap: intremap === true ? 'on' : 'off', eim: 'off' });
}

const recordings = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => ({ file, ...(JSON.parse(readFileSync(new URL(file, DIRECTORY), 'utf8')) as Recording) }))
  .filter(
    ({ scenario, answers }) => answers[VERSION] !== undefined && scenario.steps.some(({ op }) => op !== 'comment'),
  )
  .filter(({ scenario }) => scenario.steps.every((step) => step.op === 'comment' || isPlayable(step)));

/** The members of a recorded result that the register level answers. */
function compared({ step, value, data, regs, faults: fault, after_clear }: Result): Record<string, unknown> {
  const { fsts, fectl, frcd_lo, frcd_hi } = fault ?? {};
  return {
    step,
    ...(value !== undefined && { value }),
    ...(data !== undefined && { data }),
    ...(regs !== undefined && { regs }),
    ...(fault !== undefined && { faults: { fsts, fectl, frcd_lo, frcd_hi } }),
    ...(after_clear !== undefined && { after_clear }),
  };
}

it('has recordings that need nothing but registers', () => {
  expect(recordings.length).toBeGreaterThanOrEqual(60);
});

describe(`what QEMU ${VERSION} answered`, () => {
  it.each(recordings)('$file', ({ scenario, answers }) => {
    const rig = configured(scenario);
    const results = answers[VERSION]?.results ?? [];
    const expected = new Map(results.map((result) => [result.step, result]));
    const played: unknown[] = [];
    for (const [step, one] of scenario.steps.entries()) {
      if (one.op === 'comment') continue;
      const answer = play(rig, one, expected.get(step));
      if (expected.has(step)) played.push({ step, ...answer });
    }
    expect(played).toEqual(results.map(compared));
  });
});
