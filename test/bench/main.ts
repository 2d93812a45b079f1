/**
 * `make bench`: commands per second of this daemon beside a bare Node echo server and, where it is installed, real
 * QEMU, taken in turn in one run; then translations beside a C program's. Only the ratios mean anything: the machine's speed drifts, and the round trips of
 * all candidates drift with it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../support/system-program.ts';
import { type Candidate, withCandidate } from './load.ts';
import { benchTracePoints } from './trace-points.ts';
import { benchWalks } from './walk.ts';

const rounds = 3;
const runs = [
  { name: '20,000 round trips', total: 20_000, slow: 20_000, depth: 1 },
  { name: 'pipelined, 64 deep', total: 400_000, slow: 20_000, depth: 64 },
];

const folder = mkdtempSync(join(tmpdir(), 'viommud-bench-'));
const at = (name: string): string => join(folder, `${name}.sock`);

const candidates: Candidate[] = [
  {
    name: 'viommud',
    command: [process.execPath, 'dist/main.js', '-qmp', `unix:${at('viommud')},server=on,wait=off`],
    socket: at('viommud'),
  },
  {
    name: 'Node echo',
    command: [process.execPath, '--import', 'tsx', 'test/bench/echo-server.ts', at('echo')],
    socket: at('echo'),
  },
];
const qemu = findProgram('qemu-system-x86_64');
if (qemu !== null) {
  candidates.push({
    name: 'QEMU',
    command: [qemu, '-M', 'none', '-display', 'none', '-nodefaults', '-qmp', `unix:${at('qemu')},server=on,wait=off`],
    socket: at('qemu'),
  });
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

try {
  const results = new Map<string, number[][]>(candidates.map(({ name }) => [name, runs.map(() => [])]));
  for (let round = 0; round < rounds; round += 1) {
    for (const candidate of candidates) {
      await withCandidate(candidate, async (measure) => {
        await measure(2_000, 64);
        for (const [index, run] of runs.entries()) {
          const total = candidate.name === 'QEMU' ? run.slow : run.total;
          results.get(candidate.name)![index]!.push(await measure(total, run.depth));
        }
      });
    }
  }
  for (const [index, run] of runs.entries()) {
    console.log(`${run.name} (query-status; median of ${rounds})`);
    const own = median(results.get('viommud')![index]!);
    for (const { name } of candidates) {
      const rate = median(results.get(name)![index]!);
      const ratio = name === 'viommud' ? '' : `   viommud/${name} = ${(own / rate).toFixed(2)}`;
      console.log(`  ${name.padEnd(10)} ${Math.round(rate).toLocaleString('en-US').padStart(9)} commands/s${ratio}`);
    }
  }
  if (qemu === null) console.log('QEMU is not installed (package qemu-system-x86): left out.');
  benchWalks();
  benchTracePoints();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
