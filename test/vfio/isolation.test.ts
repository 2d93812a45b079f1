import { beforeEach, describe, expect, it } from 'vitest';
import type { Hpa } from '../../src/core/address.ts';
import { OperationCounter } from '../../src/core/operation.ts';
import type { HostMapping } from '../../src/host/page-table.ts';
import { Trace } from '../../src/trace/trace.ts';
import { Isolation, type Tenant } from '../../src/vfio/isolation.ts';

const MIB = 0x10_0000n;

let operations: OperationCounter;
let trace: Trace;
let isolation: Isolation;
beforeEach(() => {
  operations = new OperationCounter();
  trace = new Trace(operations);
  isolation = new Isolation(trace.parts);
});

const tenant = (name: string, tables: bigint | null, shared = false): Tenant => ({
  device: () => name,
  isShared: () => shared,
  tables: () => tables,
});
const mapping = (iova: bigint, hpa: bigint, size: bigint): HostMapping => ({
  iova,
  hpa: hpa as Hpa,
  size,
  readonly: false,
});
const violations = (): number => trace.checks.list().find(({ name }) => name === 'isolation')!.violations;
/** One operation that maps. */
const map = (who: Tenant, iova: bigint, hpa: bigint, size = 0x1000n): void =>
  operations.run(() => isolation.mapped(who, mapping(iova, hpa, size)));

describe('isolation', () => {
  const one = tenant('one', 1n);
  const two = tenant('two', 2n);

  it('sees a page inside a large one, wherever that begins and ends', () => {
    map(one, 0n, 64n * MIB, 1024n * MIB);
    map(two, 0n, 64n * MIB - 0x1000n);
    map(two, 0x1000n, 1088n * MIB);
    expect(violations()).toBe(0);
    map(two, 0x2000n, 1088n * MIB - 0x1000n);
    expect(trace.checks.list().find(({ name }) => name === 'isolation')!.last!.desc).toBe(
      "Host page 0x43fff000 is reached by 'two' at 0x2000 and by 'one' at 0x3ffff000, whose tables are not the same; " +
        'devices that share memory are to have shared=on',
    );
    expect(violations()).toBe(1);
  });

  it('tells of a pair once in an operation', () => {
    map(one, 0n, 0n, 4n * MIB);
    operations.run(() => {
      for (const page of [0n, 0x1000n, 2n * MIB]) isolation.mapped(two, mapping(page, page, 0x1000n));
    });
    expect(violations()).toBe(1);
    map(two, 3n * MIB, 3n * MIB);
    expect(violations()).toBe(2);
  });

  it.each<[string, Tenant, Tenant]>([
    ['by one table', tenant('a', 7n), tenant('b', 7n)],
    ['by declaration of both', tenant('a', 1n, true), tenant('b', 2n, true)],
  ])('is not asked of devices that share %s', (_how, first, second) => {
    map(first, 0n, 0n);
    map(second, 0n, 0n);
    expect(violations()).toBe(0);
  });

  it.each<[string, Tenant, Tenant]>([
    ['one of them', tenant('a', 1n, true), tenant('b', 2n)],
    ['tables that nobody knows', tenant('a', null), tenant('b', null)],
  ])('is asked with the declaration of %s', (_how, first, second) => {
    map(first, 0n, 0n);
    map(second, 0n, 0n);
    expect(violations()).toBe(1);
  });

  it('forgets what was unmapped, and who is gone', () => {
    map(one, 0n, 0n, 4n * MIB);
    isolation.unmapped(one, 0n);
    map(two, 0n, 0n);
    isolation.forget(two);
    map(one, 0n, 0n);
    isolation.unmapped(one, 0x5000n);
    expect(violations()).toBe(0);
  });

  it('takes a restored map as it is, and compares what comes', () => {
    map(one, 0n, 0n);
    isolation.restore(one, [mapping(0n, 2n * MIB, 0x1000n)]);
    isolation.restore(two, [mapping(0n, 2n * MIB, 0x1000n)]);
    map(two, 0x1000n, 0n);
    expect(violations()).toBe(0);
    map(two, 0x2000n, 2n * MIB);
    expect(violations()).toBe(1);
  });
});
