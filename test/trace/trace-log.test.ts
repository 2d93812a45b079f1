import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { noTracePoints, tracePointNames } from '../../src/trace/points/table.ts';
import { TraceLog } from '../../src/trace/trace-log.ts';
import { Trace } from '../../src/trace/trace.ts';

function logged(): { log: TraceLog; lines: string[] } {
  const lines: string[] = [];
  return { log: new TraceLog((line) => lines.push(line)), lines };
}

const enabled = (log: TraceLog): string[] =>
  log
    .find('*')
    .filter((point) => point.enabled)
    .map(({ name }) => name);

describe('a trace log', () => {
  it('has every point off at first', () => {
    const { log } = logged();
    expect(log.find('*').map(({ name }) => name)).toEqual(tracePointNames);
    expect(enabled(log)).toEqual([]);
    expect(log.points).toEqual(noTracePoints);
  });

  it.each([
    ['vtd_dmar*', true, ['vtd_dmar_translate', 'vtd_dmar_enable', 'vtd_dmar_fault']],
    ['vtd_?mar_enable', true, ['vtd_dmar_enable']],
    ['vtd_dmar_enable', true, ['vtd_dmar_enable']],
    ['nope*', true, []],
    ['nope', false, []],
    ['?ope', false, []],
    ['VTD_DMAR_ENABLE', false, []],
  ])('switches by %s', (pattern, known, names) => {
    const { log } = logged();
    expect(log.set(pattern, true)).toBe(known);
    expect(enabled(log)).toEqual(names);
    log.set('*', false);
    expect(enabled(log)).toEqual([]);
  });

  it('writes the name, then the text', () => {
    const { log, lines } = logged();
    log.set('vtd_*', true);
    const { points } = log;
    points.vtd_reg_write?.(0x18, 4, 0x8000_0000n);
    points.vtd_inv_qi_fetch?.();
    points.flatview_new?.(log, lines);
    log.set('vtd_inv*', false);
    points.vtd_inv_qi_fetch?.();
    expect(lines).toEqual(['vtd_reg_write addr 0x18 size 0x4 value 0x80000000\n', 'vtd_inv_qi_fetch \n']);
  });

  it('numbers objects in the place of addresses', () => {
    const { log, lines } = logged();
    log.set('flatview_*', true);
    const [view, root] = [{}, {}];
    log.points.flatview_new?.(view, root);
    log.points.flatview_destroy?.(view, root);
    expect(lines).toEqual(['flatview_new 0x1 (root 0x2)\n', 'flatview_destroy 0x1 (root 0x2)\n']);
  });

  it('does not make the arguments of a point that is off', () => {
    const { log } = logged();
    const { points } = new Trace(new OperationCounter(), undefined, log).parts;
    let made = 0;
    const argument = (): boolean => ++made > 0;
    points.vtd_dmar_enable?.(argument());
    expect(made).toBe(0);
    log.set('vtd_dmar_enable', true);
    points.vtd_dmar_enable?.(argument());
    expect(made).toBe(1);
  });
});
