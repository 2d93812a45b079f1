import { afterEach, describe, expect, it } from 'vitest';
import { QtestClient } from '../support/qtest-client.ts';

// What QEMU's own programs iommu-intel-test and intel-iommu-test do, over the sockets that QEMU's test library opens.
// A test device writes four bytes at an IOVA and reads them back.
const UNIT = 0xfed9_0000n;
const register = {
  CAP: [0x08n, 8],
  ECAP: [0x10n, 8],
  GCMD: [0x18n, 4],
  GSTS: [0x1cn, 4],
  RTADDR: [0x20n, 8],
  FECTL: [0x38n, 4],
  FEDATA: [0x3cn, 4],
  FEADDR: [0x40n, 4],
  IQH: [0x80n, 8],
  IQT: [0x88n, 8],
  IQA: [0x90n, 8],
} as const;

const DEVFN = 2 << 3;
const BAR = 0xe000_0000n;

const ROOT = 0x1000_0000n;
const CONTEXT = 0x1000_1000n;
const LEVELS = [0x1001_0000n, 0x1001_1000n, 0x1001_2000n, 0x1001_3000n] as const;
const QUEUE = 0x1002_0000n;
const PASID_DIRECTORY = 0x1003_0000n;
const PASID_TABLE = 0x1003_1000n;
const TARGET = 0x1010_0000n;
const IOVA = 0x1020_0567n;
const TRANSLATED = 0x1010_0567n;
const VALUE = 0x1234_5678n;

const SCALABLE_ROOT = 1n << 10n;

const PRESENT = 1n;
const READ_WRITE = 3n;
/** Present, writable, user, accessed. */
const FIRST_STAGE_TABLE = 0x27n;
/** The same, dirty. */
const FIRST_STAGE_LEAF = 0x67n;
const WIDTH_48 = 2n;

let client: QtestClient | null = null;
afterEach(async () => {
  await client?.stop();
  client = null;
});

type Register = keyof typeof register;

function unit(running: QtestClient): {
  read: (name: Register) => Promise<bigint>;
  write: (name: Register, value: bigint) => Promise<void>;
} {
  return {
    read: (name) => running.read(UNIT + register[name][0], register[name][1]),
    write: (name, value) => running.write(UNIT + register[name][0], register[name][1], value),
  };
}

async function start(properties: string, ...more: string[]): Promise<QtestClient> {
  client = await QtestClient.start(['-machine', 'q35', '-m', '512', '-device', `intel-iommu${properties}`, ...more]);
  return client;
}

/** Four levels that lead from the IOVA to the target page; the IOVA's indices are 0, 0, 0x81 and 0. */
async function writePageTables(running: QtestClient, table: bigint, leaf: bigint): Promise<void> {
  await running.write(LEVELS[0], 8, LEVELS[1] | table);
  await running.write(LEVELS[1], 8, LEVELS[2] | table);
  await running.write(LEVELS[2] + 0x81n * 8n, 8, LEVELS[3] | table);
  await running.write(LEVELS[3], 8, TARGET | leaf);
}

async function writeLegacyContext(running: QtestClient, low: bigint): Promise<void> {
  await running.write(ROOT, 8, CONTEXT | PRESENT);
  await running.write(CONTEXT + BigInt(DEVFN) * 16n, 8, low | PRESENT);
  await running.write(CONTEXT + BigInt(DEVFN) * 16n + 8n, 8, WIDTH_48);
}

async function writeScalableContext(running: QtestClient, words: readonly bigint[]): Promise<void> {
  await running.write(ROOT, 8, CONTEXT | PRESENT);
  await running.write(CONTEXT + BigInt(DEVFN) * 32n, 8, PASID_DIRECTORY | PRESENT);
  await running.write(PASID_DIRECTORY, 8, PASID_TABLE | PRESENT);
  for (const [index, word] of words.entries()) await running.write(PASID_TABLE + BigInt(index) * 8n, 8, word);
}

/** Gives commands one by one; each stays on while the next is given. */
async function enableRemapping(running: QtestClient, rootMode: bigint): Promise<void> {
  const { read, write } = unit(running);
  let commands = 0n;
  const command = async (bit: bigint): Promise<void> => {
    commands |= bit;
    await write('GCMD', commands);
    expect(await read('GSTS')).toBe(commands);
  };
  await write('RTADDR', ROOT | rootMode);
  await command(1n << 30n);
  await write('IQA', QUEUE);
  await write('IQH', 0n);
  await write('IQT', 0n);
  await command(1n << 26n);
  await write('FECTL', 0n);
  await write('FEDATA', 0n);
  await write('FEADDR', 0xfee0_0000n);
  await command(1n << 31n);
}

/** One DMA of the test device. @returns its result and what lies at `gpa` then */
async function testDma(running: QtestClient, gpa: bigint): Promise<{ result: bigint; memory: bigint }> {
  const set = (offset: bigint, value: bigint): Promise<void> => running.write(BAR + offset, 4, value);
  await running.enableDevice(DEVFN, BAR);
  await running.write(gpa, 4, 0n);
  await set(0x04n, IOVA & 0xffff_ffffn);
  await set(0x08n, IOVA >> 32n);
  await set(0x1cn, gpa & 0xffff_ffffn);
  await set(0x20n, gpa >> 32n);
  await set(0x0cn, 4n);
  await set(0x18n, 0n);
  await set(0x14n, 1n);
  await running.read(BAR, 4);
  return { result: await running.read(BAR + 0x10n, 4), memory: await running.read(gpa, 4) };
}

const TEST_DEVICE = ['-device', 'iommu-testdev,addr=02.0'] as const;

describe('iommu-intel-test of QEMU', () => {
  it('legacy-pt: pass-through', async () => {
    const running = await start('', ...TEST_DEVICE);
    await writeLegacyContext(running, 2n << 2n);
    await enableRemapping(running, 0n);
    expect(await testDma(running, IOVA)).toEqual({ result: 0n, memory: VALUE });
  });

  it('legacy-trans: four levels of second-stage tables', async () => {
    const running = await start('', ...TEST_DEVICE);
    await writePageTables(running, READ_WRITE, READ_WRITE);
    await writeLegacyContext(running, LEVELS[0]);
    await enableRemapping(running, 0n);
    expect(await testDma(running, TRANSLATED)).toEqual({ result: 0n, memory: VALUE });
  });

  it('scalable-pt: pass-through by the PASID entry', async () => {
    const running = await start(',scalable-mode=on', ...TEST_DEVICE);
    await writeScalableContext(running, [(4n << 6n) | PRESENT]);
    await enableRemapping(running, SCALABLE_ROOT);
    expect(await testDma(running, IOVA)).toEqual({ result: 0n, memory: VALUE });
  });

  it('scalable-slt: second stage by the PASID entry', async () => {
    const running = await start(',scalable-mode=on', ...TEST_DEVICE);
    await writePageTables(running, READ_WRITE, READ_WRITE);
    await writeScalableContext(running, [LEVELS[0] | (2n << 6n) | (WIDTH_48 << 2n) | PRESENT]);
    await enableRemapping(running, SCALABLE_ROOT);
    expect(await testDma(running, TRANSLATED)).toEqual({ result: 0n, memory: VALUE });
  });

  it('scalable-flt: first stage by the PASID entry', async () => {
    const running = await start(',scalable-mode=on,fsts=on', ...TEST_DEVICE);
    await writePageTables(running, FIRST_STAGE_TABLE, FIRST_STAGE_LEAF);
    await writeScalableContext(running, [(1n << 6n) | PRESENT, 0n, LEVELS[0]]);
    await enableRemapping(running, SCALABLE_ROOT);
    expect(await testDma(running, TRANSLATED)).toEqual({ result: 0n, memory: VALUE });
  });
});

describe('intel-iommu-test of QEMU', () => {
  it('finds the capabilities of a first stage, and the same registers after a reset', async () => {
    const running = await start(',x-scalable-mode=on,x-flts=on');
    const { read, write } = unit(running);
    const cap = await read('CAP');
    const fixed = (0x22n << 24n) | (1n << 39n) | (18n << 48n) | (3n << 34n) | 6n;
    expect(cap & ((3n << 9n) | (0x3fn << 16n) | fixed)).toBe((3n << 9n) | (47n << 16n) | fixed);
    const queueScalableFirst = (1n << 1n) | (1n << 43n) | (1n << 47n);
    expect((await read('ECAP')) & queueScalableFirst).toBe(queueScalableFirst);

    const before = await running.ok('read 0xfed90000 0x230');
    await write('RTADDR', ROOT);
    await write('FEDATA', 0x55n);
    expect(await running.ok('read 0xfed90000 0x230')).not.toBe(before);
    expect(await running.qmp('system_reset')).toContain('RESET');
    expect(await running.ok('read 0xfed90000 0x230')).toBe(before);
  });
});
