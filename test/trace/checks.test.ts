import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { schema } from '../../src/generated/schema.ts';
import { Checks } from '../../src/trace/checks.ts';
import { type ModelEvent, ModelEvents } from '../../src/trace/model-events.ts';

function recorded() {
  const operations = new OperationCounter();
  const events = new ModelEvents(operations);
  const seen: ModelEvent[] = [];
  events.subscribe((event) => seen.push(event));
  return { operations, events, seen, checks: new Checks({ events, operations }) };
}

const find = (checks: Checks, name: string) => checks.list().find((check) => check.name === name)!;

describe('checks', () => {
  it('are those of the schema, in its order, on, and without violations', () => {
    const { checks } = recorded();
    const names = schema.types['CheckName'];
    expect(checks.list().map(({ name }) => name)).toEqual(names?.kind === 'enum' ? names.values : []);
    for (const check of checks.list()) expect(check).toMatchObject({ enabled: true, stop: false, violations: 0 });
    expect(find(checks, 'isolation')).not.toHaveProperty('last');
  });

  it('that fail are told and counted, with the event and the operation', () => {
    const { checks, operations, seen } = recorded();
    operations.run(() => checks.fail('bad-unmap', { device: 'nic0', desc: 'Never mapped' }));
    operations.run(() => checks.fail('bad-unmap', { desc: 'Split' }));
    expect(seen.map(({ name, data }) => [name, data])).toEqual([
      ['MODEL_CHECK_FAILED', { check: 'bad-unmap', device: 'nic0', desc: 'Never mapped', sequence: 1, operation: 1 }],
      ['MODEL_CHECK_FAILED', { check: 'bad-unmap', desc: 'Split', sequence: 2, operation: 2 }],
    ]);
    expect(find(checks, 'bad-unmap')).toEqual({
      name: 'bad-unmap',
      enabled: true,
      stop: false,
      violations: 2,
      last: { sequence: 2, operation: 2, desc: 'Split' },
    });
    expect(find(checks, 'isolation').violations).toBe(0);
  });

  it('that have an event of their own, or none, are counted only', () => {
    const { checks, operations, seen } = recorded();
    operations.run(() => {
      checks.record('stale-translation', { sequence: 9, desc: 'Old' });
      checks.count('over-flush', 'Three entries too many', 3);
      checks.count('over-flush', 'None too many', 0);
    });
    expect(seen).toEqual([]);
    expect(find(checks, 'stale-translation').last).toEqual({ sequence: 9, operation: 1, desc: 'Old' });
    expect(find(checks, 'over-flush')).toMatchObject({ violations: 3, last: { operation: 1 } });
    expect(find(checks, 'over-flush').last).not.toHaveProperty('sequence');
  });

  it('that are off say and count nothing', () => {
    const { checks, seen } = recorded();
    checks.set('bad-unmap', { enabled: false });
    expect(checks.isEnabled('bad-unmap')).toBe(false);
    checks.fail('bad-unmap', { desc: 'x' });
    checks.record('bad-unmap', { sequence: 1, desc: 'x' });
    checks.count('bad-unmap', 'x');
    expect(seen).toEqual([]);
    expect(find(checks, 'bad-unmap')).toMatchObject({ enabled: false, violations: 0 });
    checks.set('bad-unmap', { enabled: true });
    checks.fail('bad-unmap', { desc: 'x' });
    expect(find(checks, 'bad-unmap').violations).toBe(1);
  });

  it('stop the machine where they are told to, behind their event', () => {
    const { checks, events, seen } = recorded();
    const stops: string[] = [];
    checks.onStop((name) => stops.push(`${name} behind ${seen.length}`));
    checks.set('isolation', { stop: true });
    checks.fail('bad-unmap', { desc: 'x' });
    checks.fail('isolation', { desc: 'y' });
    expect(stops).toEqual(['isolation behind 2']);
    checks.set('isolation', { enabled: false });
    checks.fail('isolation', { desc: 'z' });
    checks.set('over-flush', { stop: true });
    checks.count('over-flush', 'w');
    expect(stops).toEqual(['isolation behind 2', 'over-flush behind 2']);
    expect(events.sequence).toBe(2);
  });

  it('are saved and restored', () => {
    const { checks } = recorded();
    checks.set('isolation', { enabled: false, stop: true });
    checks.fail('bad-unmap', { desc: 'x' });
    const saved = structuredClone(checks.save());
    const other = recorded().checks;
    other.fail('dead-notifier', { desc: 'y' });
    other.restore(saved);
    expect(other.list()).toEqual(checks.list());
  });
});
