import { beforeEach, describe, expect, it } from 'vitest';
import { createHumanMonitor } from '../../src/monitor/human/commands.ts';
import { DumpFormats } from '../../src/monitor/human/dump-format.ts';
import { tracePointNames } from '../../src/trace/points/table.ts';
import { TraceLog } from '../../src/trace/trace-log.ts';
import { HandlerRig } from '../support/handlers.ts';

let lines: string[];
let rig: HandlerRig;
beforeEach(() => {
  lines = [];
  rig = new HandlerRig({ traceLog: new TraceLog((line) => lines.push(line)) });
});

const states = (name: string): string[] =>
  rig.run('trace-event-get-state', { name }).map((point) => `${point.name} ${point.state} ${point.vcpu}`);

// What QEMU 7.2 answers to the same, sentences and order included.
describe('trace-event-get-state and trace-event-set-state', () => {
  it('switch by glob and list in the opposite order', () => {
    expect(rig.run('trace-event-set-state', { name: 'vtd_dmar_e*', enable: true })).toEqual({});
    const off = ['vtd_dmar_fault disabled false', 'vtd_dmar_translate disabled false'] as const;
    expect(states('?td_dmar*')).toEqual([off[0], 'vtd_dmar_enable enabled false', off[1]]);
    expect(states('*dmar_e*')).toEqual(['vtd_dmar_enable enabled false']);
    rig.run('trace-event-set-state', { name: '*', enable: false });
    expect(states('vtd_dmar_enable')).toEqual(['vtd_dmar_enable disabled false']);
  });

  it.each<[string, bigint | undefined, string | null]>([
    ['nope', undefined, 'unknown event "nope"'],
    ['', undefined, 'unknown event ""'],
    ['vtd_dma?_enable', undefined, 'unknown event "vtd_dma?_enable"'],
    ['nope*', undefined, null],
    ['vtd_dmar_enable', 0n, 'invalid vCPU index 0'],
    ['nope', 7n, 'invalid vCPU index 7'],
    ['*', -1n, 'invalid vCPU index 4294967295'],
  ])('are asked of %s, vcpu %s', (name, vcpu, sentence) => {
    const selection = { name, ...(vcpu !== undefined && { vcpu }) };
    const refusal = sentence === null ? null : { refusal: sentence };
    expect(rig.attempt('trace-event-get-state', selection)).toEqual(refusal ?? { value: [] });
    const setting = { ...selection, enable: true, 'ignore-unavailable': true };
    expect(rig.attempt('trace-event-set-state', setting)).toEqual(refusal ?? { value: {} });
  });

  it('take effect at once', () => {
    rig.run('trace-event-set-state', { name: 'vtd_context_cache_reset', enable: true });
    rig.run('system_reset', {});
    expect(lines).toEqual(['vtd_context_cache_reset \n']);
  });
});

describe('the human monitor', () => {
  const identity = { version: { qemu: { major: 7, minor: 2, micro: 22 }, package: '' }, uuid: '' };
  const says = (line: string): string =>
    createHumanMonitor(rig.machine, identity, (action) => action(), new DumpFormats()).execute(line);

  it('switches and lists', () => {
    expect(says('trace-event vtd_dmar_enable on')).toBe('');
    const texts = ['vtd_dmar_fault : state 0', 'vtd_dmar_enable : state 1', 'vtd_dmar_translate : state 0'];
    expect(says('info trace-events vtd_dmar*')).toBe(texts.map((text) => `${text}\r\n`).join(''));
    expect(says('trace-event vtd_* off')).toBe('');
    expect(says('info trace-events vtd_dmar_enable')).toBe('vtd_dmar_enable : state 0\r\n');
    expect(says('info trace-events').split('\r\n')).toHaveLength(tracePointNames.length + 1);
  });

  it.each([
    ['info trace-events nope', 'unknown event "nope"\r\n'],
    ['info trace-events nope*', ''],
    ['info trace-events vtd_dmar* 7', 'invalid vCPU index 7\r\n'],
    ['trace-event nope on', 'unknown event "nope"\r\n'],
    ['trace-event nope* on', ''],
    ['trace-event vtd_dmar* off 7', 'invalid vCPU index 7\r\n'],
    [
      'trace-event vtd_dmar_enable maybe',
      "Expected 'on' or 'off'\r\nTry \"help trace-event\" for more information\r\n",
    ],
    ['trace-event vtd_dmar_enable', "Expected 'on' or 'off'\r\nTry \"help trace-event\" for more information\r\n"],
    ['trace-event', 'trace-event: string expected\r\nTry "help trace-event" for more information\r\n'],
    [
      'help trace-event',
      'trace-event name on|off [vcpu] -- changes status of a specific trace event (vcpu: vCPU to set, default is all)\r\n',
    ],
    [
      'help info trace-events',
      'info trace-events [name] [vcpu] -- show available trace-events & their state (name: event name pattern; vcpu: vCPU to query, default is any)\r\n',
    ],
  ])('answers %s', (line, text) => {
    expect(says(line)).toBe(text);
  });
});
