import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Gpa } from '../../src/core/address.ts';
import { OperationCounter } from '../../src/core/operation.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { Host } from '../../src/host/host.ts';
import { NestedWalker } from '../../src/host/nested-walk.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { Trace } from '../../src/trace/trace.ts';
import { findProgram } from '../support/system-program.ts';

const PASID = 1;
const DIRECTORY = 0x1000;
const PASID_ENTRIES = 0x2000;
const ROOT = 0x3000;
/** Input pages: 16,384 random ones out of 1 GiB. */
const PAGES = 16_384;
const SPAN = 2 ** 18;
/** As many as the IOTLB surely keeps. */
const HOT = 1024;
const COUNT = 2_000_000;
const ROUNDS = 5;

/** What the C program prints: nanoseconds, and the sum of the frames that it found. */
interface Result {
  readonly walk: number;
  readonly hit: number;
  readonly sum: number;
}

/** A guest with random 4-level tables from address 0 on, its PASID table bound to a function of the host. */
class Guest {
  readonly pages: number[] = [];
  readonly host: Host;
  readonly ram: RamBlock;
  #next = ROOT;

  constructor() {
    const operations = new OperationCounter();
    this.host = new Host({ operations, ...new Trace(operations).parts });
    this.ram = new RamBlock('ram', 1n << 30n, operations);
    const { iommu, memory } = this.host;
    const stage = iommu.createPageTable();
    stage.map(0n, this.ram.size, memory.hpaOf(this.ram, 0), false);
    this.device.claim(() => 'device');
    this.device.attach(stage);
    this.#put(DIRECTORY, PASID_ENTRIES, 1);
    this.#put(PASID_ENTRIES + 64 * PASID, 0, 0x41);
    this.#put(PASID_ENTRIES + 64 * PASID + 8, 0, 1);
    this.#put(PASID_ENTRIES + 64 * PASID + 16, ROOT, 0);
    const random = new SeededRandom(1);
    for (let i = 0; i < PAGES; i++) this.#map(random.below(SPAN), random.below(SPAN) * 4096);
    this.device.bindPasidTable({ address: BigInt(DIRECTORY) as Gpa, size: 4096n, format: 'vtd-scalable' });
  }

  get device() {
    return this.host.functions.find(({ name }) => name === '0000:3b:00.0')!;
  }

  /** The memory that holds the tables. */
  image(): Uint8Array {
    const bytes = new Uint8Array(this.#next + 4096);
    this.ram.read(0, bytes);
    return bytes;
  }

  #map(page: number, frame: number): void {
    let table = ROOT;
    for (let level = 4; level > 1; level--) {
      const slot = table + 8 * (Math.floor(page / 512 ** (level - 1)) % 512);
      if (this.ram.readU32(slot) === 0) this.#put(slot, (this.#next += 4096), 0x27);
      table = this.ram.readU32(slot) & ~0xfff;
    }
    this.#put(table + 8 * (page % 512), frame, 0x67);
    this.pages.push(page);
  }

  #put(address: number, frame: number, bits: number): void {
    this.ram.writeU32(address, frame | bits);
  }
}

/** Nanoseconds per call of `body`, the best of some rounds: what disturbs a round only makes it slower. */
function nanoseconds(body: (index: number) => void): number {
  let best = Infinity;
  for (let round = 0; round <= ROUNDS; round++) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < COUNT; i++) body(i);
    if (round > 0) best = Math.min(best, Number(process.hrtime.bigint() - begin) / COUNT);
  }
  return best;
}

/** `make bench`: the model's nested walk and its IOTLB hits beside a C walker over the same tables. */
export function benchWalks(): void {
  const compiler = findProgram('cc') ?? findProgram('gcc');
  if (compiler === null) {
    console.log('No C compiler is installed (package gcc): walks left out.');
    return;
  }
  const guest = new Guest();
  const { pages, host, device } = guest;
  const stage = host.iommu.pageTables[0]!;
  const top = { address: ROOT, levels: 4, canonicalBits: 48, writeProtect: true, extendedAccessed: false } as const;
  const walker = new NestedWalker(host.memory, 48, false);
  const sum = pages.reduce((total, page) => total + (walker.nested(stage, top, page, 'read') ? walker.frame : NaN), 0);
  const walk = nanoseconds((i) => void walker.nested(stage, top, pages[i % PAGES]!, 'read'));
  const name = (): string => 'device';
  const { translation } = host.iommu;
  const hit = nanoseconds((i) => void translation.translate(device, name, 0n, pages[i % HOT]!, PASID, false));

  const folder = mkdtempSync(join(tmpdir(), 'viommud-walk-'));
  try {
    const at = (file: string): string => join(folder, file);
    writeFileSync(at('image'), guest.image());
    writeFileSync(at('pages'), Uint32Array.from(pages));
    execFileSync(compiler, ['-O2', '-o', at('walk'), join(import.meta.dirname, 'walk.c')]);
    const run = (): Result =>
      JSON.parse(
        execFileSync(at('walk'), [at('image'), at('pages'), String(ROOT), String(COUNT)]).toString(),
      ) as Result;
    const results = Array.from({ length: ROUNDS }, run);
    const base = Number(host.memory.hpaOf(guest.ram, 0)) / 4096;
    if (results[0]!.sum !== sum - base * PAGES) throw new Error('the C walker found other frames');
    const best = (kind: 'walk' | 'hit'): number => Math.min(...results.map((result) => result[kind]));
    console.log(`translation of one page (${PAGES} pages; hits over ${HOT}; best of ${ROUNDS})`);
    const line = (what: string, own: number, c: number): void =>
      console.log(
        `  ${what} ${own.toFixed(1).padStart(6)} ns   in C ${c.toFixed(1).padStart(5)} ns   ratio ${(own / c).toFixed(1)}`,
      );
    line('4-level walk, nested:    ', walk, best('walk'));
    line('IOTLB hit, all checks:   ', hit, best('hit'));
    line('IOTLB hit against a walk:', hit, best('walk'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
