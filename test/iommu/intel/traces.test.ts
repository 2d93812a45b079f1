import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TraceLog } from '../../../src/trace/trace-log.ts';
import { recordedScenarios } from './scenario.ts';
import { ScenarioPlayer } from './scenario-player.ts';

/** What QEMU 7.2 wrote with `-trace vtd_* -trace x86_iommu* -D FILE` while rig.py played the scenario on it. */
const folder = join(import.meta.dirname, '../../conformance/vtd/traces');

/**
 * Lines that depend on how often, and in which order of a hash table, the unit looks at its devices; they are not in the
 * recordings either, nor is what comes before the first step.
 */
const LOOKS = /^vtd_(switch_address_space|ce_not_present|re_not_present) /;

describe('trace points of a scenario are those that QEMU 7.2 writes', () => {
  const scenarios = new Map(recordedScenarios().map(({ scenario }) => [scenario.name, scenario]));
  const names = readdirSync(folder).map((file) => basename(file, '.trace'));

  it.each(names)('%s', (name) => {
    const lines: string[] = [];
    const traceLog = new TraceLog((line) => lines.push(line));
    for (const pattern of ['vtd_*', 'x86_iommu*']) traceLog.set(pattern, true);
    new ScenarioPlayer(scenarios.get(name)!, { traceLog }).play();
    const told = lines.filter((line) => !LOOKS.test(line)).join('');
    expect(told).toBe(readFileSync(join(folder, `${name}.trace`), 'utf8'));
  });
});
